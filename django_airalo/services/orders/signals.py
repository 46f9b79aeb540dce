"""Send the signals of orders: at least once for every change of status, after it was committed."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.dispatch import Signal

from django_airalo import signals
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.services.core import database
from django_airalo.services.core.outbox import send_from, send_robust
from django_airalo.services.core.transitions import lock
from django_airalo.services.esims.identity import MOST_FLAGGED, flag_once, flag_others, name_of

SIGNAL_FOR_STATUS: dict[str, Signal] = {
    EsimOrder.Status.ACCEPTED: signals.esim_order_accepted,
    EsimOrder.Status.SCHEDULED: signals.esim_order_scheduled,
    EsimOrder.Status.COMPLETED: signals.esim_order_completed,
    EsimOrder.Status.FAILED: signals.esim_order_failed,
    EsimOrder.Status.UNCONFIRMED: signals.esim_order_unconfirmed,
    EsimOrder.Status.CANCELLED: signals.esim_order_cancelled,
}


def signal_after_commit(order: EsimOrder) -> None:
    """Send an order's due signals once the current transaction is committed."""
    transaction.on_commit(lambda: send_order_signals(order.pk), using=database.primary_alias(), robust=True)


def send_order_signals(order_pk: int) -> int:
    """Send the signals of an order's due events. Return how many events were delivered to every receiver."""
    events = OrderEvent.primary.unsignalled(database.db_now()).filter(order=order_pk)
    return _send_events(events)


def send_due_order_signals(limit: int) -> int:
    """Send the due signals of all orders. Return how many events were delivered to every receiver.

    Args:
        limit: the maximum number of events.
    """
    return _send_events(OrderEvent.primary.unsignalled(database.db_now())[:limit])


def _send_events(events: Iterable[OrderEvent]) -> int:
    return sum(_send_event(event) for event in list(events))


def _send_event(event: OrderEvent) -> bool:
    return send_from(event, lambda: _signal_event(event))


def _signal_event(event: OrderEvent) -> list[str]:
    # Read from the primary database, since a replica may be behind.
    order = EsimOrder.primary.select_related("user").get(pk=event.order_id)
    if event.new_status == EsimOrder.Status.COMPLETED or event.esims.get("added"):
        _flag_shared_esims(order, source=event.source)
    if event.kind == OrderEvent.Kind.ESIMS_CHANGED:
        return _send_esims_changed(event, order)
    failures = send_robust(
        signals.esim_order_status_changed,
        EsimOrder,
        order=order,
        old_status=event.old_status,
        new_status=event.new_status,
        event_id=event.event_id,
    )
    specific = SIGNAL_FOR_STATUS.get(event.new_status)
    if specific is signals.esim_order_completed:
        failures += send_robust(specific, EsimOrder, order=order, event_id=event.event_id, late=event.late)
    elif specific:
        failures += send_robust(specific, EsimOrder, order=order, event_id=event.event_id)
    return failures


def _send_esims_changed(event: OrderEvent, order: EsimOrder) -> list[str]:
    rows = Esim.primary.without_secrets().filter(order=order).order_by("pk")
    named = {what: event.esims.get(what, []) for what in ("added", "changed")}
    esims = {esim.pk: esim for esim in rows.filter(pk__in=[pk for pks in named.values() for pk in pks])}
    for esim in esims.values():
        esim.order = order
    return send_robust(
        signals.esims_changed,
        EsimOrder,
        order=order,
        added=[esims[pk] for pk in named["added"] if pk in esims],
        changed=[esims[pk] for pk in named["changed"] if pk in esims],
        event_id=event.event_id,
        source=event.source,
    )


def _flag_shared_esims(order: EsimOrder, *, source: str) -> None:
    """Flag a delivered order and the others that have the same eSIM, after its delivery was committed.

    Two deliveries in concurrent transactions do not see each other, but the one that is signalled last sees both.
    """
    own = Esim.primary.filter(order=order)
    shared = Esim.primary.exclude(order=order).filter(iccid_key__in=own.values("iccid_key"))
    if keys := set(shared.values_list("iccid_key", flat=True)[:MOST_FLAGGED]):
        _flag_others_of(order.pk, keys, source=source)


@database.in_transaction()
def _flag_others_of(order_pk: int, keys: set[str], *, source: str) -> None:
    order, now = lock(order_pk), database.db_now()
    own = Esim.primary.without_secrets().filter(order=order, iccid_key__in=keys)
    for reason in flag_others(order, {esim.iccid_key: name_of(esim) for esim in own}, now=now, source=source):
        flag_once(order, reason, now=now, source=source)
