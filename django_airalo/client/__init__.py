"""Airalo's Partner API over HTTP. Knows no model and no service; works in a plain script with settings configured.

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
    """One method per endpoint. Thread-safe; connections are pooled, the token is shared through the cache.

    Every method raises :class:`~django_airalo.exceptions.AiraloAPIError` if the call does not succeed and
    :class:`~django_airalo.exceptions.AiraloConfigurationError` if credentials are missing.

    Args:
        client_id: default ``AIRALO_CLIENT_ID``.
        client_secret: default ``AIRALO_CLIENT_SECRET``.
        base_url: default ``AIRALO_BASE_URL``, without ``/v2``.
        timeout: seconds to connect, and seconds in which an answer must have come in full.
        cache: a Django cache that all processes share; default ``AIRALO_CACHE_ALIAS``.
        session: a ``requests.Session``; by default one that never sends a POST twice.
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
            per_minute=conf.TOKEN_REQUESTS_PER_MINUTE,
            patience=sum(timeout) + 5,
        )

    def __repr__(self) -> str:
        return f"<AiraloClient {self._transport.base_url}>"

    def get_token(self) -> str:
        """POST /v2/token, unless the cache holds a valid token. The token is a secret: do not log it."""
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
    """The process's client, built from the settings; anew after a fork."""
    global _client
    if _substitute is not None:
        return _substitute
    # A forked worker must not share its parent's sockets, hence the process id.
    if _client is None or _client[0] != os.getpid():
        _client = (os.getpid(), AiraloClient())
    return _client[1]


@receiver(setting_changed)
def _forget_client(*, setting: str, **kwargs: Any) -> None:
    """Tests change settings while a process runs."""
    global _client
    if setting.startswith("AIRALO_") or setting == "CACHES":
        _client = None


def use_client(client: AiraloClient | None) -> AiraloClient | None:
    """Have ``get_client()`` return ``client`` (``None``: the real one again). For tests; returns what was there."""
    global _substitute
    previous, _substitute = _substitute, client
    return previous
