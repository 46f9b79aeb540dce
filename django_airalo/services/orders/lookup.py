"""Look up orders at Airalo, and record what it lists."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from django_airalo.client import get_client
from django_airalo.client.payloads import FutureOrderData, OrderData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloResponseError
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.models.references import reference_in
from django_airalo.services.core import database, doubt
from django_airalo.services.core.lookup_times import is_overdue, next_look_up
from django_airalo.services.core.transitions import TRANSITIONS, change_status, flag_for_review, lock, note_once
from django_airalo.services.esims.completed_orders import follow_up_again, is_awaited

from . import future
from .airalo_fields import airalo_fields
from .purchases import delivers, is_new, is_void, own_first
from .record import GIVEN_UP, OVERDUE, record_delivery, record_failure
from .refund_outcomes import propose_outcomes
from .signals import signal_after_commit

logger: logging.Logger = logging.getLogger("django_airalo.orders")

Status: TypeAlias = EsimOrder.Status
Kind: TypeAlias = OrderEvent.Kind

VANISHED = "Airalo no longer lists the future order, nor an order made from it. Was it cancelled there?"
LISTED = (
    "Airalo lists the order, without eSIMs yet, although it had failed or was given up. It may still be delivered and "
    "charged."
)
NOT_LISTED = "Airalo does not list the order."
NOT_LISTED_IN_TIME = "Unconfirmed: not listed after the grace period. Decide whether it was ever placed."
HIDDEN = (
    "Unconfirmed: Airalo lists future orders without their descriptions, and this may be one of them. Look in Airalo's "
    "Partner Platform before you decide whether it was ever placed."
)
SECOND_HIDDEN = (
    "An earlier attempt may have bought it, too: Airalo lists future orders without their descriptions, one of which "
    "may be that. Look in Airalo's Partner Platform."
)
NEVER_LISTED = (
    "An earlier attempt may have bought it, too, but this is unknown, since Airalo has never listed the order. Look in "
    "Airalo's Partner Platform."
)


@dataclass(frozen=True)
class Findings:
    """What Airalo lists for one order. False in a boolean context if it lists nothing."""

    #: When Airalo was asked, by the database's clock.
    asked_at: datetime
    orders: Sequence[OrderData] = ()
    future_orders: Sequence[FutureOrderData] = ()
    #: Whether the whole list was read, so that Airalo does not list what was not found.
    is_complete: bool = True
    #: Whether a row without a description may be the order, or a second purchase of it.
    may_be_hidden: bool = False

    def __bool__(self) -> bool:
        return bool(self.orders or self.future_orders)


def sync_order(order: EsimOrder | int, *, source: str = "look-up") -> EsimOrder:
    """Look up an order at Airalo by its reference, and record the result.

    Completes, fails or confirms the order. If Airalo does not list it yet, it is left as it is; after the grace period,
    ``AIRALO_UNCONFIRMED_POLICY`` applies. A second purchase with the same reference is recorded as an order of its own,
    with ``duplicate_of`` set, and flagged. An order that was refused when it was placed is not looked up.

    Args:
        order: an order or its primary key.
        source: where the look-up comes from, for the log.

    Returns:
        The order as it is afterwards.

    Raises:
        AiraloAPIError: the look-up failed. Nothing was changed.
        AiraloConfigurationError: credentials are missing.
    """
    orders = EsimOrder.primary.all()
    order = orders.get(pk=order.pk if isinstance(order, EsimOrder) else order)
    if order.is_refused_at_placing:
        return order
    findings = look_up(order)
    if brings_changes(order, findings):
        record(order.pk, findings, source=source)
    return orders.get(pk=order.pk)


def settle_by_look_up(order: EsimOrder, *, source: str) -> bool:
    """Look up an order that this process has claimed, before it is sent again.

    Returns:
        ``True`` if it must not be sent, since Airalo lists it, or may list it without its description. In the second
        case it becomes unconfirmed.

    Raises:
        AiraloAPIError: the look-up failed, or did not show whether Airalo has the order.
    """
    found = look_up(order)
    if found:
        record(order.pk, found, source=source)
    elif not found.is_complete:
        raise AiraloResponseError("Airalo lists too many orders to be sure that this one is not among them.")
    elif found.may_be_hidden and not _is_decided(order):
        _hold_hidden(order, source=source)
    else:
        return False
    return True


def _is_decided(order: EsimOrder) -> bool:
    """Return whether an operator, who can see more than the list shows, has decided to send the order this time."""
    events = OrderEvent.primary.filter(order=order, new_status=Status.PENDING)
    return bool(events.order_by("pk").values_list("source", flat=True).last() == "operator")


@database.in_transaction(durable=True)
def _hold_hidden(order: EsimOrder, *, source: str) -> None:
    """Make an order that Airalo's list may hide unconfirmed, and flag it: sent again, it may be bought twice."""
    order, now = copy(order), database.db_now()
    fields = {"due_at": next_look_up(order, now), **doubt.doubt_fields(now)}
    if change_status(order, Status.UNCONFIRMED, now=now, source=source, detail=HIDDEN, **fields):
        flag_for_review(lock(order.pk), HIDDEN, now=now, source=source)


