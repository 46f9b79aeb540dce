"""Ask Airalo for refunds, and keep by hand what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.models import Esim, EsimOrder, Refund, RefundReason
from django_airalo.models.refunds import MAX_NOTES

from . import database, nudges, outgoing
from .transitions import lock, note

Status = Refund.Status

#: Airalo's limit of eSIMs in a request.
BATCH = 5
#: What a person may decide: from each status, those that may follow.
DECISIONS: dict[str, tuple[str, ...]] = {
    Status.PENDING: (Status.CANCELLED,),
    Status.UNCONFIRMED: (Status.REQUESTED, Status.PENDING, Status.CANCELLED),
    Status.REQUESTED: (Status.APPROVED, Status.DECLINED),
    Status.APPROVED: (Status.DECLINED,),
    Status.DECLINED: (Status.APPROVED,),
}


def refund_reasons() -> list[str]:
    """The reasons that ``request_refund()`` takes: Airalo's, and those of ``AIRALO_REFUND_REASONS``."""
    return [*RefundReason.values, *conf.REFUND_REASONS]


def request_refund(esims: Iterable[Esim], reason: str, notes: str = "", email: str = "") -> list[Refund]:
    """Ask Airalo for a refund of eSIMs, five in each request.

    Touches only the database. The requests are sent after the commit or by the sweep, as Airalo's limit allows (one
    in ``AIRALO_REFUND_INTERVAL`` seconds), each at most once. The signal ``refund_changed`` tells what came of it.

    Args:
        esims: eSIMs that no other refund is open for.
        reason: one of ``refund_reasons()``, such as ``RefundReason.NO_COVERAGE``.
        notes: 255 characters at most; required for ``OTHERS``.
        email: where Airalo answers.

    Returns:
        The refunds, one for each five eSIMs.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` says which and why. Nothing was written.
    """
    wanted = list({esim.pk: esim for esim in esims}.values())
    _validate(wanted, reason, notes, email)
    return _request(wanted, reason=str(reason), notes=notes, email=email)


def _validate(esims: list[Esim], reason: str, notes: str, email: str) -> None:
    errors: dict[str, str] = {}
    if not esims:
        errors["esims"] = _("Give at least one eSIM.")
    if reason not in refund_reasons():
        errors["reason"] = _("%(reason)r is no reason that Airalo knows. It must be one of: %(reasons)s") % {
            "reason": reason,
            "reasons": ", ".join(refund_reasons()),
        }
    if len(notes) > MAX_NOTES:
        errors["notes"] = _("%(max)d characters at most.") % {"max": MAX_NOTES}
    elif reason == RefundReason.OTHERS and not notes.strip():
        errors["notes"] = _("Airalo needs notes for the reason OTHERS.")
    if email:
        try:
            validate_email(email)
        except ValidationError:
            errors["email"] = _("%(value)r is not an e-mail address.") % {"value": email}
    if errors:
        raise ValidationError(errors)


@database.in_transaction()
def _request(esims: list[Esim], **content: str) -> list[Refund]:
    # Held against another request for the same eSIMs, and against whatever changes the orders at this moment.
    orders = [lock(pk) for pk in sorted({esim.order_id for esim in esims if esim.order_id})]
    esim_pks = [esim.pk for esim in esims]
    taken = Esim.objects.using(database.alias()).filter(pk__in=esim_pks, refunds__status__in=Refund.OPEN).order_by("pk")
    if iccids := list(dict.fromkeys(taken.values_list("iccid", flat=True))):
        raise ValidationError(
            {"esims": _("A refund was asked for already: %(iccids)s") % {"iccids": ", ".join(iccids)}}
        )
    now = database.now()
    refunds = []
    for start in range(0, len(esim_pks), BATCH):
        refund = Refund.objects.create(due_at=now, created_at=now, **content)
        refund.esims.set(esim_pks[start : start + BATCH])
        refunds.append(refund)
        nudges.after_commit("send_refund", refund.pk, send_refund)
    for order in orders:
        iccids = [esim.iccid for esim in esims if esim.order_id == order.pk]
        detail = f"A refund was asked for: {', '.join(iccids)}, {content['reason']}."
        note(order, detail, now=now, source="shop")
    return refunds


def send_refund(refund: Refund | int) -> Refund:
    """Send a refund that is due to Airalo, unless somebody else does. Must not be called inside a transaction.

    Args:
        refund: a refund or its primary key.

    Returns:
        The refund as it is afterwards. What went wrong stands in ``error``.

    Raises:
        RuntimeError: called inside a transaction.
    """
    return outgoing.send(Refund, refund.pk if isinstance(refund, Refund) else refund, _ask)


def _ask(refund: Refund) -> dict[str, Any]:
    iccids = list(refund.esims.using(database.alias()).order_by("pk").values_list("iccid", flat=True))
    answer = get_client().request_refund(iccids=iccids, reason=refund.reason, notes=refund.notes, email=refund.email)
    return {"refund_id": answer.refund_id[:255]}


@database.in_transaction()
def decide_refund(refund: Refund, status: str, *, decided_by: str = "") -> bool:
    """Keep what a person found out of a refund, or decides about it: Airalo has no endpoint to ask.

    From ``requested``: ``approved`` or ``declined`` (one may be corrected to the other). From ``unconfirmed``:
    ``requested`` (Airalo has it), ``pending`` (Airalo never got it: it is sent again) or ``cancelled``. From
    ``pending``: ``cancelled``.

    Args:
        decided_by: who decided, for the log.

    Returns:
        ``False`` if the refund's present status does not allow that.
    """
    decided = outgoing.decide(refund, status, DECISIONS, decided_by)
    if decided:
        now = database.now()
        detail = f"Refund {refund}: {status}, decided by {decided_by or 'a person'}."
        for order in EsimOrder.objects.using(database.alias()).filter(esims__refunds=refund).distinct().order_by("pk"):
            note(order, detail, now=now, source="operator")
        if status == Status.PENDING:
            nudges.after_commit("send_refund", refund.pk, send_refund)
    refund.refresh_from_db(from_queryset=Refund.objects.using(database.alias()))
    return decided
