"""Synchronise future orders with Airalo until their date."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django_airalo.conf import conf
from django_airalo.exceptions import AiraloAPIError, AiraloRateLimitError, AiraloTokenError
from django_airalo.models import EsimOrder
from django_airalo.services.core import database, deployment

from . import future, lookup
from .cancel import ask_to_cancel, drop_request, is_too_late
from .lookup_claim import LookUpClaim

logger: logging.Logger = logging.getLogger("django_airalo.orders")

TOO_LATE = "Airalo did not cancel the future order before its last date for that."


def sync_future_orders(*, limit: int = 200) -> int:
    """Look up the future orders that are due, and send their requests to cancel. Part of the sweep.

    Args:
        limit: the maximum number of orders.

    Returns:
        The number of orders that were claimed.

    Raises:
        AiraloAPIError: Airalo's list could not be read. The orders are due again soon.
    """
    now = database.db_now()
    lease_end = now + timedelta(seconds=conf.submit_lease)
    candidates = EsimOrder.primary.due(now).filter(status=EsimOrder.Status.SCHEDULED)[:limit]
    claims = [LookUpClaim(order, lease_end, counts=_is_past(order, now)) for order in candidates]
    claims = [claim for claim in claims if claim.take()]
    stamp = deployment.identity().stamp if conf.SUBMIT else None
    ours = [claim.order for claim in claims if claim.order.deployment == stamp]
    to_cancel = [order for order in ours if order.cancel_requested_at and not is_too_late(order, now)]
    ask_to_cancel([order.pk for order in to_cancel])
    waiting = [claim for claim in claims if claim.order not in to_cancel]
    if waiting:
        _sync_claimed(waiting)
        for claim in waiting:
            if claim.order.cancel_requested_at and is_too_late(claim.order, now):
                drop_request(claim.order.pk, TOO_LATE)
    return len(claims)


def _is_past(order: EsimOrder, now: datetime) -> bool:
    return order.due_date is None or order.due_date <= now


def _sync_claimed(claims: Sequence[LookUpClaim]) -> None:
    try:
        listing = future.read_future_orders([claim.order for claim in claims])
        for claim in claims:
            _look_up_claimed(claim, listing)
    except AiraloAPIError as error:
        for claim in claims:
            claim.take_back(error)
        raise


def _look_up_claimed(claim: LookUpClaim, listing: future.Listing) -> None:
    """Look up one order. Raises only errors that concern the next orders, too; all others are logged."""
    order = claim.order
    try:
        found = _found(order, listing)
        lookup.record(order.pk, found, source="look-up")
    except (AiraloRateLimitError, AiraloTokenError):
        raise
    except AiraloAPIError as error:
        logger.warning("Future order %s could not be looked up: %s", order.reference, error)
        claim.take_back(error)
    except Exception:  # Any other error concerns only this order, which becomes due again.
        logger.exception("What Airalo lists of future order %s could not be recorded", order.reference)


def _found(order: EsimOrder, listing: future.Listing) -> lookup.Findings:
    """Return what Airalo lists for a future order. The list of orders is read only if necessary."""
    if rows := listing.of(order):
        hidden = lookup.hides(order, listing, rows)
        return lookup.Findings(
            listing.asked_at, future_orders=rows, is_complete=listing.is_complete, may_be_hidden=hidden
        )
    return lookup.look_up(order, listing)
