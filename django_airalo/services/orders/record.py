"""Record deliveries, failures and late acceptances that Airalo reports in webhooks, answers and lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django_airalo.client.payloads import OrderData
from django_airalo.conf import conf
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.services.core.doubt import doubt_fields, found_fields, is_over, settled_fields
from django_airalo.services.core.redaction import redact
from django_airalo.services.core.transitions import (
    TRANSITIONS,
    change_locked,
    flag_for_review,
    lock,
    note,
    note_once,
)
from django_airalo.services.esims.completed_orders import (
    add_to_completed,
    finish_delivery,
    flag_what_is_missing,
    next_follow_up,
)
from django_airalo.services.esims.record import keep_esims
from django_airalo.services.esims.usage import note_top_up

from .airalo_fields import airalo_fields, blanks_filled, record_cost
from .duplicates import is_other_purchase, keep_duplicate

Status = EsimOrder.Status

#: The statuses of orders that are not expected to be delivered. Those that Airalo may have are looked up for a while.
GIVEN_UP = (Status.FAILED, Status.CANCELLED)
#: The columns that an acceptance resets. The number of look-ups is reset because their interval grows with it.
AS_NEW: dict[str, Any] = {"look_up_first": False, "lookups": 0, "error_code": None, "error_reason": ""}
OVERDUE = "Overdue: accepted, but neither delivered nor refused."


# Call all these functions inside database.atomic(), with the order locked. For ``source`` see change_status().


def record_delivery(order: EsimOrder, data: OrderData, *, now: datetime, source: str, signal: bool = True) -> None:
    """Record delivered eSIMs or a top-up, and complete the order, whatever its status was.

    An order that is completed already gets new eSIMs and codes, and its blank columns are filled. A second purchase
    becomes an order of its own, with ``duplicate_of`` set.

    Args:
        order: the order.
        data: Airalo's order.
        now: the database's present time.
        source: as for ``change_status()``.
        signal: whether to send a signal for eSIMs that are added to a completed order.
    """
    if order.status == Status.COMPLETED and is_other_purchase(order, data):
        keep_duplicate(order, data, now=now, source=source)
        return
    # A top-up has no eSIM of its own: the eSIM belongs to another order, even if Airalo lists it here.
    delivery = keep_esims(order, () if order.is_topup else data.sims, now=now, source=source)
    flaws = flaws_of(order, data, len(delivery.esims))
    if order.status == Status.COMPLETED:
        _fill_blanks(order, data)
        add_to_completed(order, delivery, now=now, source=source, signal=signal)
    elif order.is_topup or delivery.esims:
        _complete(order, data, delivery.rows, now=now, source=source)
    else:
        record_cost(order, data)
    finish_delivery(order, delivery, flaws, now=now, source=source)


def _complete(order: EsimOrder, data: OrderData, esims: Sequence[Esim], *, now: datetime, source: str) -> None:
    order.completed_at, order.lookups = now, 0  # the interval of look-ups starts again for missing eSIMs
    change_locked(
        order,
        Status.COMPLETED,
        now=now,
        source=source,
        look_up_first=False,
        lookups=0,
        error_code=None,
        error_reason="",
        delivered_quantity=len(esims),
        due_at=next_follow_up(order, esims, now),
        **_completed_fields(order, data, now),
    )
    flag_what_is_missing(order, esims, now=now, source=source)
    if order.esim_id:
        note_top_up(order.esim_id, now)


def _fill_blanks(order: EsimOrder, data: OrderData) -> None:
    """Fill the blank columns of a completed order: for example, a look-up has no cost, but a webhook has."""
    if changes := blanks_filled(order, data):
        EsimOrder.primary.filter(pk=order.pk).update(**changes)
        for name, value in changes.items():
            setattr(order, name, value)


def record_failure(
    order: EsimOrder,
    *,
    reason: str,
    code: int | None = None,
    airalo_order_id: int | None = None,
    request_id: str = "",
    now: datetime,
    source: str,
) -> None:
    """Record that Airalo could not fulfil the order. A completed order stays completed.

    A failed order is looked up for a while, since Airalo may deliver it after all, without a webhook. An accepted order
    stays accepted if what failed is, or may be, an earlier attempt.

    Args:
        order: the order.
        reason: Airalo's reason; secrets in it are redacted.
        code: Airalo's error code.
        airalo_order_id: the number at Airalo of what failed; ``None`` if it is unknown.
        request_id: the same for its ``request_id``.
        now: the database's present time.
        source: as for ``change_status()``.
    """
    reason = redact(reason)
    if _is_of_earlier_attempt(order, airalo_order_id, request_id, now):
        detail = f"Airalo reports a failure of an attempt that may not be the accepted one: {reason}"
        note_once(order, detail, now=now, source=source, kind=OrderEvent.Kind.NOTED)
    elif Status.FAILED in TRANSITIONS[order.status]:
        change_locked(
            order,
            Status.FAILED,
            now=now,
            source=source,
            detail=reason,
            error_code=code,
            error_reason=reason,
            lookups=0,  # so that the next look-ups are frequent
            due_at=now + timedelta(seconds=conf.LOOKUP_DELAYS[0]),
        )
    elif reason != order.error_reason:
        detail = f"Airalo reports a failure: {reason}"
        note_once(order, detail, now=now, source=source, kind=OrderEvent.Kind.NOTED, late=True)


def _is_of_earlier_attempt(order: EsimOrder, airalo_order_id: int | None, request_id: str, now: datetime) -> bool:
    """Return whether what failed may be another attempt than the one that Airalo has accepted."""
    if order.status not in (Status.ACCEPTED, Status.SCHEDULED):
        return False
    if order.airalo_order_id and airalo_order_id:
        return airalo_order_id != order.airalo_order_id
    if order.request_id and request_id:
        return request_id != order.request_id
    # The ids cannot be compared, so an attempt in doubt may be what failed.
    return not is_over(order, now)


def record_late_acceptance(order_pk: int, status: str, fields: dict[str, Any], *, attempt: int, now: datetime) -> None:
    """Record that Airalo accepted an order after the worker that sent it had lost its claim.

    Args:
        order_pk: the order's primary key.
        status: the status for an accepted order (``accepted`` or ``scheduled``).
        fields: the columns that are written with it.
        attempt: the number of the attempt that was accepted.
        now: the database's present time.
    """
    order, request_id = lock(order_pk), fields["request_id"]
    if order.request_id and order.request_id != request_id:
        reason = f"Airalo accepted the order twice: as {order.request_id} and as {request_id}."
        flag_for_review(order, reason, now=now, source="submit")
        _look_for_both(order, now)
        return
    flag_late_attempt(order, attempt, now=now)
    # SUBMITTING belongs to a later attempt here. It loses its claim, so it does not send unless it has sent already.
    if order.status in (Status.PENDING, Status.SUBMITTING, Status.UNCONFIRMED):
        ends = found_fields(order) if order.attempt == attempt else {}
        change_locked(order, status, now=now, source="submit", **fields, **ends, **AS_NEW)
    else:
        EsimOrder.primary.filter(pk=order_pk).update(request_id=request_id)
        note(order, f"Attempt {attempt} was accepted as {request_id}.", now=now, source="submit", late=True)
        if order.status in GIVEN_UP:
            # The order is looked up, so that its eSIMs are found even if no webhook comes.
            flag_for_review(order, "Airalo accepted the order after it had been given up.", now=now, source="submit")
            EsimOrder.primary.filter(pk=order_pk).update(accepted_at=now, lookups=0, **fields)


def flag_late_attempt(order: EsimOrder, attempt: int, *, now: datetime) -> None:
    """Flag an order if an attempt was accepted after a later one began, since that one may buy again.

    Args:
        order: the order.
        attempt: the number of the attempt that was accepted.
        now: the database's present time.
    """
    if order.attempt != attempt:
        reason = f"Attempt {attempt} was accepted after it had been given up; attempt {order.attempt} may buy again."
        flag_for_review(order, reason, now=now, source="submit")
        _look_for_both(order, now)


def _look_for_both(order: EsimOrder, now: datetime) -> None:
    """Keep looking up an order until the purchases of two attempts must be listed."""
    order.in_doubt_until = doubt_fields(now)["in_doubt_until"]
    fields = {"in_doubt_until": order.in_doubt_until, **settled_fields(order, order.status, {}, now)}
    EsimOrder.primary.filter(pk=order.pk).update(**fields)


def _completed_fields(order: EsimOrder, data: OrderData, now: datetime) -> dict[str, Any]:
    """Return the columns of an order that a purchase completes, even if it had the ids of another purchase so far."""
    fields = airalo_fields(order, data)
    is_other = bool(order.airalo_order_id and data.id and data.id != order.airalo_order_id)
    if is_other:
        fields |= {"airalo_order_id": data.id, "airalo_order_code": data.code[:64]}
    if is_other or (order.request_id and data.request_id and data.request_id != order.request_id):
        until = order.in_doubt_until or doubt_fields(now)["in_doubt_until"]
        return {**fields, "in_doubt_until": until}  # so that the other purchase is found, too
    return {**fields, **found_fields(order)}


def flaws_of(order: EsimOrder, data: OrderData, count: int) -> list[str]:
    """Return the flags for a delivery: too many eSIMs, or other ids than the order has.

    Args:
        order: the order.
        data: Airalo's order.
        count: the number of eSIMs that the order has now.
    """
    flaws = []
    if not order.is_topup and count > order.quantity:
        flaws.append(f"Airalo delivered {count} eSIMs, {order.quantity} were ordered.")
    if order.airalo_order_id and data.id and data.id != order.airalo_order_id:
        flaws.append(f"Airalo fulfilled the order twice: as {order.airalo_order_id} and as {data.id}.")
    if data.request_id and order.request_id and data.request_id != order.request_id:
        flaws.append(f"Airalo accepted the order twice: as {order.request_id} and as {data.request_id}.")
    return flaws