def look_up(order: EsimOrder, listing: future.Listing | None = None) -> Findings:
    """Return what Airalo lists for an order. Future orders are in a separate list until their date.

    Args:
        order: the order.
        listing: the list of future orders, if it has been read already.

    Raises:
        AiraloAPIError: a list could not be read.
    """
    asked_at = listing.asked_at if listing else database.db_now()
    # Airalo searches for parts of descriptions, so references are compared exactly here.
    page = get_client().list_orders(description=order.reference, limit=10)
    propose_outcomes(page.items)
    found = [item for item in page.items if reference_in(item.description) == order.reference]
    if not order.is_future or (found and not order.in_doubt_until):
        return Findings(asked_at, found, is_complete=not page.has_next)
    listing = listing or future.read_future_orders([order])
    is_complete = listing.is_complete and not page.has_next
    listed = listing.of(order)
    hidden = hides(order, listing, listed)
    return Findings(asked_at, found, listed, is_complete=is_complete, may_be_hidden=hidden)


def hides(order: EsimOrder, listing: future.Listing, listed: Sequence[FutureOrderData]) -> bool:
    """Return whether a list of future orders may contain further purchases of an order, without their descriptions.

    Args:
        order: the order.
        listing: the list.
        listed: the order's rows in the list. If there are any, more can only exist while the order is in doubt.
    """
    return bool(not listed or order.in_doubt_until) and listing.may_hide_orders()


def brings_changes(order: EsimOrder, findings: Findings) -> bool:
    """Return whether a look-up found anything new, so that something must be written.

    Args:
        order: the order as it was when Airalo was asked, or shortly before.
        findings: what Airalo lists.
    """
    if order.status == Status.ACCEPTED:
        has_new = any(is_new(order, item) for item in findings.orders)
        return has_new or (is_overdue(order, findings.asked_at) and OVERDUE not in order.attention)
    if findings or order.status == Status.SCHEDULED:
        return True
    if not findings.is_complete or order.status in (Status.PENDING, Status.SUBMITTING):
        return False
    is_over = doubt.is_over(order, findings.asked_at)
    if order.status != Status.UNCONFIRMED:
        return is_over
    is_first, is_decided = not order.lookups, bool(order.attention) and order.in_doubt_until is None
    return is_first or (is_over and not is_decided)


@database.in_transaction()
def record(order_pk: int, findings: Findings, *, source: str) -> None:
    """Record the findings of a look-up of one order. Arguments as for :func:`sync_order`."""
    order, now = lock(order_pk), database.db_now()
    if findings.orders:
        record_found(order, findings.orders, now=now, source=source)
    if findings.future_orders:
        future.record_future_orders(order, findings.future_orders, now=now, source=source)
    elif not findings and findings.is_complete:
        _record_not_found(order, findings, now=now, source=source)
    elif order.status == Status.SCHEDULED:
        EsimOrder.primary.filter(pk=order.pk).update(due_at=future.next_check(order, now))
    if findings.is_complete:
        _end_doubt(order, findings, now=now, source=source)
    signal_after_commit(order)


