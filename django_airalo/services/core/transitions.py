"""Change the status of orders. This is the only module that does, and it has the table of allowed changes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NoReturn

from django.db.models import F

from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, OrderEvent, Refund, Voucher

from . import database
from .doubt import settled_fields
from .redaction import redact

logger: logging.Logger = logging.getLogger("django_airalo.orders")

#: The flag of an order that waits to be sent. It is removed as soon as the order does not wait any more.
ADDRESS_REFUSED = (
    "Airalo refused the webhook address. The order's webhook_url, or else AIRALO_WEBHOOK_URL, must be a public address "
    "that answers HEAD with 200. The order is sent again until Airalo accepts the address or the order is cancelled."
)

Status = EsimOrder.Status

#: The statuses that may follow each status. COMPLETED can follow all others, since a delivery is always recorded.
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

#: The column that stores when a status was last reached.
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
    """Change an order's status, and create the event that its signal is sent from.

    Call inside ``database.atomic()``. The change is one conditional UPDATE. It has an effect only if the row still has
    the status *and* the attempt number of ``order``, so a process that lost its claim changes nothing.

    Args:
        order: as last read; updated if the change is made.
        new_status: one of ``EsimOrder.Status``.
        now: the database's present time.
        source: where the change comes from (``submit``, ``webhook``, ``look-up``, ``sweep``, ``shop``, ``operator``).
        detail: the reason, for the log. Secrets in it and in ``error_reason`` are redacted, since Airalo may echo them.
        fields: other columns to write in the same UPDATE.

    Returns:
        ``False`` if the row had changed meanwhile. Nothing was written then.

    Raises:
        IllegalTransitionError: the table does not allow this change.
    """
    old_status = order.status
    if new_status not in TRANSITIONS[old_status]:
        possible = ", ".join(sorted(TRANSITIONS[old_status])) or "no other status"
        raise IllegalTransitionError(
            f"Order {order.reference} cannot go from {old_status} to {new_status}. Possible: {possible}."
        )
    if "error_reason" in fields:
        fields["error_reason"] = redact(fields["error_reason"])
    fields.setdefault("due_at", None)
    fields |= settled_fields(order, new_status, fields, now)
    reached_at = _REACHED_AT.get(Status(new_status))
    if reached_at:
        fields.setdefault(reached_at, now)
    due_at = fields.pop("due_at")
    if not EsimOrder.primary.release(order, EsimOrder.SUBMISSION_LEASE, due=due_at, status=new_status, **fields):
        return False
    for name, value in {"status": new_status, "due_at": due_at, **fields}.items():
        setattr(order, name, value)
    if ADDRESS_REFUSED in order.attention and new_status not in (Status.PENDING, Status.SUBMITTING):
        _remove_flag(order, ADDRESS_REFUSED)
    OrderEvent.primary.create(
        order=order,
        kind=OrderEvent.Kind.STATUS_CHANGED,
        old_status=old_status,
        new_status=new_status,
        source=source,
        late=old_status in (Status.FAILED, Status.CANCELLED),
        detail=redact(detail),  # Airalo's answer may echo the webhook address
        attempt=order.attempt,
        created_at=now,
        signal_due_at=now,
    )
    logger.info("Order %s: %s -> %s (%s)", order.reference, old_status, new_status, source)
    return True


def change_locked(order: EsimOrder, new_status: str, **arguments: Any) -> None:
    """Change the status of an order that :func:`lock` returned. Takes the arguments of :func:`change_status`.

    Raises:
        IllegalTransitionError: the table does not allow this change.
        RuntimeError: the row differs from ``order`` although it is locked. The transaction is rolled back, so that the
            caller's input is processed again and not lost.
    """
    if not change_status(order, new_status, **arguments):
        raise RuntimeError(f"Order {order.reference} has changed although it is locked.")


def not_possible(
    service: str, row: EsimOrder | Refund | Voucher, possible: Collection[str], reason: str = ""
) -> IllegalTransitionError:
    """Return the error to raise if the status of a row does not allow what a service does.

    Args:
        row: as it is now.
        possible: the names of the services that its status allows.
        reason: what else keeps the service from it.
    """
    others = [name for name in possible if name != service]
    return IllegalTransitionError(
        f"{type(row).__name__} {row} is {row.status}{reason and f', and {reason}'}, so {service}() is not possible. "
        f"Possible: {', '.join(f'{name}()' for name in others) or 'nothing'}."
    )


#: What can be done with an order by hand, by its status.
BY_HAND: dict[str, tuple[str, ...]] = {
    Status.PENDING: ("retry_now", "cancel_order"),
    Status.ACCEPTED: ("sync_order",),
    Status.UNCONFIRMED: ("sync_order", "resubmit_unconfirmed", "mark_failed", "choose_purchase"),
    Status.SCHEDULED: ("sync_order", "cancel_order"),
    Status.FAILED: ("sync_order", "choose_purchase"),
    Status.CANCELLED: ("sync_order", "choose_purchase"),
}


def refuse(service: str, order: EsimOrder, reason: str = "") -> NoReturn:
    """Raise what :func:`not_possible` returns for an order, with its present status. Call inside ``database.atomic()``.

    Args:
        order: refreshed first.
    """
    order.refresh_from_db(from_queryset=database.locked(EsimOrder.primary.all()))
    raise not_possible(service, order, BY_HAND.get(order.status, ()), reason)


def lock(order_pk: int) -> EsimOrder:
    """Return the order, locked until the transaction ends. Call inside ``database.atomic()``.

    An UPDATE that changes nothing locks the row on every database, including SQLite, which has no SELECT FOR UPDATE.
    """
    EsimOrder.primary.filter(pk=order_pk).update(reference=F("reference"))
    return database.locked(EsimOrder.primary.filter(pk=order_pk)).get()


def note(
    order: EsimOrder,
    detail: str,
    *,
    now: datetime,
    source: str,
    kind: str = OrderEvent.Kind.NOTED,
    late: bool = False,
    secret: str = "",
) -> None:
    """Create an order event without changing the order's status.

    Args:
        order: the order.
        detail: what happened; secrets in it are redacted.
        now: the database's present time.
        source: as for :func:`change_status`.
        kind: one of ``OrderEvent.Kind``.
        late: whether it happened after the order had failed or was cancelled.
        secret: activation codes, stored encrypted with the event.
    """
    OrderEvent.primary.create(
        order=order,
        kind=kind,
        detail=redact(detail),
        secret=secret,
        source=source,
        late=late,
        attempt=order.attempt,
        created_at=now,
    )


def note_once(order: EsimOrder, detail: str, *, now: datetime, source: str, kind: str, late: bool = False) -> None:
    """Create an order event, unless the order's present attempt has the same one already. Arguments as :func:`note`."""
    events = OrderEvent.primary.filter(order=order, kind=kind, attempt=order.attempt)
    if not events.filter(detail=redact(detail)).exists():
        note(order, detail, now=now, source=source, kind=kind, late=late)


