"""Record operators' decisions about vouchers, since Airalo has no endpoint to look them up."""

from __future__ import annotations

from typing import TypeAlias

from django_airalo.models import Voucher
from django_airalo.services.core import database
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.orders import outbound
from django_airalo.services.orders.outbound import Decision

Status: TypeAlias = Voucher.Status

RETRY: Decision = Decision("retry_voucher", Status.PENDING, (Status.UNCONFIRMED, Status.REFUSED))
CANCEL: Decision = Decision("cancel_voucher", Status.CANCELLED, (Status.PENDING, Status.UNCONFIRMED))
DECISIONS: tuple[Decision, ...] = (RETRY, CANCEL)


def retry_voucher(voucher: Voucher, *, decided_by: str = "") -> Voucher:
    """Send a voucher again: from ``refused`` or ``unconfirmed`` it becomes ``pending``.

    If Airalo has created an unconfirmed voucher already, it is bought twice.

    Args:
        voucher: the voucher; refreshed.
        decided_by: who decided, for the log.

    Returns:
        The voucher, refreshed.

    Raises:
        IllegalTransitionError: its status does not allow that. Nothing was written.
    """
    return _refreshed(voucher, RETRY, decided_by)


def cancel_voucher(voucher: Voucher, *, decided_by: str = "") -> Voucher:
    """Cancel a voucher: from ``pending`` or ``unconfirmed`` it becomes ``cancelled``, and is not sent (again).

    Arguments, return value and errors are those of :func:`retry_voucher`.
    """
    return _refreshed(voucher, CANCEL, decided_by)


def _refreshed(voucher: Voucher, decision: Decision, decided_by: str) -> Voucher:
    _decide_and_enqueue(voucher, decision, decided_by)
    voucher.refresh_from_db(from_queryset=Voucher.primary.all())
    return voucher


@database.in_transaction()
def _decide_and_enqueue(voucher: Voucher, decision: Decision, decided_by: str) -> None:
    outbound.decide(voucher, decision, DECISIONS, decided_by=decided_by)
    if decision is RETRY:
        enqueue("send_voucher", voucher.pk)
