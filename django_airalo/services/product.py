"""What telecommunications law wants a customer to be told before a purchase, fetched when it is shown."""

from __future__ import annotations

from django.core.cache import caches

from django_airalo.client import get_client
from django_airalo.client.cache import SharedCache
from django_airalo.client.payloads import ProductInformationData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloNotFoundError
from django_airalo.models import Package

from .catalogue_rows import digest_of

#: Seconds. Airalo gives 60 answers a minute for a package; the law asks for a document, not for the latest second.
FRESH = 24 * 3600
#: Seconds that a package without product information is not asked for again.
FRESH_NONE = 3600


def product_information(package: Package | str, *, language: str | None = None) -> ProductInformationData | None:
    """The product information of a package, from the cache or from Airalo. Kept for a day.

    Args:
        package: the package or its ``package_id``.
        language: a code for ``Accept-Language``; default ``AIRALO_CATALOGUE_LANGUAGE``.

    Returns:
        ``None`` if Airalo has none for this package.

    Raises:
        AiraloPermissionError: the account may not read it.
        AiraloAPIError: it could not be read, or the cache is away.
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
    cache.set(key, dict(found.raw), FRESH)
    return found
