from .account import BalanceRecordAdmin, HeartbeatAdmin, SubmissionPauseAdmin
from .catalogue import PackageAdmin
from .orders import EsimAdmin, EsimOrderAdmin, OrderEventAdmin
from .webhooks import WebhookEventAdmin

__all__ = [
    "BalanceRecordAdmin",
    "EsimAdmin",
    "EsimOrderAdmin",
    "HeartbeatAdmin",
    "OrderEventAdmin",
    "PackageAdmin",
    "SubmissionPauseAdmin",
    "WebhookEventAdmin",
]
