"""The sweep: process everything that is due, overdue or in doubt. A shop must run it regularly."""

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

from django.db.models import Q

from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloError,
    AiraloRateLimitError,
    AiraloTokenError,
)
from django_airalo.models import EsimOrder, Refund, Voucher, WebhookEvent
from django_airalo.models.orders import EsimOrderQuerySet
from django_airalo.models.outbound import SENDING
from django_airalo.services.account import breaker
from django_airalo.services.account.balance import check_balance, send_due_balance_signals
from django_airalo.services.account.pauses import check_pause, send_due_pause_signals
from django_airalo.services.core import database, deployment, heartbeats
from django_airalo.services.core.doubt import doubt_fields
from django_airalo.services.core.lookup_times import next_look_up
from django_airalo.services.core.transitions import change_status
from django_airalo.services.esims.details import sync_due_details
from django_airalo.services.esims.usage import send_due_esim_signals, sync_due_usage
from django_airalo.services.orders import matching, outbound, submit
from django_airalo.services.orders.lookup import sync_order
from django_airalo.services.orders.lookup_claim import LookUpClaim
from django_airalo.services.orders.lookup_many import WORTH_A_LIST, sync_by_list
from django_airalo.services.orders.refund_outcomes import look_for_outcomes
from django_airalo.services.orders.signals import send_due_order_signals, send_order_signals
from django_airalo.services.orders.sync_future import sync_future_orders
from django_airalo.services.refunds.request import attempt_refund
from django_airalo.services.vouchers.buy import attempt_voucher
from django_airalo.services.webhooks.process import process_webhook_event

logger: logging.Logger = logging.getLogger("django_airalo.sweep")

Status = EsimOrder.Status
Row = TypeVar("Row")

#: Seconds for the rows of one kind in a sweep. So a slow Airalo does not delay the rows of other kinds.
LONGEST_STEP = 30
#: Orders that are younger are looked up together, separately from older ones.
RECENTLY = timedelta(days=3)
#: How many times as many orders are looked up with the list as one by one.
MANY = 10


@dataclass
class SweepReport:
    """The numbers of rows that one sweep processed.

    Attributes:
        submitted: orders that were sent.
        expired: orders, refunds and vouchers whose lease had expired.
        looked_up: orders that were looked up.
        webhooks: webhook events.
        usage: eSIMs whose usage was looked up.
        details: eSIMs whose details were looked up.
        requests: refunds and vouchers that were sent.
        signalled: signals that were delivered to every receiver.
        put_off: rows that could not be processed and are still due.
    """

    submitted: int = 0
    expired: int = 0
    looked_up: int = 0
    webhooks: int = 0
    usage: int = 0
    details: int = 0
    requests: int = 0
    signalled: int = 0
    put_off: int = 0

    def __bool__(self) -> bool:
        """Return whether there was anything to do."""
        return any(vars(self).values())


def sweep(*, limit: int = 200) -> SweepReport:
    """Process everything that is due: submit, look up, expire leases, process webhooks, send signals again.

    Can run at any time and in any number of processes. An error of one order is logged and does not stop the others.

    Args:
        limit: the maximum number of rows of each kind; the rest is left to the next sweep.

    Returns:
        The numbers of rows that were processed.
    """
    report = SweepReport()
    for step in (_check_account, _urgent, _look_up, _send_requests, _signal, _look_up_esims):
        step(report, limit)
    heartbeats.beat(heartbeats.SWEEP)
    return report


def _check_account(report: SweepReport, limit: int) -> None:
    _asking(check_pause, report)
    _asking(check_balance, report)


def _urgent(report: SweepReport, limit: int) -> None:
    """Process the work that customers wait for: webhooks, submission and expired leases."""
    _asking(partial(_interpret_due, report, limit), report)
    if _catch_up(report, limit):
        _asking(partial(_submit_pending, report, limit), report)
    _each(_due_orders(Status.SUBMITTING)[:limit], _expire, report)


def _look_up(report: SweepReport, limit: int) -> None:
    look_ups = [_look_up_waited_for, _sync_future_orders]
    # They share Airalo's limit, so their sequence is random. Orders that no customer waits for come last.
    for look_up in [*random.sample(look_ups, len(look_ups)), _look_up_settled]:
        _asking(partial(look_up, report, limit), report)


def _send_requests(report: SweepReport, limit: int) -> None:
    now = database.db_now()
    stamp = deployment.identity().stamp
    _each(Refund.primary.due(now).sent_by(stamp)[:limit], _send_request, report)
    _each(Voucher.primary.without_secrets().due(now).sent_by(stamp)[:limit], _send_request, report)
    _asking(look_for_outcomes, report)


def _look_up_esims(report: SweepReport, limit: int) -> None:
    _asking(partial(_look_up_details, report, limit), report)
    _asking(partial(_look_up_usage, report, limit), report)


def _submit_pending(report: SweepReport, limit: int) -> None:
    if conf.SUBMIT and (room := breaker.room(limit)):
        ours = _due_orders(Status.PENDING).filter(deployment=deployment.identity().stamp)
        _each(ours[:room], _submit_due, report)


def _interpret_due(report: SweepReport, limit: int) -> None:
    _each(WebhookEvent.primary.due(database.db_now())[:limit], _process_event, report)


def _catch_up(report: SweepReport, limit: int) -> bool:
    """Record that the database is alive. If it may not be the newest one, read Airalo's list before anything is sent.

    Returns:
        Whether orders may be sent.
    """
    is_ready = False
    between = _now_and_then(partial(_interpret_due, report, limit), partial(_signal, report, limit))

    def catch_up() -> None:
        nonlocal is_ready
        is_ready = matching.catch_up(between)

    _asking(catch_up, report)
    return is_ready


