"""What an operator decides about an order whose outcome at Airalo is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django_airalo.client.payloads import OrderData
from django_airalo.conf import conf
from django_airalo.models import EsimOrder
from django_airalo.services.core import database, doubt
from django_airalo.services.core.transitions import change_locked, lock, note, refuse

from . import lookup
from .purchases import is_void
from .signals import signal_after_commit

Status = EsimOrder.Status


@database.in_transaction()
def resubmit_unconfirmed(order: EsimOrder, *, decided_by: str = "", force_reason: str = "") -> EsimOrder:
    """Decide that Airalo never took an unconfirmed order: it is submitted again, after one more look-up.

    The risk: if Airalo did take it and lists it only later, it is bought twice. So this has to wait until
    ``order.in_doubt_until``, when Airalo must list what an attempt has bought.

    Args:
        decided_by: who decided, for the order's log.
        force_reason: why not to wait so long. **Before, the order may be bought twice.** Kept in the order's log.

    Returns:
        The order, refreshed.

    Raises:
        IllegalTransitionError: the order is not unconfirmed (any more), Airalo is known to have accepted it, or
            ``order.in_doubt_until`` is to come and no reason is given not to wait. Nothing was written.
    """
    current, now = lock(order.pk), database.db_now()
    if current.status != Status.UNCONFIRMED:
        refuse("resubmit_unconfirmed", order)
    if current.request_id or current.airalo_order_id:
        refuse("resubmit_unconfirmed", order, "Airalo is known to have accepted it")
    if not (force_reason or doubt.is_over(current, now)):
        refuse("resubmit_unconfirmed", order, doubt.wait_for(current))
    detail = f"Marked as never placed by {decided_by or 'an operator'}."
    if force_reason:
        note(current, doubt.forced(force_reason, decided_by), now=now, source="operator")
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
    order.refresh_from_db(using=database.primary_alias())
    return order


def list_purchases(order: EsimOrder) -> Sequence[OrderData]:
    """Ask Airalo which orders it lists with this order's reference: what there is to choose from.

    Raises:
        AiraloAPIError: Airalo did not answer.
        AiraloConfigurationError: credentials are missing.
    """
    return [item for item in lookup.look_up(order).orders if not is_void(item)]


def choose_purchase(order: EsimOrder, *, airalo_order_id: int, decided_by: str = "") -> EsimOrder:
    """Decide which of several purchases an order gets, and look it up: the others are kept as its duplicates.

    For an order of which Airalo lists more than one. It is completed if the chosen one has its eSIMs. Each other one
    that has becomes an order of its own, ``duplicate_of`` this one, to be refunded.

    Args:
        airalo_order_id: Airalo's id of the one to take, as in ``list_purchases(order)``.
        decided_by: who decided, for the order's log.

    Returns:
        The order, refreshed.

    Raises:
        IllegalTransitionError: Airalo does not list it with the order's reference, or the order is completed (by now).
            Nothing was written.
        AiraloAPIError: Airalo did not answer.
        AiraloConfigurationError: credentials are missing.
    """
    bought = sorted(list_purchases(order), key=lambda item: item.id != airalo_order_id)
    _record_choice(order, airalo_order_id, bought, decided_by)
    order.refresh_from_db(using=database.primary_alias())
    return order


@database.in_transaction()
def _record_choice(order: EsimOrder, airalo_order_id: int, bought: Sequence[OrderData], decided_by: str) -> None:
    current, now = lock(order.pk), database.db_now()
    if current.status == Status.COMPLETED:
        refuse("choose_purchase", order)
    if not bought or bought[0].id != airalo_order_id:
        listed = ", ".join(sorted(str(item.id) for item in bought)) or "none"
        refuse("choose_purchase", order, f"Airalo lists with its reference not {airalo_order_id} but {listed}")
    detail = f"Airalo's order {airalo_order_id} was chosen by {decided_by or 'an operator'}."
    note(current, detail, now=now, source="operator")
    # Stored first, so that a later look-up knows the choice if the chosen one has no eSIMs yet.
    current.airalo_order_id, current.airalo_order_code = airalo_order_id, bought[0].code[:64]
    current.save(update_fields=["airalo_order_id", "airalo_order_code"], using=database.primary_alias())
    lookup.record_chosen(current, bought, now=now, source="operator")
    signal_after_commit(current)


@database.in_transaction()
def mark_failed(order: EsimOrder, *, decided_by: str = "") -> EsimOrder:
    """Decide that an unconfirmed order is given up.

    It may have reached Airalo, so it is still looked up for ``AIRALO_OVERDUE_AFTER`` seconds (a future order, until as
    long after its date). If its eSIM arrives after all, by look-up or webhook, it is completed as late.

    Args:
        decided_by: who decided, for the order's log.

    Returns:
        The order, refreshed.

    Raises:
        IllegalTransitionError: the order is not unconfirmed (any more). Nothing was written.
    """
    current = lock(order.pk)
    if current.status != Status.UNCONFIRMED:
        refuse("mark_failed", order)
    now = database.db_now()
    reason = f"Marked as failed by {decided_by or 'an operator'}."
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
    order.refresh_from_db(using=database.primary_alias())
    return order
