"""The receivers of django_airalo's signals.

A signal is sent at least once: it is sent again, with the same ``event_id``, if a receiver raised or a process died. So
each receiver records the event in the transaction in which it handles it, and skips events that are recorded.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.db import transaction
from django.dispatch import Signal, receiver
from django_airalo.models import Esim, EsimOrder
from django_airalo.signals import (
    esim_low_data,
    esim_order_cancelled,
    esim_order_completed,
    esim_order_failed,
    esims_changed,
)

from . import mails
from .models import OrderLine, ReceivedSignal

logger = logging.getLogger("shop")


@receiver(esim_order_completed)
def fulfil(order: EsimOrder, event_id: uuid.UUID, late: bool, **kwargs: Any) -> None:
    """Mark the line of a delivered order as fulfilled, and e-mail the customer."""
    line = _line_of(order)
    if line is None:
        return
    with transaction.atomic():
        if _was_handled(event_id, "esim_order_completed", line):
            return
        if late:
            logger.warning("Order %s was delivered after it had been given up and refunded", line.order)
        OrderLine.objects.filter(pk=line.pk).update(status=OrderLine.Status.FULFILLED)
        # Inside the transaction, so that the signal is sent again if the e-mail cannot be sent.
        mails.esim_ready(line)


@receiver(esims_changed)
def announce(order: EsimOrder, event_id: uuid.UUID, **kwargs: Any) -> None:
    """E-mail the customer when more eSIMs are delivered or a code has changed."""
    line = _line_of(order)
    if line is None:
        return
    with transaction.atomic():
        if not _was_handled(event_id, "esims_changed", line):
            mails.esims_changed(line)


@receiver([esim_order_failed, esim_order_cancelled])
def refund(signal: Signal, order: EsimOrder, event_id: uuid.UUID, **kwargs: Any) -> None:
    """Mark the line of a failed or cancelled order as refunded, and e-mail the customer."""
    line = _line_of(order)
    if line is None:
        return
    with transaction.atomic():
        name = "esim_order_failed" if signal is esim_order_failed else "esim_order_cancelled"
        if _was_handled(event_id, name, line):
            return
        if order.status not in (EsimOrder.Status.FAILED, EsimOrder.Status.CANCELLED):
            return  # the signal was delayed, and the eSIM has been delivered since
        # A real shop requests the refund from its payment provider here, with the event id as idempotency key.
        OrderLine.objects.filter(pk=line.pk).update(status=OrderLine.Status.REFUNDED)
        mails.not_delivered(line)


@receiver(esim_low_data)
def warn(esim: Esim | None, level: str, event_id: uuid.UUID, **kwargs: Any) -> None:
    """E-mail the customer when an eSIM runs low."""
    line = _line_of(esim.order) if esim else None
    if line is None:
        return
    with transaction.atomic():
        if not _was_handled(event_id, "esim_low_data", line):
            mails.low_data(line, level=level)


def _line_of(order: EsimOrder) -> OrderLine | None:
    """Return the shop's line for an order; ``None`` if the shop did not place the order."""
    return OrderLine.objects.select_related("order").filter(esim_order=order).first()


def _was_handled(event_id: uuid.UUID, signal: str, line: OrderLine) -> bool:
    """Return whether the event is recorded already, and record it if not."""
    _, first_time = ReceivedSignal.objects.get_or_create(event_id=event_id, defaults={"signal": signal, "line": line})
    return not first_time
