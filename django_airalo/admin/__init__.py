from .account import BalanceRecordAdmin, HeartbeatAdmin, SubmissionPauseAdmin
from .catalogue import (
    CompatibleDeviceAdmin,
    CountryAdmin,
    ExchangeRateAdmin,
    OperatorAdmin,
    PackageAdmin,
    SyncRunAdmin,
)
from .deployment import DeploymentAdmin, ListedPurchaseAdmin
from .esims import EsimAdmin, EsimInstructionsAdmin, EsimPackageAdmin, UsageRecordAdmin
from .orders import EsimOrderAdmin, OrderEventAdmin
from .pricing import PricingRuleAdmin
from .refunds_and_vouchers import RefundAdmin, VoucherAdmin
from .webhooks import WebhookEventAdmin

__all__ = [
    "BalanceRecordAdmin",
    "CompatibleDeviceAdmin",
    "CountryAdmin",
    "DeploymentAdmin",
    "EsimAdmin",
    "EsimInstructionsAdmin",
    "EsimOrderAdmin",
    "EsimPackageAdmin",
    "ExchangeRateAdmin",
    "HeartbeatAdmin",
    "ListedPurchaseAdmin",
    "OperatorAdmin",
    "OrderEventAdmin",
    "PackageAdmin",
    "PricingRuleAdmin",
    "RefundAdmin",
    "SubmissionPauseAdmin",
    "SyncRunAdmin",
    "UsageRecordAdmin",
    "VoucherAdmin",
    "WebhookEventAdmin",
]
