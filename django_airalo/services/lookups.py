"""Ask Airalo what became of an order, and record it."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django_airalo.client import get_client
from django_airalo.client.payloads import FutureOrderData, OrderData, Page
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloRateLimitError, AiraloResponseError
from django_airalo.models import EsimOrder, OrderEvent

from . import database, future
from .fulfilment import (
    GIVEN_UP,
    OVERDUE,
    airalo_fields,
    is_overdue,
    next_look_up,
    record_delivery,
    record_failure,
    reference_in,
)
from .signalling import signal_after_commit
from .transitions import TRANSITIONS, call_for_attention, change_status, lock, note

logger = logging.getLogger("django_airalo.orders")

Status = EsimOrder.Status

#: Airalo's statuses of an order that brings no eSIM.
NOT_DELIVERED = ("failed", "refunded")
VANISHED = "Airalo lists neither the future order any more nor an order made from it. Was it cancelled there?"
LISTED = (
    "Airalo lists the order, without eSIMs yet, though it had failed or was given up: it may be delivered and charged."
)
#: Orders on one page of Airalo's list. Airalo documents no highest number; if it gives fewer, there are more pages.
LIST_PAGE_SIZE = 100
#: Seconds to wait for one page when the limit for look-ups is reached.
LIST_PATIENCE = 60


def sync_order(order: EsimOrder | int, *, source: str = "look-up") -> EsimOrder:
    """Ask Airalo what became of an order, found by its reference, and record it.

    Completes, fails or confirms the order; leaves it as it is if Airalo lists nothing yet. An order that is not
    on the list after the grace period is dealt with as ``AIRALO_UNCONFIRMED_POLICY`` says.

    Args:
        order: an order or its primary key.

    Returns:
        The order as it is afterwards.

    Raises:
        AiraloAPIError: the look-up did not succeed. Nothing was changed.
        AiraloConfigurationError: credentials are missing.
    """
    orders = EsimOrder.objects.using(database.alias())
    order = orders.get(pk=order.pk if isinstance(order, EsimOrder) else order)
    record(order.pk, look_up(order), source=source)
    return orders.get(pk=order.pk)


def sync_accepted(
    orders: Sequence[EsimOrder], claim: Callable[[EsimOrder, timedelta], object], between: Callable[[], object]
) -> bool:
    """Look up many accepted orders at once, by reading Airalo's list of orders page by page.

    Args:
        claim: called for each order before most of the list is read, to keep others from doing the same for as long
            as that may take.
        between: called after each page but the last, for what must not wait until a long list is read.

    Returns:
        ``False``, with nothing claimed, if the list is so long that a look-up for each order takes fewer requests.

    Raises:
        AiraloAPIError: a page could not be read. What stood on those before it is recorded.
    """
    # A day of margin on both sides: the time zone of Airalo's dates is not documented.
    first = min(order.created_at for order in orders) - timedelta(days=1)
    days = f"{first:%Y-%m-%d} - {database.now() + timedelta(days=1):%Y-%m-%d}"
    page = _list_page(days, 1)
    if page.last_page is None or page.last_page > len(orders):
        return False
    for order in orders:
        claim(order, page.last_page * timedelta(minutes=1) / max(1, conf.LOOKUPS_PER_MINUTE))
    waiting = {order.reference: order for order in orders}
    found: dict[str, list[OrderData]] = defaultdict(list)
    number = 1
    while True:
        listed = [(reference_in(item.description), item) for item in page.items]
        for reference, item in listed:
            found[reference].append(item)
        for reference in dict.fromkeys(reference for reference, _ in listed if reference in waiting):
            _record_look_up(waiting[reference], found[reference])
        if not page.has_next:
            break
        between()
        number += 1
        page = _list_page(days, number)
    for reference in waiting.keys() - found.keys():
        _record_look_up(waiting[reference], [])
    return True


def _list_page(days: str, number: int) -> Page[OrderData]:
    """A page of Airalo's list of orders, waiting where the limit for look-ups says so.

    Not for the first, before which nothing has been read or claimed: the next sweep does as well, and this one can
    go on to other orders.
    """
    give_up = time.monotonic() + (LIST_PATIENCE if number > 1 else 0)
    while True:
        try:
            return get_client().list_orders(created_at=days, limit=LIST_PAGE_SIZE, page=number)
        except AiraloRateLimitError as error:
            if time.monotonic() >= give_up:
                raise
            time.sleep(min(error.retry_after or 10, LIST_PATIENCE))


def _record_look_up(order: EsimOrder, found: list[OrderData]) -> None:
    """What the list says of one accepted order; nothing is written if there is no news."""
    try:
        is_news = found or (is_overdue(order, database.now()) and OVERDUE not in order.attention)
        if is_news:
            record(order.pk, Findings(orders=found), source="look-up")
    except Exception:  # One order must not keep the others from being completed. It is looked up again.
        logger.exception("What Airalo lists of order %s could not be recorded", order.reference)


def settle_by_look_up(order: EsimOrder, *, source: str) -> bool:
    """Look up an order that this process has claimed, before it is sent again.

    Returns ``True`` if Airalo has it, so that it must not be sent. Raises ``AiraloAPIError`` if nobody can tell.
    """
    found = look_up(order)
    if found:
        record(order.pk, found, source=source)
    elif not found.is_complete:
        raise AiraloResponseError("Airalo lists too many future orders to see that this one is not among them.")
    return bool(found)


@dataclass(frozen=True)
class Findings:
    """What Airalo lists of one order: false if it lists nothing."""

    orders: Sequence[OrderData] = ()
    future_orders: Sequence[FutureOrderData] = ()
    #: Whether all was read, so that what was not found is not listed.
    is_complete: bool = True

    def __bool__(self) -> bool:
        return bool(self.orders or self.future_orders)


def look_up(order: EsimOrder, listing: future.Listing | None = None) -> Findings:
    """What Airalo lists of an order; a future order that it has not made yet stands in a list of its own.

    Args:
        listing: that list, if it has been read.

    Raises:
        AiraloAPIError: it could not be read.
    """
    found = _look_up(order)
    if found or not order.is_future or order.status == Status.COMPLETED:
        return Findings(orders=found)
    listing = listing or future.read_list([order])
    return Findings(future_orders=listing.of(order), is_complete=listing.is_complete)


def _look_up(order: EsimOrder) -> list[OrderData]:
    """The orders at Airalo that carry this order's reference. Airalo searches with LIKE, so compare exactly."""
    page = get_client().list_orders(description=order.reference, limit=10)
    return [found for found in page.items if reference_in(found.description) == order.reference]