def _signal(report: SweepReport, limit: int) -> None:
    report.signalled += send_due_order_signals(limit) + send_due_esim_signals(limit)
    now = database.db_now()
    report.signalled += send_due_pause_signals(now) + send_due_balance_signals(now)
    report.signalled += outbound.send_due_signals(limit)


def _due_orders(*statuses: str) -> EsimOrderQuerySet:
    return EsimOrder.primary.due(database.db_now()).filter(status__in=statuses)


def _each(rows: Iterable[Row], act: Callable[[Row, SweepReport], None], report: SweepReport) -> None:
    """Call ``act`` for each row, until Airalo's limit is reached or it has taken too long. The other rows stay due."""
    give_up = time.monotonic() + LONGEST_STEP
    for row in list(rows):
        if not _asking(partial(act, row, report), report) or time.monotonic() > give_up:
            return


def _asking(act: Callable[[], object], report: SweepReport) -> bool:
    """Call ``act`` and log its errors. Return ``False`` if further requests to Airalo would fail, too."""
    try:
        act()
    except (AiraloRateLimitError, AiraloTokenError) as error:
        logger.warning("No further requests of this kind in this sweep: %s", error)
        report.put_off += 1
        return False
    except (AiraloAPIError, AiraloConfigurationError) as error:
        logger.warning("Left to a later sweep: %s", error)
        report.put_off += 1
    except Exception:  # One row must not keep the others from being processed. It stays due.
        logger.exception("A row could not be processed and is left to a later sweep")
        report.put_off += 1
    return True


def _process_event(event: WebhookEvent, report: SweepReport) -> None:
    process_webhook_event(event)
    report.webhooks += 1


def _submit_due(order: EsimOrder, report: SweepReport) -> None:
    error = submit.attempt(order.pk)
    report.submitted += 1
    _raise_if_others_fail_too(error)


def _raise_if_others_fail_too(error: AiraloError | None) -> None:
    if isinstance(error, AiraloRateLimitError | AiraloTokenError):
        raise error


def _send_request(row: Refund | Voucher, report: SweepReport) -> None:
    if row.status == SENDING:
        report.expired += outbound.expire(row)
        return
    error = attempt_refund(row.pk) if isinstance(row, Refund) else attempt_voucher(row.pk)
    report.requests += 1
    _raise_if_others_fail_too(error)


def _expire(order: EsimOrder, report: SweepReport) -> None:
    """Make an order unconfirmed whose lease has expired: it is unknown whether its request was sent."""
    if _give_up_claim(order):
        report.expired += 1
    send_order_signals(order.pk)


@database.in_transaction()
def _give_up_claim(order: EsimOrder) -> bool:
    detail = "The lease expired: the worker died or hangs, and may have sent the order."
    now = database.db_now()
    fields = {"due_at": now, **doubt_fields(now)}
    return change_status(copy(order), Status.UNCONFIRMED, now=now, source="sweep", detail=detail, **fields)


def _look_up_order(order: EsimOrder, report: SweepReport) -> None:
    claim = _claim_look_up(order)
    if claim is None:
        return
    try:
        sync_order(order)
    except AiraloAPIError as error:
        claim.take_back(error)
        raise
    report.looked_up += 1


def _look_up_waited_for(report: SweepReport, limit: int) -> None:
    """Look up the orders for whose eSIMs customers wait, those that have waited longest first."""
    now = database.db_now()
    lately = now - timedelta(seconds=conf.OVERDUE_AFTER)
    waited_for = Q(status=Status.ACCEPTED) | Q(status=Status.UNCONFIRMED, attention="")
    in_part = Q(status=Status.COMPLETED, completed_at__gt=lately, in_doubt_until=None)
    _look_up_many(EsimOrder.primary.due(now).filter(waited_for | in_part), report, limit)


def _look_up_settled(report: SweepReport, limit: int) -> None:
    """Look up the orders that were flagged as unconfirmed, or have a final status and may be delivered after all."""
    settled = _due_orders(Status.UNCONFIRMED, *EsimOrder.FINAL).exclude(status=Status.UNCONFIRMED, attention="")
    _look_up_many(settled, report, limit)


def _look_up_many(due: EsimOrderQuerySet, report: SweepReport, limit: int) -> None:
    """Look up orders: with the list of orders if that takes fewer requests, else one by one."""
    orders = list(due[: limit * MANY])
    recently = database.db_now() - RECENTLY
    # Old orders are looked up separately, since they would make the list too long for the recent ones.
    for are_recent in (True, False):
        many = [order for order in orders if _is_listed(order) and (order.created_at > recently) is are_recent]
        between = _now_and_then(partial(_urgent, report, limit), partial(_signal, report, limit))
        if len(many) >= WORTH_A_LIST and sync_by_list(many, claim=_claim_look_up, between=between):
            report.looked_up += len(many)
            done = {order.pk for order in many}
            orders = [order for order in orders if order.pk not in done]
    _each(orders[:limit], _look_up_order, report)


def _is_listed(order: EsimOrder) -> bool:
    """Return whether an order is in Airalo's list of orders: future orders are in another list until their date."""
    return not order.is_future or order.status == Status.ACCEPTED


def _sync_future_orders(report: SweepReport, limit: int) -> None:
    report.looked_up += sync_future_orders(limit=limit)


def _look_up_usage(report: SweepReport, limit: int) -> None:
    report.usage = sync_due_usage(limit=limit)


def _look_up_details(report: SweepReport, limit: int) -> None:
    report.details = sync_due_details(limit=limit)


def _now_and_then(*acts: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls all ``acts`` and beats, at most once in ``LONGEST_STEP`` seconds."""
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
    now = database.db_now()
    claim = LookUpClaim(order, max(next_look_up(order, now), now + at_least))
    return claim if claim.take() else None
