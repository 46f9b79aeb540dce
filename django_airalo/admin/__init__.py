from .account import BalanceRecordAdmin, HeartbeatAdmin, SubmissionPauseAdmin
from .catalogue import (
    CatalogueSyncAdmin,
    CompatibleDeviceAdmin,
    CountryAdmin,
    ExchangeRateAdmin,
    OperatorAdmin,
    PackageAdmin,
)
from .orders import EsimAdmin, EsimOrderAdmin, OrderEventAdmin
from .outgoing import RefundAdmin, VoucherAdmin
from .pricing import PricingRuleAdmin
from .webhooks import WebhookEventAdmin

__all__ = [
    "BalanceRecordAdmin",
    "CatalogueSyncAdmin",
    "CompatibleDeviceAdmin",
    "CountryAdmin",
    "EsimAdmin",
    "EsimOrderAdmin",
    "ExchangeRateAdmin",
    "HeartbeatAdmin",
    "OperatorAdmin",
    "OrderEventAdmin",
    "PackageAdmin",
    "PricingRuleAdmin",
    "RefundAdmin",
    "SubmissionPauseAdmin",
    "VoucherAdmin",
    "WebhookEventAdmin",
]
