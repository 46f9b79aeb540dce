"""Read Airalo's list of orders and match it with ours, before a database that may not be the newest one sends any."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery

from django_airalo.client import get_client
from django_airalo.client.payloads import FutureOrderData, OrderData, Page
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError, AiraloResponseError
from django_airalo.models import Deployment, EsimOrder, ListedPurchase
from django_airalo.models.leases import leased
from django_airalo.models.orders import EsimOrderQuerySet
from django_airalo.models.references import reference_in
from django_airalo.services.core import database, deployment, restore_check
from django_airalo.services.core.pages import read_pages
from django_airalo.services.core.transitions import TRANSITIONS

from . import future, lookup, order_list, outbound
from .purchases import delivers, is_new
from .record import GIVEN_UP

logger: logging.Logger = logging.getLogger("django_airalo.deployment")

Status = EsimOrder.Status

#: A process that takes longer than this for a page counts as dead.
LEASE = timedelta(minutes=3)
#: The pause after a reading failed, and the longest one that Airalo can ask for.
PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=5)
#: From this number of waiting orders on, the list is read if that takes fewer requests than looking up each order.
WORTH_A_LIST = 5
#: How long a list counts as too long for that after it was found to be so.
TOO_LONG_FOR = timedelta(minutes=5)
#: How long a purchase that no order here has is stored.
KEPT = timedelta(days=180)
#: How many times a list of future orders is read if it changes meanwhile.
TRIES = 3


@dataclass
class MatchReport:
    """The result of reading Airalo's list.

    Attributes:
        listed: the number of orders and future orders that Airalo lists.
        matched: the number of these that had new data for an order here.
        unknown: the number of these with a reference that no order here has. They are stored as ``ListedPurchase``.
        is_complete: whether the list was read to its end, so that orders are sent again.
    """

    listed: int = 0
    matched: int = 0
    unknown: int = 0
    is_complete: bool = False


@dataclass
class _ListReading:
    """The right to read, which one process has at a time.

    Attributes:
        since: the time from which orders are listed.
        row: what the database knows of itself, as it was claimed; its lease is extended with each page.
        started_at: when the reading began.
        server: the database server at that time.
        behind_since: since when nothing is sent; ``None`` if the list is read only because orders have waited long.
        behind_because: the reason, one of ``Deployment.Reason``; else empty.
        waiting: the number of orders that wait.
    """

    since: datetime
    row: Deployment
    started_at: datetime
    server: str
    behind_since: datetime | None
    behind_because: str
    waiting: int


def catch_up(between: Callable[[], object] = lambda: None) -> bool:
    """Return whether orders may be sent from this database. Reads Airalo's list first if that is necessary.

    Must not be called inside a transaction.

    Args:
        between: called after each page, for work that must not wait until a long list has been read.

    Raises:
        AiraloAPIError: the list could not be read.
        AiraloConfigurationError: credentials are missing.
    """
    return restore_check.beat() or read_list(between).is_complete


def make_ready() -> None:
    """Call ``catch_up()`` and log its errors, for callers whose work stays due if it cannot be sent now."""
    try:
        catch_up()
    except (AiraloAPIError, AiraloConfigurationError) as error:
        logger.warning("Nothing is sent until Airalo's list can be read: %s", error)


def read_list(between: Callable[[], object] = lambda: None) -> MatchReport:
    """Read Airalo's list and match it, if that is necessary and no other process does it.

    Args:
        between: as for ``catch_up()``.

    Returns:
        The result; ``is_complete`` is false if the list was not read.

    Raises:
        AiraloAPIError: a page could not be read. The pages before it are recorded.
        AiraloConfigurationError: credentials are missing.
    """
    reading, report = _begin_reading(), MatchReport()
    if reading is None:
        return report
    try:
        is_read = _read_and_match(reading, report, between)
    except (AiraloAPIError, AiraloConfigurationError) as error:
        _give_up(reading, getattr(error, "retry_after", None))
        raise
    report.is_complete = is_read and _finish_reading(reading)
    return report


def must_read_first(order: EsimOrder, moment: restore_check.Moment) -> bool:
    """Return whether the list must be read before an order is sent, since it and others have waited for long."""
    too_long_at = moment.row.list_too_long_at
    if not restore_check.is_old(order, moment) or (too_long_at and moment.now - too_long_at < TOO_LONG_FOR):
        return False
    return _waiting(moment)[:WORTH_A_LIST].count() == WORTH_A_LIST


def with_listed(orders: EsimOrderQuerySet) -> QuerySet[Any]:
    """Annotate orders with ``listed_package``: the package of a stored purchase with the order's reference."""
    listed = ListedPurchase.primary.filter(reference=OuterRef("reference"))
    return orders.using(database.primary_alias()).annotate(listed_package=Subquery(listed.values("package_id")[:1]))


