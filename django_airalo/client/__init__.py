"""A client for Airalo's Partner API. It needs Django's settings and cache, but no models or services.

>>> from django_airalo.client import AiraloClient
>>> AiraloClient().get_balance().amount
Decimal('225.35')
"""

from __future__ import annotations

import os
from typing import Any

import requests
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.signals import setting_changed
from django.dispatch import receiver

from django_airalo import __version__
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloResponseError, PayloadError

from .cache import SharedCache
from .endpoints import (
    AccountEndpoints,
    CatalogueEndpoints,
    NotificationEndpoints,
    NotificationType,
    OrderEndpoints,
    SimEndpoints,
)
from .limits import Limits
from .payloads import TokenData
from .token import TokenStore
from .transport import Transport, build_session

__all__ = ["AiraloClient", "NotificationType", "get_client", "use_client"]


class AiraloClient(CatalogueEndpoints, OrderEndpoints, SimEndpoints, AccountEndpoints, NotificationEndpoints):
    """A client with one method for each endpoint. It is thread-safe, and pools its connections.

    All processes share one token through the cache. Each method raises
    :class:`~django_airalo.exceptions.AiraloAPIError` if the call does not succeed, and
    :class:`~django_airalo.exceptions.AiraloConfigurationError` if credentials are missing.

    Args:
        client_id: defaults to ``AIRALO_CLIENT_ID``.
        client_secret: defaults to ``AIRALO_CLIENT_SECRET``.
        base_url: without ``/v2``; defaults to ``AIRALO_BASE_URL``.
        timeout: the seconds to connect, and the seconds for a complete response.
        cache: a Django cache that all processes share; defaults to ``AIRALO_CACHE_ALIAS``.
        session: a ``requests.Session``; defaults to one that never sends a POST twice.
    """

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        base_url: str | None = None,
        *,
        timeout: tuple[float, float] | None = None,
        cache: BaseCache | None = None,
        session: requests.Session | None = None,
    ) -> None:
        self._client_id = conf.CLIENT_ID if client_id is None else client_id
        self._client_secret = conf.CLIENT_SECRET if client_secret is None else client_secret
        timeout = timeout or (conf.CONNECT_TIMEOUT, conf.READ_TIMEOUT)
        shared = SharedCache(caches[conf.CACHE_ALIAS] if cache is None else cache)
        self._limits = Limits(shared)
        self._transport = Transport(
            (conf.BASE_URL if base_url is None else base_url).rstrip("/"),
            session=session or build_session(),
            timeout=timeout,
            user_agent=f"django-airalo/{__version__}",
        )
        self._tokens = TokenStore(
            self._fetch_token,
            cache=shared,
            identity=f"{self._transport.base_url}\n{self._client_id}\n{self._client_secret}",
            lifetime=conf.TOKEN_LIFETIME,
            limit=conf.rate("tokens"),
            patience=sum(timeout) + conf.TOKEN_MARGIN,
        )

    def __repr__(self) -> str:
        return f"<AiraloClient {self._transport.base_url}>"

    def get_token(self) -> str:
        """POST /v2/token, unless the cache has a valid token. Return the token, which is a secret: do not log it."""
        self._require_credentials()
        return self._tokens.get()

    def _fetch_token(self) -> TokenData:
        form = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "grant_type": "client_credentials",
        }
        document = self._transport.send("POST", "/v2/token", form=form)
        try:
            return TokenData.from_json(document)
        except PayloadError as error:
            raise AiraloResponseError(str(error)) from error


_client: tuple[int, AiraloClient] | None = None
_substitute: AiraloClient | None = None


def get_client() -> AiraloClient:
    """Return the client of this process, made from the settings. A forked process makes its own."""
    global _client
    if _substitute is not None:
        return _substitute
    # A forked worker must not share its parent's sockets.
    if _client is None or _client[0] != os.getpid():
        _client = (os.getpid(), AiraloClient())
    return _client[1]


@receiver(setting_changed)
def _forget_client(*, setting: str, **kwargs: Any) -> None:
    """Discard the client when a test changes a setting."""
    global _client
    if setting.startswith("AIRALO_") or setting == "CACHES":
        _client = None


def use_client(client: AiraloClient | None) -> AiraloClient | None:
    """Make ``get_client()`` return ``client`` in tests; ``None`` restores the real one. Return the previous client."""
    global _substitute
    previous, _substitute = _substitute, client
    return previous
