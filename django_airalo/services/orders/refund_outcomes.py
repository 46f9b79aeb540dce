"""Propose the outcomes of refunds from Airalo's list of orders. An operator confirms them.

Airalo has no endpoint for the outcome of a refund. The only sign of it is an order's status in the list, ``refunded``
or ``partially_refunded``, so no outcome is set automatically. Everything that reads the list proposes outcomes:
look-ups, imports, the reading before an old database sends, and once a day the sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.db.models import Min

from django_airalo.client import get_client
from django_airalo.client.payloads import OrderData, Page
from django_airalo.models import Esim, EsimOrder, Refund
from django_airalo.services.core import database, heartbeats
from django_airalo.services.core.pages import read_pages

Outcome = Refund.Outcome

#: Seconds between two readings of the list for refunds.
EVERY = 24 * 3600
#: The statuses of refunds that Airalo has, or may have.
AT_AIRALO = (Refund.Status.REQUESTED, Refund.Status.UNCONFIRMED)
PAGE_SIZE = 100


def propose_outcomes(listed: Iterable[OrderData]) -> int:
    """Propose the outcome of refunds that Airalo may have, and whose order it lists as refunded.

    Args:
        listed: orders from a list or a look-up.

    Returns:
        The number of new proposals.
    """
    statuses = {item.id: item.status for item in listed if item.id and item.status in Outcome}
    if not statuses:
        return 0
    orders = EsimOrder.primary.filter(airalo_order_id__in=list(statuses))
    known = orders.values_list("pk", "airalo_order_id")
    return sum([_propose(pk, statuses[airalo_order_id]) for pk, airalo_order_id in known if airalo_order_id])


@database.in_transaction()
def _propose(order_pk: int, outcome: str) -> int:
    refunds = Refund.primary.all()
    open_pks = refunds.filter(esims__order=order_pk, status__in=AT_AIRALO).values_list("pk", flat=True)
    new = 0
    for refund in database.locked(refunds.filter(pk__in=sorted(set(open_pks)))):
        # A request may be about several orders. It is refunded in full only if all of them are.
        orders = set(Esim.primary.filter(refunds=refund).values_list("order_id", flat=True))
        listed = {**refund.listed_outcomes, str(order_pk): outcome}
        whole = all(listed.get(str(pk)) == Outcome.REFUNDED for pk in orders)
        proposed = Outcome.REFUNDED if whole else Outcome.PARTIALLY_REFUNDED
        if (refund.listed_outcomes, refund.proposed_outcome) != (listed, proposed):
            refunds.filter(pk=refund.pk, status__in=AT_AIRALO).update(listed_outcomes=listed, proposed_outcome=proposed)
            new += 1
    return new


def look_for_outcomes() -> int:
    """Read Airalo's lists of refunded orders once a day, as long as a refund waits for its outcome.

    Returns:
        The number of new proposals.

    Raises:
        AiraloAPIError: a page could not be read. It is tried again the next day.
    """
    waiting = Refund.primary.filter(status__in=AT_AIRALO)
    first = waiting.aggregate(first=Min("esims__order__created_at"))["first"]
    if first is None or not heartbeats.claim(heartbeats.REFUNDS, EVERY):
        return 0
    # A day is added on both sides, since the time zone of Airalo's dates is not documented.
    days = f"{first - timedelta(days=1):%Y-%m-%d} - {database.db_now() + timedelta(days=1):%Y-%m-%d}"
    found = 0
    for status in Outcome.values:
        for page in _listed_as(status, days):
            found += propose_outcomes(page.items)
    return found


def _listed_as(status: str, days: str) -> Iterator[Page[OrderData]]:
    def fetch(number: int) -> Page[OrderData]:
        return get_client().list_orders(order_status=status, created_at=days, limit=PAGE_SIZE, page=number)

    return read_pages(fetch, patience=0)
