"""The cache has a database of its own, so that its many small writes do not wait for the shop's."""

from __future__ import annotations

from typing import Any


class CacheRouter:
    """Sends the cache's table to ``cache`` and everything else to ``default``."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "cache" if model._meta.app_label == "django_cache" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == ("cache" if app_label == "django_cache" else "default")
