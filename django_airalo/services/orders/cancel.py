"""Cancel orders that were not sent yet, and future orders."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloAuthenticationError,
    AiraloConfigurationError,
    AiraloNotFoundError,
    AiraloPermissionError,
    AiraloRefusedError,
    AiraloServerError,
    IPAddressNotAllowedError,
)
from django_airalo.models import EsimOrder
from django_airalo.services.core import database, deployment
from django_airalo.services.core.transitions import BY_HAND, change_locked, flag_for_review, lock, not_possible, note

from . import future, lookup
from .signals import signal_after_commit

logger: logging.Logger = logging.getLogger("django_airalo.orders")

Status = EsimOrder.Status

#: Airalo's limit for one request.
BATCH = 10
#: What Airalo says of an order that it does not cancel.
REFUSALS = (AiraloRefusedError, AiraloNotFoundError)
#: What may be meant of one order of a batch: 401 also says that an order is another company's.
OF_ONE = (*REFUSALS, AiraloAuthenticationError, AiraloPermissionError)


def cancel_order(order: EsimOrder) -> EsimOrder:
    """Cancel an order that has not been sent to Airalo yet, or a future order until Airalo's last date for that.

    There are three outcomes:

    - ``order.status`` is ``cancelled``: it was cancelled, and the signal ``esim_order_cancelled`` is sent.
    - ``order.status`` is still ``scheduled`` and ``order.cancel_requested_at`` is set: Airalo is asked to cancel the
      future order, and has not answered yet. It is asked right after the commit, so inside a transaction of the caller
      this is always the outcome for a future order. The sweep asks again until there is an answer. If it is cancelled,
      the signal is sent; if Airalo refuses, the order is flagged.
    - ``IllegalTransitionError``: it is not cancelled, and goes on.

    Returns:
        The order, refreshed.

    Raises:
        IllegalTransitionError: the order cannot be cancelled (any more).
    """
    if not cancel_orders([order]):
        raise not_possible("cancel_order", order, BY_HAND.get(order.status, ()), _what_keeps(order))
    return order


def cancel_orders(orders: Sequence[EsimOrder]) -> list[EsimOrder]:
    """Cancel many orders, as :func:`cancel_order` does with one; future orders in batches of ten.

    Each is cancelled by itself: one that cannot be cancelled does not keep the others from it, and raises nothing.

    Args:
        orders: all of them are refreshed.

    Returns:
        Those that were cancelled, and the future orders that Airalo is asked to cancel: ``status`` and
        ``cancel_requested_at`` say which. The others cannot be cancelled (any more).
    """
    taken = set(_cancel_or_record_request([order.pk for order in orders]))
    for order in orders:
        order.refresh_from_db(using=database.primary_alias())
    return [order for order in orders if order.pk in taken and _is_under_way(order)]


def _is_under_way(order: EsimOrder) -> bool:
    """Return whether an order is cancelled, or Airalo will be asked for it."""
    is_requested = order.status == Status.SCHEDULED and order.cancel_requested_at is not None
    return is_requested or order.status == Status.CANCELLED


def _what_keeps(order: EsimOrder) -> str:
    """Return what keeps an order that is pending or scheduled from being cancelled."""
    if order.status == Status.PENDING:
        return "an attempt to send it may have reached Airalo, so it is looked up first"
    if order.status == Status.SCHEDULED:
        return "Airalo does not cancel it (any more)"
    return ""


def is_too_late(order: EsimOrder, now: datetime) -> bool:
    """Return whether Airalo cancels it no more."""
    last = order.latest_cancellation_date or order.due_date
    return last is not None and last < now


@database.in_transaction()
def _cancel_or_record_request(order_pks: Sequence[int]) -> list[int]:
    """Primary keys of the orders that are cancelled, or that Airalo will be asked to cancel after the commit."""
    now = database.db_now()
    cancelled, requested = [], []
    for order_pk in sorted(order_pks):
        order = lock(order_pk)
        # An order whose last try may have reached Airalo is not cancelled: it may have been bought.
        if order.status == Status.PENDING and not (order.look_up_first or deployment.listed([order.reference])):
            change_locked(order, Status.CANCELLED, now=now, source="shop")
            signal_after_commit(order)
            cancelled.append(order_pk)
        elif order.status == Status.SCHEDULED and not is_too_late(order, now):
            # Airalo is asked at once; the sweep does it if that never happens.
            due_at = now + timedelta(seconds=conf.submit_lease)
            EsimOrder.primary.filter(pk=order_pk).update(cancel_requested_at=now, due_at=due_at)
            note(order, "To be cancelled.", now=now, source="shop")
            requested.append(order_pk)
    if requested:
        transaction.on_commit(partial(ask_to_cancel, requested), using=database.primary_alias(), robust=True)
    return cancelled + requested


def ask_to_cancel(order_pks: Sequence[int]) -> None:
    """Have Airalo cancel those that are still to be cancelled. What fails is due again."""
    if not conf.SUBMIT:
        return
    orders = EsimOrder.primary.filter(status=Status.SCHEDULED)
    # Not in a copy of the database under another name.
    requested = orders.filter(deployment=deployment.identity().stamp).exclude(cancel_requested_at=None)
    for start in range(0, len(order_pks), BATCH):
        try:
            _cancel_batch(list(requested.filter(pk__in=order_pks[start : start + BATCH]).order_by("pk")))
        except (AiraloAPIError, AiraloConfigurationError) as error:
            logger.warning("Cancelling was put off: %s", error)


def _cancel_batch(orders: list[EsimOrder]) -> None:
    if not orders:
        return
    try:
        get_client().cancel_future_orders([order.request_id or "" for order in orders])
    except AiraloAPIError as error:
        settles = error.may_have_acted or isinstance(error, (*OF_ONE, AiraloServerError))
        if not settles or isinstance(error, IPAddressNotAllowedError):
            raise  # surely not carried out, whatever the order: asked again later
        for order in orders:
            _settle(order, error, alone=len(orders) == 1)
    else:
        for order in orders:
            _record_cancelled(order.pk)


def _settle(order: EsimOrder, error: AiraloAPIError, *, alone: bool) -> None:
    """Read the lists before anything is concluded: Airalo does not say whether a refusal means all of a batch."""
    order = lookup.sync_order(order, source="shop")
    if order.status != Status.SCHEDULED or not isinstance(error, OF_ONE):
        return  # it is cancelled or made; or it is listed, after an answer that says nothing: asked again later
    if not alone:
        _cancel_batch([order])
    elif isinstance(error, REFUSALS):  # else asked again, until it is too late
        drop_request(order.pk, f"Airalo did not cancel the future order: {error}")


@database.in_transaction()
def _record_cancelled(order_pk: int) -> None:
    order, now = lock(order_pk), database.db_now()
    if order.status == Status.SCHEDULED:
        change_locked(order, Status.CANCELLED, now=now, source="shop", cancel_requested_at=None)
        signal_after_commit(order)
    elif order.status != Status.CANCELLED:
        note(order, "Airalo says that it was cancelled.", now=now, source="shop", late=True)


@database.in_transaction()
def drop_request(order_pk: int, reason: str) -> None:
    order, now = lock(order_pk), database.db_now()
    if order.status == Status.SCHEDULED and order.cancel_requested_at:
        EsimOrder.primary.filter(pk=order_pk).update(cancel_requested_at=None, due_at=future.next_check(order, now))
        flag_for_review(order, reason, now=now, source="shop")
