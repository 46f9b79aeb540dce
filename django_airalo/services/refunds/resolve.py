"""Record the outcomes of refunds and operators' decisions, since Airalo has no endpoint for either."""

from __future__ import annotations

from typing import TypeAlias

from django_airalo.models import EsimOrder, Refund
from django_airalo.services.core import database
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.core.transitions import note
from django_airalo.services.orders import outbound
from django_airalo.services.orders.outbound import Decision

Status: TypeAlias = Refund.Status

APPROVE: Decision = Decision("resolve_refund", Status.APPROVED, (Status.REQUESTED, Status.DECLINED))
DECLINE: Decision = Decision("resolve_refund", Status.DECLINED, (Status.REQUESTED, Status.APPROVED))
CONFIRM: Decision = Decision("confirm_refund", Status.REQUESTED, (Status.UNCONFIRMED,))
RETRY: Decision = Decision("retry_refund", Status.PENDING, (Status.UNCONFIRMED,))
CANCEL: Decision = Decision("cancel_refund", Status.CANCELLED, (Status.PENDING, Status.UNCONFIRMED))
DECISIONS: tuple[Decision, ...] = (APPROVE, DECLINE, CONFIRM, RETRY, CANCEL)


def resolve_refund(refund: Refund, *, approved: bool, decided_by: str = "") -> Refund:
    """Record Airalo's decision about a refund, as its e-mail or its Partner Platform shows it.

    From ``requested`` it becomes ``approved`` or ``declined``. A mistake can be corrected: ``approved`` becomes
    ``declined``, and ``declined`` becomes ``approved``.

    Args:
        refund: the refund; refreshed.
        approved: whether Airalo approved it.
        decided_by: who recorded it, for the log.

    Returns:
        The refund, refreshed.

    Raises:
        IllegalTransitionError: its status does not allow that. Nothing was written.
    """
    return _record_decision(refund, APPROVE if approved else DECLINE, decided_by)


def confirm_refund(refund: Refund, *, decided_by: str = "") -> Refund:
    """Record that Airalo has received a refund: from ``unconfirmed`` it becomes ``requested``.

    The arguments, the return value and the errors are those of :func:`resolve_refund`.
    """
    return _record_decision(refund, CONFIRM, decided_by)


def retry_refund(refund: Refund, *, decided_by: str = "") -> Refund:
    """Send a refund again that Airalo never received: from ``unconfirmed`` it becomes ``pending``.

    If Airalo has received it after all, the same refund is requested twice. The arguments, the return value and the
    errors are those of :func:`resolve_refund`.
    """
    return _record_decision(refund, RETRY, decided_by)


def cancel_refund(refund: Refund, *, decided_by: str = "") -> Refund:
    """Cancel a refund: from ``pending`` or ``unconfirmed`` it becomes ``cancelled``, and is not sent (again).

    The arguments, the return value and the errors are those of :func:`resolve_refund`.
    """
    return _record_decision(refund, CANCEL, decided_by)


def _record_decision(refund: Refund, decision: Decision, decided_by: str) -> Refund:
    _decide_and_note(refund, decision, decided_by)
    refund.refresh_from_db(from_queryset=Refund.primary.all())
    return refund


@database.in_transaction()
def _decide_and_note(refund: Refund, decision: Decision, decided_by: str) -> None:
    outbound.decide(refund, decision, DECISIONS, decided_by=decided_by)
    now = database.db_now()
    detail = f"Refund {refund}: {decision.status}, decided by {decided_by or 'an operator'}."
    for order in EsimOrder.primary.filter(esims__refunds=refund).distinct().order_by("pk"):
        note(order, detail, now=now, source="operator")
    if decision is RETRY:
        enqueue("send_refund", refund.pk)
