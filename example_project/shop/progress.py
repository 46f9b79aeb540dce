"""The progress of an order, as shown to the customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_airalo.models import EsimOrder

Status = EsimOrder.Status

#: What each status means for the customer, in one sentence.
SENTENCES = {
    Status.PENDING: gettext_lazy("We are about to order your eSIM. You can stay on this page or come back later."),
    Status.SUBMITTING: gettext_lazy("We are ordering your eSIM."),
    Status.ACCEPTED: gettext_lazy("Your eSIM is on its way. It usually takes less than a minute."),
    Status.SCHEDULED: gettext_lazy("Your eSIM is ordered for a later day. We will e-mail you when it is ready."),
    Status.UNCONFIRMED: gettext_lazy(
        "We are checking your order with our supplier. You do not need to do anything, and you pay only once."
    ),
    Status.COMPLETED: gettext_lazy("Your eSIM is ready to install."),
    Status.FAILED: gettext_lazy("Our supplier could not deliver this eSIM. You get a refund."),
    Status.CANCELLED: gettext_lazy("This order was cancelled. You get a refund."),
}


@dataclass(frozen=True)
class Step:
    """One step: its name, when it was done, and whether it is in progress."""

    name: str
    at: datetime | None
    is_current: bool = False


def sentence(order: EsimOrder) -> str:
    """Return what the order's status means for the customer."""
    if order.status == Status.COMPLETED and order.missing:
        numbers = {"there": order.delivered_quantity, "ordered": order.quantity}
        return (
            _("%(there)s of %(ordered)s eSIMs are delivered. We will e-mail you when the others are ready.") % numbers
        )
    return str(SENTENCES[Status(order.status)])


def steps(order: EsimOrder) -> list[Step]:
    """Return the steps of an order, done or not."""
    accepted_at = order.accepted_at or order.completed_at  # an eSIM may arrive before the acceptance is recorded
    done = [(_("Paid"), order.created_at), (_("Ordered"), order.submitted_at), (_("Accepted"), accepted_at)]
    if order.status == Status.FAILED:
        return [*(Step(name, at) for name, at in done if at), Step(_("Not delivered"), order.failed_at)]
    if order.status == Status.CANCELLED:
        return [*(Step(name, at) for name, at in done if at), Step(_("Cancelled"), order.cancelled_at)]
    done.append((_("eSIM ready"), order.completed_at))
    current = next((name for name, at in done if at is None), None)
    return [Step(name, at, is_current=name == current) for name, at in done]
