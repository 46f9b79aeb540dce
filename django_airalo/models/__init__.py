from .account import SubmissionPause
from .catalogue import Package
from .esims import Esim
from .fields import EncryptedTextField
from .orders import EsimOrder, OrderEvent
from .webhooks import WebhookEvent

__all__ = ["EncryptedTextField", "Esim", "EsimOrder", "OrderEvent", "Package", "SubmissionPause", "WebhookEvent"]
