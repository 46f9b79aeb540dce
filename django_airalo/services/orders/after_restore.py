"""Operators' actions after a restore, or after a deployment's name has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Q

from django_airalo.models import Deployment, EsimOrder, Refund, Voucher
from django_airalo.models.outbound import PENDING
from django_airalo.services.core import database, restore_check

from . import outbound

Status = EsimOrder.Status


@dataclass(frozen=True)
class TakeOverReport:
    """What was taken over.

    Attributes:
        orders: the number of orders that wait to be sent.
        cancellations: the number of future orders whose cancellation is still to be requested.
        requests: the number of refunds and vouchers that became unconfirmed.
    """

    orders: int
    cancellations: int
    requests: int


@database.in_transaction()
def take_over() -> TakeOverReport:
    """Make this deployment send the orders that other deployments have placed in this database.

    Nothing is sent until Airalo's list has been read back to the time when the oldest of these orders was placed.
    Pending refunds and vouchers become unconfirmed: the other deployment may have sent them, and Airalo lists neither.

    Returns:
        The number of rows of each kind that were taken over.
    """
    moment = restore_check.look()
    others = EsimOrder.primary.exclude(deployment=moment.stamp)
    waiting = others.filter(status=Status.PENDING)
    first = waiting.aggregate(at=Min("created_at"))["at"]
    requests = sum(
        model.primary.filter(status=PENDING).exclude(deployment=moment.stamp).count() for model in (Refund, Voucher)
    )
    cancelling = others.filter(status=Status.SCHEDULED, cancel_requested_at__isnull=False).count()
    outbound.doubt_all(~Q(deployment=moment.stamp), now=moment.now)
    restore_check.hold_by_hand(moment, read_from=first)
    orders = waiting.update(deployment=moment.stamp)
    # All other orders, too, since this deployment will send their retries and cancellations.
    others.exclude(is_imported=True).update(deployment=moment.stamp)
    return TakeOverReport(orders=orders, cancellations=cancelling, requests=requests)


@database.in_transaction()
def begin_after_restore(since: datetime | None = None) -> Deployment:
    """Stop sending until Airalo's list has been read, after a restore or failover that was not noticed automatically.

    Args:
        since: the time from which to read the list; default the time when the database was last alive.

    Returns:
        The deployment's row.
    """
    restore_check.hold_by_hand(restore_check.look(), read_from=since)
    return restore_check.look().row