def other_content(order: EsimOrder, listed_package: str) -> str:
    """Return a flag if a listed purchase that an order takes over has another package; ``""`` if it has not."""
    if listed_package in ("", order.package_id):
        return ""
    return f"Airalo lists the order as bought already, but with package {listed_package}, not {order.package_id}."


def _waiting(moment: restore_check.Moment) -> EsimOrderQuerySet:
    """Return the orders of this deployment that are due to be sent and have waited for long."""
    orders = EsimOrder.primary.filter(
        status=Status.PENDING, created_at__lt=moment.now - restore_check.OLD, due_at__lte=moment.now
    )
    return orders.filter(deployment=moment.stamp)


@database.in_transaction(durable=True)
def _begin_reading() -> _ListReading | None:
    """Take the right to read; ``None`` if another process has it, it is too early, or it is not necessary."""
    moment = restore_check.look()
    row, now = moment.row, moment.now
    if row.reading_until and row.reading_until > now:
        return None
    waiting = _waiting(moment).aggregate(first=Min("created_at"), count=Count("pk"))
    since = row.read_from if row.behind_since else waiting["first"]
    if since is None or (row.read_not_before and row.read_not_before > now):
        return None
    if not leased(Deployment).claim(row, Deployment.READING_LEASE, until=now + LEASE):
        return None
    return _ListReading(since, row, now, moment.server, row.behind_since, row.behind_because, waiting["count"])


def _give_up(reading: _ListReading, wait: float | None) -> None:
    """Give up the right to read. The next reading begins after a pause.

    Args:
        wait: the seconds that Airalo asks to wait.
    """
    pause = min(max(PAUSE, timedelta(seconds=wait or 0)), LONGEST_PAUSE)
    leased(Deployment).release(reading.row, Deployment.READING_LEASE, due=database.db_now() + pause)


def _read_and_match(reading: _ListReading, report: MatchReport, between: Callable[[], object]) -> bool:
    """Read and match all pages. Return ``False`` if the list is too long, or the lease expired."""
    to_record: dict[str, list[OrderData]] = defaultdict(list)
    is_first = True
    for page in order_list.read_order_list(reading.since, between):
        if is_first and _is_too_long(page, reading):
            too_long = {"list_too_long_at": reading.started_at}
            leased(Deployment).release(reading.row, Deployment.READING_LEASE, due=None, **too_long)
            return False
        _match_page(page.items, to_record, report, reading.started_at)
        if not _keep_lease(reading):
            return False
        is_first = False
    if reading.behind_since:
        _match_future_orders(report, reading.started_at)
    return _keep_lease(reading)


def _is_too_long(page: Page[OrderData], reading: _ListReading) -> bool:
    """Return whether a look-up of each order that waits takes fewer requests than the list."""
    return reading.behind_since is None and (page.last_page is None or page.last_page > reading.waiting)


def _keep_lease(reading: _ListReading) -> bool:
    """Extend the lease. Return ``False`` if it expired, so that another process may have begun."""
    until = database.db_now() + LEASE
    return bool(leased(Deployment).hold(reading.row, Deployment.READING_LEASE, until=until))


@database.in_transaction(durable=True)
def _finish_reading(reading: _ListReading) -> bool:
    """Allow sending again after the whole list was read.

    Returns:
        ``False`` if the database is on another server meanwhile, or another process has begun to read.
    """
    moment = restore_check.look()
    fields: dict[str, Any] = {"list_read_at": reading.started_at}
    if reading.behind_since:
        fields |= {"alive_at": moment.now, "behind_since": None, "behind_because": "", "read_from": None}
        fields |= {"read_not_before": None, **({"server": moment.server} if moment.server else {})}
    unchanged = leased(Deployment).filter(behind_since=reading.behind_since)
    if moment.server != reading.server or not unchanged.release(
        reading.row, Deployment.READING_LEASE, due=None, **fields
    ):
        return False
    if reading.behind_since:
        # Airalo has no list of refunds and vouchers, so it cannot be looked up whether they were sent.
        outbound.doubt_all(Q(created_at__lt=_placed_before(reading)), now=moment.now)
        ListedPurchase.primary.filter(seen_at__lt=moment.now - KEPT).delete()
        logger.warning("Airalo's list has been read: waiting orders are sent again")
    return True


