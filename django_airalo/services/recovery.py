"""The sweep: everything that is due, overdue or in doubt. The one thing a shop must run for the promise to hold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloRateLimitError, AiraloTokenError
from django_airalo.models import EsimOrder, WebhookEvent

from . import database
from .fulfilment import next_look_up, sync_order
from .inbox import process_webhook_event
from .ordering import submit_order
from .signalling import send_due_signals, send_signals
from .transitions import change_status

logger = logging.getLogger("django_airalo.recovery")

Status = EsimOrder.Status


@dataclass
class SweepReport:
    """What one sweep did: how many orders, webhooks and events of each kind it dealt with."""

    submitted: int = 0
    expired: int = 0
    looked_up: int = 0
    webhooks: int = 0
    signalled: int = 0
    put_off: int = 0

    def __bool__(self) -> bool:
        """Whether there was anything to do."""
        return any(vars(self).values())


def sweep(limit: int = 200) -> SweepReport:
    """Do all that is due: submit, look up, expire leases, interpret webhooks, send signals again.

    Harmless at any time and in any number of processes. Never raises for one order what would keep it from the others.

    Args:
        limit: how many rows of each kind to deal with at most; the rest is for the next sweep.
    """
    report = SweepReport()
    for event in WebhookEvent.objects.due(database.now())[:limit]:
        try:
            process_webhook_event(event)
            report.webhooks += 1
        except Exception:  # One row must not keep the others from being swept. It stays due.
            logger.exception("Webhook %s could not be interpreted", event.pk)
            report.put_off += 1
    act: dict[str, Callable[[EsimOrder, SweepReport, datetime], None]] = {
        Status.PENDING: _submit,
        Status.SUBMITTING: _expire,
        Status.ACCEPTED: _look_up,
        Status.UNCONFIRMED: _look_up,
    }
    now = database.now()
    for order in EsimOrder.objects.due(now).filter(status__in=act)[:limit]:
        try:
            act[order.status](order, report, now)
        except (AiraloRateLimitError, AiraloTokenError) as error:
            logger.warning("Sweep stopped asking Airalo: %s", error)
            report.put_off += 1
            break
        except (AiraloAPIError, AiraloConfigurationError) as error:
            logger.warning("Order %s was put off: %s", order.reference, error)
            report.put_off += 1
        except Exception:  # as above
            logger.exception("Order %s could not be swept", order.reference)
            report.put_off += 1
    report.signalled = send_due_signals(limit)
    return report


def _submit(order: EsimOrder, report: SweepReport, now: datetime) -> None:
    submit_order(order)
    report.submitted += 1


def _expire(order: EsimOrder, report: SweepReport, now: datetime) -> None:
    """The worker that held the order died or hangs; whether its request left nobody knows."""
    detail = "The lease ran out: the worker died or hangs, and may have sent the order."
    with database.atomic():
        if change_status(order, Status.UNCONFIRMED, now=now, source="sweep", detail=detail, due_at=now):
            report.expired += 1
    send_signals(order.pk)


def _look_up(order: EsimOrder, report: SweepReport, now: datetime) -> None:
    unchanged = EsimOrder.objects.filter(pk=order.pk, due_at=order.due_at, status=order.status)
    # Moving the due time on first keeps other sweeps from asking for the same order.
    if unchanged.update(due_at=next_look_up(order, now), lookups=F("lookups") + 1):
        sync_order(order)
        report.looked_up += 1
