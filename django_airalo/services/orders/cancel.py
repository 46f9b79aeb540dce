"""Cancel orders that have not been sent yet, and future orders."""

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
#: The errors with which Airalo refuses to cancel an order.
REFUSALS = (AiraloRefusedError, AiraloNotFoundError)
#: The errors that may be about one order of a batch. A 401 can mean that an order is another company's.
OF_ONE = (*REFUSALS, AiraloAuthenticationError, AiraloPermissionError)


def cancel_order(order: EsimOrder) -> EsimOrder:
    """Cancel an order that has not been sent to Airalo yet, or a future order until Airalo's last date for that.

    There are three outcomes:

    - ``order.status`` is ``cancelled``: it was cancelled, and the signal ``esim_order_cancelled`` is sent.
    - ``order.status`` is still ``scheduled`` and ``order.cancel_requested_at`` is set: a request to cancel the future
      order is sent to Airalo after the commit, or was sent without an answer so far. Inside a transaction of the
      caller, this is always the outcome for a future order. The sweep repeats the request until there is an answer. If
      the order is cancelled, the signal is sent; if Airalo refuses, the order is flagged.
    - ``IllegalTransitionError``: the order is not cancelled.

    Args:
        order: the order; refreshed.

    Returns:
        The order, refreshed.

    Raises:
        IllegalTransitionError: the order cannot be cancelled (any more).
    """
    if not cancel_orders([order]):
        raise not_possible("cancel_order", order, BY_HAND.get(order.status, ()), _what_keeps(order))
    return order


def cancel_orders(orders: Sequence[EsimOrder]) -> list[EsimOrder]:
    """Cancel many orders, as :func:`cancel_order` does with one; future orders in requests of ten.

    An order that cannot be cancelled raises no error, and the others are cancelled nevertheless.

    Args:
        orders: the orders; all of them are refreshed.

    Returns:
        The orders that were cancelled, and the future orders that Airalo is requested to cancel: ``status`` and
        ``cancel_requested_at`` say which. The others cannot be cancelled (any more).
    """
    taken = set(_cancel_or_record_request([order.pk for order in orders]))
    for order in orders:
        order.refresh_from_db(using=database.primary_alias())
    return [order for order in orders if order.pk in taken and _is_under_way(order)]


def _is_under_way(order: EsimOrder) -> bool:
    """Return whether an order is cancelled, or Airalo is requested to cancel it."""
    is_requested = order.status == Status.SCHEDULED and order.cancel_requested_at is not None
    return is_requested or order.status == Status.CANCELLED


def _what_keeps(order: EsimOrder) -> str:
    """Return why a pending or scheduled order cannot be cancelled, for the text of an error."""
    if order.status == Status.PENDING:
        return "an attempt to send it may have reached Airalo, so it is looked up first"
    if order.status == Status.SCHEDULED:
        return "Airalo does not cancel it (any more)"
    return ""


def is_too_late(order: EsimOrder, now: datetime) -> bool:
    """Return whether it is too late for Airalo to cancel a future order."""
    last = order.latest_cancellation_date or order.due_date
    return last is not None and last < now


@database.in_transaction()
def _cancel_or_record_request(order_pks: Sequence[int]) -> list[int]:
    """Cancel pending orders, and record the requests for future orders. Return the primary keys of both."""
    now = database.db_now()
    cancelled, requested = [], []
    for order_pk in sorted(order_pks):
        order = lock(order_pk)
        # An order whose last attempt may have reached Airalo is not cancelled, since it may have been bought.
        if order.status == Status.PENDING and not (order.look_up_first or deployment.listed([order.reference])):
            change_locked(order, Status.CANCELLED, now=now, source="shop")
            signal_after_commit(order)
            cancelled.append(order_pk)
        elif order.status == Status.SCHEDULED and not is_too_late(order, now):
            # The request is sent after the commit; if that fails, the sweep sends it at this time.
            due_at = now + timedelta(seconds=conf.submit_lease)
            EsimOrder.primary.filter(pk=order_pk).update(cancel_requested_at=now, due_at=due_at)
            note(order, "To be cancelled.", now=now, source="shop")
            requested.append(order_pk)
    if requested:
        transaction.on_commit(partial(ask_to_cancel, requested), using=database.primary_alias(), robust=True)
    return cancelled + requested


def ask_to_cancel(order_pks: Sequence[int]) -> None:
    """Send the requests to cancel future orders, unless they are settled by now. If one fails, it stays due."""
    if not conf.SUBMIT:
        return
    orders = EsimOrder.primary.filter(status=Status.SCHEDULED)
    # Not from a copy of the database under another deployment's name.
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
            raise  # not carried out for any of the orders, so the request is sent again later
        for order in orders:
            _settle(order, error, alone=len(orders) == 1)
    else:
        for order in orders:
            _record_cancelled(order.pk)


def _settle(order: EsimOrder, error: AiraloAPIError, *, alone: bool) -> None:
    """Look up an order after an error, since Airalo does not say whether a refusal concerns all orders of a batch."""
    order = lookup.sync_order(order, source="shop")
    if order.status != Status.SCHEDULED or not isinstance(error, OF_ONE):
        return  # the look-up settled it, or the error was inconclusive, so the request is sent again later
    if not alone:
        _cancel_batch([order])
    elif isinstance(error, REFUSALS):  # otherwise the request is sent again, until it is too late
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
