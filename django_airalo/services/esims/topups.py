"""List the top-ups that can be bought for an eSIM. ``place_topup()`` buys one."""

from __future__ import annotations

from django.core.cache import caches

from django_airalo.client import get_client
from django_airalo.client.cache import SharedCache
from django_airalo.client.payloads import PackageData
from django_airalo.conf import conf
from django_airalo.exceptions import RecycledEsimError
from django_airalo.models import Esim
from django_airalo.services.catalogue.rows import digest_of
from django_airalo.services.core import database

from .identity import iccid_of


def list_topup_packages(esim: Esim, *, country: str | None = None) -> tuple[PackageData, ...]:
    """Return the top-ups that Airalo offers for an eSIM, with their prices; empty if there are none.

    They are cached for a quarter of an hour, so that not every page view sends a request to Airalo.

    Args:
        esim: the eSIM.
        country: an ISO 3166 code of two letters, for the top-ups of a universal package's eSIM in this country.

    Raises:
        RecycledEsimError: Airalo has recycled the eSIM. That is recorded on it.
        MissingIccidError: the eSIM has no ICCID.
        AiraloAPIError: the request failed, or the cache is unavailable.
        AiraloConfigurationError: credentials are missing.
    """
    cache, iccid = SharedCache(caches[conf.CACHE_ALIAS]), iccid_of(esim)
    code = (country or "").strip().upper()
    key = f"django_airalo:topups:{digest_of({'iccid': iccid, 'country': code})}"
    documents = cache.get(key)
    if documents is None:
        try:
            packages = get_client().get_topup_packages(iccid, country=code or None)
        except RecycledEsimError:
            mark_recycled(esim.pk)
            raise
        # Cached as Airalo sent them, since a later version of this package may read more of their data.
        documents = [dict(package.raw) for package in packages if package.id]  # without id, it cannot be bought
        cache.set(key, documents, conf.TOPUP_CACHE_SECONDS)
    return tuple(PackageData.from_json(document) for document in documents)


def mark_recycled(esim_pk: int) -> None:
    """Record that Airalo has recycled the eSIM: it can no longer be used or topped up."""
    now = database.db_now()
    # Its usage is looked up soon, which records the new status in the history and sends the signal.
    Esim.primary.filter(pk=esim_pk, recycled_at=None).update(recycled_at=now, usage_due_at=now)
