"""Decide when to look up the usage of an eSIM next."""

from __future__ import annotations

from datetime import datetime, timedelta

from django_airalo.conf import conf
from django_airalo.models import Esim, EsimOrder, Package, UsageStatus
from django_airalo.services.core.backoff import scatter

#: The number of intervals after which an active eSIM is looked up again that is not near its end.
FAR_FROM_THE_END = 6
#: An eSIM is near its end if less than this fraction of its data is left, or less than this time.
LITTLE_LEFT = 0.25
SOON = timedelta(days=1)
#: An eSIM that is not active yet, or of unknown status, is looked up after a tenth of its age within these bounds.
NOT_ACTIVE_BETWEEN = (timedelta(hours=1), timedelta(days=1))
#: An eSIM that is over is looked up daily, for as long as it can be topped up, or this long if that is unknown.
DAILY, USUALLY_TOPPED_UP_WITHIN = timedelta(days=1), timedelta(days=30)
#: The number of intervals after a top-up or a notification during which Airalo's cache may still have the old usage.
CHANGE_WITHIN = 2


def next_usage(esim: Esim, now: datetime) -> datetime | None:
    """Return when to look up an eSIM's usage next; ``None`` for never.

    Airalo caches usage for 20 minutes (60 in the sandbox), so that is the shortest time between
    two look-ups of one eSIM. Only active eSIMs that are near their end are looked up that often. After a top-up or a
    notification, the cache may still have the old usage, so for a while even an eSIM that was used up is looked up. An
    eSIM that is over is looked up daily for as long as it can be topped up, since Airalo does not notify the shop of
    top-ups that were bought elsewhere.

    Args:
        esim: the eSIM.
        now: the database's present time.
    """
    interval = timedelta(seconds=conf.usage_interval)
    if esim.usage_status == UsageStatus.RECYCLED:
        return None
    if esim.packages_due or (
        esim.usage_change_expected_at and now - esim.usage_change_expected_at < CHANGE_WITHIN * interval
    ):
        return now + interval
    if esim.is_over:
        # A top-up that was bought elsewhere can make it active again.
        return now + DAILY if now < _may_be_topped_up_until(esim) else None
    if esim.usage_status != UsageStatus.ACTIVE:
        shortest, longest = NOT_ACTIVE_BETWEEN
        wait = max(interval, min(max((now - esim.created_at) / 10, shortest), longest))
    else:
        wait = interval if _is_near_the_end(esim, now) else FAR_FROM_THE_END * interval
    due_at: datetime = now + scatter(wait, (1, 1.1))
    if esim.expires_at and now < esim.expires_at < due_at:
        due_at = max(esim.expires_at, now + interval)
    return due_at


def _may_be_topped_up_until(esim: Esim) -> datetime:
    """Return until when an eSIM that is over can be topped up, or an estimate if Airalo's catalogue does not say."""
    package_ids = EsimOrder.primary.filter(pk=esim.order_id).values("package_id")
    packages = Package.primary.filter(package_id__in=package_ids)
    days = packages.values_list("operator__topup_grace_window_days", flat=True).first()
    window = USUALLY_TOPPED_UP_WITHIN if days is None else timedelta(days=min(days, 3660))
    return (esim.over_since or esim.created_at) + window


def _is_near_the_end(esim: Esim, now: datetime) -> bool:
    if esim.expires_at and -SOON < esim.expires_at - now < SOON:
        return True
    percentage = esim.data.percentage
    return percentage is not None and percentage < LITTLE_LEFT * 100
