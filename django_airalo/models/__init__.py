from .account import BalanceRecord, Heartbeat, SubmissionPause, UnknownOutcomes
from .catalogue import Country, Operator, Package, PackagePrice
from .deployment import Deployment, ListedPurchase
from .devices import CompatibleDevice
from .esims import Esim, EsimInstructions, EsimPackage
from .fields import EncryptedTextField
from .order_events import OrderEvent
from .orders import EsimOrder
from .pricing import ExchangeRate, PricingRule
from .refunds import Refund, RefundReason
from .selling_prices import SellingPrice
from .syncs import SyncRun
from .usage import UsageRecord, UsageStatus
from .vouchers import Voucher
from .webhooks import WebhookEvent

__all__ = [
    "BalanceRecord",
    "CompatibleDevice",
    "Country",
    "Deployment",
    "EncryptedTextField",
    "Esim",
    "EsimInstructions",
    "EsimOrder",
    "EsimPackage",
    "ExchangeRate",
    "Heartbeat",
    "ListedPurchase",
    "Operator",
    "OrderEvent",
    "Package",
    "PackagePrice",
    "PricingRule",
    "Refund",
    "RefundReason",
    "SellingPrice",
    "SubmissionPause",
    "SyncRun",
    "UnknownOutcomes",
    "UsageRecord",
    "UsageStatus",
    "Voucher",
    "WebhookEvent",
]
