"""Tell the shop: every change of status, at least once, after it was committed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.dispatch import Signal

from django_airalo import signals
from django_airalo.conf import conf
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.models.signalled import Signalled

from . import database

logger = logging.getLogger("django_airalo.signals")

SIGNAL_FOR_STATUS: dict[str, Signal] = {
    EsimOrder.Status.ACCEPTED: signals.esim_order_accepted,
    EsimOrder.Status.SCHEDULED: signals.esim_order_scheduled,
    EsimOrder.Status.COMPLETED: signals.esim_order_completed,
    EsimOrder.Status.FAILED: signals.esim_order_failed,
    EsimOrder.Status.UNCONFIRMED: signals.esim_order_unconfirmed,
    EsimOrder.Status.CANCELLED: signals.esim_order_cancelled,
}


def signal_after_commit(order: EsimOrder) -> None:
    """Send the order's unsent signals once the present transaction is committed."""
    transaction.on_commit(lambda: send_signals(order.pk), using=database.alias(), robust=True)


def send_signals(order_pk: int) -> int:
    """Send the signals of an order's events that are due. Returns how many events were fully heard."""
    events = OrderEvent.objects.using(database.alias()).unsignalled(database.now()).filter(order=order_pk)
    return _send(events)


def send_due_signals(limit: int) -> int:
    """Send the signals of all orders that are due, ``limit`` events at most. Returns how many were fully heard."""
    return _send(OrderEvent.objects.using(database.alias()).unsignalled(database.now())[:limit])


def _send(events: Iterable[OrderEvent]) -> int:
    return sum(_send_event(event) for event in list(events))


def _send_event(event: OrderEvent) -> bool:
    return send_from(event, lambda: _tell(event))


def _tell(event: OrderEvent) -> list[str]:
    # The order as it was committed: a replica may be behind.
    order = EsimOrder.objects.using(database.alias()).select_related("user").get(pk=event.order_id)
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


def send_from(row: Signalled, send: Callable[[], list[str]]) -> bool:
    """Claim a row, send its signals and note the outcome; ``False`` if another process has it or a receiver raised.

    Args:
        row: as read; its ``signal_due_at`` is what the claim compares with.
        send: sends the signals and returns a line for each receiver that raised.
    """
    rows = type(row)._default_manager.filter(pk=row.pk)
    # Each try waits twice as long as the one before: a receiver that always raises is not called every few minutes.
    lease_end = database.now() + timedelta(seconds=conf.SIGNAL_LEASE * 2 ** min(row.signal_tries, 8))
    claim = rows.filter(signal_due_at=row.signal_due_at)
    if row.signal_due_at is None or not claim.update(signal_due_at=lease_end, signal_tries=F("signal_tries") + 1):
        return False
    try:
        failures = send()
    except Exception as error:  # Django's own logging trips over a receiver without a name; others are still to hear.
        logger.exception("The signals of %s %s could not be sent", type(row).__name__, row.pk)
        failures = [f"{type(error).__name__}: see the log."]
    claimed = rows.filter(signal_due_at=lease_end)
    if failures:
        claimed.update(signal_error="\n".join(failures))
        return False
    claimed.update(signal_due_at=None, signalled_at=database.now(), signal_error="")
    return True


def send_robust(signal: Signal, sender: type, **arguments: object) -> list[str]:
    """Send a signal to all receivers; returns a line for each that raised. Django logs the traceback."""
    failures = []
    for receiver, outcome in signal.send_robust(sender=sender, **arguments):
        if isinstance(outcome, Exception):
            name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
            failures.append(f"{name} raised {type(outcome).__name__}")
    return failures
