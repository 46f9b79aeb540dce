"""What the emulator can be told: one field per option of the command line and keyword of ``Emulator``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

DEFAULT_CLIENT_ID = "emulator-client"
DEFAULT_CLIENT_SECRET = "emulator-secret"  # noqa: S105  an invented credential of an invented partner
WEBHOOK_SHAPES = ("enveloped", "flat", "nested")
PRICING_MODELS = ("net_pricing", "discount_pricing")

# Calls allowed per number of seconds. Airalo publishes 3/min for the token (all clients of one partner together),
# 80/min per access token for the packages, 10/min per ICCID for its usage and its packages, 5/s for the usage of
# all ICCIDs together, 60/min per package for its product information, and 5/min per address for the webhook
# simulator and refunds. For orders nothing is published, so nothing is limited here unless asked for.
DOCUMENTED_LIMITS: dict[str, tuple[int, float]] = {
    "token": (3, 60.0),
    "packages": (80, 60.0),
    "usage": (10, 60.0),
    "usage-client": (5, 1.0),
    "sims-packages": (10, 60.0),
    "product-information": (60, 60.0),
    "simulator": (5, 60.0),
    "refund": (5, 60.0),
}


# From the documentation of 2026; that of 2025 had four others.
REFUND_REASONS: tuple[str, ...] = (
    *("INSTALLATION_FAILURE", "NO_COVERAGE", "APN_FAILURE", "TRIP_CANCELLATION", "INTERMITTENT_CONNECTION"),
    *("BLOCKED_NETWORK", "CHANGE_OF_PLAN", "DELETED_ESIM", "EARLY_EXPIRY", "HOTSPOT_NOT_WORKING", "IMSI_CHANGE"),
    *("INCOMPATIBLE_DEVICE", "LOCKED_DEVICE", "NO_VOICE_TEXT_SERVICES", "OVERCHARGED", "SLOW_SPEED"),
    *("TOP_UP_PACKAGE_FAILURE", "UNKNOWN_CHARGES", "WRONG_PURCHASE", "UNABLE_TO_ACCESS_APPS", "SERVICE_DEGRADATION"),
    *("QR_ISSUE_PARTNERS", "OTHERS"),
)


@dataclass
class Options:
    """All knobs of an emulator. Durations are seconds, money is US dollars. May be changed while it runs."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    ledger: Path | str | None = None  # None: in memory, gone when the emulator stops
    tls_certificate: Path | str | None = None  # PEM file; with it the emulator speaks HTTPS
    tls_key: Path | str | None = None  # None: the key is in the certificate's file
    client_id: str = DEFAULT_CLIENT_ID
    client_secret: str = field(default=DEFAULT_CLIENT_SECRET, repr=False)
    seed: int = 1  # of the catalogue and of random faults
    balance: Decimal = Decimal("10000.00")  # of a new ledger; an existing ledger keeps its own
    sandbox: bool = False  # no webhooks, nothing deducted
    pricing_model: str = "net_pricing"
    discount_percentage: int = 20  # under discount_pricing
    brands: tuple[str, ...] | None = None  # brand names that exist; None: any
    topups_per_esim: int | None = None  # more are refused with order_exceed_limit; None: any number (not documented)
    refund_reasons: tuple[str, ...] | None = REFUND_REASONS  # None: any
    charge_vouchers: bool = True  # take the price of eSIM vouchers when they are made (not documented)
    usage_cache: float = 0.0  # seconds for which an eSIM's usage is told as it was (Airalo: 20 minutes, sandbox 60)
    keyed_pages: bool = True  # from page 2 on, the packages' `data` is an object keyed by index, not a list
    list_test_packages: bool = False  # show the test-… packages in the catalogue too (they can always be ordered)
    product_information: bool = True  # False: the partner may not see it (403)
    overrides: tuple[dict[str, Any], ...] = ()  # rows of GET /v2/packages/overrides; their real shape is not known
    list_failed: bool = False  # whether failed async orders are in the order list (unknown of the real one)
    listing_delay: float = 0.0  # between fulfilment and being found in the order list
    webhook_shape: str = "enveloped"
    webhook_delay: float = 1.0  # between the 202 and fulfilment, and so the webhook
    webhook_timeout: float = 10.0
    retries: int = 20  # after the first try
    retry_interval: float = 900.0
    failure_has_code: bool = True
    failure_has_request_id: bool = True
    failure_enveloped: bool = False
    head_probe: bool = True  # ask webhook addresses with HEAD before accepting them
    token_lifetime: int = 31_622_400  # told as expires_in
    rate_limits: bool = True
    limits: dict[str, tuple[int, float]] = field(default_factory=lambda: dict(DOCUMENTED_LIMITS))
    fault_rate: float = 0.0  # share of calls that get a fault drawn at random from the seed

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise ValueError, saying which option is wrong."""
        if self.webhook_shape not in WEBHOOK_SHAPES:
            raise ValueError(f"webhook_shape must be one of {', '.join(WEBHOOK_SHAPES)}")
        if self.pricing_model not in PRICING_MODELS:
            raise ValueError(f"pricing_model must be one of {', '.join(PRICING_MODELS)}")
        if not 0 <= self.fault_rate <= 1:
            raise ValueError("fault_rate must be between 0 and 1")
        self.balance = Decimal(str(self.balance))

    def change(self, **changes: Any) -> None:
        """Set some options of a running emulator.

        Raises ValueError for a name that is no option, or one that only counts at start.
        """
        fixed = {"host", "port", "ledger", "balance", "seed", "tls_certificate", "tls_key"}
        names = {item.name for item in fields(self)} - fixed
        for name in changes:
            if name not in names:
                raise ValueError(f"{name} is not an option that can be changed while the emulator runs")
        before = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, value)
        try:
            self.check()
        except ValueError:
            for name, value in before.items():
                setattr(self, name, value)
            raise
