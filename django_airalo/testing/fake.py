"""A fake Airalo inside the test's process: the real client talks to it, without a socket."""

from __future__ import annotations

import json
import secrets
from contextlib import ContextDecorator
from typing import Any

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

from .api import FakeAPI, respond
from .order import FakeOrder
from .payloads import Shape, failure_payload, usage_payload, webhook_payload


class FakeAiralo(FakeAPI, ContextDecorator):
    """Stands in for Airalo, as a context manager or a decorator.

    All that is asked for is granted, unless ``reject()``, ``time_out()`` or ``answer()`` said otherwise for the next
    purchase. What Airalo answers at once (top-ups, synchronous orders, vouchers) comes at once; nothing is delivered by
    itself: call ``deliver()`` or ``fail()``, which play the signed webhook through the shop's real URL, or ``list()``,
    after which a look-up finds the eSIMs.

    Works in ``TestCase`` and ``TransactionTestCase`` alike.

    Attributes:
        orders: what Airalo was asked for, the oldest first: orders, top-ups, future orders.
        vouchers: the requests for vouchers.
        refunds: the requests for refunds.
        balance: what GET /v2/balance answers, in USD.
        topup_packages: what GET /v2/sims/{iccid}/topups answers, for every eSIM that is not recycled.
    """

    def __enter__(self) -> FakeAiralo:
        self.__init__()  # type: ignore[misc]  # a decorator enters the same object for each test
        session = requests.Session()
        session.mount("https://", _Adapter(self))
        self._overrides = override_settings(
            AIRALO_WEBHOOK_SECRETS=conf.WEBHOOK_SECRETS or ["fake-webhook-secret"],
            AIRALO_LOOKUPS_PER_MINUTE=10**6,
            AIRALO_ESIM_REQUESTS_PER_MINUTE=10**6,
            AIRALO_USAGE_REQUESTS_PER_SECOND=10**6,
            AIRALO_TOPUP_CACHE_SECONDS=0,
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

    # What the next purchase is answered with

    def reject(self, code: int | None = None, *, status: int = 422, reason: str = "", **fields: str) -> None:
        """Refuse the next purchase: with one of Airalo's codes, or with a message for each field."""
        body: dict[str, Any] = {"data": fields, "meta": {"message": "the parameter is invalid"}}
        if not fields:
            body = {"code": code, "reason": reason or f"Refused with code {code}."}
        self._answers.append(lambda order: respond(status, body))

    def time_out(self, *, bought: bool = False) -> None:
        """Never answer the next purchase. ``bought``: it was carried out all the same."""

        def answer(order: FakeOrder) -> requests.Response:
            order.bought = bought
            raise requests.ReadTimeout("The fake Airalo does not answer.")

        self._answers.append(answer)

    def answer(self, status: int, body: Any, *, bought: bool = False, **headers: str) -> None:
        """Answer the next purchase with anything: ``body`` as JSON, or as it is if it is bytes."""

        def answer(order: FakeOrder) -> requests.Response:
            order.bought = bought
            return respond(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

        self._answers.append(answer)

    def serve(self, method: str, path: str, body: Any, *, status: int = 200) -> None:
        """Answer every request to a path with this, e.g. ``serve("GET", "/v2/compatible-devices-lite", {...})``."""
        self._served[method.upper(), path] = respond(status, body)

    # What Airalo does later

    def set_usage(self, iccid: str, **values: Any) -> None:
        """From now on an eSIM's usage is this. Takes what ``usage_payload()`` takes, e.g. ``remaining=100``.

        With ``status="RECYCLED"`` Airalo refuses its top-ups, too.
        """
        self._usage[iccid] = usage_payload(**{**self._usage.get(iccid, {}), **values})

    def deliver(self, order: EsimOrder, *, shape: Shape = "enveloped", **overrides: Any) -> HttpResponse:
        """Deliver an order, also a future one: play the signed success webhook.

        ``overrides`` change Airalo's order, e.g. ``sims=[]``.
        """
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
        fake.fulfil(**overrides)
        return fake

    def push(self, payload: Any, *, secret: str | None = None) -> HttpResponse:
        """Post a webhook to the shop, signed with ``secret`` (default: the shop's own)."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        token = (conf.WEBHOOK_URL_TOKEN,) if conf.WEBHOOK_URL_TOKEN else ()
        header = sign_webhook(body, secret)
        with TestCase.captureOnCommitCallbacks(execute=True):
            return Client(enforce_csrf_checks=True).post(  # type: ignore[return-value]  # its stubs know of no such response
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
