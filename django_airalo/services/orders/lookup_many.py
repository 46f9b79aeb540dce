"""Look up many orders at once, by reading Airalo's list of orders page by page."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django_airalo.client.payloads import OrderData, Page
from django_airalo.conf import conf
from django_airalo.models import EsimOrder
from django_airalo.models.references import reference_in
from django_airalo.services.core import database, doubt

from . import order_list
from .lookup import Findings, brings_changes, record

logger: logging.Logger = logging.getLogger("django_airalo.orders")

#: From this number of orders on, reading the list may take fewer requests than looking up each order.
WORTH_A_LIST = 5


def sync_by_list(
    orders: Sequence[EsimOrder], claim: Callable[[EsimOrder, timedelta], object], between: Callable[[], object]
) -> bool:
    """Look up many orders in Airalo's list. Only data of these orders is kept in memory.

    Not for scheduled orders, which are in a separate list until their date.

    Args:
        orders: the orders as last read.
        claim: called for each order and the time that reading the list may take, after the first page was read. It
            keeps other processes from looking up the order.
        between: called after each page but the last, for work that must not wait until a long list has been read.

    Returns:
        ``False``, with nothing claimed, if the list is so long that a look-up for each order takes fewer requests.

    Raises:
        AiraloAPIError: a page could not be read. The pages before it are recorded.
    """
    reading = _Reading(orders, database.db_now())
    is_first = True
    for page in order_list.read_order_list(min(map(_sent_at, orders)), between):
        if is_first:
            if page.last_page is None or page.last_page > len(orders):
                return False
            rate = conf.rate("lookups")
            for order in orders:
                claim(order, page.last_page * timedelta(seconds=rate.period) / max(1, rate.count))
        reading.record_page(page)
        is_first = False
        del page  # a page takes megabytes, so only one is kept in memory
    reading.record_rest()
    return True


class _Reading:
    """Records some orders from the pages of the list."""

    def __init__(self, orders: Sequence[EsimOrder], asked_at: datetime) -> None:
        self._orders = {order.reference: order for order in orders}
        self._asked_at = asked_at
        self._found: set[str] = set()
        self._total = 0
        self._is_complete = True
        self._in_doubt: dict[str, list[OrderData]] = defaultdict(list)

    def record_page(self, page: Page[OrderData]) -> None:
        """Record the orders on a page at once, since customers wait for them."""
        total = page.total or 0
        # If rows were removed meanwhile, others may have moved to a page that was already read.
        self._is_complete &= total >= self._total
        self._total = total
        listed: dict[str, list[OrderData]] = defaultdict(list)
        for item in page.items:
            reference = reference_in(item.description)
            if reference in self._orders:
                listed[reference].append(item)
        for reference, found in listed.items():
            self._found.add(reference)
            # Another page may have more purchases of the order, so this one does not count as complete.
            self._record(reference, Findings(self._asked_at, found, is_complete=False))
            if (order := self._orders[reference]).in_doubt_until and doubt.is_over(order, self._asked_at):
                self._in_doubt[reference] += [_slim(item) for item in found]

    def record_rest(self) -> None:
        """Record the orders that needed the whole list: those in doubt, and those that are not listed."""
        for reference, found in self._in_doubt.items():
            self._record(reference, Findings(self._asked_at, found, is_complete=self._is_complete))
        for reference in self._orders.keys() - self._found:
            self._record(reference, Findings(self._asked_at, is_complete=self._is_complete))

    def _record(self, reference: str, findings: Findings) -> None:
        order = self._orders[reference]
        try:
            if brings_changes(order, findings):
                record(order.pk, findings, source="look-up")
        except Exception:  # One order must not keep the others from being recorded. It is looked up again.
            logger.exception("What Airalo lists of order %s could not be recorded", reference)


def _sent_at(order: EsimOrder) -> datetime:
    """Return the earliest time at which Airalo can have made the order."""
    return order.submitted_at if order.submitted_at and order.attempt == 1 else order.created_at


def _slim(item: OrderData) -> OrderData:
    """Return the order without Airalo's raw documents, which are not recorded."""
    return replace(item, raw={}, sims=tuple(replace(sim, raw={}) for sim in item.sims))
