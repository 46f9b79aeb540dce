"""Cancel orders; keep future orders in step with Airalo until their date."""

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
    AiraloRateLimitError,
    AiraloRefusedError,
    AiraloServerError,
    AiraloTokenError,
    IPAddressNotAllowedError,
)
from django_airalo.models import EsimOrder

from . import database, future, lookups
from .claims import LookUpClaim
from .signalling import signal_after_commit
from .transitions import call_for_attention, change_locked, lock, note

logger = logging.getLogger("django_airalo.orders")

Status = EsimOrder.Status

#: Airalo's limit for one request.
BATCH = 10
#: What Airalo says of an order that it does not cancel.
REFUSALS = (AiraloRefusedError, AiraloNotFoundError)
#: What may be meant of one order of a batch: 401 also says that an order is another company's.
OF_ONE = (*REFUSALS, AiraloAuthenticationError, AiraloPermissionError)
TOO_LATE = "Airalo did not cancel the future order before its last date for that."


def cancel_order(order: EsimOrder) -> bool:
    """Cancel an order that has not been sent to Airalo yet, or a future order until Airalo's last date for that.

    The wish is kept in the caller's transaction. For a future order Airalo is asked right after the commit, so within
    a transaction of the caller's this returns ``False`` and the signal ``esim_order_cancelled`` tells.

    Returns:
        Whether the order was cancelled. ``False``: it is too late; or, if ``order.cancel_requested_at`` is set, Airalo
        has not answered yet, and the sweep goes on asking.
    """
    return bool(cancel_orders([order]))


def cancel_orders(orders: Sequence[EsimOrder]) -> list[EsimOrder]:
    """Cancel many orders, as :func:`cancel_order` does with one; future orders in batches of ten.

    Each is cancelled by itself: one that cannot be cancelled does not keep the others from it.

    Returns:
        Those that were cancelled.
    """
    taken = set(_cancel_or_keep_the_wish([order.pk for order in orders]))
    for order in orders:
        if order.pk in taken:
            order.refresh_from_db(using=database.alias())
    return [order for order in orders if order.pk in taken and order.status == Status.CANCELLED]


def sync_future_orders(limit: int = 200) -> int:
    """Bring future orders that are due to be looked at in step with Airalo: its list, its orders, our wishes to cancel.

    Part of the sweep.

    Args:
        limit: how many to deal with at most.

    Returns:
        How many were dealt with.

    Raises:
        AiraloAPIError: Airalo's list could not be read. The orders are due again soon.
    """
    now = database.now()
    lease_end = now + timedelta(seconds=conf.SUBMIT_LEASE)
    candidates = EsimOrder.objects.due(now).filter(status=Status.SCHEDULED)[:limit]
    claims = [LookUpClaim(order, lease_end, counts=_is_past(order, now)) for order in candidates]
    claims = [claim for claim in claims if claim.take()]
    to_cancel = [c.order for c in claims if c.order.cancel_requested_at and not _is_too_late(c.order, now)]
    _ask_to_cancel([order.pk for order in to_cancel])
    waiting = [claim for claim in claims if claim.order not in to_cancel]
    if waiting:
        _sync(waiting)
        for claim in waiting:
            if claim.order.cancel_requested_at:
                _drop_the_wish(claim.order.pk, TOO_LATE)
    return len(claims)


def _is_past(order: EsimOrder, now: datetime) -> bool:
    return order.due_date is None or order.due_date <= now


def _is_too_late(order: EsimOrder, now: datetime) -> bool:
    """Whether Airalo cancels it no more."""
    last = order.latest_cancellation_date or order.due_date
    return last is not None and last < now


def _sync(claims: Sequence[LookUpClaim]) -> None:
    try:
        listing = future.read_list([claim.order for claim in claims])
        for claim in claims:
            _look_up(claim, listing)
    except AiraloAPIError as error:
        for claim in claims:
            claim.take_back(error)
        raise


def _look_up(claim: LookUpClaim, listing: future.Listing) -> None:
    """Raises only what is of no use to try with the next order either: one must not keep the others from it."""
    order = claim.order
    rows = listing.of(order)
    try:
        found = lookups.Findings(future_orders=rows) if rows else lookups.look_up(order, listing)
        lookups.record(order.pk, found, source="look-up")
    except (AiraloRateLimitError, AiraloTokenError):
        raise
    except AiraloAPIError as error:
        logger.warning("Future order %s could not be looked up: %s", order.reference, error)
        claim.take_back(error)
    except Exception:  # Whatever it is, it is about this order, which becomes due again.
        logger.exception("What Airalo lists of future order %s could not be recorded", order.reference)


# Cancelling


@database.in_transaction()
def _cancel_or_keep_the_wish(order_pks: Sequence[int]) -> list[int]:
    """Primary keys of the orders that are cancelled, or that Airalo will be asked to cancel after the commit."""
    now = database.now()
    cancelled, wished = [], []
    for order_pk in sorted(order_pks):
        order = lock(order_pk)
        # An order whose last try may have reached Airalo is not cancelled: it may have been bought.
        if order.status == Status.PENDING and not order.look_up_first:
            change_locked(order, Status.CANCELLED, now=now, source="shop")
            signal_after_commit(order)
            cancelled.append(order_pk)
        elif order.status == Status.SCHEDULED and not _is_too_late(order, now):
            # Airalo is asked at once; the sweep does it if that never happens.
            due_at = now + timedelta(seconds=conf.SUBMIT_LEASE)
            EsimOrder.objects.filter(pk=order_pk).update(cancel_requested_at=now, due_at=due_at)
            note(order, "To be cancelled.", now=now, source="shop")
            wished.append(order_pk)
    if wished:
        transaction.on_commit(partial(_ask_to_cancel, wished), using=database.alias(), robust=True)
    return cancelled + wished


def _ask_to_cancel(order_pks: Sequence[int]) -> None:
    """Have Airalo cancel those that are still to be cancelled. What fails is due again."""
    wished = EsimOrder.objects.using(database.alias()).filter(status=Status.SCHEDULED).exclude(cancel_requested_at=None)
    for start in range(0, len(order_pks), BATCH):
        try:
            _cancel_batch(list(wished.filter(pk__in=order_pks[start : start + BATCH]).order_by("pk")))
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
    order = lookups.sync_order(order, source="shop")
    if order.status != Status.SCHEDULED or not isinstance(error, OF_ONE):
        return  # it is cancelled or made; or it is listed, after an answer that says nothing: asked again later
    if not alone:
        _cancel_batch([order])
    elif isinstance(error, REFUSALS):  # else asked again, until it is too late
        _drop_the_wish(order.pk, f"Airalo did not cancel the future order: {error}")


@database.in_transaction()
def _record_cancelled(order_pk: int) -> None:
    order, now = lock(order_pk), database.now()
    if order.status == Status.SCHEDULED:
        change_locked(order, Status.CANCELLED, now=now, source="shop", cancel_requested_at=None)
        signal_after_commit(order)
    elif order.status != Status.CANCELLED:
        note(order, "Airalo says that it was cancelled.", now=now, source="shop", late=True)


@database.in_transaction()
def _drop_the_wish(order_pk: int, reason: str) -> None:
    order, now = lock(order_pk), database.now()
    if order.status == Status.SCHEDULED and order.cancel_requested_at:
        EsimOrder.objects.filter(pk=order_pk).update(cancel_requested_at=None, due_at=future.next_check(order, now))
        call_for_attention(order, reason, now=now, source="shop")
