"""Fetch the information about a package that telecommunications law requires a shop to show before a purchase."""

from __future__ import annotations

from django.core.cache import caches

from django_airalo.client import get_client
from django_airalo.client.cache import SharedCache
from django_airalo.client.payloads import ProductInformationData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloNotFoundError, AiraloResponseError
from django_airalo.models import Package

from .rows import digest_of

#: Seconds that product information is cached. Airalo allows 60 requests a minute for a package.
FRESH = 24 * 3600
#: Seconds before Airalo is asked again for a package that has no product information.
FRESH_NONE = 3600


def get_product_information(package: Package | str, *, language: str | None = None) -> ProductInformationData | None:
    """Return the product information of a package, from the cache or from Airalo. It is cached for a day.

    Args:
        package: a package or its ``package_id``.
        language: a code for ``Accept-Language``; default ``AIRALO_CATALOGUE_LANGUAGE``.

    Returns:
        The product information, or ``None`` if Airalo has none for this package.

    Raises:
        AiraloPermissionError: the account may not read it.
        AiraloAPIError: the request failed, or the cache is unavailable.
        AiraloConfigurationError: credentials are missing.
    """
    slug = package.package_id if isinstance(package, Package) else package
    language = language or conf.CATALOGUE_LANGUAGE or None
    cache = SharedCache(caches[conf.CACHE_ALIAS])
    key = f"django_airalo:product:{digest_of({'slug': slug, 'language': language})}"
    kept = cache.get(key)
    if kept is not None:
        return ProductInformationData.from_json(kept) if kept else None
    try:
        found = get_client().get_product_information(slug, language=language)
    except AiraloNotFoundError:
        cache.set(key, {}, FRESH_NONE)
        return None
    if not found.product_name:
        raise AiraloResponseError("The answer to GET /v2/packages/{slug}/product-information has no product name.")
    cache.set(key, dict(found.raw), FRESH)
    return found
