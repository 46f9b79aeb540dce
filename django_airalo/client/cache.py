"""The shop's cache, whose errors become exceptions of django_airalo."""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.base import BaseCache

from django_airalo.exceptions import AiraloCacheError


class SharedCache:
    """The methods of a Django cache that the client uses. They raise ``AiraloCacheError`` if the cache does not work.

    Each backend raises its own exceptions if its server is unavailable. If they were not caught, an order that was not
    sent would look as if it might have been sent.
    """

    def __init__(self, cache: BaseCache) -> None:
        self._cache = cache

    def get(self, key: str, default: Any = None) -> Any:
        return self._call("get", key, default)

    def set(self, key: str, value: Any, timeout: float) -> None:
        self._call("set", key, value, timeout)

    def add(self, key: str, value: Any, timeout: float) -> bool:
        return bool(self._call("add", key, value, timeout))

    def delete(self, key: str) -> None:
        self._call("delete", key)

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self._cache, method)(*arguments)
        except Exception as error:  # the exceptions of the backends have no common base class
            what = f"The cache could not be used ({type(error).__name__}), so the request was not carried out."
            raise AiraloCacheError(f"{what} {AiraloCacheError.remedy}") from error
