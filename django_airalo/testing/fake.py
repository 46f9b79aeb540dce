"""A fake Airalo inside the test's process: the emulator's core, to which the shop's client talks without a socket."""

from __future__ import annotations

import secrets
import time
import weakref
from collections.abc import Sequence
from contextlib import ContextDecorator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from unittest import mock
from urllib.parse import urlsplit

import requests
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpResponse
from django.test import TestCase, override_settings

from django_airalo import services
from django_airalo.client import AiraloClient, signature, use_client
from django_airalo.conf import DEFAULT_RATE_LIMITS, conf
from django_airalo.emulator import EmulatorCore, Options, future, webhooks
from django_airalo.emulator.catalogue import Catalogue
from django_airalo.emulator.ledger import Row
from django_airalo.emulator.messages import php_json
from django_airalo.emulator.orders import buy
from django_airalo.models import EsimOrder

from .catalogue import SmallCatalogue
from .delivery import Adapter, InProcessDeliverer, from_emulator, respond, to_emulator
from .order import HIDDEN, SILENT, FakeOrder, Kind
from .payloads import PricingModel, Shape, failure_payload, package_payload, sim_payload, webhook_payload

CLIENT_ID, CLIENT_SECRET = "fake-client", "fake-secret"
#: What buys or asks for something: endpoint of the emulator, kind, and the list that keeps it.
PURCHASES: dict[str, tuple[Kind, str]] = {
    "/v2/orders-async": ("async", "orders"),
    "/v2/orders": ("sync", "orders"),
    "/v2/orders/topups": ("topup", "orders"),
    "/v2/future-orders": ("future", "orders"),
    "/v2/voucher/esim": ("voucher", "vouchers"),
    "/v2/voucher/airmoney": ("voucher", "vouchers"),
    "/v2/refund": ("refund", "refunds"),
}


