"""An order's way to its eSIM, in the customer's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_airalo.models import EsimOrder

Status = EsimOrder.Status

#: One sentence for each status: what it means and what to do.
SENTENCES = {
    Status.PENDING: gettext_lazy("We are about to order your eSIM. You can stay on this page or come back later."),
    Status.SUBMITTING: gettext_lazy("We are ordering your eSIM."),
    Status.ACCEPTED: gettext_lazy("Your eSIM is on its way. It usually takes less than a minute."),
    Status.SCHEDULED: gettext_lazy("Your eSIM is ordered for a later day. We write to you when it is there."),
    Status.UNCONFIRMED: gettext_lazy(
        "Our supplier has not answered clearly, so we are checking. You need do nothing, and you pay only once."
    ),
    Status.COMPLETED: gettext_lazy("Your eSIM is ready to install."),
    Status.FAILED: gettext_lazy("Our supplier could not deliver this eSIM. You get your money back."),
    Status.CANCELLED: gettext_lazy("This order was cancelled. You get your money back."),
}


@dataclass(frozen=True)
class Step:
    """One step: its name, when it was done, and whether it is the one under way."""

    name: str
    at: datetime | None
    is_current: bool = False


def sentence(order: EsimOrder) -> str:
    """What the order's status means for the customer."""
    return str(SENTENCES[Status(order.status)])


def steps(order: EsimOrder) -> list[Step]:
    """The steps of an order, done or to come."""
    accepted_at = order.accepted_at or order.completed_at  # an eSIM may arrive before its order's acceptance is known
    done = [(_("Paid"), order.created_at), (_("Ordered"), order.submitted_at), (_("Accepted"), accepted_at)]
    if order.status == Status.FAILED:
        return [*(Step(name, at) for name, at in done if at), Step(_("Not delivered"), order.failed_at)]
    if order.status == Status.CANCELLED:
        return [*(Step(name, at) for name, at in done if at), Step(_("Cancelled"), order.cancelled_at)]
    done.append((_("eSIM ready"), order.completed_at))
    current = next((name for name, at in done if at is None), None)
    return [Step(name, at, is_current=name == current) for name, at in done]
