"""What Airalo sends, as frozen dataclasses.

Airalo's documents give numbers as numbers or as strings, lists or dicts, and wrap answers in an envelope or not,
depending on the endpoint; ``from_json()`` takes them all. A field that is missing or unreadable becomes ``None`` (or
empty); only what an object cannot do without raises :class:`~django_airalo.exceptions.PayloadError`. The whole document
stays at hand in ``raw``, which, like every secret, is kept out of ``repr``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

from django_airalo.exceptions import PayloadError

Json = Mapping[str, Any]
T = TypeVar("T")

#: Larger numbers are not counts, ids or prices of this API; refusing them keeps them out of database columns.
MAX_INTEGER = 2**63 - 1
#: Characters. Airalo's instructions have about two thousand.
MAX_INSTRUCTIONS = 20_000
#: eSIMs of an order that are read. Airalo sells 50 at once; a webhook has room for 60,000, which would take minutes.
MAX_SIMS = 200


def as_text(value: Any) -> str:
    """The value as text that any database takes: no NUL, no lone surrogate; ``""`` for what is not text or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return ""
    try:
        text = str(value)
    except ValueError:  # an integer too long to become text
        return ""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()


def as_request_id(value: Any) -> str:
    """A ``request_id``, cut to what the database holds. Those seen are nanoids of 25 characters."""
    return as_text(value)[:255]


def as_int(value: Any) -> int | None:
    """``7``, ``"7"`` or ``7.0`` as an integer, else ``None``."""
    number = as_decimal(value)
    if number is None or number != number.to_integral_value() or abs(number) > MAX_INTEGER:
        return None
    return int(number)


def as_decimal(value: Any) -> Decimal | None:
    """``9.5`` or ``"9.50"`` as a Decimal, else ``None`` (also for NaN, infinity and numbers of absurd size)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        number = Decimal(str(value).strip())
    except (InvalidOperation, ValueError):  # ValueError: an integer too long to become text
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 40 else None


def as_bool(value: Any) -> bool | None:
    """``true``, ``1``, ``"1"`` or ``"true"`` and their opposites as a bool, else ``None``."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(as_text(value).lower())


