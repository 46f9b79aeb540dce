"""Tell apart the purchases that Airalo lists for one order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from django_airalo.client.payloads import OrderData
from django_airalo.iccids import normalised
from django_airalo.models import Esim, EsimOrder

Status: TypeAlias = EsimOrder.Status

#: Airalo's statuses of an order that will deliver no eSIM.
NOT_DELIVERED = ("failed", "refunded")


def delivers(order: EsimOrder, data: OrderData) -> bool:
    """Return whether a listed purchase is delivered: it has eSIMs, or is a top-up."""
    return bool(data.sims) or (order.is_topup and data.status not in NOT_DELIVERED)


def is_void(data: OrderData) -> bool:
    """Return whether a listed purchase counts for nothing, since it failed or was refunded."""
    return data.status in NOT_DELIVERED and not data.sims


def is_new(order: EsimOrder, data: OrderData) -> bool:
    """Return whether a listed purchase differs from what an accepted order's row says of it."""
    return data.id != order.airalo_order_id or delivers(order, data) or is_void(data)


def own_first(order: EsimOrder, bought: Sequence[OrderData]) -> list[OrderData]:
    """Return the purchases of an order, its own before the others."""
    own = [item for item in bought if item.id == order.airalo_order_id]
    if order.status == Status.COMPLETED and not own:
        own = _with_esims_of(order, bought)
    elif order.status != Status.COMPLETED and not any(delivers(order, item) for item in own):
        own = [item for item in bought if delivers(order, item)] or own
    return sorted(bought, key=lambda item: item not in own[:1])


def _with_esims_of(order: EsimOrder, bought: Sequence[OrderData]) -> list[OrderData]:
    """Return the purchases that have an eSIM of the order, for an order whose number at Airalo is unknown."""
    kept = set(Esim.primary.filter(order=order).values_list("iccid_key", flat=True))
    return [data for data in bought if any(normalised(sim.iccid) in kept for sim in data.sims)]
