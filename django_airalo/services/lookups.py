"""Ask Airalo what became of an order, and record it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django_airalo.client import get_client
from django_airalo.client.payloads import OrderData, Page
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloRateLimitError
from django_airalo.models import EsimOrder, OrderEvent

from . import database
from .fulfilment import GIVEN_UP, airalo_fields, record_delivery, record_failure, reference_in
from .signalling import signal_after_commit
from .transitions import TRANSITIONS, call_for_attention, change_status, lock, note

logger = logging.getLogger("django_airalo.orders")

Status = EsimOrder.Status

OVERDUE = "Overdue: accepted, but neither delivered nor refused."
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
    order = EsimOrder.objects.get(pk=order.pk if isinstance(order, EsimOrder) else order)
    found = _look_up(order)
    _record(order.pk, found, source=source)
    return EsimOrder.objects.get(pk=order.pk)


def sync_accepted(orders: Sequence[EsimOrder], claim: Callable[[EsimOrder], object]) -> bool:
    """Look up many accepted orders at once, by reading Airalo's list of orders page by page.

    Args:
        claim: called for each order before most of the list is read, to keep others from doing the same.

    Returns:
        ``False``, with nothing claimed, if the list is so long that a look-up for each order takes fewer requests.

    Raises:
        AiraloAPIError: a page could not be read. No order was changed.
    """
    # A day of margin on both sides: the time zone of Airalo's dates is not documented.
    first = min(order.created_at for order in orders) - timedelta(days=1)
    days = f"{first:%Y-%m-%d} - {database.now() + timedelta(days=1):%Y-%m-%d}"
    page = _list_page(days, 1)
    if page.last_page is None or page.last_page > len(orders):
        return False
    for order in orders:
        claim(order)
    listed = list(page.items)
    while page.has_next:
        page = _list_page(days, (page.current_page or 1) + 1)
        listed += page.items
    found: dict[str, list[OrderData]] = {}
    for item in listed:
        found.setdefault(reference_in(item.description), []).append(item)
    for order in orders:
        try:
            _record_look_up(order, found.get(order.reference, []))
        except Exception:  # One order must not keep the others from being completed. It is looked up again.
            logger.exception("What Airalo lists of order %s could not be recorded", order.reference)
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
    is_news = found or (_is_overdue(order, database.now()) and OVERDUE not in order.attention)
    if is_news:
        _record(order.pk, found, source="look-up")


def settle_by_look_up(order: EsimOrder, *, source: str) -> bool:
    """Look up an order that this process has claimed, before it is sent again.

    Returns ``True`` if Airalo has it, so that it must not be sent. Raises ``AiraloAPIError`` if nobody can tell.
    """
    found = _look_up(order)
    if found:
        _record(order.pk, found, source=source)
    return bool(found)


def _look_up(order: EsimOrder) -> list[OrderData]:
    """The orders at Airalo that carry this order's reference. Airalo searches with LIKE, so compare exactly."""
    page = get_client().list_orders(description=order.reference, limit=10)
    return [found for found in page.items if reference_in(found.description) == order.reference]


@database.in_transaction()
def _record(order_pk: int, found: list[OrderData], *, source: str) -> None:
    """What a look-up says of one order."""
    order = lock(order_pk)
    if found:
        _record_found(order, found, source=source)
    else:
        _record_not_found(order, source=source)
    signal_after_commit(order)


def _record_found(order: EsimOrder, found: list[OrderData], *, source: str) -> None:
    now = database.now()
    ids = sorted({str(item.id) for item in found})
    if len(ids) > 1:
        reason = f"Airalo lists more than one order with this reference: {', '.join(ids)}."
        call_for_attention(order, reason, now=now, source=source)
        if Status.UNCONFIRMED in TRANSITIONS[order.status]:
            change_status(order, Status.UNCONFIRMED, now=now, source=source, detail=reason)
        return
    data = found[0]
    if data.sims:
        record_delivery(order, data, now=now, source=source)
    elif data.status in ("failed", "refunded"):
        reason = f"Airalo lists the order as {data.status}."
        record_failure(order, reason=reason, code=None, now=now, source=source)
    else:
        _record_listed(order, data, now=now, source=source)


def _record_listed(order: EsimOrder, data: OrderData, *, now: datetime, source: str) -> None:
    """Airalo has the order, without eSIMs yet."""
    fields = {"due_at": next_look_up(order, now), "look_up_first": False, **airalo_fields(order, data)}
    if Status.ACCEPTED in TRANSITIONS[order.status]:
        change_status(order, Status.ACCEPTED, now=now, source=source, **fields)
    elif order.status == Status.ACCEPTED and _is_overdue(order, now):
        call_for_attention(order, OVERDUE, now=now, source=source)
    else:
        note(order, "Airalo lists the order, without eSIMs.", now=now, source=source, kind=OrderEvent.Kind.LOOKED_UP)


def _record_not_found(order: EsimOrder, *, source: str) -> None:
    now = database.now()
    if order.status == Status.ACCEPTED and _is_overdue(order, now):
        call_for_attention(order, OVERDUE, now=now, source=source)
    elif order.status in GIVEN_UP and _is_overdue(order, now):
        EsimOrder.objects.filter(pk=order.pk).update(due_at=None)
    elif order.status == Status.UNCONFIRMED:
        note(order, "Airalo does not list the order.", now=now, source=source, kind=OrderEvent.Kind.LOOKED_UP)
        waited = now - (order.unconfirmed_at or now)
        if waited > timedelta(seconds=conf.UNCONFIRMED_GRACE):
            _apply_unconfirmed_policy(order, now=now)


def _is_overdue(order: EsimOrder, now: datetime) -> bool:
    return now - (order.accepted_at or now) > timedelta(seconds=conf.OVERDUE_AFTER)


def _apply_unconfirmed_policy(order: EsimOrder, *, now: datetime) -> None:
    if conf.UNCONFIRMED_POLICY == "resubmit" and not (order.request_id or order.attention):
        detail = "Not listed after the grace period: to be submitted again."
        change_status(order, Status.PENDING, now=now, source="sweep", detail=detail, due_at=now, look_up_first=True)
    else:
        reason = "Unconfirmed: not listed after the grace period. Decide whether it was ever placed."
        call_for_attention(order, reason, now=now, source="sweep")


def next_look_up(order: EsimOrder, now: datetime) -> datetime:
    """When to look the order up next: soon at first, then ever less often."""
    delays = conf.LOOKUP_DELAYS
    delay = delays[min(order.lookups, len(delays) - 1)]
    return now + timedelta(seconds=delay * random.uniform(0.9, 1.1))  # noqa: S311  spreads requests, guards nothing