class FakeAiralo(ContextDecorator):
    """Stands in for Airalo, as a context manager or a decorator.

    Requests are answered by the emulator's core, in the thread that sends them: what Airalo refuses is refused here,
    too. ``reject()``, ``time_out()`` and ``answer()`` say otherwise for the next purchase. Top-ups, synchronous orders
    and vouchers come at once; nothing else is delivered by itself: call ``deliver()`` or ``fail()``, which post the
    signed webhook to the shop's webhook view, or ``fulfil()``, after which a look-up finds the eSIMs.

    Works in ``TestCase`` and ``TransactionTestCase`` alike.

    Attributes:
        packages: what is on sale at first, as ``package_payload()``s; a subclass may have others.
        orders: what Airalo was asked for, the oldest first: orders, top-ups, future orders.
        vouchers: the requests for vouchers.
        refunds: the requests for refunds.
    """

    packages: ClassVar[Sequence[dict[str, Any]]] = (
        package_payload(),
        package_payload(id="test-mobile-7days-1gb-topup", type="topup"),
        package_payload(
            **{"id": "test-mobile-30days-3gb-topup", "type": "topup", "title": "3 GB - 30 Days", "data": "3 GB"},
            **{"amount": 3072, "day": 30, "price": 11},
        ),
    )

    def __init__(self) -> None:
        self.orders: list[FakeOrder] = []
        self.vouchers: list[FakeOrder] = []
        self.refunds: list[FakeOrder] = []
        self._answers: list[Any] = []
        self._overrides: dict[tuple[str, str], requests.Response] = {}
        self._on_sale = {str(package["id"]): package for package in self.packages}
        self._catalogues: dict[bool, Catalogue] = {}
        self._deliverer = InProcessDeliverer()
        options = Options(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            balance=Decimal(1000),
            discount_percentage=10,
            answer_net_price="always",
            head_probe=False,
            rate_limits=False,
        )
        self._core = EmulatorCore(options, catalogue_of=self._catalogue_of)

    def __enter__(self) -> FakeAiralo:
        self.__init__()  # type: ignore[misc]  # a decorator enters the same object for each test
        self._core.open(lambda state: self._deliverer)
        weakref.finalize(self, self._core.close)
        session = requests.Session()
        session.mount("https://", Adapter(self._handle))
        self._settings = override_settings(
            AIRALO_WEBHOOK_SECRETS=conf.WEBHOOK_SECRETS or ["fake-webhook-secret"],
            AIRALO_RATE_LIMITS=dict.fromkeys(DEFAULT_RATE_LIMITS),
            AIRALO_LISTING_DELAY=0,
            AIRALO_WEBHOOK_URL=conf.WEBHOOK_URL or "https://shop.example.com/airalo/webhook/",
        )
        self._settings.enable()
        self._no_cache = mock.patch.object(conf, "TOPUP_CACHE_SECONDS", 0)
        self._no_cache.start()
        cache = LocMemCache(f"fake-airalo-{secrets.token_hex(8)}", {})
        client = AiraloClient(CLIENT_ID, CLIENT_SECRET, "https://airalo.example.com", session=session, cache=cache)
        self._previous = use_client(client)
        return self

    def __exit__(self, *exc_info: object) -> None:
        use_client(self._previous)
        self._no_cache.stop()
        self._settings.disable()

    # --- requests ---

    def _handle(self, request: requests.PreparedRequest) -> requests.Response:
        method, path = str(request.method), urlsplit(request.url or "").path
        if (method, path) in self._overrides:
            return self._overrides[method, path]
        if method == "POST" and path in PURCHASES:
            kind, kept_in = PURCHASES[path]
            sent = to_emulator(request)
            order = FakeOrder(self._core, kind, sent.data, sent)
            getattr(self, kept_in).append(order)
            return self._purchase(order)
        return from_emulator(self._core.dispatch(to_emulator(request)).response)

    def _purchase(self, order: FakeOrder) -> requests.Response:
        if self._answers:
            answer: requests.Response = self._answers.pop(0)(order)
            return answer
        return from_emulator(order.send())

    # --- what the next purchase is answered with ---

    def reject(self, code: int | None = None, *, status: int = 422, reason: str = "", **fields: str) -> None:
        """Refuse the next purchase: with one of Airalo's codes, or with a message for each field."""
        body: dict[str, Any] = {"data": fields, "meta": {"message": "the parameter is invalid"}}
        if not fields:
            body = {"code": code, "reason": reason or f"Refused with code {code}."}
        self._answers.append(lambda order: respond(status, body))

    def time_out(self, *, bought: bool = False) -> None:
        """Never answer the next purchase. ``bought``: it was carried out, but is in no list yet."""

        def answer(order: FakeOrder) -> requests.Response:
            if bought:
                order.buy()
            raise requests.ReadTimeout("The fake Airalo does not answer.")

        self._answers.append(answer)

    def answer(self, status: int, body: Any, *, bought: bool = False, **headers: str) -> None:
        """Answer the next purchase with anything: ``body`` as JSON, or as it is if it is bytes."""

        def answer(order: FakeOrder) -> requests.Response:
            if bought:
                order.buy()
            return respond(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

        self._answers.append(answer)

    def override_answer(self, method: str, path: str, body: Any, *, status: int = 200) -> None:
        """Answer every request to a path with this, such as ``"GET", "/v2/compatible-devices-lite", {…}``."""
        self._overrides[method.upper(), path] = respond(status, body)

    # --- what Airalo has ---

    @property
    def core(self) -> EmulatorCore:
        """The emulator's core: its ledger, and all that it can do besides."""
        return self._core

    @property
    def balance(self) -> Decimal:
        """What the shop has left at Airalo, in USD; each purchase takes its price. May be set."""
        return self._core.balance

    @balance.setter
    def balance(self, amount: Decimal | float | str) -> None:
        self._core.balance = amount

    @property
    def pricing_model(self) -> PricingModel:
        """``net_pricing`` or ``discount_pricing``: what Airalo says of the cost from now on."""
        return self._core.options.pricing_model  # type: ignore[return-value]  # checked when it is set

    @pricing_model.setter
    def pricing_model(self, model: PricingModel) -> None:
        self._core.options.change(pricing_model=model)

    @property
    def confirmation_code(self) -> str | None:
        """What GET /v2/sims/{iccid} shows of every eSIM, and nothing else does. ``None``: as the operator has it."""
        return self._core.options.confirmation_code

    @confirmation_code.setter
    def confirmation_code(self, code: str | None) -> None:
        self._core.options.change(confirmation_code=code)

    @property
    def future_descriptions(self) -> bool:
        """Whether the list of future orders shows their descriptions; in Airalo's examples all are empty."""
        return self._core.options.future_descriptions

    @future_descriptions.setter
    def future_descriptions(self, shown: bool) -> None:
        self._core.options.change(future_descriptions=shown)

    @property
    def topup_packages(self) -> list[dict[str, Any]]:
        """What GET /v2/sims/{iccid}/topups offers, as ``package_payload()``s. May be set."""
        return [package for package in self._on_sale.values() if package["type"] == "topup"]

    @topup_packages.setter
    def topup_packages(self, packages: Sequence[dict[str, Any]]) -> None:
        sims = {name: package for name, package in self._on_sale.items() if package["type"] == "sim"}
        self._on_sale = sims | {str(package["id"]): {**package, "type": "topup"} for package in packages}
        self._catalogues.clear()

    def add_package(self, package_id: str, **values: Any) -> None:
        """Put a package on sale. Takes what ``package_payload()`` takes, such as ``type="topup"`` or ``price=9.5``."""
        self._on_sale[package_id] = package_payload(id=package_id, **values)
        self._catalogues.clear()

    def _catalogue_of(self, seed: int, discount: bool) -> Catalogue:
        if discount not in self._catalogues:
            self._catalogues[discount] = SmallCatalogue(discount, self._on_sale.values())
        return self._catalogues[discount]

    def add_order(
        self,
        description: str = "",
        *,
        package_id: str = "test-mobile-7days-1gb",
        quantity: int = 1,
        due_date: datetime | None = None,
        iccid: str = "",
        **overrides: Any,
    ) -> FakeOrder:
        """Have Airalo know an order that this shop did not ask for, or has forgotten. It costs nothing.

        Args:
            description: as Airalo has it.
            package_id: of an eSIM or a top-up; put on sale if it is not.
            quantity: how many eSIMs.
            due_date: makes it a future order, which is not delivered yet.
            iccid: the eSIM that a top-up is for.
            overrides: other fields of Airalo's order.
        """
        if package_id not in self._on_sale:
            self.add_package(package_id)
        body = {"package_id": package_id, "quantity": quantity, "description": description}
        order = FakeOrder(self._core, "async" if due_date is None else "future", body)
        package = self._core.state.any_package(package_id)
        if due_date is None:
            asked = (package, quantity, quantity, description, None, SILENT, order.request_id)
            with self._core.ledger.transaction():
                number = buy(self._core.state, *asked, iccid=iccid)
                self._core.ledger.balance += Decimal(self._price_of(number))
            order.fulfil(**overrides)
        else:
            body["due_date"] = due_date.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
            order.note({"request_id": self._schedule(package_id, quantity, description, due_date)})
        self.orders.append(order)
        return order

    def _price_of(self, number: int) -> str:
        row = self._core.ledger.row("SELECT price FROM purchases WHERE id = ?", (number,))
        return str(row["price"]) if row else "0"

    def _schedule(self, package_id: str, quantity: int, description: str, due_date: datetime) -> str:
        return future.schedule(
            self._core.state,
            package_id=package_id,
            quantity=quantity,
            quantity_sent=quantity,
            description=description,
            brand=None,
            share=None,
            due_at=due_date.timestamp(),
            webhook_url=None,
            fault=SILENT,
        )

    def add_esim(self, iccid: str, **overrides: Any) -> None:
        """Have Airalo know an eSIM that the test has made up, though it is in no list.

        ``overrides`` are those of ``sim_payload()``.
        """
        order = self.add_order(sims=[sim_payload(iccid=iccid, **overrides)])
        self.orders.remove(order)
        hidden = time.time() + (HIDDEN.listing_delay or 0)
        self._core.ledger.execute("UPDATE purchases SET listed_at = ? WHERE request_id = ?", (hidden, order.request_id))

    def set_usage(self, iccid: str, **values: Any) -> None:
        """From now on an eSIM's usage is this. Takes what ``usage_payload()`` takes, such as ``remaining=100``.

        An eSIM that Airalo does not know is known from now on. With ``status="RECYCLED"`` its top-ups are refused.
        """
        if not self._knows(iccid):
            self.add_esim(iccid)
        if "status" in values:
            self._core.recycle(iccid, values["status"] == "RECYCLED")
        self._core.set_usage(iccid, **values)

    def _knows(self, iccid: str) -> Row | None:
        return self._core.ledger.row("SELECT 1 FROM esims WHERE iccid = ?", (iccid,))

    def reset(self) -> None:
        """Forget all orders, eSIMs and requests, and what was set for later; packages stay on sale."""
        self._core.reset()
        for kept in (self.orders, self.vouchers, self.refunds, self._answers, self._overrides):
            kept.clear()

    # --- what Airalo does later ---

    def fulfil(self, order: EsimOrder, **overrides: Any) -> FakeOrder:
        """Fulfil an order without a webhook: from now on a look-up finds its eSIMs.

        ``overrides`` change Airalo's order, such as ``sims=[]``.
        """
        fake = self.find(order)
        fake.fulfil(**overrides)
        return fake

    def deliver(self, order: EsimOrder, *, shape: Shape = "enveloped", **overrides: Any) -> HttpResponse:
        """Fulfil an order, also a future one, and post the signed success webhook to the shop.

        ``overrides`` change Airalo's order, such as ``sims=[]``.
        """
        fake = self.fulfil(order, **overrides)
        return self.push(webhook_payload(fake.payload or {}, fake.request_id, shape))

    def fail(
        self, order: EsimOrder, *, code: int | None = 34, reason: str = "The package is out of stock."
    ) -> HttpResponse:
        """Fail an order, give its price back, and post the signed failure webhook to the shop."""
        fake = self.find(order)
        fake.failed = True
        return self.push(failure_payload(fake.request_id, code=code, reason=reason))

    def push(self, payload: Any, *, secret: str | None = None) -> HttpResponse:
        """Post a webhook to the shop, signed with ``secret`` (default: the shop's own)."""
        body = payload if isinstance(payload, bytes) else php_json(payload)
        key = conf.WEBHOOK_SECRETS[0] if secret is None else secret
        webhooks.send(self._core.state, conf.WEBHOOK_URL, body, "test", secret=key)
        return self._deliverer.response

    def sweep(self) -> None:
        """Do once what is due, as the sweep command does: submit, look up, send signals."""
        with TestCase.captureOnCommitCallbacks(execute=True):
            services.sweep()

    def find(self, order: EsimOrder) -> FakeOrder:
        """Return what Airalo was asked for this order, last. Raises ``AssertionError`` if it was not asked."""
        for fake in reversed(self.orders):
            if fake.description.startswith(order.reference):
                return fake
        raise AssertionError(f"Airalo was never asked for order {order.reference}. Was it submitted?")


def sign_webhook(body: bytes, secret: str | None = None) -> str:
    """Return the ``airalo-signature`` header for ``body``, with ``secret`` or the shop's own."""
    return signature.sign(body, secret if secret is not None else conf.WEBHOOK_SECRETS[0])