def flag_for_review(order: EsimOrder, reason: str, *, now: datetime, source: str) -> None:
    """Flag an order for an operator. The flag is shown in the admin and logged as an error, once for each reason.

    Call inside ``database.atomic()``, with the order locked.

    Args:
        order: the order; its ``attention`` is updated.
        reason: what happened and what to do.
        now: the database's present time.
        source: as for :func:`change_status`.
    """
    reason = redact(reason)
    if reason in order.attention.splitlines():
        return
    order.attention = "\n".join(filter(None, [order.attention, reason]))
    EsimOrder.primary.filter(pk=order.pk).update(attention=order.attention)
    note(order, reason, now=now, source=source, kind=OrderEvent.Kind.ATTENTION)
    logger.error("Order %s needs attention: %s", order.reference, reason)


def replace_flags(order: EsimOrder, reasons: Mapping[str, str], *, now: datetime, source: str) -> None:
    """Replace the flags that begin with certain texts. Call inside ``database.atomic()``, with the order locked.

    Args:
        order: the order; its ``attention`` is updated.
        reasons: maps the beginning of a flag to its whole text, or to ``""`` to remove it.
        now: the database's present time.
        source: as for :func:`change_status`.
    """
    before = order.attention.splitlines()
    others = [line for line in before if not line.startswith(tuple(reasons))]
    after = "\n".join([*others, *filter(None, reasons.values())])
    if after == order.attention:
        return
    order.attention = after
    EsimOrder.primary.filter(pk=order.pk).update(attention=after)
    for beginning, reason in reasons.items():
        if reason and reason not in before:
            note(order, reason, now=now, source=source, kind=OrderEvent.Kind.ATTENTION)
            logger.error("Order %s needs attention: %s", order.reference, reason)
        elif not reason and any(line.startswith(beginning) for line in before):
            note(order, f"No longer flagged: {beginning}", now=now, source=source)


def _remove_flag(order: EsimOrder, reason: str) -> None:
    """Remove one flag from an order. Its event stays in the log."""
    lines = lock(order.pk).attention.splitlines()
    order.attention = "\n".join(line for line in lines if line != reason)
    EsimOrder.primary.filter(pk=order.pk).update(attention=order.attention)
