"""What can be bought for an eSIM that exists. Buying it is ``ordering.place_topup``."""

from __future__ import annotations

from django.core.cache import caches

from django_airalo.client import get_client
from django_airalo.client.cache import SharedCache
from django_airalo.client.payloads import PackageData
from django_airalo.conf import conf
from django_airalo.exceptions import RecycledEsimError
from django_airalo.models import Esim

from . import database


def list_topup_packages(esim: Esim) -> tuple[PackageData, ...]:
    """The top-ups that Airalo offers for an eSIM, with their prices; empty if there are none.

    Kept in the cache for ``AIRALO_TOPUP_CACHE_SECONDS``, so that showing a page does not ask Airalo each time.

    Raises:
        RecycledEsimError: Airalo has recycled the eSIM. That is noted on it.
        AiraloAPIError: Airalo did not answer, or the cache is away.
        AiraloConfigurationError: credentials are missing.
    """
    cache = SharedCache(caches[conf.CACHE_ALIAS])
    key = f"django_airalo:topups:{esim.iccid}"
    documents = cache.get(key)
    if documents is None:
        try:
            packages = get_client().get_topup_packages(esim.iccid)
        except RecycledEsimError:
            mark_recycled(esim.pk)
            raise
        # As Airalo wrote them: a later version of this package may read more of it.
        documents = [dict(package.raw) for package in packages]
        cache.set(key, documents, conf.TOPUP_CACHE_SECONDS)
    return tuple(PackageData.from_json(document) for document in documents)


def mark_recycled(esim_pk: int) -> None:
    """Note that Airalo took the eSIM back: it can be neither used nor topped up any more."""
    now = database.now()
    # Its usage tells the same, with history and signal.
    Esim.objects.filter(pk=esim_pk, recycled_at=None).update(recycled_at=now, usage_due_at=now)
