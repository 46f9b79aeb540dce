"""Airalo's list of future orders, and what a row of it says of an order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from django_airalo.client import get_client
from django_airalo.client.payloads import FutureOrderData
from django_airalo.conf import conf
from django_airalo.models import EsimOrder, OrderEvent

from .fulfilment import GIVEN_UP, OVERDUE, is_overdue, next_look_up, record_failure, reference_in
from .transitions import TRANSITIONS, call_for_attention, change_status, note

Status = EsimOrder.Status
ListStatus = Literal["pending", "retry", "failed"]

#: Airalo lists one status at a time; what it has fulfilled it does not list. Most are found under the first.
STATUSES: tuple[ListStatus, ...] = ("pending", "retry", "failed")
PAGE_SIZE = 100
#: Pages of one status that are read at most. What may be on the others is not concluded to be missing.
MOST_PAGES = 50
#: On both sides of the dates that are looked for, in case Airalo does not read them as we do.
MARGIN = timedelta(days=1)


class Listing:
    """Airalo's future orders of some days."""

    def __init__(self) -> None:
        self._rows: dict[str, list[FutureOrderData]] = defaultdict(list)
        #: Whether all was read, so that what is not there is not listed.
        self.is_complete = True

    def add(self, rows: Sequence[FutureOrderData]) -> None:
        for row in rows:
            for name in {row.request_id, reference_in(row.description)} - {""}:
                self._rows[name].append(row)

    def of(self, order: EsimOrder) -> list[FutureOrderData]:
        """The rows that are this order, by its ``request_id`` or its reference."""
        names = {order.request_id or "", order.reference} - {""}
        rows = {row.request_id: row for name in names for row in self._rows.get(name, [])}
        return list(rows.values())


def read_list(orders: Sequence[EsimOrder]) -> Listing:
    """Read what Airalo lists around the due dates of some future orders, until all of them are found.

    Raises:
        AiraloAPIError: a page could not be read.
    """
    dates = [order.due_date for order in orders if order.due_date]
    listing = Listing()
    if not dates:
        return listing
    for status in STATUSES:
        totals = set()
        for page in range(1, MOST_PAGES + 1):
            answer = get_client().list_future_orders(
                status=status,
                from_due_date=min(dates) - MARGIN,
                to_due_date=max(dates) + MARGIN,
                limit=PAGE_SIZE,
                page=page,
            )
            listing.add(answer.items)
            totals.add(answer.total)
            if not answer.has_next:
                break
        else:
            listing.is_complete = False
        if len(totals) > 1:  # while it was read rows came or went, so one may have moved to a page already read
            listing.is_complete = False
        if all(listing.of(order) for order in orders):
            break
    return listing


def next_check(order: EsimOrder, now: datetime) -> datetime:
    """When to look at a scheduled order next: seldom before its date, soon after it, then ever less often."""
    if order.due_date is None or now >= order.due_date:
        return next_look_up(order, now)
    then = now + timedelta(seconds=conf.FUTURE_ORDER_INTERVAL)
    return min(then, order.due_date + timedelta(seconds=conf.LOOKUP_DELAYS[0]))


def record_listed(order: EsimOrder, rows: Sequence[FutureOrderData], *, now: datetime, source: str) -> None:
    """Airalo lists the order among the future ones. Call inside ``database.atomic()``, with the order locked."""
    ids = sorted({row.request_id for row in rows})
    if len(ids) > 1:
        reason = f"Airalo lists more than one future order with this reference: {', '.join(ids)}."
        call_for_attention(order, reason, now=now, source=source)
        return
    row = rows[0]
    if row.status == "failed":
        record_failure(order, reason="Airalo lists the future order as failed.", code=None, now=now, source=source)
    elif Status.SCHEDULED in TRANSITIONS[order.status]:
        change_status(
            order,
            Status.SCHEDULED,
            now=now,
            source=source,
            look_up_first=False,
            lookups=0,
            due_at=next_check(order, now),
            **_fields(order, row),
        )
    elif order.status == Status.SCHEDULED:
        _keep_in_step(order, row, now=now, source=source)
    elif order.status in GIVEN_UP:
        reason = "Airalo still lists the future order, so it will be delivered."
        call_for_attention(order, reason, now=now, source=source)


def _fields(order: EsimOrder, row: FutureOrderData) -> dict[str, Any]:
    return {
        "request_id": order.request_id or row.request_id or None,
        "due_date": row.due_date or order.due_date,
        "latest_cancellation_date": row.latest_cancellation_date or order.latest_cancellation_date,
    }


def _keep_in_step(order: EsimOrder, row: FutureOrderData, *, now: datetime, source: str) -> None:
    fields = _fields(order, row)
    if fields["due_date"] != order.due_date:
        note(order, f"Airalo has moved it to {fields['due_date']}.", now=now, source=source)
    if is_overdue(order, now):
        call_for_attention(order, OVERDUE, now=now, source=source)
    elif row.status == "retry":
        note(
            order,
            "Airalo lists the future order as to be tried again.",
            now=now,
            source=source,
            kind=OrderEvent.Kind.LOOKED_UP,
        )
    EsimOrder.objects.filter(pk=order.pk).update(due_at=next_check(order, now), **fields)
