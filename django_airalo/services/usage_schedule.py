"""When to ask Airalo for the usage of an eSIM."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django_airalo.conf import conf
from django_airalo.models import Esim, UsageStatus

#: An active eSIM that is far from its end is looked up when so many intervals are over.
FAR_FROM_THE_END = 6
#: It is near its end with less than this share of its data left, or less than this time.
LITTLE_LEFT = 0.25
SOON = timedelta(days=1)
#: One that is not active yet, or whose status Airalo does not know, after a tenth of its age, within these bounds.
NOT_ACTIVE_BETWEEN = (timedelta(hours=1), timedelta(days=1))
#: For so many intervals after a top-up or a notice, Airalo's cache may still have the old usage.
NEWS_WITHIN = 2


def next_usage(esim: Esim, now: datetime) -> datetime | None:
    """When to look an eSIM up next; ``None`` for never.

    Airalo answers from a cache of 20 minutes (60 in the sandbox), so ``AIRALO_USAGE_INTERVAL`` is the least time
    between two look-ups of one eSIM, and only an active one that is near its end is looked up as often. After a top-up
    or a notice that cache may still tell the old story, so for a while even an eSIM that was used up is looked up
    again.
    """
    interval = timedelta(seconds=conf.USAGE_INTERVAL)
    if esim.usage_status == UsageStatus.RECYCLED:
        return None
    if esim.packages_due or (esim.news_expected_at and now - esim.news_expected_at < NEWS_WITHIN * interval):
        return now + interval
    if esim.is_over:
        return None
    if esim.usage_status != UsageStatus.ACTIVE:
        shortest, longest = NOT_ACTIVE_BETWEEN
        wait = max(interval, min(max((now - esim.created_at) / 10, shortest), longest))
    else:
        wait = interval if _is_near_the_end(esim, now) else FAR_FROM_THE_END * interval
    due_at: datetime = now + wait * random.uniform(1, 1.1)  # noqa: S311  spreads requests, guards nothing
    if esim.expires_at and now < esim.expires_at < due_at:
        due_at = max(esim.expires_at, now + interval)
    return due_at


def _is_near_the_end(esim: Esim, now: datetime) -> bool:
    if esim.expires_at and -SOON < esim.expires_at - now < SOON:
        return True
    percentage = esim.data.percentage
    return percentage is not None and percentage < LITTLE_LEFT * 100