def as_datetime(value: Any) -> datetime | None:
    """``"2024-07-11 15:26:02"`` or ISO 8601 as an aware datetime, else ``None``.

    Airalo does not name the time zone of the first form; UTC is assumed.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: near the years 1 and 9999 there may be no such time in UTC
        return None


def as_mapping(value: Any) -> Json:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_objects(value: Any) -> list[Json]:
    """The objects of a list, or of a dict keyed by index (as documented for pages after the first)."""
    items: Sequence[Any] = []
    if isinstance(value, Mapping):
        items = list(value.values())
    elif isinstance(value, list):
        items = value
    return [item for item in items if isinstance(item, Mapping)]


def unwrap(document: Any) -> Any:
    """What is inside ``data``, for an enveloped answer; else the document (an order's own ``data`` is text)."""
    inner = document.get("data") if isinstance(document, Mapping) else None
    return inner if isinstance(inner, Mapping | list) else document


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenData:
    """POST /v2/token. ``expires_in`` is in seconds."""

    access_token: str = field(repr=False)
    expires_in: int | None

    @classmethod
    def from_json(cls, document: Any) -> TokenData:
        data = as_mapping(unwrap(document))
        token = as_text(data.get("access_token"))
        # What cannot stand in a header would otherwise surface in an error that shows it.
        if not token or not token.isascii() or not token.isprintable():
            raise PayloadError("The answer to POST /v2/token has no usable data.access_token.")
        return cls(access_token=token, expires_in=as_int(data.get("expires_in")))


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptedOrder:
    """The 202 of POST /v2/orders-async: the order is on its way."""

    request_id: str
    accepted_at: datetime | None

    @classmethod
    def from_json(cls, document: Any) -> AcceptedOrder:
        data = as_mapping(unwrap(document))
        request_id = as_request_id(data.get("request_id"))
        if not request_id:
            raise PayloadError("The answer to POST /v2/orders-async has no data.request_id.")
        return cls(request_id=request_id, accepted_at=as_datetime(data.get("accepted_at")))


@dataclass(frozen=True, kw_only=True, slots=True)
class SimData:
    """One eSIM of an order. ``iccid`` is empty if Airalo sent none."""

    id: int | None
    iccid: str
    smdp_address: str = field(repr=False)
    matching_id: str = field(repr=False)
    activation_code: str = field(repr=False)
    confirmation_code: str = field(repr=False)
    qrcode_url: str = field(repr=False)
    apple_installation_url: str = field(repr=False)
    msisdn: str
    apn: Json
    is_roaming: bool | None
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> SimData:
        return cls(
            id=as_int(data.get("id")),
            iccid=as_text(data.get("iccid")),
            smdp_address=as_text(data.get("lpa")),
            matching_id=as_text(data.get("matching_id")),
            activation_code=as_text(data.get("qrcode")),
            confirmation_code=as_text(data.get("confirmation_code")),
            qrcode_url=as_text(data.get("qrcode_url")),
            apple_installation_url=as_text(data.get("direct_apple_installation_url")),
            msisdn=as_text(data.get("msisdn")),
            apn=_apn(data),
            is_roaming=as_bool(data.get("is_roaming")),
            raw=data,
        )


def _apn(sim: Json) -> dict[str, Any]:
    """``{"apn_type", "apn_value"}``, and the same under ``"ios"`` and ``"android"`` where Airalo tells them apart."""
    settings: dict[str, Any] = _apn_values(sim)
    for system in ("ios", "android"):
        if values := _apn_values(as_mapping(as_mapping(sim.get("apn")).get(system))):
            settings[system] = values
    return settings


def _apn_values(source: Json) -> dict[str, str]:
    return {key: text for key in ("apn_type", "apn_value") if (text := as_text(source.get(key)))}


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderData:
    """An order as POST /v2/orders, GET /v2/orders, GET /v2/orders/{id} and the async webhook give it.

    ``status`` is the slug (``completed``, ``failed``, ``refunded``, ``partially_refunded``); empty unless asked for
    with ``include=status``. ``net_price`` is ``None`` under Airalo's ``discount_pricing``. ``validity`` is in days. The
    instructions are HTML as Airalo sent it, ``MAX_INSTRUCTIONS`` characters at most; ``django_airalo.html.safe_html``
    makes it fit to be shown.
    """

    id: int | None
    code: str
    request_id: str
    package_id: str
    quantity: int | None
    type: str
    description: str
    status: str
    currency: str
    price: Decimal | None
    net_price: Decimal | None
    validity: int | None
    created_at: datetime | None
    manual_installation: str = field(repr=False)
    qrcode_installation: str = field(repr=False)
    sims: tuple[SimData, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> OrderData:
        data = as_mapping(unwrap(document))
        outer = as_mapping(document)
        status = data.get("status")
        return cls(
            id=as_int(data.get("id")),
            code=as_text(data.get("code")),
            request_id=as_request_id(outer.get("request_id")) or as_request_id(data.get("request_id")),
            package_id=as_text(data.get("package_id")),
            quantity=as_int(data.get("quantity")),
            type=as_text(data.get("type")),
            description=as_text(data.get("description")),
            status=as_text(status.get("slug")) if isinstance(status, Mapping) else as_text(status),
            currency=as_text(data.get("currency")),
            price=as_decimal(data.get("price")),
            net_price=as_decimal(data.get("net_price")),
            validity=as_int(data.get("validity")),
            created_at=as_datetime(data.get("created_at")),
            manual_installation=as_text(data.get("manual_installation"))[:MAX_INSTRUCTIONS],
            qrcode_installation=as_text(data.get("qrcode_installation"))[:MAX_INSTRUCTIONS],
            sims=tuple(SimData.from_json(sim) for sim in as_objects(data.get("sims"))[:MAX_SIMS]),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """One page of a list. ``last_page`` and ``total`` are ``None`` if Airalo did not say."""

    items: tuple[T, ...]
    current_page: int | None
    last_page: int | None
    total: int | None
    has_next: bool
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any, parse: Callable[[Json], T]) -> Page[T]:
        if not isinstance(document, Mapping) or not isinstance(document.get("data"), list | Mapping):
            raise PayloadError("A list was expected in the field data.")
        meta = as_mapping(document.get("meta"))
        links = as_mapping(document.get("links"))
        current, last = as_int(meta.get("current_page")), as_int(meta.get("last_page"))
        more = current < last if current is not None and last is not None else bool(links.get("next"))
        return cls(
            items=tuple(parse(item) for item in as_objects(document["data"])),
            current_page=current,
            last_page=last,
            total=as_int(meta.get("total")),
            has_next=more,
            raw=document,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageData:
    """One package. ``amount`` is in MB, ``day`` in days, ``voice`` in minutes, ``text`` in messages.

    Only ``is_unlimited`` tells whether data is unlimited: such packages have been seen with a non-zero ``amount``.
    ``price`` is Airalo's own retail price, the least a shop may ask; ``net_price`` is what the shop pays, ``None``
    under ``discount_pricing``. Both in USD; ``prices`` has them per currency.
    """

    id: str
    type: str
    title: str
    price: Decimal | None
    net_price: Decimal | None
    amount: int | None
    day: int | None
    is_unlimited: bool
    data: str
    voice: int | None
    text: int | None
    short_info: str
    prices: Json
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> PackageData:
        return cls(
            id=as_text(data.get("id")),
            type=as_text(data.get("type")),
            title=as_text(data.get("title")),
            price=as_decimal(data.get("price")),
            net_price=as_decimal(data.get("net_price")),
            amount=as_int(data.get("amount")),
            day=as_int(data.get("day")),
            is_unlimited=as_bool(data.get("is_unlimited")) or False,
            data=as_text(data.get("data")),
            voice=as_int(data.get("voice")),
            text=as_int(data.get("text")),
            short_info=as_text(data.get("short_info")),
            prices=as_mapping(data.get("prices")),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorData:
    """An operator with its packages. ``type`` is ``local`` or ``global``."""

    id: int | None
    title: str
    type: str
    plan_type: str
    activation_policy: str
    is_kyc_verify: bool
    rechargeability: bool
    coverages: tuple[Json, ...]
    packages: tuple[PackageData, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> OperatorData:
        return cls(
            id=as_int(data.get("id")),
            title=as_text(data.get("title")),
            type=as_text(data.get("type")),
            plan_type=as_text(data.get("plan_type")),
            activation_policy=as_text(data.get("activation_policy")),
            is_kyc_verify=as_bool(data.get("is_kyc_verify")) or False,
            rechargeability=as_bool(data.get("rechargeability")) or False,
            coverages=tuple(as_objects(data.get("coverages"))),
            packages=tuple(PackageData.from_json(package) for package in as_objects(data.get("packages"))),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationData:
    """A country or region of the catalogue; ``country_code`` is empty for regions and for the whole world."""

    slug: str
    title: str
    country_code: str
    image_url: str
    operators: tuple[OperatorData, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> LocationData:
        return cls(
            slug=as_text(data.get("slug")),
            title=as_text(data.get("title")),
            country_code=as_text(data.get("country_code")).upper(),
            image_url=as_text(as_mapping(data.get("image")).get("url")),
            operators=tuple(OperatorData.from_json(operator) for operator in as_objects(data.get("operators"))),
            raw=data,
        )

    def packages(self) -> Iterator[tuple[OperatorData, PackageData]]:
        """Each package of this location with its operator."""
        for operator in self.operators:
            for package in operator.packages:
                yield operator, package


@dataclass(frozen=True, kw_only=True, slots=True)
class BalanceData:
    """GET /v2/balance. ``amount`` is ``None`` if the account has no balance (an empty list is documented for that)."""

    amount: Decimal | None
    currency: str

    @classmethod
    def from_json(cls, document: Any) -> BalanceData:
        balances = as_mapping(unwrap(document)).get("balances")
        if isinstance(balances, list):
            balances = next(iter(as_objects(balances)), {})
        available = as_mapping(as_mapping(balances).get("availableBalance"))
        return cls(amount=as_decimal(available.get("amount")), currency=as_text(available.get("currency")))


@dataclass(frozen=True, kw_only=True, slots=True)
class NotificationData:
    """An opt-in. ``contact_point`` is an address of the web or of mail; ``levels`` are per cent of the credit limit."""

    type: str
    contact_point: str
    levels: tuple[int, ...]
    language: str
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> NotificationData | None:
        data = as_mapping(as_mapping(unwrap(document)).get("notification"))
        if not data:
            return None
        levels = data.get("levels")
        return cls(
            type=as_text(data.get("type")),
            contact_point=as_text(data.get("contact_point")),
            levels=tuple(n for n in map(as_int, levels if isinstance(levels, list) else []) if n is not None),
            language=as_text(data.get("language")),
            raw=data,
        )
