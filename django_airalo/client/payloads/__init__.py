"""What Airalo sends, as frozen dataclasses.

Airalo's documents give numbers as numbers or as strings, lists or dicts, and wrap answers in an envelope or not,
depending on the endpoint; ``from_json()`` takes them all. A field that is missing or unreadable becomes ``None`` (or
empty); only what an object cannot do without raises :class:`~django_airalo.exceptions.PayloadError`. The whole document
stays at hand in ``raw``, which, like every secret, is kept out of ``repr``.
"""

from .account import (
    AirmoneyVoucherData,
    BalanceData,
    EsimVoucherData,
    EsimVoucherRequest,
    NotificationData,
    RefundData,
    TokenData,
)
from .details import (
    DeviceData,
    ExchangeRateData,
    ExchangeRatesData,
    PackageOverrideData,
    ProductInformationData,
)
from .orders import MAX_SIMS, AcceptedOrder, FutureOrderData, OrderData, ScheduledOrder, SimData, UserData
from .packages import (
    MAX_INSTRUCTIONS,
    CountryData,
    CoverageData,
    LocationData,
    NetworkData,
    OperatorData,
    PackageData,
)
from .sims import InstallationGuide, InstructionsData, SimPackageData, UsageData
from .values import (
    MAX_INTEGER,
    Json,
    Page,
    PricingData,
    as_bool,
    as_date,
    as_datetime,
    as_decimal,
    as_int,
    as_mapping,
    as_objects,
    as_prices,
    as_request_id,
    as_text,
    as_texts,
    unwrap,
)

__all__ = [
    "MAX_INSTRUCTIONS",
    "MAX_INTEGER",
    "MAX_SIMS",
    "AcceptedOrder",
    "AirmoneyVoucherData",
    "BalanceData",
    "CountryData",
    "CoverageData",
    "DeviceData",
    "EsimVoucherData",
    "EsimVoucherRequest",
    "ExchangeRateData",
    "ExchangeRatesData",
    "FutureOrderData",
    "InstallationGuide",
    "InstructionsData",
    "Json",
    "LocationData",
    "NetworkData",
    "NotificationData",
    "OperatorData",
    "OrderData",
    "PackageData",
    "PackageOverrideData",
    "Page",
    "PricingData",
    "ProductInformationData",
    "RefundData",
    "ScheduledOrder",
    "SimData",
    "SimPackageData",
    "TokenData",
    "UsageData",
    "UserData",
    "as_bool",
    "as_date",
    "as_datetime",
    "as_decimal",
    "as_int",
    "as_mapping",
    "as_objects",
    "as_prices",
    "as_request_id",
    "as_text",
    "as_texts",
    "unwrap",
]
