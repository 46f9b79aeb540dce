"""Read Airalo's list of orders page by page, within the limit for look-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from django_airalo.client import get_client
from django_airalo.client.payloads import OrderData, Page
from django_airalo.services.core import database
from django_airalo.services.core.pages import read_pages

from .refund_outcomes import propose_outcomes

#: Orders on one page. Airalo documents no maximum; if it returns fewer, there are more pages.
PAGE_SIZE = 100
#: Seconds to wait for a page when the limit for look-ups is reached.
PATIENCE = 60


def days_since(moment: datetime) -> str:
    """Return the days from a moment until now, in the form of Airalo's filter.

    A day is added on both sides, since the time zone of Airalo's dates is not documented.
    """
    first = moment - timedelta(days=1)
    return f"{first:%Y-%m-%d} - {database.db_now() + timedelta(days=1):%Y-%m-%d}"


def read_order_list(since: datetime, between: Callable[[], object]) -> Iterator[Page[OrderData]]:
    """Yield the pages of the list since a moment, and propose the outcomes of refunds that they show.

    If the limit is reached before the first page, the error is raised at once, since a later sweep can start again.

    Args:
        since: the time from which to read.
        between: called before each page but the first.

    Raises:
        AiraloRateLimitError: the limit is reached before the first page, or for longer than ``PATIENCE``.
        AiraloAPIError: a page could not be read.
    """
    days = days_since(since)

    def fetch(number: int) -> Page[OrderData]:
        page = get_client().list_orders(created_at=days, limit=PAGE_SIZE, page=number)
        propose_outcomes(page.items)
        return page

    return read_pages(fetch, patience=PATIENCE, first_patience=0, between=between)
