from .account import BalanceRecordAdmin, HeartbeatAdmin, SubmissionPauseAdmin
from .catalogue import (
    CatalogueSyncAdmin,
    CompatibleDeviceAdmin,
    CountryAdmin,
    ExchangeRateAdmin,
    OperatorAdmin,
    PackageAdmin,
)
from .esims import EsimAdmin, EsimInstructionsAdmin, EsimPackageAdmin, UsageRecordAdmin
from .orders import EsimOrderAdmin, OrderEventAdmin
from .outgoing import RefundAdmin, VoucherAdmin
from .pricing import PricingRuleAdmin
from .webhooks import WebhookEventAdmin

__all__ = [
    "BalanceRecordAdmin",
    "CatalogueSyncAdmin",
    "CompatibleDeviceAdmin",
    "CountryAdmin",
    "EsimAdmin",
    "EsimInstructionsAdmin",
    "EsimOrderAdmin",
    "EsimPackageAdmin",
    "ExchangeRateAdmin",
    "HeartbeatAdmin",
    "OperatorAdmin",
    "OrderEventAdmin",
    "PackageAdmin",
    "PricingRuleAdmin",
    "RefundAdmin",
    "SubmissionPauseAdmin",
    "UsageRecordAdmin",
    "VoucherAdmin",
    "WebhookEventAdmin",
]
