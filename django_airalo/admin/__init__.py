from .account import SubmissionPauseAdmin
from .catalogue import PackageAdmin
from .orders import EsimAdmin, EsimOrderAdmin, OrderEventAdmin
from .webhooks import WebhookEventAdmin

__all__ = [
    "EsimAdmin",
    "EsimOrderAdmin",
    "OrderEventAdmin",
    "PackageAdmin",
    "SubmissionPauseAdmin",
    "WebhookEventAdmin",
]
