"""What the emulator can be set to: one field per keyword of ``Emulator``; most are options of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from .fault_presets import RANDOM

DEFAULT_CLIENT_ID = "emulator-client"
DEFAULT_CLIENT_SECRET = "emulator-secret"  # noqa: S105  an invented credential of an invented partner
WEBHOOK_SHAPES = ("enveloped", "flat", "nested")
NET_PRICES = ("mixed", "always", "null", "absent")
EARLIEST = ("day-after-tomorrow", "48-hours")
IDLE_ENDS = ("reset", "silent", "close")
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
    #: How the answer to an order tells the net price under ``net_pricing``: ``always``, as ``null``, or not at all
    #: (``absent``; then ``text`` and ``voice`` are missing, too). Documented are all; ``mixed`` chooses by the package.
    answer_net_price: str = "mixed"
    #: Whether the answer to an order has ``sharing``, as earlier documents had it. That of 2026 has it in the list of
    #: eSIMs alone.
    sharing_in_answers: bool = False
    #: The confirmation code of every eSIM, which GET /v2/sims alone shows. ``None`` gives one in six operators codes.
    confirmation_code: str | None = None
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
    #: Whether the account has universal packages: ``filter[type]=universal``, and top-ups of such an eSIM by
    #: ``filter[country]``. They are not in Airalo's public documents; their shape is assumed like that of a region.
    universal: bool = False
    #: Whether the partner may see the product information of packages. If not, the answer is 403.
    product_information: bool = True
    #: The language of product information: German, as documented, whatever is asked for. ``None`` follows
    #: ``Accept-Language``.
    product_information_language: str | None = "de"
    #: The rows of ``GET /v2/packages/overrides``; their real shape is not known.
    overrides: tuple[dict[str, Any], ...] = ()
    #: From when a future order may be due, of which Airalo says two things: ``day-after-tomorrow`` (in UTC, from its
    #: midnight on) or ``48-hours`` (from now).
    future_earliest: str = "day-after-tomorrow"
    #: Whether the list of future orders shows their descriptions. In Airalo's examples all of them are empty, which may
    #: be because none was given; if not, no future order can be found by its description before it is due.
    future_descriptions: bool = True
    #: The most codes of one kind that a call for vouchers may make: 100 by Airalo's SDK, nothing by its documents.
    #: ``None`` means no limit.
    most_vouchers: int | None = 100
    #: Whether an opt-in to ``webhook_credit_limit`` or ``email_credit_limit`` needs ``levels``, of which Airalo says
    #: two things.
    levels_required: bool = False
    #: Whether refusals (422 and 404) come under status 200, as several of the documented examples stand.
    refusals_under_200: bool = False
    #: Whether the order list has asynchronous orders that failed. That one can filter by this status implies it.
    list_failed: bool = True
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
    #: The groups of faults that are drawn from: ``usual``, ``doubt``, ``webhooks``, ``proxy``, ``parts``, ``iccids``,
    #: ``codes`` and ``outages``.
    random_faults: tuple[str, ...] = ("usual",)
    #: Seconds after which an idle connection is lost, as behind a NAT that forgets it. ``None`` means never.
    idle_limit: float | None = None
    #: How a lost connection shows: ``reset`` (a reset when it is used next), ``silent`` (what comes next is never
    #: answered) or ``close`` (it is closed in an orderly way).
    idle_end: str = "reset"

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise ValueError, saying which option is wrong."""
        if self.webhook_shape not in WEBHOOK_SHAPES:
            raise ValueError(f"webhook_shape must be one of {', '.join(WEBHOOK_SHAPES)}")
        if self.pricing_model not in PRICING_MODELS:
            raise ValueError(f"pricing_model must be one of {', '.join(PRICING_MODELS)}")
        if self.answer_net_price not in NET_PRICES:
            raise ValueError(f"answer_net_price must be one of {', '.join(NET_PRICES)}")
        if self.future_earliest not in EARLIEST:
            raise ValueError(f"future_earliest must be one of {', '.join(EARLIEST)}")
        unknown = sorted(set(self.random_faults) - set(RANDOM))
        if unknown:
            raise ValueError(f"random_faults has no {', '.join(unknown)}; there are {', '.join(RANDOM)}")
        if self.idle_end not in IDLE_ENDS:
            raise ValueError(f"idle_end must be one of {', '.join(IDLE_ENDS)}")
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
