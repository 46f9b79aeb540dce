"""Read Airalo's list of future orders, and record what it says about an order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Literal

from django_airalo.client import get_client
from django_airalo.client.payloads import FutureOrderData, Page
from django_airalo.conf import conf
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.models.references import reference_in
from django_airalo.services.core import database, doubt
from django_airalo.services.core.lookup_times import is_overdue, next_look_up
from django_airalo.services.core.pages import read_pages
from django_airalo.services.core.transitions import TRANSITIONS, change_status, flag_for_review, note

from .record import GIVEN_UP, OVERDUE, record_failure

Status = EsimOrder.Status
ListStatus = Literal["pending", "retry", "failed"]

#: Airalo lists one status at a time, and does not list fulfilled orders. Most orders have the first status.
STATUSES: tuple[ListStatus, ...] = ("pending", "retry", "failed")
PAGE_SIZE = 100
#: The maximum number of pages that are read for one status. If there are more, the list counts as incomplete.
MOST_PAGES = 50
#: Added on both sides of the dates, in case Airalo interprets them differently.
MARGIN = timedelta(days=1)


class Listing:
    """The future orders that Airalo lists for some days.

    Args:
        asked_at: when Airalo was asked, by the database's clock.
    """

    def __init__(self, asked_at: datetime) -> None:
        self.asked_at = asked_at
        self._rows: dict[str, list[FutureOrderData]] = defaultdict(list)
        #: Whether the whole list was read, so that Airalo does not list an order that is not in it.
        self.is_complete = True
        self._unnamed: set[str] = set()

    def add(self, rows: Sequence[FutureOrderData]) -> None:
        for row in rows:
            if not row.description:
                self._unnamed.add(row.request_id)
            for name in {row.request_id, reference_in(row.description)} - {""}:
                self._rows[name].append(row)

    def may_hide_orders(self) -> bool:
        """Return whether a row may be any of our orders, since it has no description and its ``request_id`` is unknown.

        In Airalo's documented example, even orders that were sent with a description have none.
        """
        known = EsimOrder.primary.filter(request_id__in=self._unnamed)
        return bool(self._unnamed - set(known.values_list("request_id", flat=True)))

    def of(self, order: EsimOrder) -> list[FutureOrderData]:
        """Return the rows with an order's ``request_id`` or reference."""
        names = {order.request_id or "", order.reference} - {""}
        rows = {row.request_id: row for name in names for row in self._rows.get(name, [])}
        return list(rows.values())


def read_future_orders(orders: Sequence[EsimOrder]) -> Listing:
    """Read Airalo's list around the due dates of some future orders, until all of them are found.

    If one of them is in doubt, the whole list is read, since Airalo may list that order twice.

    Raises:
        AiraloAPIError: a page could not be read.
    """
    dates = [order.due_date for order in orders if order.due_date]
    listing = Listing(database.db_now())
    if not dates:
        return listing
    first, last = min(dates) - MARGIN, max(dates) + MARGIN
    for status in STATUSES:
        totals, has_next = set(), False
        for page in islice(_pages(status, first, last), MOST_PAGES):
            listing.add(page.items)
            totals.add(page.total)
            has_next = page.has_next
        if has_next:
            listing.is_complete = False
        if len(totals) > 1:  # rows were added or removed meanwhile, so one may have moved to a page already read
            listing.is_complete = False
        if all(listing.of(order) and not order.in_doubt_until for order in orders):
            break
    return listing


def _pages(status: ListStatus, first: datetime, last: datetime) -> Iterator[Page[FutureOrderData]]:
    def fetch(number: int) -> Page[FutureOrderData]:
        return get_client().list_future_orders(
            status=status, from_due_date=first, to_due_date=last, limit=PAGE_SIZE, page=number
        )

    return read_pages(fetch, patience=0)


def next_check(order: EsimOrder, now: datetime) -> datetime:
    """Return when to look up a scheduled order next: rarely before its date, soon after it, then less and less often.

    Args:
        order: the order.
        now: the database's present time.
    """
    if order.due_date is None or now >= order.due_date:
        return next_look_up(order, now)
    then = [now + timedelta(seconds=conf.FUTURE_ORDER_INTERVAL)]
    then += [order.due_date + timedelta(seconds=conf.LOOKUP_DELAYS[0])]
    if order.in_doubt_until and order.in_doubt_until > now:
        then.append(order.in_doubt_until)
    return min(then)


def record_future_orders(order: EsimOrder, rows: Sequence[FutureOrderData], *, now: datetime, source: str) -> None:
    """Record that Airalo lists the order as a future order.

    Call inside ``database.atomic()``, with the order locked.

    Args:
        order: the order.
        rows: its rows in the list, at least one.
        now: the database's present time.
        source: as for ``change_status()``.
    """
    to_come = {row.request_id: row for row in rows if row.status != "failed"}
    ids = ", ".join(sorted(to_come))
    if order.status == Status.COMPLETED:
        if to_come:
            reason = f"Airalo still lists a future order with this reference, which it will deliver: {ids}."
            flag_for_review(order, reason, now=now, source=source)
        return
    if len(to_come) > 1:
        reason = f"Airalo lists more than one future order with this reference: {ids}."
        flag_for_review(order, reason, now=now, source=source)
        if order.request_id not in to_come:
            return
    row = to_come.get(order.request_id or "") or [*to_come.values(), *rows][0]
    if row.status == "failed":
        record_failure(
            order,
            reason="Airalo lists the future order as failed.",
            request_id=row.request_id,
            now=now,
            source=source,
        )
    elif Status.SCHEDULED in TRANSITIONS[order.status]:
        change_status(
            order,
            Status.SCHEDULED,
            now=now,
            source=source,
            **doubt.found_fields(order),
            look_up_first=False,
            lookups=0,
            due_at=next_check(order, now),
            **_fields(order, row),
        )
    elif order.status == Status.SCHEDULED:
        _update_scheduled(order, row, now=now, source=source)
    elif order.status in GIVEN_UP:
        reason = "Airalo still lists the future order, so it will deliver it."
        flag_for_review(order, reason, now=now, source=source)


def _fields(order: EsimOrder, row: FutureOrderData) -> dict[str, Any]:
    return {
        "request_id": order.request_id or row.request_id or None,
        "due_date": row.due_date or order.due_date,
        "latest_cancellation_date": row.latest_cancellation_date or order.latest_cancellation_date,
    }


def _update_scheduled(order: EsimOrder, row: FutureOrderData, *, now: datetime, source: str) -> None:
    fields = _fields(order, row)
    if fields["due_date"] != order.due_date:
        note(order, f"Airalo has moved the order to {fields['due_date']}.", now=now, source=source)
    if is_overdue(order, now):
        flag_for_review(order, OVERDUE, now=now, source=source)
    elif row.status == "retry":
        note(
            order,
            'Airalo lists the future order with the status "retry": it will try again.',
            now=now,
            source=source,
            kind=OrderEvent.Kind.LOOKED_UP,
        )
    EsimOrder.primary.filter(pk=order.pk).update(due_at=next_check(order, now), **fields)
