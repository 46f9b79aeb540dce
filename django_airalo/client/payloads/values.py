"""Read values of a JSON document tolerantly: numbers as text, objects as lists, with or without an envelope."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from django_airalo.exceptions import PayloadError

Json = Mapping[str, Any]
T = TypeVar("T")

#: Larger numbers are ignored: they are no ids or counts of this API, and do not fit into database columns.
MAX_INTEGER = 2**63 - 1
#: Prices are below this; larger numbers are ignored.
MAX_PRICE = Decimal(10**12)
#: The significant decimal places of a price. Currencies have at most four. Those after the sixth are rounding errors of
#: binary fractions (7.490000000000002).
_PRICE_PLACES = Decimal("0.000001")
#: A number as Airalo writes it in text: ``"9.50"``. Python also accepts ``1_000`` and digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?\Z")
#: Unambiguous numbers with thousands separators: both separators, or the same one more than once.
_WITH_COMMAS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]+\Z|[+-]?[0-9]{1,3}(,[0-9]{3}){2,}\Z")
_WITH_POINTS = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{3})+,[0-9]+\Z|[+-]?[0-9]{1,3}(\.[0-9]{3}){2,}\Z")
#: ``1,350``, which may mean 1350 or 1.35. In amounts of whole units, ``1.350`` is ambiguous too.
_DOUBTFUL = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}\Z")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+\Z")


def as_text(value: Any) -> str:
    """Return the value as text that any database can store; ``""`` if it is neither a text nor a number.

    NUL characters are removed, and lone surrogates replaced.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return ""
    try:
        text = str(value)
    except ValueError:  # an integer too long to become text
        return ""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()


def as_request_id(value: Any) -> str:
    """Return a ``request_id``, cut to the length of the column. Those seen are nanoids of 25 characters."""
    return as_text(value)[:255]


def as_int(value: Any) -> int | None:
    """Return ``7``, ``"7"`` or ``7.0`` as an integer, ``None`` for anything else, such as a fraction."""
    number = as_decimal(value)
    if number is None or number != number.to_integral_value() or abs(number) > MAX_INTEGER:
        return None
    return int(number)


def as_id(value: Any) -> int | None:
    """Return an id, which is a whole number above 0; else ``None``."""
    number = as_int(value)
    return number if number is not None and number > 0 else None


def as_amount(value: Any) -> int | None:
    """Return a measured amount (MB, minutes, messages, days) in whole units, ``None`` if it is not understood.

    A fraction is rounded down, but never to 0: ``350.5`` and ``"350.50"`` are 350, ``0.4`` is 1. A negative number is
    not understood, since it may mean "used up", "unlimited" or "unknown". The text ``"1.350"`` is not understood
    either: Airalo's amounts have no decimal places, so it may be 1350 or 1.35.
    """
    number = as_decimal(value)
    is_doubtful = isinstance(value, str) and _DOUBTFUL.match(value.strip())
    if number is None or is_doubtful or not 0 <= number <= MAX_INTEGER:
        return None
    return int(number) or int(number > 0)


def as_decimal(value: Any) -> Decimal | None:
    """Return ``9.5`` or ``"9.50"`` as a Decimal, ``None`` if it is not understood.

    Text may have a decimal comma or thousands separators if it is unambiguous: ``"9,50"``, ``"1,350.50"``,
    ``"1.350,50"``, ``"1,350,000"``. ``"1,350"`` may mean 1350 or 1.35, so it is not understood. ``"1.350"`` is 1.35,
    since Airalo writes prices with a point. NaN, infinity and numbers beyond 10⁴⁰ are not understood.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        text = _plain(str(value).strip())
    except ValueError:  # an integer too long to become text
        return None
    number = None if text is None else Decimal(text)
    return number if number is not None and number.is_finite() and abs(number.adjusted()) < 40 else None


def _plain(text: str) -> str | None:
    """Return a number in Python's notation, ``None`` if it is not a number or ambiguous."""
    if len(text) > 100:
        return None
    if _WITH_COMMAS.match(text):
        return text.replace(",", "")
    if _WITH_POINTS.match(text):
        return text.replace(".", "").replace(",", ".")
    if _DECIMAL_COMMA.match(text) and not _DOUBTFUL.match(text):
        return text.replace(",", ".")
    return text if _NUMBER.match(text) else None


def as_price(value: Any) -> Decimal | None:
    """Return a price without the rounding error of binary fractions, ``None`` if it is not understood or negative.

    ``7.490000000000002`` becomes 7.49. Otherwise a selling price, which is rounded up, would become 7.50.
    """
    number = as_decimal(value)
    if number is None or not 0 <= number < MAX_PRICE:
        return None
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= _PRICE_PLACES.adjusted():
        return number
    return Decimal(f"{number.quantize(_PRICE_PLACES).normalize():f}")


