"""System checks of the cache and of the database's tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.conf import settings
from django.core.cache import BaseCache, InvalidCacheBackendError, caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Warning
from django.db import connections

from django_airalo.services.core.database import primary_alias

from .conf import conf

#: The fewest entries that a cache should hold before it drops some: it has one for each eSIM that is looked up.
FEWEST_ENTRIES = 10_000

_OTHER_CHARACTER_SETS = """
    SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name LIKE 'django\\_airalo\\_%' AND character_set_name NOT IN ('utf8mb4', 'ascii') ORDER BY 1
"""


def check_database(*, databases: Collection[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the tables can store any text. Django calls this in ``migrate``, and in ``check --database``."""
    connection = connections[primary_alias()]
    if connection.alias not in (databases or ()) or connection.vendor != "mysql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(_OTHER_CHARACTER_SETS)
        return [
            Warning(
                f"The table {name} cannot store characters such as emoji, which Airalo's texts may contain.",
                hint=f"ALTER TABLE {name} CONVERT TO CHARACTER SET utf8mb4",
                id="django_airalo.W014",
            )
            for (name,) in cursor.fetchall()
        ]


def check_losing_cache() -> Iterator[CheckMessage]:
    """Check that the cache keeps the token, and says so if it cannot."""
    cache, loss = _cache(), ""
    options: Any = settings.CACHES.get(conf.CACHE_ALIAS, {}).get("OPTIONS", {})
    if isinstance(cache, DummyCache):
        loss = "stores nothing"
    elif isinstance(cache, BaseDatabaseCache | FileBasedCache) and cache._max_entries < FEWEST_ENTRIES:
        loss = f"drops entries from {cache._max_entries} on"
    elif options.get("IGNORE_EXCEPTIONS") or getattr(settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False):
        loss = "hides its errors"
    if loss:
        yield Warning(
            f"The cache {conf.CACHE_ALIAS!r} {loss}, so the token may be lost, and Airalo gives three a minute.",
            hint="Name one in AIRALO_CACHE_ALIAS that keeps its entries and raises errors, with a MAX_ENTRIES of "
            f"{FEWEST_ENTRIES} or more if it is the database cache.",
            id="django_airalo.W015",
        )


def check_private_cache() -> Iterator[CheckMessage]:
    """Check that all processes share the cache."""
    if isinstance(_cache(), LocMemCache):
        yield Warning(
            f"The cache {conf.CACHE_ALIAS!r} is not shared between processes, but Airalo gives three tokens a minute.",
            hint="Use Redis, Memcached or the database cache, or name another cache in AIRALO_CACHE_ALIAS.",
            id="django_airalo.W005",
        )


def _cache() -> BaseCache | None:
    try:
        return caches[conf.CACHE_ALIAS]
    except InvalidCacheBackendError:  # E011 says it
        return None
