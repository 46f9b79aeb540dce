"""Decide when to look up an order."""

from __future__ import annotations

from datetime import datetime, timedelta

from django_airalo.conf import conf
from django_airalo.models import EsimOrder

from .backoff import backoff


def next_look_up(order: EsimOrder, now: datetime) -> datetime:
    """Return when to look up an order next: soon at first, then less and less often."""
    return now + backoff(conf.LOOKUP_DELAYS, order.lookups, spread=(0.9, 1.1))


def is_overdue(order: EsimOrder, now: datetime) -> bool:
    """Return whether delivery is overdue since Airalo accepted the order, since its date, or since it was given up."""
    moments = [moment for moment in (order.accepted_at, order.due_date, order.failed_at) if moment]
    since = moments or [moment for moment in (order.cancelled_at,) if moment]
    return bool(since) and now - max(since) > timedelta(seconds=conf.OVERDUE_AFTER)
