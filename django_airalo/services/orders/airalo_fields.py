"""Map Airalo's order, including its cost, to the columns of an order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django_airalo.client.payloads import OrderData
from django_airalo.models import EsimOrder

#: The columns of the cost, with their decimal places.
FIGURES = {
    "net_price": 4,
    "unit_paid_price": 4,
    "total_amount_paid": 4,
    "discount_percentage": 2,
    "discount_amount": 4,
}
#: An answer that has none of these does not say what the order costs; a discount alone is not enough.
PAID = ("net_price", "unit_paid_price", "total_amount_paid")
#: Amounts from this on are taken for a mistake. They do not fit the columns either.
_TOO_MUCH = 10**9


def airalo_fields(order: EsimOrder, data: OrderData) -> dict[str, Any]:
    """Return the columns that mirror Airalo's order. Known ids, codes and instructions are kept."""
    return _mirrored(order, data) | cost_fields(order, data)


def blanks_filled(order: EsimOrder, data: OrderData) -> dict[str, Any]:
    """Return the blank columns of an order for which Airalo now gives a value, and those of its cost."""
    mirrored = _mirrored(order, data).items()
    filled = {name: value for name, value in mirrored if getattr(order, name) in (None, "") and value not in (None, "")}
    return filled | cost_fields(order, data)


def _mirrored(order: EsimOrder, data: OrderData) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "airalo_order_id": order.airalo_order_id or data.id,
        "airalo_order_code": order.airalo_order_code or data.code[:64],
        "currency": data.currency[:3] or order.currency,
        "request_id": order.request_id or data.request_id or None,
        "manual_installation": order.manual_installation or data.manual_installation,
        "qrcode_installation": order.qrcode_installation or data.qrcode_installation,
    }
    if data.price is not None and abs(data.price) < 10**9:
        fields["price"] = round(data.price, 2)
    return fields


def cost_fields(order: EsimOrder, data: OrderData) -> dict[str, Any]:
    """Return the columns of an order's cost that Airalo's document changes; none if it has no cost.

    Airalo's figures replace an estimate as a whole, so that the two are never mixed. Figures that Airalo gave before
    are kept, and blank ones are filled.
    """
    given = {
        name: figure for name, places in FIGURES.items() if (figure := _figure(getattr(data, name), places)) is not None
    }
    if not any(name in given for name in PAID):
        return {}
    if order.cost_currency and not order.is_cost_estimated:
        if data.currency[:3] not in ("", order.cost_currency):
            return {}
        return {name: figure for name, figure in given.items() if getattr(order, name) is None}
    currency = data.currency[:3] or order.currency or order.cost_currency
    return {**dict.fromkeys(FIGURES), **given, "cost_currency": currency, "is_cost_estimated": False}


def record_cost(order: EsimOrder, data: OrderData) -> None:
    """Record the cost from Airalo's document. Call inside ``database.atomic()``, with the order locked."""
    if fields := cost_fields(order, data):
        EsimOrder.primary.filter(pk=order.pk).update(**fields)
        for name, value in fields.items():
            setattr(order, name, value)


def _figure(amount: Decimal | None, places: int) -> Decimal | None:
    return round(amount, places) if amount is not None and 0 <= amount < _TOO_MUCH else None
