"""What the shop does when django_airalo has news.

A signal comes at least once: again, with the same ``event_id``, if a receiver raised or a process died. So each event
is written down in the transaction that acts upon it, and an event that is written down is not acted upon again.
"""

from __future__ import annotations

import logging
import uuid
from typing import Any

from django.db import transaction
from django.dispatch import Signal, receiver
from django_airalo.models import Esim, EsimOrder
from django_airalo.signals import esim_low_data, esim_order_cancelled, esim_order_completed, esim_order_failed

from . import mails
from .models import HeardSignal, OrderLine

logger = logging.getLogger("shop")


@receiver(esim_order_completed)
def fulfil(order: EsimOrder, event_id: uuid.UUID, late: bool, **kwargs: Any) -> None:
    """The eSIM is there: mark the line and write to the customer."""
    line = _line_of(order)
    if line is None:
        return
    with transaction.atomic():
        if _heard_before(event_id, "esim_order_completed", line):
            return
        if late:
            logger.warning("Order %s was delivered after it had been given up and refunded", line.order)
        OrderLine.objects.filter(pk=line.pk).update(status=OrderLine.Status.FULFILLED)
        # Inside the transaction: a mail that cannot be sent undoes it, and the signal comes again.
        mails.esim_ready(line)


@receiver([esim_order_failed, esim_order_cancelled])
def refund(signal: Signal, order: EsimOrder, event_id: uuid.UUID, **kwargs: Any) -> None:
    """Nothing was bought: mark the line, give the money back and write to the customer."""
    line = _line_of(order)
    if line is None:
        return
    with transaction.atomic():
        name = "esim_order_failed" if signal is esim_order_failed else "esim_order_cancelled"
        if _heard_before(event_id, name, line):
            return
        if order.status not in (EsimOrder.Status.FAILED, EsimOrder.Status.CANCELLED):
            return  # heard late: its eSIM has come meanwhile
        # A shop in earnest asks its payment provider for the refund here, with the event id as idempotency key.
        OrderLine.objects.filter(pk=line.pk).update(status=OrderLine.Status.REFUNDED)
        mails.not_delivered(line)


@receiver(esim_low_data)
def warn(esim: Esim | None, level: str, event_id: uuid.UUID, **kwargs: Any) -> None:
    """An eSIM runs low: write to the customer."""
    line = _line_of(esim.order) if esim else None
    if line is None:
        return
    with transaction.atomic():
        if not _heard_before(event_id, "esim_low_data", line):
            mails.low_data(line, level=level)


def _line_of(order: EsimOrder) -> OrderLine | None:
    """The shop's line for an order, or ``None`` if it was not placed by the shop (but, say, in a shell)."""
    return OrderLine.objects.select_related("order").filter(esim_order=order).first()


def _heard_before(event_id: uuid.UUID, signal: str, line: OrderLine) -> bool:
    _, first_time = HeardSignal.objects.get_or_create(event_id=event_id, defaults={"signal": signal, "line": line})
    return not first_time
