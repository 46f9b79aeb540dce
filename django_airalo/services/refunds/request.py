"""Request refunds from Airalo."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloError
from django_airalo.models import Esim, Refund, RefundReason
from django_airalo.models.refunds import MAX_NOTES
from django_airalo.services.core import database, deployment
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.core.transitions import lock, note
from django_airalo.services.orders import matching, outbound

#: Airalo's limit for the eSIMs in one request.
BATCH = 5


def refund_reasons() -> list[str]:
    """Return the reasons that ``request_refund()`` accepts: Airalo's, and those of ``AIRALO_REFUND_REASONS``."""
    return [*RefundReason.values, *conf.REFUND_REASONS]


def request_refund(esims: Iterable[Esim], *, reason: str, notes: str = "", email: str = "") -> list[Refund]:
    """Request a refund of eSIMs from Airalo, at most five in each request.

    Only writes to the database. The requests are sent after the commit or by the sweep, as Airalo's limit allows
    (``refunds`` in ``AIRALO_RATE_LIMITS``), each at most once. The signal ``refund_changed`` reports the outcome.

    Args:
        esims: eSIMs without another open refund.
        reason: one of ``refund_reasons()``, such as ``RefundReason.NO_COVERAGE``.
        notes: the shop's text for Airalo, at most 255 characters; required for ``OTHERS``.
        email: the address to which Airalo answers; optional.

    Returns:
        The refunds, one for each request.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` says which and why. Nothing was written.
    """
    if isinstance(esims, QuerySet):  # a replica may be behind
        esims = esims.using(database.primary_alias())
    wanted = list({esim.pk: esim for esim in esims}.values())
    _validate(wanted, reason, notes, email)
    return _request(wanted, reason=str(reason), notes=notes, email=email)


def _validate(esims: list[Esim], reason: str, notes: str, email: str) -> None:
    errors: dict[str, str] = {}
    if not esims:
        errors["esims"] = _("Give at least one eSIM.")
    elif not all(esim.has_iccid for esim in esims):
        errors["esims"] = _("An eSIM without ICCID can only be refunded by Airalo's support.")
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
    # The orders are locked, so that no other process requests a refund of the same eSIMs at the same time.
    orders = [lock(pk) for pk in sorted({esim.order_id for esim in esims if esim.order_id})]
    esim_pks = [esim.pk for esim in esims]
    # Compared by ICCID, since that is all Airalo gets, and two orders may have the same.
    keys = {esim.iccid_key for esim in esims}
    taken = Esim.primary.filter(iccid_key__in=keys, refunds__status__in=Refund.OPEN)
    if iccids := list(dict.fromkeys(taken.order_by("pk").values_list("iccid", flat=True))):
        raise ValidationError(
            {"esims": _("A refund was asked for already: %(iccids)s") % {"iccids": ", ".join(iccids)}}
        )
    now, stamp = database.db_now(), deployment.identity().stamp
    refunds = []
    for start in range(0, len(esim_pks), BATCH):
        refund = Refund.primary.create(deployment=stamp, due_at=now, created_at=now, **content)
        refund.esims.set(esim_pks[start : start + BATCH])
        refunds.append(refund)
        enqueue("send_refund", refund.pk)
    for order in orders:
        iccids = [esim.iccid for esim in esims if esim.order_id == order.pk]
        detail = f"A refund was asked for: {', '.join(iccids)}, {content['reason']}."
        note(order, detail, now=now, source="shop")
    return refunds


def send_refund(refund: Refund | int) -> Refund:
    """Send a refund that is due to Airalo, unless another process does. Must not be called inside a transaction.

    Args:
        refund: a refund or its primary key.

    Returns:
        The refund as it is afterwards. ``error`` says what went wrong.

    Raises:
        RuntimeError: called inside a transaction.
    """
    pk = refund.pk if isinstance(refund, Refund) else refund
    attempt_refund(pk)
    return Refund.primary.get(pk=pk)


def attempt_refund(pk: int) -> AiraloError | None:
    """Do what ``send_refund()`` does. Return the error that kept Airalo from accepting it, if there was one."""
    matching.make_ready()
    return outbound.attempt_request(Refund, pk, _ask_for_refund)


def _ask_for_refund(refund: Refund) -> dict[str, Any]:
    iccids = list(dict.fromkeys(Esim.primary.filter(refunds=refund).order_by("pk").values_list("iccid", flat=True)))
    answer = get_client().request_refund(iccids=iccids, reason=refund.reason, notes=refund.notes, email=refund.email)
    return {"refund_id": answer.refund_id[:255]}