@database.in_transaction()
def record(order_pk: int, findings: Findings, *, source: str) -> None:
    """What a look-up says of one order."""
    order, now = lock(order_pk), database.now()
    if order.status in GIVEN_UP and findings.is_complete and is_overdue(order, now):
        EsimOrder.objects.filter(pk=order.pk).update(due_at=None)  # this was the last look
    if findings.orders:
        record_found(order, findings.orders, now=now, source=source)
    elif findings.future_orders:
        future.record_listed(order, findings.future_orders, now=now, source=source)
    elif findings.is_complete:
        _record_not_found(order, now=now, source=source)
    elif order.status == Status.SCHEDULED:
        EsimOrder.objects.filter(pk=order.pk).update(due_at=future.next_check(order, now))
    signal_after_commit(order)


# Called inside database.atomic(), with the order locked


def record_found(order: EsimOrder, found: Sequence[OrderData], *, now: datetime, source: str) -> None:
    """Airalo has the order: in its list, or as the answer to the request that bought it."""
    ids = sorted({str(item.id) for item in found})
    if len(ids) > 1:
        reason = f"Airalo lists more than one order with this reference: {', '.join(ids)}."
        call_for_attention(order, reason, now=now, source=source)
        if Status.UNCONFIRMED in TRANSITIONS[order.status]:
            change_status(order, Status.UNCONFIRMED, now=now, source=source, detail=reason)
        return
    data = found[0]
    if data.sims or (order.is_topup and data.status not in NOT_DELIVERED):
        record_delivery(order, data, now=now, source=source)
    elif data.status in NOT_DELIVERED:
        reason = f"Airalo lists the order as {data.status}."
        record_failure(order, reason=reason, code=None, now=now, source=source)
    else:
        record_listed(order, data, now=now, source=source)


