"""What the emulator can be told: one field per keyword of ``Emulator``; most are options of the command line."""

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
# simulator and refunds. For orders nothing is published, so nothing is limited here unless asked for. Neither is what
# Airalo's pages do not agree about: its sandbox (50/min for a partner, or 5/s for each endpoint), for which there is
# the limit ``sandbox``, and 10/min per ICCID for its top-ups, said in one place only.
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
    """All knobs of an emulator. Durations are seconds, money is US dollars.

    Most may be changed while it runs: see ``change()``.
    """

    #: The address to listen on.
    host: str = "127.0.0.1"
    #: The port to listen on; 0 takes a free one. (On the command line 8010 is the default.)
    port: int = 0
    #: An SQLite file for the ledger. ``None`` keeps it in memory until the emulator stops.
    ledger: Path | str | None = None
    #: A PEM file; with it the emulator speaks HTTPS.
    tls_certificate: Path | str | None = None
    #: A PEM file. With ``None`` the key is in the certificate's file.
    tls_key: Path | str | None = None
    #: The partner's id.
    client_id: str = DEFAULT_CLIENT_ID
    #: The partner's secret. Webhooks are signed with it, too.
    client_secret: str = field(default=DEFAULT_CLIENT_SECRET, repr=False)
    #: The seed of the catalogue and of random faults.
    seed: int = 1
    #: The balance of a new ledger; an existing ledger keeps its own.
    balance: Decimal = Decimal("10000.00")
    #: Whether to act as Airalo's sandbox, with no webhooks, nothing deducted and no waiting for a future order's date.
    sandbox: bool = False
    #: ``net_pricing``, or ``discount_pricing``, which tells no net price.
    pricing_model: str = "net_pricing"
    #: Per cent off the retail price under ``discount_pricing``.
    discount_percentage: int = 20
    #: The names of brands that exist. ``None`` means any.
    brands: tuple[str, ...] | None = None
    #: More top-ups of one eSIM than this are refused with ``order_exceed_limit`` (undocumented). ``None`` means never.
    topups_per_esim: int | None = None
    #: The reasons for a refund that are taken. ``None`` means any.
    refund_reasons: tuple[str, ...] | None = REFUND_REASONS
    #: Take the price of eSIM vouchers when they are made (not documented).
    charge_vouchers: bool = True
    #: Seconds for which an eSIM's usage is told as it was (Airalo 1200, its sandbox 3600).
    usage_cache: float = 0.0
    #: From page 2 on, the ``data`` of the packages is an object keyed by index, not a list.
    keyed_pages: bool = True
    #: Show the ``test-…`` packages in the catalogue too (they can always be ordered).
    list_test_packages: bool = False
    #: Whether the partner may see the product information of packages. If not, the answer is 403.
    product_information: bool = True
    #: The rows of ``GET /v2/packages/overrides``; their real shape is not known.
    overrides: tuple[dict[str, Any], ...] = ()
    #: Whether the order list has asynchronous orders that failed (not known of Airalo's).
    list_failed: bool = False
    #: Seconds between the fulfilment of an order and its being found in the order list.
    listing_delay: float = 0.0
    #: The shape of a success webhook, ``enveloped``, ``flat`` or ``nested``.
    webhook_shape: str = "enveloped"
    #: Seconds between the acceptance (202) of an order and its fulfilment, and so its webhook.
    webhook_delay: float = 1.0
    #: Seconds to wait for the shop's answer to a webhook.
    webhook_timeout: float = 10.0
    #: How often a webhook is sent again that was not answered with 200.
    retries: int = 20
    #: Seconds until it is sent again.
    retry_interval: float = 900.0
    #: Whether a failure webhook has a ``code``.
    failure_has_code: bool = True
    #: Whether a failure webhook has the order's ``request_id``.
    failure_has_request_id: bool = True
    #: Whether a failure webhook is wrapped in ``data``.
    failure_enveloped: bool = False
    #: Ask webhook addresses with ``HEAD`` before accepting them.
    head_probe: bool = True
    #: Seconds that a token is good for, told as ``expires_in``.
    token_lifetime: int = 31_622_400
    #: Whether calls beyond ``limits`` are refused.
    rate_limits: bool = True
    #: Calls allowed in so many seconds, by the name of the endpoint. The default is what Airalo documents, but for its
    #: sandbox, of which its pages say different things.
    limits: dict[str, tuple[int, float]] = field(default_factory=lambda: dict(DOCUMENTED_LIMITS))
    #: The share of calls that get a fault drawn at random from the seed, from 0 to 1.
    fault_rate: float = 0.0

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

        Raises ValueError for a name that is no option, or one that only counts at start: ``host``, ``port``,
        ``ledger``, ``balance``, ``seed``, ``tls_certificate`` and ``tls_key``.
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