# Call all that follow inside database.atomic(), with the order locked. For ``source`` see change_status().


def record_found(order: EsimOrder, found: Sequence[OrderData], *, now: datetime, source: str) -> None:
    """Record that Airalo has the order: in its list, or in the answer to the request that bought it.

    If there are several purchases, the order's own is the one with its ``airalo_order_id``. An operator has to choose
    if none of them has it.
    """
    bought = list({item.id: item for item in found if not is_void(item)}.values())
    if not bought:
        void = own_first(order, found)[0]
        record_failure(
            order,
            reason=f"Airalo lists the order as {void.status}.",
            airalo_order_id=void.id,
            request_id=void.request_id,
            now=now,
            source=source,
        )
        return
    is_bound = order.status == Status.COMPLETED or order.airalo_order_id in [item.id for item in bought]
    if len(bought) > 1 and not is_bound:
        _record_conflict(order, bought, now=now, source=source)
        return
    record_chosen(order, own_first(order, bought), now=now, source=source)


def record_chosen(order: EsimOrder, bought: Iterable[OrderData], *, now: datetime, source: str) -> None:
    """Record the first purchase as the order's own, and the others as second purchases.

    Args:
        bought: the purchases, none of them void.
    """
    own, *others = bought
    if delivers(order, own):
        record_delivery(order, own, now=now, source=source)
    if order.status != Status.COMPLETED or not delivers(order, own):  # nothing delivered, or nothing to be recorded
        record_listed(order, own, now=now, source=source)
    for item in others if order.status == Status.COMPLETED else ():
        if delivers(order, item):
            record_delivery(order, item, now=now, source=source)  # records it as a duplicate
        else:
            reason = f"Airalo lists a second order with this reference, without eSIMs yet: {item.id}."
            flag_for_review(order, reason, now=now, source=source)


def record_listed(order: EsimOrder, data: OrderData, *, now: datetime, source: str) -> None:
    """Record that Airalo has the order, without eSIMs yet."""
    fields = airalo_fields(order, data)
    if order.status == Status.COMPLETED:
        follow_up_again(order, now=now, source=source)
    if Status.ACCEPTED in TRANSITIONS[order.status]:
        fields |= {"due_at": next_look_up(order, now), **doubt.found_fields(order), "look_up_first": False}
        change_status(order, Status.ACCEPTED, now=now, source=source, **fields)
    elif order.status in GIVEN_UP:
        flag_for_review(order, LISTED, now=now, source=source)
    elif order.status == Status.ACCEPTED:
        if order.airalo_order_id is None:
            EsimOrder.primary.filter(pk=order.pk).update(**fields)
            detail = "Airalo lists the order, without eSIMs."
            note_once(order, detail, now=now, source=source, kind=Kind.LOOKED_UP)
        if is_overdue(order, now):
            flag_for_review(order, OVERDUE, now=now, source=source)


def _record_conflict(order: EsimOrder, bought: Sequence[OrderData], *, now: datetime, source: str) -> None:
    """Flag an order with several purchases: an operator must choose one. The others are recorded on completion."""
    ids = ", ".join(sorted(str(item.id) for item in bought))
    reason = f"Airalo lists more than one order with this reference: {ids}."
    flag_for_review(order, reason, now=now, source=source)
    fields = {"in_doubt_until": order.in_doubt_until or now, "look_up_first": True}
    if Status.UNCONFIRMED in TRANSITIONS[order.status]:
        due_at = next_look_up(order, now)
        change_status(order, Status.UNCONFIRMED, now=now, source=source, detail=reason, due_at=due_at, **fields)
    elif not (order.in_doubt_until and order.look_up_first):
        EsimOrder.primary.filter(pk=order.pk).update(**fields)


def _record_not_found(order: EsimOrder, findings: Findings, *, now: datetime, source: str) -> None:
    if order.status == Status.SCHEDULED:
        _record_vanished(order, now=now, source=source)
    elif order.status == Status.COMPLETED:
        follow_up_again(order, now=now, source=source)
    elif order.status == Status.ACCEPTED and is_overdue(order, now):
        flag_for_review(order, OVERDUE, now=now, source=source)
    elif order.status == Status.UNCONFIRMED:
        note_once(order, NOT_LISTED, now=now, source=source, kind=Kind.LOOKED_UP)
        if doubt.is_over(order, findings.asked_at):
            _apply_unconfirmed_policy(order, findings, now=now)