def _placed_before(reading: _ListReading) -> datetime | None:
    """Return the time before which a refund or a voucher was placed if another database may have sent it.

    After a failover, that is any placed before it was noticed. After a silence, one placed a moment ago is new: most
    silences mean that the shop sold nothing, and the database is still the newest.
    """
    is_silence = reading.behind_because == Deployment.Reason.SILENT
    return reading.behind_since - restore_check.OLD if reading.behind_since and is_silence else reading.behind_since


def _match_page(
    items: Sequence[OrderData], to_record: dict[str, list[OrderData]], report: MatchReport, asked_at: datetime
) -> None:
    listed: dict[str, list[OrderData]] = defaultdict(list)
    for item in items:
        listed[reference_in(item.description)].append(item)
    listed.pop("", None)
    report.listed += len(items)
    orders = _orders_of(listed)
    for reference, order in orders.items():
        brings = [item for item in listed[reference] if _brings_changes(order, item)]
        if brings or reference in to_record:
            to_record[reference] += listed[reference]
            report.matched += len(brings)
            _record_listed(order, lookup.Findings(asked_at, orders=to_record[reference]))
    unknown = {reference: found[0] for reference, found in listed.items() if reference not in orders}
    report.unknown += len(unknown)
    deployment.keep_listed({reference: (item.id, item.package_id) for reference, item in unknown.items()})


def _brings_changes(order: EsimOrder, item: OrderData) -> bool:
    """Return whether a listed order has new data for our order."""
    if order.status == Status.COMPLETED:
        return order.airalo_order_id != item.id
    if order.status in GIVEN_UP:
        return delivers(order, item)
    return order.status != Status.ACCEPTED or is_new(order, item)


def _match_future_orders(report: MatchReport, asked_at: datetime) -> None:
    """Read and match the lists of future orders."""
    listing = future.Listing(asked_at)
    for status in future.STATUSES:
        rows = _future_orders(status)
        listed: dict[str, list[FutureOrderData]] = defaultdict(list)
        listing.add(rows)
        for row in rows:
            listed[reference_in(row.description)].append(row)
            report.listed += 1
        listed.pop("", None)
        orders = _orders_of(listed)
        for reference, order in orders.items():
            if Status.SCHEDULED in TRANSITIONS[order.status] or (order.status in GIVEN_UP and status != "failed"):
                report.matched += 1
                _record_listed(order, lookup.Findings(asked_at, future_orders=listed[reference]))
        unknown = {reference: rows[0] for reference, rows in listed.items() if reference not in orders}
        report.unknown += len(unknown)
        deployment.keep_listed({reference: (None, row.package_id) for reference, row in unknown.items()})
    if listing.may_hide_orders():
        # Each waiting future order may be one of them, so it must be looked up before it is sent.
        waiting = EsimOrder.primary.filter(status=Status.PENDING, due_date__isnull=False)
        waiting.update(look_up_first=True)


def _future_orders(status: future.ListStatus) -> list[FutureOrderData]:
    """Return all future orders with one status.

    The list is read again if rows were added or removed meanwhile, since one may have moved to a page already read.
    """

    def fetch(number: int) -> Page[FutureOrderData]:
        return get_client().list_future_orders(status=status, limit=future.PAGE_SIZE, page=number)

    for _try in range(TRIES):
        rows: list[FutureOrderData] = []
        totals = set()
        for page in read_pages(fetch, patience=0):
            rows += page.items
            totals.add(page.total)
        if len(totals) == 1:
            return rows
    raise AiraloResponseError("Airalo's list of future orders changed each time while it was read.")


def _orders_of(listed: Mapping[str, object]) -> dict[str, EsimOrder]:
    """Return our orders with these references, by reference."""
    orders = EsimOrder.primary.filter(reference__in=list(listed))
    return {order.reference: order for order in orders.only("reference", "status", "type", "airalo_order_id")}


def _record_listed(order: EsimOrder, findings: lookup.Findings) -> None:
    try:
        lookup.record(order.pk, findings, source="look-up")
    except Exception:  # One order must not keep all others from being sent. It is looked up before it is sent itself.
        logger.exception("What Airalo lists of order %s could not be recorded", order.reference)
        EsimOrder.primary.filter(pk=order.pk).update(look_up_first=True)
