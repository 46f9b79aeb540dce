from .account import BalanceRecord, Heartbeat, SubmissionPause
from .catalogue import Country, Operator, Package, PackagePrice
from .devices import CompatibleDevice
from .esims import Esim, EsimInstructions, EsimPackage
from .fields import EncryptedTextField
from .orders import EsimOrder, OrderEvent
from .pricing import ExchangeRate, PricingRule, SellingPrice
from .refunds import Refund, RefundReason
from .syncs import CatalogueSync
from .usage import UsageRecord, UsageStatus
from .vouchers import Voucher
from .webhooks import WebhookEvent

__all__ = [
    "BalanceRecord",
    "CatalogueSync",
    "CompatibleDevice",
    "Country",
    "EncryptedTextField",
    "Esim",
    "EsimInstructions",
    "EsimOrder",
    "EsimPackage",
    "ExchangeRate",
    "Heartbeat",
    "Operator",
    "OrderEvent",
    "Package",
    "PackagePrice",
    "PricingRule",
    "Refund",
    "RefundReason",
    "SellingPrice",
    "SubmissionPause",
    "UsageRecord",
    "UsageStatus",
    "Voucher",
    "WebhookEvent",
]
