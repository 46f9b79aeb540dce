"""The doubt about an order: how long a purchase of unknown outcome may still appear on Airalo's list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from django_airalo.conf import conf
from django_airalo.models import EsimOrder

Status = EsimOrder.Status


def doubt_fields(now: datetime) -> dict[str, Any]:
    """Return the columns to set on an order when it is unknown whether one of its attempts has bought.

    Use them for each change that makes an order UNCONFIRMED, that puts it back to PENDING after an inconclusive
    answer, or that sends it again after such an attempt: a second purchase needs time to be listed, too.

    Args:
        now: the database's present time.
    """
    # The delay before a look-up grows with their number, so the count starts again.
    return {"in_doubt_until": now + timedelta(seconds=conf.UNCONFIRMED_GRACE), "lookups": 0}


def found_fields(order: EsimOrder) -> dict[str, Any]:
    """Return the columns to set on an order whose purchase was found.

    The doubt ends, unless another attempt may have bought, too.

    Args:
        order: the order before the change.
    """
    is_the_only_one = order.status == Status.UNCONFIRMED and not order.look_up_first
    return {"in_doubt_until": None} if is_the_only_one else {}


def settled_fields(order: EsimOrder, status: str, fields: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return the columns that keep an order due for look-ups when it gets a final status while in doubt.

    A failed or cancelled order is looked up soon, and then less and less often, since its eSIM may be listed at any
    time. A completed order is looked up once, at the time by which a second purchase would be listed.

    Args:
        order: the order before the change.
        status: the new status.
        fields: the other columns that are written with it.
        now: the database's present time.
    """
    until = fields.get("in_doubt_until", order.in_doubt_until)
    if until is None or status not in EsimOrder.FINAL:
        return {}
    if status != Status.COMPLETED:
        return {"lookups": 0, "due_at": now + timedelta(seconds=conf.LOOKUP_DELAYS[0])}
    due_at = fields.get("due_at")
    return {"due_at": min(due_at, until) if due_at else until}


def is_over(order: EsimOrder, asked_at: datetime) -> bool:
    """Return whether Airalo's list, as read at ``asked_at``, shows every purchase of the attempts in doubt."""
    return order.in_doubt_until is None or asked_at > order.in_doubt_until


def wait_for(order: EsimOrder) -> str:
    """Return what keeps an order in doubt from being submitted, for the text of an error."""
    if order.in_doubt_until is None:
        return ""
    return f"Airalo may list an earlier attempt until {order.in_doubt_until:%Y-%m-%d %H:%M} UTC (see force_reason)"


def forced(reason: str, decided_by: str) -> str:
    """Return the log entry for a submission that does not wait until the doubt is over."""
    return f"To be submitted while an earlier attempt is in doubt, by {decided_by or 'an operator'}: {reason}"


def over_by(now: datetime) -> Q:
    """Return the condition for orders that are no longer in doubt.

    They can be submitted without risk, since they are looked up once more when they are claimed.
    """
    return Q(in_doubt_until=None) | Q(in_doubt_until__lte=now)