def _end_doubt(order: EsimOrder, findings: Findings, *, now: datetime, source: str) -> None:
    """End the look-ups of an order with a final status, and the doubt about any, if nothing more can be found.

    Args:
        order: the order after the findings have been recorded.
    """
    if not doubt.is_over(order, findings.asked_at):
        return
    fields: dict[str, datetime | None] = {}
    if order.status in GIVEN_UP:
        if not is_overdue(order, now):
            return
        fields = {"due_at": None, "in_doubt_until": None}
    elif order.status == Status.COMPLETED:
        if order.in_doubt_until and not _shows_all(order, findings, now=now, source=source):
            return
        # Missing eSIMs and codes are still looked up.
        fields = {"due_at": order.due_at if is_awaited(order) else None, "in_doubt_until": None}
    elif order.status in (Status.SCHEDULED, Status.ACCEPTED) and len(_purchases(findings)) == 1:
        fields = {"in_doubt_until": None}
    if fields and order.in_doubt_until and findings.may_be_hidden:
        flag_for_review(order, SECOND_HIDDEN, now=now, source=source)
    if any(getattr(order, name) != value for name, value in fields.items()):
        EsimOrder.primary.filter(pk=order.pk).update(**fields)
        for name, value in fields.items():
            setattr(order, name, value)


def _shows_all(order: EsimOrder, findings: Findings, *, now: datetime, source: str) -> bool:
    """Return whether a look-up shows all purchases of a completed order in doubt, or it is time to give up.

    The order is flagged if Airalo has never listed it.
    """
    listed = [item for item in findings.orders if not is_void(item)]
    if listed and all(delivers(order, item) for item in listed):
        return True
    since = order.in_doubt_until or now
    if now - since <= timedelta(seconds=conf.OVERDUE_AFTER):
        return False
    if not listed:
        flag_for_review(order, NEVER_LISTED, now=now, source=source)
    return True


def _purchases(findings: Findings) -> set[int | str | None]:
    """Return Airalo's ids of the listed purchases, without void ones."""
    made = {item.id for item in findings.orders if not is_void(item)}
    return {*made, *(row.request_id for row in findings.future_orders if row.status != "failed")}


def _record_vanished(order: EsimOrder, *, now: datetime, source: str) -> None:
    """Record that Airalo lists a scheduled order in neither list."""
    if order.cancel_requested_at:
        detail = "Airalo no longer lists the order, so it was cancelled."
        # The order is still looked up for a while, in case Airalo fulfils it after all.
        change_status(
            order,
            Status.CANCELLED,
            now=now,
            source=source,
            detail=detail,
            cancel_requested_at=None,
            due_at=next_look_up(order, now),
        )
        return
    grace = timedelta(seconds=conf.UNCONFIRMED_GRACE)
    if is_overdue(order, now):
        flag_for_review(order, OVERDUE, now=now, source=source)
    elif now < (order.due_date or now) and now - (order.scheduled_at or now) > grace:
        flag_for_review(order, VANISHED, now=now, source=source)
    EsimOrder.primary.filter(pk=order.pk).update(due_at=future.next_check(order, now))


def _apply_unconfirmed_policy(order: EsimOrder, findings: Findings, *, now: datetime) -> None:
    is_known = order.request_id or order.attention
    if conf.UNCONFIRMED_POLICY == "resubmit" and not (is_known or findings.may_be_hidden):
        detail = "Not listed after the grace period: to be submitted again."
        fields = {"due_at": now, "look_up_first": True, "in_doubt_until": None}
        change_status(order, Status.PENDING, now=now, source="sweep", detail=detail, **fields)
        return
    reason = HIDDEN if findings.may_be_hidden else NOT_LISTED_IN_TIME
    flag_for_review(order, reason, now=now, source="sweep")
    if order.in_doubt_until:
        EsimOrder.primary.filter(pk=order.pk).update(in_doubt_until=None)
