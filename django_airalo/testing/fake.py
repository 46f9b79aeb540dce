"""A fake Airalo inside the test's process: the real client talks to it, without a socket."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from contextlib import ContextDecorator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpResponse
from django.test import Client, TestCase, override_settings
from django.urls import reverse
from requests.adapters import BaseAdapter

from django_airalo import services
from django_airalo.client import AiraloClient, signature, use_client
from django_airalo.conf import conf
from django_airalo.models import EsimOrder

from .payloads import Shape, failure_payload, order_payload, webhook_payload

Answer = Callable[["FakeOrder"], requests.Response]


@dataclass
class FakeOrder:
    """An order that Airalo was asked for. ``bought`` says whether it cost money; ``payload`` is set on delivery."""

    body: dict[str, Any]
    request_id: str = field(default_factory=lambda: secrets.token_hex(12))
    bought: bool = False
    payload: dict[str, Any] | None = None
    failed: bool = False

    @property
    def description(self) -> str:
        """The reference of our order and the shop's words."""
        return str(self.body.get("description", ""))


class FakeAiralo(ContextDecorator):
    """Stands in for Airalo, as a context manager or a decorator.

    Every order is accepted, unless ``reject()``, ``time_out()`` or ``answer()`` said otherwise for the next one.
    Nothing is delivered by itself: call ``deliver()`` or ``fail()``, which play the signed webhook through the
    shop's real URL, or ``list()``, after which a look-up finds the eSIMs.

    Works in ``TestCase`` and ``TransactionTestCase`` alike.

    Attributes:
        orders: what Airalo was asked for, the oldest first.
        balance: what GET /v2/balance answers, in USD.
    """

    def __init__(self) -> None:
        self.orders: list[FakeOrder] = []
        self.balance = 1000.0
        self._answers: list[Answer] = []

    def __enter__(self) -> FakeAiralo:
        self.__init__()  # type: ignore[misc]  # a decorator enters the same object for each test
        session = requests.Session()
        session.mount("https://", _Adapter(self))
        self._overrides = override_settings(
            AIRALO_WEBHOOK_SECRETS=conf.WEBHOOK_SECRETS or ["fake-webhook-secret"],
            AIRALO_LOOKUPS_PER_MINUTE=10**6,
            AIRALO_ESIM_REQUESTS_PER_MINUTE=10**6,
            AIRALO_USAGE_REQUESTS_PER_SECOND=10**6,
            AIRALO_REFUND_INTERVAL=0,
            AIRALO_SIMULATOR_INTERVAL=0,
            AIRALO_WEBHOOK_URL=conf.WEBHOOK_URL or "https://shop.example.com/airalo/webhook/",
        )
        self._overrides.enable()
        cache = LocMemCache(f"fake-airalo-{secrets.token_hex(8)}", {})
        client = AiraloClient("fake-client", "fake-secret", "https://airalo.example.com", session=session, cache=cache)
        self._previous = use_client(client)
        return self

    def __exit__(self, *exc_info: object) -> None:
        use_client(self._previous)
        self._overrides.disable()

    # What the next order is answered with

    def reject(self, code: int | None = None, *, status: int = 422, reason: str = "", **fields: str) -> None:
        """Refuse the next order: with one of Airalo's codes, or with a message for each field."""
        body: dict[str, Any] = {"data": fields, "meta": {"message": "the parameter is invalid"}}
        if not fields:
            body = {"code": code, "reason": reason or f"Refused with code {code}."}
        self._answers.append(lambda order: _response(status, body))

    def time_out(self, *, bought: bool = False) -> None:
        """Never answer the next order. ``bought``: it was carried out all the same."""

        def answer(order: FakeOrder) -> requests.Response:
            order.bought = bought
            raise requests.ReadTimeout("The fake Airalo does not answer.")

        self._answers.append(answer)

    def answer(self, status: int, body: Any, *, bought: bool = False, **headers: str) -> None:
        """Answer the next order with anything: ``body`` as JSON, or as it is if it is bytes."""

        def answer(order: FakeOrder) -> requests.Response:
            order.bought = bought
            return _response(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

        self._answers.append(answer)

    # What Airalo does later

    def deliver(self, order: EsimOrder, *, shape: Shape = "enveloped", **overrides: Any) -> HttpResponse:
        """Deliver an order: play the signed success webhook. ``overrides`` change Airalo's order, e.g. ``sims=[]``."""
        fake = self.list(order, **overrides)
        return self.push(webhook_payload(fake.payload or {}, fake.request_id, shape))

    def fail(
        self, order: EsimOrder, *, code: int | None = 34, reason: str = "The package is out of stock."
    ) -> HttpResponse:
        """Fail an order: play the signed failure webhook."""
        fake = self.find(order)
        fake.failed = True
        return self.push(failure_payload(fake.request_id, code=code, reason=reason))

    def list(self, order: EsimOrder, **overrides: Any) -> FakeOrder:
        """Fulfil an order without a webhook: from now on a look-up finds its eSIMs."""
        fake = self.find(order)
        if fake.payload is None or overrides:
            fake.payload = order_payload(
                package_id=order.package_id,
                quantity=order.quantity,
                **{"description": fake.description, **overrides},
            )
        return fake

    def push(self, payload: Any, *, secret: str | None = None) -> HttpResponse:
        """Post a webhook to the shop, signed with ``secret`` (default: the shop's own)."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        token = (conf.WEBHOOK_URL_TOKEN,) if conf.WEBHOOK_URL_TOKEN else ()
        header = sign_webhook(body, secret)
        with TestCase.captureOnCommitCallbacks(execute=True):
            return Client(enforce_csrf_checks=True).post(  # type: ignore[return-value]
                reverse("django_airalo:webhook", args=token),
                data=body,
                content_type="application/json",
                headers={"airalo-signature": header},
            )

    def settle(self) -> None:
        """Run all that is due, as the sweep command would: submit, look up, send signals."""
        with TestCase.captureOnCommitCallbacks(execute=True):
            services.sweep()

    def find(self, order: EsimOrder) -> FakeOrder:
        """What Airalo was asked for this order, last. Raises ``AssertionError`` if it was not asked."""
        for fake in reversed(self.orders):
            if fake.description.startswith(order.reference):
                return fake
        raise AssertionError(f"Airalo was never asked for order {order.reference}. Was it submitted?")

    # Answering the client

    def _handle(self, request: requests.PreparedRequest) -> requests.Response:
        parts = urlsplit(request.url or "")
        method, path, query = request.method, parts.path, parse_qs(str(parts.query))
        if path == "/v2/token":
            return _response(200, {"data": {"access_token": "fake-token" * 30, "expires_in": 86400}})
        if path == "/v2/balance":
            amount = {"amount": self.balance, "currency": "USD"}
            return _response(200, {"data": {"balances": {"name": "balance", "availableBalance": amount}}})
        if path == "/v2/orders-async" and method == "POST":
            return self._take(json.loads(request.body or b"{}"))
        if path == "/v2/orders" and method == "GET":
            return self._search(query.get("filter[description]", [""])[0])
        return _response(404, {"data": [], "meta": {"message": "messages.resource_not_found"}})

    def _take(self, body: dict[str, Any]) -> requests.Response:
        order = FakeOrder(body)
        self.orders.append(order)
        if self._answers:
            return self._answers.pop(0)(order)
        order.bought = True
        data = {"request_id": order.request_id, "accepted_at": "2026-01-02 03:04:05"}
        return _response(202, {"data": data, "meta": {"message": "success"}})

    def _search(self, description: str) -> requests.Response:
        found = [order.payload for order in self.orders if order.payload and description in order.description]
        completed = {"status": {"name": "Completed", "slug": "completed"}}
        meta = {"message": "success", "current_page": 1, "last_page": 1, "total": len(found)}
        return _response(200, {"data": [{**completed, **item} for item in found], "meta": meta})


class _Adapter(BaseAdapter):
    def __init__(self, fake: FakeAiralo) -> None:
        super().__init__()
        self._fake = fake

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = self._fake._handle(request)
        response.request, response.url = request, request.url or ""
        return response

    def close(self) -> None:
        pass


def sign_webhook(body: bytes, secret: str | None = None) -> str:
    """The ``airalo-signature`` header for ``body``, with ``secret`` or the shop's own."""
    return signature.sign(body, secret if secret is not None else conf.WEBHOOK_SECRETS[0])


def _response(status: int, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.headers.update({"Content-Type": "application/json", **(headers or {})})
    return response
