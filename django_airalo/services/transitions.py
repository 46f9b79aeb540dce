"""The one place where an order's status changes, and the table of the changes that are legal."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db.models import F

from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, OrderEvent

from . import database
from .masking import masked

logger = logging.getLogger("django_airalo.orders")

#: Of an order that waits to be sent; withdrawn as soon as it does not.
ADDRESS_REFUSED = (
    "Airalo refused the webhook address. The order's webhook_url, or else AIRALO_WEBHOOK_URL, must be a public address "
    "that answers HEAD with 200. The order is tried again until it is, or until it is cancelled."
)

Status = EsimOrder.Status

#: From each status, the statuses that may follow. What was delivered is always recorded: COMPLETED can follow all.
TRANSITIONS: dict[str, frozenset[str]] = {
    Status.PENDING: frozenset(
        {
            Status.SUBMITTING,
            Status.ACCEPTED,
            Status.SCHEDULED,
            Status.COMPLETED,
            Status.FAILED,
            Status.UNCONFIRMED,
            Status.CANCELLED,
        }
    ),
    Status.SUBMITTING: frozenset(
        {Status.PENDING, Status.ACCEPTED, Status.SCHEDULED, Status.COMPLETED, Status.FAILED, Status.UNCONFIRMED}
    ),
    Status.ACCEPTED: frozenset({Status.COMPLETED, Status.FAILED, Status.UNCONFIRMED}),
    Status.UNCONFIRMED: frozenset({Status.PENDING, Status.ACCEPTED, Status.SCHEDULED, Status.COMPLETED, Status.FAILED}),
    Status.SCHEDULED: frozenset(
        {Status.ACCEPTED, Status.COMPLETED, Status.FAILED, Status.UNCONFIRMED, Status.CANCELLED}
    ),
    Status.FAILED: frozenset({Status.COMPLETED}),
    Status.CANCELLED: frozenset({Status.COMPLETED}),
    Status.COMPLETED: frozenset(),
}

#: The column that remembers when a status was last reached.
_REACHED_AT = {
    Status.ACCEPTED: "accepted_at",
    Status.UNCONFIRMED: "unconfirmed_at",
    Status.SCHEDULED: "scheduled_at",
    Status.COMPLETED: "completed_at",
    Status.FAILED: "failed_at",
    Status.CANCELLED: "cancelled_at",
}


def change_status(
    order: EsimOrder, new_status: str, *, now: datetime, source: str, detail: str = "", **fields: Any
) -> bool:
    """Change an order's status, together with ``fields``, and log the event its signal is sent from.

    Call inside ``database.atomic()``. The change is one conditional UPDATE: it happens only if the row still has the
    status *and* the attempt number of ``order``, so whoever comes second, or lost the claim, changes nothing.

    Args:
        order: as last read; brought up to date if the change is made.
        detail: why, for the log; like ``error_reason`` it is kept without the shop's secrets, which Airalo may echo.
        source: who brought the news (``submit``, ``webhook``, ``look-up``, ``sweep``, ``shop``, ``operator``).

    Returns:
        ``False`` if the row had changed meanwhile, so that nothing was written.

    Raises:
        IllegalTransitionError: the table does not allow this change.
    """
    old_status = order.status
    if new_status not in TRANSITIONS[old_status]:
        raise IllegalTransitionError(f"An order cannot go from {old_status} to {new_status}.")
    if "error_reason" in fields:
        fields["error_reason"] = masked(fields["error_reason"])
    fields.setdefault("due_at", None)
    reached_at = _REACHED_AT.get(Status(new_status))
    if reached_at:
        fields.setdefault(reached_at, now)
    unchanged = EsimOrder.objects.filter(pk=order.pk, status=old_status, attempt=order.attempt)
    if not unchanged.update(status=new_status, **fields):
        return False
    for name, value in {"status": new_status, **fields}.items():
        setattr(order, name, value)
    if ADDRESS_REFUSED in order.attention and new_status not in (Status.PENDING, Status.SUBMITTING):
        _withdraw_call(order, ADDRESS_REFUSED)  # no longer the reason why it is not at Airalo
    OrderEvent.objects.create(
        order=order,
        kind=OrderEvent.Kind.STATUS_CHANGED,
        old_status=old_status,
        new_status=new_status,
        source=source,
        late=old_status in (Status.FAILED, Status.CANCELLED),
        detail=masked(detail),  # Airalo's words may echo the webhook address
        attempt=order.attempt,
        created_at=now,
        signal_due_at=now,
    )
    logger.info("Order %s: %s -> %s (%s)", order.reference, old_status, new_status, source)
    return True


def change_locked(order: EsimOrder, new_status: str, **arguments: Any) -> None:
    """Change the status of an order that :func:`lock` returned; takes what :func:`change_status` does.

    Raises:
        RuntimeError: the row was another one all the same. Rolled back with all that came with it, the news is dealt
            with again; ignored, it would be lost.
    """
    if not change_status(order, new_status, **arguments):
        raise RuntimeError(f"Order {order.reference} is locked, but not as it was read.")


def lock(order_pk: int) -> EsimOrder:
    """The order, held against all other writers until the transaction ends. Call inside ``database.atomic()``.

    An UPDATE that changes nothing locks the row on every database, also on SQLite, which has no SELECT FOR UPDATE.
    """
    EsimOrder.objects.filter(pk=order_pk).update(reference=F("reference"))
    return database.held(EsimOrder.objects.filter(pk=order_pk)).get()


def note(
    order: EsimOrder, detail: str, *, now: datetime, source: str, kind: str = OrderEvent.Kind.NOTED, late: bool = False
) -> None:
    """Log something that happened to an order without changing its status."""
    OrderEvent.objects.create(
        order=order, kind=kind, detail=masked(detail), source=source, late=late, attempt=order.attempt, created_at=now
    )


def call_for_attention(order: EsimOrder, reason: str, *, now: datetime, source: str) -> None:
    """Flag the order for a person, once for each reason: shown in the admin, logged as an error.

    Call inside ``database.atomic()``, with the order locked.
    """
    reason = masked(reason)
    if reason in order.attention.splitlines():
        return
    order.attention = "\n".join(filter(None, [order.attention, reason]))
    EsimOrder.objects.filter(pk=order.pk).update(attention=order.attention)
    note(order, reason, now=now, source=source, kind=OrderEvent.Kind.ATTENTION)
    logger.error("Order %s needs attention: %s", order.reference, reason)


def _withdraw_call(order: EsimOrder, reason: str) -> None:
    """Take back a reason for a person to look at the order. Its event stays in the log."""
    lines = lock(order.pk).attention.splitlines()
    order.attention = "\n".join(line for line in lines if line != reason)
    EsimOrder.objects.filter(pk=order.pk).update(attention=order.attention)
