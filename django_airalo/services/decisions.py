"""What a person decides about an order that no machine can decide."""

from __future__ import annotations

from datetime import timedelta

from django_airalo.conf import conf
from django_airalo.models import EsimOrder

from . import database
from .signalling import signal_after_commit
from .transitions import change_locked, lock

Status = EsimOrder.Status


@database.in_transaction()
def mark_never_placed(order: EsimOrder, *, decided_by: str = "") -> bool:
    """Decide that Airalo never took an unconfirmed order: it is submitted again, after one more look-up.

    The risk: if Airalo did take it and lists it only later, it is bought twice.

    Args:
        decided_by: who decided, for the order's log.

    Returns:
        ``False`` if the order is not unconfirmed (any more), or Airalo is known to have accepted it.
    """
    current = lock(order.pk)
    if current.status != Status.UNCONFIRMED or current.request_id or current.airalo_order_id:
        return False
    now = database.now()
    detail = f"Marked as never placed by {decided_by or 'a person'}."
    change_locked(
        current,
        Status.PENDING,
        now=now,
        source="operator",
        detail=detail,
        due_at=now,
        look_up_first=True,
        attention="",
    )
    signal_after_commit(current)
    order.refresh_from_db(using=database.alias())
    return True


@database.in_transaction()
def mark_failed(order: EsimOrder, *, decided_by: str = "") -> bool:
    """Decide that an unconfirmed order is given up.

    It may have reached Airalo, so it is still looked up for ``AIRALO_OVERDUE_AFTER`` seconds (a future order, until as
    long after its date). If its eSIM arrives after all, by look-up or webhook, it is completed as late.

    Args:
        decided_by: who decided, for the order's log.

    Returns:
        ``False`` if the order is not unconfirmed (any more).
    """
    current = lock(order.pk)
    if current.status != Status.UNCONFIRMED:
        return False
    now = database.now()
    reason = f"Marked as failed by {decided_by or 'a person'}."
    change_locked(
        current,
        Status.FAILED,
        now=now,
        source="operator",
        detail=reason,
        error_reason=reason,
        attention="",
        lookups=0,  # those before have made the next ones rare
        due_at=now + timedelta(seconds=conf.LOOKUP_DELAYS[0]),
    )
    signal_after_commit(current)
    order.refresh_from_db(using=database.alias())
    return True
