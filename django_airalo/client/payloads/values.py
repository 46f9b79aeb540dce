"""Single values out of a JSON document, tolerantly: numbers as text, objects as lists, and what is in an envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

from django_airalo.exceptions import PayloadError

Json = Mapping[str, Any]
T = TypeVar("T")

#: Larger numbers are not counts, ids or prices of this API; refusing them keeps them out of database columns.
MAX_INTEGER = 2**63 - 1


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


def as_date(value: Any) -> date | None:
    """``"2026-01-02"``, with or without a time behind it, as a date, else ``None``."""
    moment = as_datetime(value)
    return moment.date() if moment else None


def as_texts(value: Any) -> tuple[str, ...]:
    """The texts of a list, of a dict keyed by index (in the order of its keys), or of a single text; no empty ones."""
    if isinstance(value, Mapping):
        items: Sequence[Any] = [value[key] for key in sorted(value, key=_position)]
    else:
        items = value if isinstance(value, list) else [value]
    return tuple(text for item in items if (text := as_text(item)))


def _position(key: Any) -> tuple[Decimal, str]:
    """Sorts ``"10"`` behind ``"9"`` and words behind numbers."""
    number = as_decimal(key)
    return (Decimal("Infinity") if number is None else number, as_text(key))


def as_prices(value: Any) -> dict[str, Decimal]:
    """``{"USD": 4.5, "EUR": "4.00"}`` as Decimals by currency; what is not a number is left out."""
    pairs = ((as_text(key).upper(), as_decimal(item)) for key, item in as_mapping(value).items())
    return {currency: amount for currency, amount in pairs if currency and amount is not None}


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
class PricingData:
    """How the company pays Airalo, as lists of packages say it beside their ``data``.

    ``model`` is ``net_pricing`` (packages have a ``net_price``) or ``discount_pricing`` (they have none; the shop pays
    ``price`` less ``discount_percentage`` per cent); empty if Airalo did not say.
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
    """One page of a list. What Airalo did not say of it is ``None``; ``pricing`` is only in lists of packages."""

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
    """The objects in ``data``. Raises ``PayloadError`` if anything else is there.

    ``{"data": {"limit": "must be an integer"}}`` is the shape of a refusal. Were it read as an empty list, an order
    that is looked up would count as unknown to Airalo, and might be bought again.
    """
    data = document.get("data") if isinstance(document, Mapping) else None
    rows = list(data.values()) if isinstance(data, Mapping) else data
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise PayloadError("A list of objects was expected in the field data.")
    return rows
