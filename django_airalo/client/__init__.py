"""Airalo's Partner API over HTTP. Knows no model and no service; works in a plain script with settings configured.

>>> from django_airalo.client import AiraloClient
>>> AiraloClient().get_balance().amount  # doctest: +SKIP
Decimal('225.35')
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import requests
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from django_airalo import __version__
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloConfigurationError, AiraloResponseError, PayloadError

from .cache import SharedCache
from .limits import RateLimit
from .payloads import (
    AcceptedOrder,
    BalanceData,
    LocationData,
    NotificationData,
    OrderData,
    Page,
    TokenData,
)
from .token import TokenStore
from .transport import Transport, build_session

T = TypeVar("T")

NotificationType = Literal[
    "async_orders", "webhook_low_data", "email_low_data", "webhook_credit_limit", "email_credit_limit"
]

__all__ = ["AiraloClient", "get_client", "use_client"]


class AiraloClient:
    """One method per endpoint. Thread-safe; connections are pooled, the token is shared through the cache.

    Every method raises :class:`~django_airalo.exceptions.AiraloAPIError` if the call does not succeed and
    :class:`~django_airalo.exceptions.AiraloConfigurationError` if credentials are missing.

    Args:
        client_id: default ``AIRALO_CLIENT_ID``.
        client_secret: default ``AIRALO_CLIENT_SECRET``.
        base_url: default ``AIRALO_BASE_URL``, without ``/v2``.
        timeout: seconds to connect and seconds to wait for an answer.
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
        self._limits = {
            "/v2/packages": RateLimit("packages", conf.PACKAGE_REQUESTS_PER_MINUTE, shared),
            "/v2/orders": RateLimit("look-ups", conf.LOOKUPS_PER_MINUTE, shared),
        }
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

    # Account

    def get_token(self) -> str:
        """POST /v2/token, unless the cache holds a valid token. The token is a secret: do not log it."""
        self._require_credentials()
        return self._tokens.get()

    def get_balance(self) -> BalanceData:
        """GET /v2/balance: the credit left."""
        return BalanceData.from_json(self._call("GET", "/v2/balance"))

    # Catalogue

    def get_packages(
        self,
        *,
        type: Literal["local", "global"] | None = None,
        country: str | None = None,
        include_topup: bool = False,
        limit: int | None = None,
        page: int | None = None,
        language: str | None = None,
    ) -> Page[LocationData]:
        """GET /v2/packages: one page, or (without ``limit`` and ``page``) the whole catalogue in one answer.

        ``limit`` and ``total`` count countries and regions, not packages. ``country`` is an ISO 3166 code of two
        letters, ``language`` a code for ``Accept-Language``.
        """
        params: dict[str, Any] = {
            "filter[type]": type,
            "filter[country]": country,
            "include": "topup" if include_topup else None,
            "limit": limit,
            "page": page,
        }
        headers = {"Accept-Language": language} if language else None
        document = self._call("GET", "/v2/packages", params=params, headers=headers)
        return self._page(document, LocationData.from_json)

    def iter_packages(self, *, page_size: int = 50, **filters: Any) -> Iterator[LocationData]:
        """All countries and regions with their packages, ``page_size`` of them a request.

        Takes the filters of :meth:`get_packages`.
        """
        number = 1
        while True:
            page = self.get_packages(limit=page_size, page=number, **filters)
            yield from page.items
            if not page.has_next:
                return
            number += 1

    # Orders

    def submit_order_async(
        self, *, package_id: str, quantity: int, description: str = "", **optional: Any
    ) -> AcceptedOrder:
        """POST /v2/orders-async: buys. Sent once, whatever happens.

        Optional: ``brand_settings_name``, ``to_email``, ``sharing_option`` and ``copy_address`` (lists),
        ``webhook_url`` (overrides the opted-in address). Without ``webhook_url`` and opt-in Airalo refuses.
        """
        body = _filled(
            {
                "package_id": package_id,
                "quantity": quantity,
                "type": "sim",
                "description": description,
                **optional,
            }
        )
        return self._bought(AcceptedOrder.from_json, self._call("POST", "/v2/orders-async", json=body))

    def submit_order(self, *, package_id: str, quantity: int, description: str = "", **optional: Any) -> OrderData:
        """POST /v2/orders: buys and waits for the eSIMs. Sent once, whatever happens.

        Optional: ``brand_settings_name``, ``to_email``, ``sharing_option`` and ``copy_address`` (lists).
        """
        body = _filled(
            {
                "package_id": package_id,
                "quantity": quantity,
                "type": "sim",
                "description": description,
                **optional,
            }
        )
        order = self._bought(OrderData.from_json, self._call("POST", "/v2/orders", json=body))
        if order.id is None:
            raise AiraloResponseError("The answer to POST /v2/orders has no data.id.", may_have_acted=True)
        return order

    def list_orders(
        self,
        *,
        description: str | None = None,
        code: str | None = None,
        iccid: str | None = None,
        order_status: str | None = None,
        created_at: str | None = None,
        include: Sequence[str] = ("sims", "status"),
        limit: int | None = None,
        page: int | None = None,
    ) -> Page[OrderData]:
        """GET /v2/orders. ``description``, ``code`` and ``iccid`` match anywhere in the field (SQL ``LIKE``).

        ``order_status`` is a slug (``completed``, ``failed``, ``refunded``), ``created_at`` a range
        ``"2026-01-01 - 2026-01-31"``.
        """
        params: dict[str, Any] = {
            "filter[description]": description,
            "filter[code]": code,
            "filter[iccid]": iccid,
            "filter[order_status]": order_status,
            "filter[created_at]": created_at,
            "include": ",".join(include),
            "limit": limit,
            "page": page,
        }
        return self._page(self._call("GET", "/v2/orders", params=params), OrderData.from_json)

    def get_order(self, order_id: int, *, include: Sequence[str] = ("sims", "status")) -> OrderData:
        """GET /v2/orders/{id}, by Airalo's numeric id. A foreign or unknown id is answered like a bad token (401)."""
        return OrderData.from_json(
            self._call("GET", f"/v2/orders/{int(order_id)}", params={"include": ",".join(include)})
        )

    # Notifications

    def opt_in(
        self,
        type: NotificationType,
        *,
        webhook_url: str | None = None,
        email: str | None = None,
        language: str | None = None,
        levels: Sequence[int] | None = None,
    ) -> NotificationData | None:
        """POST /v2/notifications/opt-in. ``levels`` are per cent of the credit limit: 50, 70, 80, 90."""
        body = _filled(
            {"type": type, "webhook_url": webhook_url, "email": email, "language": language, "levels": levels}
        )
        return NotificationData.from_json(self._call("POST", "/v2/notifications/opt-in", json=body))

    def get_opt_in(self) -> NotificationData | None:
        """GET /v2/notifications/opt-in: an opt-in, or ``None``. How Airalo chooses among several is not documented."""
        return NotificationData.from_json(self._call("GET", "/v2/notifications/opt-in"))

    def opt_out(self, type: NotificationType) -> None:
        """POST /v2/notifications/opt-out."""
        self._call("POST", "/v2/notifications/opt-out", json={"type": type})

    def simulate_webhook(
        self,
        event: Literal["low_data_notification", "credit_limit_notification", "async_order_notification"],
        *,
        type: str | None = None,
        level: int | None = None,
        iccid: str | None = None,
        webhook_url: str | None = None,
    ) -> str:
        """POST /v2/simulator/webhook: has Airalo push a test webhook. Returns Airalo's words.

        ``type`` (low data): data_75, data_90, expire_1, expire_3. ``level`` (credit limit): 50, 70, 80, 90.
        """
        body = _filled({"event": event, "type": type, "level": level, "iccid": iccid, "webhook_url": webhook_url})
        document = self._call("POST", "/v2/simulator/webhook", json=body)
        return str(document.get("success", "")) if isinstance(document, dict) else ""

    # Plumbing

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

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        self._require_credentials()
        return self._transport.send(
            method,
            path,
            tokens=self._tokens,
            limit=self._limits.get(path) if method == "GET" else None,
            params=_filled(params or {}),
            json=json,
            headers=headers,
        )

    def _require_credentials(self) -> None:
        for name, value in (
            ("AIRALO_CLIENT_ID", self._client_id),
            ("AIRALO_CLIENT_SECRET", self._client_secret),
        ):
            if not value:
                raise AiraloConfigurationError(
                    f"{name} is empty: set it to the credentials of Airalo's Partner Platform."
                )

    def _page(self, document: Any, parse: Callable[[Any], T]) -> Page[T]:
        try:
            return Page.from_json(document, parse)
        except PayloadError as error:
            raise AiraloResponseError(str(error)) from error

    def _bought(self, parse: Callable[[Any], T], document: Any) -> T:
        try:
            return parse(document)
        except PayloadError as error:
            raise AiraloResponseError(str(error), may_have_acted=True) from error


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    """Without the values that are ``None`` or empty: Airalo validates what it is sent, even if it is null."""
    return {key: value for key, value in values.items() if value not in (None, "", [], ())}


_client: tuple[tuple[Any, ...], AiraloClient] | None = None
_substitute: AiraloClient | None = None


def get_client() -> AiraloClient:
    """The process's client, built from the settings; anew after a change of settings or a fork."""
    global _client
    if _substitute is not None:
        return _substitute
    # A forked worker must not share its parent's sockets, hence the process id.
    key = (
        os.getpid(),
        conf.CLIENT_ID,
        conf.CLIENT_SECRET,
        conf.BASE_URL,
        conf.CONNECT_TIMEOUT,
        conf.READ_TIMEOUT,
        conf.CACHE_ALIAS,
    )
    if _client is None or _client[0] != key:
        _client = (key, AiraloClient())
    return _client[1]


def use_client(client: AiraloClient | None) -> AiraloClient | None:
    """Have ``get_client()`` return ``client`` (``None``: the real one again). For tests; returns what was there."""
    global _substitute
    previous, _substitute = _substitute, client
    return previous