def as_bool(value: Any) -> bool | None:
    """Return ``true``, ``1``, ``"1"`` or ``"true"`` and their opposites as a bool, ``None`` for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(as_text(value).lower())


def as_datetime(value: Any) -> datetime | None:
    """Return ``"2024-07-11 15:26:02"`` or ISO 8601 as an aware datetime, ``None`` for anything else.

    Airalo does not name the time zone of the first form; UTC is assumed.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: outside of the years 1 to 9999 in UTC
        return None


def as_date(value: Any) -> date | None:
    """Return ``"2026-01-02"``, with or without a time, as a date, ``None`` for anything else."""
    moment = as_datetime(value)
    return moment.date() if moment else None


def as_texts(value: Any) -> tuple[str, ...]:
    """Return the texts that are not empty, of a list, of a dict keyed by index (in order of keys), or of one text."""
    if isinstance(value, Mapping):
        items: Sequence[Any] = [value[key] for key in sorted(value, key=_position)]
    else:
        items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := as_text(item)))


def _position(key: Any) -> tuple[Decimal, str]:
    """Return a sort key that puts ``"10"`` after ``"9"`` and words after numbers."""
    number = as_decimal(key)
    return (Decimal("Infinity") if number is None else number, as_text(key))


def as_prices(value: Any) -> dict[str, Decimal]:
    """Return ``{"USD": 4.5, "EUR": "4.00"}`` as Decimals by currency, without those that are not a price."""
    pairs = ((as_text(key).upper(), as_price(item)) for key, item in as_mapping(value).items())
    return {currency: amount for currency, amount in pairs if currency and amount is not None}


def as_mapping(value: Any) -> Json:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_objects(value: Any) -> list[Json]:
    """Return the objects of a list, or of a dict keyed by index (documented for pages after the first)."""
    items: Sequence[Any] = []
    if isinstance(value, Mapping):
        items = list(value.values())
    elif isinstance(value, list):
        items = value
    return [item for item in items if isinstance(item, Mapping)]


def is_whole(value: Any, read: Sequence[Any]) -> bool:
    """Return whether a list was read completely: it is a list, and every item was read."""
    return isinstance(value, list | Mapping) and len(value) == len(read)


def unwrap(document: Any) -> Any:
    """Return the content of ``data`` if it is an envelope, else the document. (An order's own ``data`` is text.)"""
    inner = document.get("data") if isinstance(document, Mapping) else None
    return inner if isinstance(inner, Mapping | list) else document


@dataclass(frozen=True, kw_only=True, slots=True)
class PricingData:
    """How the company pays Airalo. Lists of packages have it next to their ``data``.

    ``model`` is ``net_pricing`` (packages have a ``net_price``) or ``discount_pricing`` (they have none, and the shop
    pays ``price`` less ``discount_percentage`` per cent). It is empty if Airalo did not say.
    """

    model: str
    discount_percentage: Decimal | None

    @classmethod
    def from_json(cls, document: Any) -> PricingData:
        pricing = as_mapping(as_mapping(document).get("pricing"))
        return cls(
            model=as_text(pricing.get("model")), discount_percentage=as_decimal(pricing.get("discount_percentage"))
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """One page of a list. Numbers that Airalo did not send are ``None``. Only lists of packages have ``pricing``."""

    items: tuple[T, ...]
    current_page: int | None
    last_page: int | None
    per_page: int | None
    total: int | None
    pricing: PricingData
    has_next: bool
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any, parse: Callable[[Json], T]) -> Page[T]:
        rows = _rows(document)
        meta = as_mapping(document.get("meta"))
        links = as_mapping(document.get("links"))
        current, last = as_int(meta.get("current_page")), as_int(meta.get("last_page"))
        more = current < last if current is not None and last is not None else bool(links.get("next"))
        return cls(
            items=tuple(map(parse, rows)),
            current_page=current,
            last_page=last,
            per_page=as_int(meta.get("per_page")),
            total=as_int(meta.get("total")),
            pricing=PricingData.from_json(document),
            has_next=more,
            raw=document,
        )


def _rows(document: Any) -> list[Json]:
    """Return the objects in ``data``.

    ``{"data": {"limit": "must be an integer"}}`` is a refusal. If it were read as an empty list, a look-up would
    conclude that Airalo does not know the order, which might then be bought again.

    Raises:
        PayloadError: if ``data`` is anything but a list of objects.
    """
    data = document.get("data") if isinstance(document, Mapping) else None
    rows = list(data.values()) if isinstance(data, Mapping) else data
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise PayloadError("The field data must be a list of objects.")
    return rows