def record_listed(order: EsimOrder, data: OrderData, *, now: datetime, source: str) -> None:
    """Airalo has the order, without eSIMs yet."""
    fields = {"due_at": next_look_up(order, now), "look_up_first": False, **airalo_fields(order, data)}
    if Status.ACCEPTED in TRANSITIONS[order.status]:
        change_status(order, Status.ACCEPTED, now=now, source=source, **fields)
    elif order.status == Status.ACCEPTED and is_overdue(order, now):
        call_for_attention(order, OVERDUE, now=now, source=source)
    elif order.status in GIVEN_UP:
        call_for_attention(order, LISTED, now=now, source=source)
    else:
        note(order, "Airalo lists the order, without eSIMs.", now=now, source=source, kind=OrderEvent.Kind.LOOKED_UP)


def _record_not_found(order: EsimOrder, *, now: datetime, source: str) -> None:
    if order.status == Status.SCHEDULED:
        _record_vanished(order, now=now, source=source)
    elif order.status == Status.ACCEPTED and is_overdue(order, now):
        call_for_attention(order, OVERDUE, now=now, source=source)
    elif order.status == Status.UNCONFIRMED:
        _note_not_listed(order, now=now, source=source)
        waited = now - (order.unconfirmed_at or now)
        if waited > timedelta(seconds=conf.UNCONFIRMED_GRACE):
            _apply_unconfirmed_policy(order, now=now)


def _note_not_listed(order: EsimOrder, *, now: datetime, source: str) -> None:
    """Each time at first. Later, while it waits for a person, once a day: look-ups go on without end."""
    today = order.events.using(database.alias()).filter(
        kind=OrderEvent.Kind.LOOKED_UP, created_at__gt=now - timedelta(days=1)
    )
    if not (order.attention and today.exists()):
        note(order, "Airalo does not list the order.", now=now, source=source, kind=OrderEvent.Kind.LOOKED_UP)


def _record_vanished(order: EsimOrder, *, now: datetime, source: str) -> None:
    """A scheduled order is listed nowhere."""
    if order.cancel_requested_at:
        detail = "Airalo does not list it any more, so it was cancelled."
        # Looked up for a while all the same: what Airalo makes of it in the end must be found.
        change_status(
            order,
            Status.CANCELLED,
            now=now,
            source=source,
            detail=detail,
            cancel_requested_at=None,
            due_at=next_look_up(order, now),
        )
        return
    grace = timedelta(seconds=conf.UNCONFIRMED_GRACE)
    if is_overdue(order, now):
        call_for_attention(order, OVERDUE, now=now, source=source)
    elif now < (order.due_date or now) and now - (order.scheduled_at or now) > grace:
        call_for_attention(order, VANISHED, now=now, source=source)
    EsimOrder.objects.filter(pk=order.pk).update(due_at=future.next_check(order, now))


def _apply_unconfirmed_policy(order: EsimOrder, *, now: datetime) -> None:
    if conf.UNCONFIRMED_POLICY == "resubmit" and not (order.request_id or order.attention):
        detail = "Not listed after the grace period: to be submitted again."
        change_status(order, Status.PENDING, now=now, source="sweep", detail=detail, due_at=now, look_up_first=True)
    else:
        reason = "Unconfirmed: not listed after the grace period. Decide whether it was ever placed."
        call_for_attention(order, reason, now=now, source="sweep")
