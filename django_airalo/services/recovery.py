"""The sweep: everything that is due, overdue or in doubt. The one thing a shop must run for the promise to hold."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloRateLimitError, AiraloTokenError
from django_airalo.models import EsimOrder, Refund, Voucher, WebhookEvent
from django_airalo.models.orders import EsimOrderQuerySet
from django_airalo.models.outgoing import SENDING

from . import database, heartbeats, outgoing
from .account import active_pause, check_balance, check_pause, send_due_account_signals
from .claims import LookUpClaim
from .esims import send_due_esim_signals, sync_due_usage
from .fulfilment import GIVEN_UP, next_look_up
from .inbox import process_webhook_event
from .lookups import sync_accepted, sync_order
from .refunds import send_refund
from .scheduling import sync_future_orders
from .signalling import send_due_signals, send_signals
from .submission import attempt
from .transitions import change_status
from .vouchers import send_voucher

logger = logging.getLogger("django_airalo.recovery")

Status = EsimOrder.Status
Row = TypeVar("Row")

#: From this many due look-ups on, reading the list of orders page by page may take fewer requests.
WORTH_A_LIST = 5
#: Seconds for the rows of one kind in a sweep: a slow Airalo must not keep a sweep from what is due of another kind.
LONGEST_STEP = 30
#: How many times as many orders are looked up by the list as one by one.
MANY = 10


@dataclass
class SweepReport:
    """What one sweep did: how many orders, webhooks, refunds and vouchers (requests) and events it dealt with."""

    submitted: int = 0
    expired: int = 0
    looked_up: int = 0
    webhooks: int = 0
    usage: int = 0
    requests: int = 0
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
    _asking(check_pause, report)
    _asking(check_balance, report)
    _urgent(report, limit)
    look_ups = [_look_up_unconfirmed, _look_up_accepted, _sync_future_orders]
    # They share Airalo's limit, so none of them may be the last every time. What nobody waits for is.
    for look_up in [*random.sample(look_ups, len(look_ups)), _look_up_at_rest]:
        _asking(partial(look_up, report, limit), report)
    now = database.now()
    _each(Refund.objects.due(now)[:limit], _request, report)
    _each(Voucher.objects.without_secrets().due(now)[:limit], _request, report)
    _signal(report, limit)
    _asking(partial(_look_up_usage, report, limit), report)
    heartbeats.beat(heartbeats.SWEEP)
    return report


def _urgent(report: SweepReport, limit: int) -> None:
    """The orders themselves: all that somebody waits for."""
    _each(WebhookEvent.objects.due(database.now())[:limit], _process, report)
    if not active_pause():
        _each(_due_orders(Status.PENDING)[:limit], _submit, report)
    _each(_due_orders(Status.SUBMITTING)[:limit], _expire, report)


def _signal(report: SweepReport, limit: int) -> None:
    report.signalled += send_due_signals(limit) + send_due_account_signals() + send_due_esim_signals(limit)
    report.signalled += outgoing.send_due_signals(limit)


def _due_orders(*statuses: str) -> EsimOrderQuerySet:
    return EsimOrder.objects.due(database.now()).filter(status__in=statuses)


def _each(rows: Iterable[Row], act: Callable[[Row, SweepReport], None], report: SweepReport) -> None:
    """Act on each row, until Airalo wants no more requests or it has taken long: the rest stays due."""
    give_up = time.monotonic() + LONGEST_STEP
    for row in list(rows):
        if not _asking(partial(act, row, report), report) or time.monotonic() > give_up:
            return


def _asking(act: Callable[[], None], report: SweepReport) -> bool:
    """Act; ``False`` if it is no use to ask Airalo for more of the kind now."""
    try:
        act()
    except (AiraloRateLimitError, AiraloTokenError) as error:
        logger.warning("Stopped asking Airalo: %s", error)
        report.put_off += 1
        return False
    except (AiraloAPIError, AiraloConfigurationError) as error:
        logger.warning("Put off: %s", error)
        report.put_off += 1
    except Exception:  # One row must not keep the others from being swept. It stays due.
        logger.exception("Could not be swept")
        report.put_off += 1
    return True


def _process(event: WebhookEvent, report: SweepReport) -> None:
    process_webhook_event(event)
    report.webhooks += 1


def _submit(order: EsimOrder, report: SweepReport) -> None:
    error = attempt(order.pk)
    report.submitted += 1
    if isinstance(error, AiraloRateLimitError | AiraloTokenError):
        raise error


def _request(row: Refund | Voucher, report: SweepReport) -> None:
    if row.status == SENDING:
        report.expired += outgoing.expire(row)
    elif isinstance(row, Refund):
        send_refund(row)
        report.requests += 1
    else:
        send_voucher(row)
        report.requests += 1


def _expire(order: EsimOrder, report: SweepReport) -> None:
    """The worker that held the order died or hangs; whether its request left nobody knows."""
    if _give_up_claim(order):
        report.expired += 1
    send_signals(order.pk)


@database.in_transaction()
def _give_up_claim(order: EsimOrder) -> bool:
    detail = "The lease ran out: the worker died or hangs, and may have sent the order."
    now = database.now()
    return change_status(copy(order), Status.UNCONFIRMED, now=now, source="sweep", detail=detail, due_at=now)


def _look_up(order: EsimOrder, report: SweepReport) -> None:
    claim = _claim_look_up(order)
    if claim is None:
        return
    try:
        sync_order(order)
    except AiraloAPIError as error:
        claim.take_back(error)
        raise
    report.looked_up += 1


def _look_up_unconfirmed(report: SweepReport, limit: int) -> None:
    _each(_due_orders(Status.UNCONFIRMED).filter(attention="")[:limit], _look_up, report)


def _look_up_at_rest(report: SweepReport, limit: int) -> None:
    """The orders that a person was told of already, or that were given up: looked up without end, or for long."""
    at_rest = _due_orders(Status.UNCONFIRMED, *GIVEN_UP).exclude(status=Status.UNCONFIRMED, attention="")
    _each(at_rest[:limit], _look_up, report)


def _look_up_accepted(report: SweepReport, limit: int) -> None:
    """Look up the accepted orders that are due: all by the list of orders if that is cheaper, else each by itself."""
    many = list(_due_orders(Status.ACCEPTED)[: limit * MANY])
    between = _now_and_then(partial(_urgent, report, limit), partial(_signal, report, limit))
    if len(many) >= WORTH_A_LIST and sync_accepted(many, claim=_claim_look_up, between=between):
        report.looked_up += len(many)
    else:
        _each(many[:limit], _look_up, report)


def _sync_future_orders(report: SweepReport, limit: int) -> None:
    report.looked_up += sync_future_orders(limit)


def _look_up_usage(report: SweepReport, limit: int) -> None:
    report.usage = sync_due_usage(limit)


def _now_and_then(*acts: Callable[[], None]) -> Callable[[], None]:
    """What does all of this again if it has not for a while, and tells that the sweep lives."""
    last = time.monotonic()

    def act() -> None:
        nonlocal last
        if time.monotonic() - last > LONGEST_STEP:
            for again in acts:
                again()
            heartbeats.beat(heartbeats.SWEEP)
            last = time.monotonic()

    return act


def _claim_look_up(order: EsimOrder, at_least: timedelta = timedelta()) -> LookUpClaim | None:
    now = database.now()
    claim = LookUpClaim(order, max(next_look_up(order, now), now + at_least))
    return claim if claim.take() else None
