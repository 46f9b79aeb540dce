from .account import BalanceRecord, Heartbeat, SubmissionPause
from .catalogue import Package
from .esims import Esim, EsimInstructions, EsimPackage
from .fields import EncryptedTextField
from .orders import EsimOrder, OrderEvent
from .usage import UsageRecord, UsageStatus
from .webhooks import WebhookEvent

__all__ = [
    "BalanceRecord",
    "EncryptedTextField",
    "Esim",
    "EsimInstructions",
    "EsimOrder",
    "EsimPackage",
    "Heartbeat",
    "OrderEvent",
    "Package",
    "SubmissionPause",
    "UsageRecord",
    "UsageStatus",
    "WebhookEvent",
]
