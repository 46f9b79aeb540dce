"""Record a second purchase for one order as an order of its own, so that it can be refunded."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from django_airalo.client.payloads import OrderData
from django_airalo.iccids import normalised
from django_airalo.models import Esim, EsimOrder
from django_airalo.models.orders import EsimOrderQuerySet
from django_airalo.services.core import database
from django_airalo.services.core.transitions import flag_for_review, note
from django_airalo.services.esims.record import keep_esims

from .airalo_fields import airalo_fields
from .validate import KEY_OF_IMPORTED

Status: TypeAlias = EsimOrder.Status
Mode: TypeAlias = EsimOrder.Mode


def is_other_purchase(order: EsimOrder, data: OrderData) -> bool:
    """Return whether Airalo's document is about another purchase than the one that completed the order."""
    if order.airalo_order_id and data.id:
        return data.id != order.airalo_order_id
    if order.request_id and data.request_id:
        return data.request_id != order.request_id
    keys = _keys(data)
    if order.is_topup or not keys or len(keys) <= order.missing:  # these may be the eSIMs that were missing
        return False
    esims = Esim.primary.filter(order=order)
    kept = set(esims.values_list("iccid_key", flat=True))
    return bool(kept) and kept.isdisjoint(keys)


def imported_key(data: OrderData) -> str | None:
    """Return the idempotency key of an order that the shop did not place. It is unique, so none is stored twice."""
    return f"{KEY_OF_IMPORTED}{data.id}" if data.id else None


def keep_duplicate(order: EsimOrder, data: OrderData, *, now: datetime, source: str) -> None:
    """Record a second purchase as an order of its own, to be refunded, and flag the order that it belongs to.

    It has no user and sends no signals, since the shop has not sold it.

    Args:
        order: the completed order.
        data: the second purchase.
        now: the database's present time.
        source: as for ``change_status()``.
    """
    duplicate = _known_duplicate(order, data) or _imported(order, data, now=now, source=source)
    if duplicate is None:
        duplicate = _new_duplicate(order, data, now=now, source=source)
    delivery = keep_esims(duplicate, () if order.is_topup else data.sims, now=now, source=source)
    EsimOrder.primary.filter(pk=duplicate.pk).update(delivered_quantity=len(delivery.esims))
    if duplicate.user_id is None:
        Esim.primary.filter(order=duplicate).update(usage_due_at=None, details_due_at=None)
    for flaw in delivery.flaws:
        flag_for_review(duplicate, flaw, now=now, source=source)
    flag_for_review(order, _fulfilled_twice(order, data), now=now, source=source)


def _known_duplicate(order: EsimOrder, data: OrderData) -> EsimOrder | None:
    known = _orders().filter(duplicate_of=order)
    if data.id:
        return known.filter(airalo_order_id=data.id).first()
    if data.request_id:
        return known.filter(request_id=data.request_id).first()
    return known.filter(esims__iccid_key__in=_keys(data)).first()


def _imported(order: EsimOrder, data: OrderData, *, now: datetime, source: str) -> EsimOrder | None:
    """Return the second purchase if it was imported as an order that belongs to none; it belongs to this one now."""
    free = _orders().filter(idempotency_key=imported_key(data), duplicate_of=None) if data.id else _orders().none()
    imported = free.exclude(pk=order.pk).first()
    if imported is not None:
        EsimOrder.primary.filter(pk=imported.pk).update(duplicate_of=order)
        note(imported, _in_addition(order), now=now, source=source)
    return imported


def _new_duplicate(order: EsimOrder, data: OrderData, *, now: datetime, source: str) -> EsimOrder:
    duplicate = EsimOrder(
        idempotency_key=imported_key(data),
        duplicate_of=order,
        is_imported=True,
        type=order.type,
        mode=Mode.SYNC,
        package_id=data.package_id[:255] or order.package_id,
        quantity=order.quantity,
        description=data.description,
        status=Status.COMPLETED,
        created_at=data.created_at or now,
        completed_at=now,
    )
    for name, value in airalo_fields(duplicate, data).items():
        setattr(duplicate, name, value)
    if duplicate.request_id and _orders().filter(request_id=duplicate.request_id).exists():
        duplicate.request_id = None
    duplicate.save(force_insert=True, using=database.primary_alias())
    note(duplicate, _in_addition(order), now=now, source=source)
    return duplicate


def _in_addition(order: EsimOrder) -> str:
    return f"Bought in addition to {order.airalo_order_id}, for the same order."


def _fulfilled_twice(order: EsimOrder, data: OrderData) -> str:
    first, second = order.airalo_order_id or order.request_id, data.id or data.request_id
    code = f" ({data.code})" if data.code else ""
    return f"Airalo fulfilled the order twice: as {first} and as {second}{code}. Ask for a refund of the second."


def _keys(data: OrderData) -> list[str]:
    return [key for sim in data.sims if (key := normalised(sim.iccid))]


def _orders() -> EsimOrderQuerySet:
    return EsimOrder.primary.all()
