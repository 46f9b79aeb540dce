"""What the fake Airalo answers to each request. Keeps what it was asked and what it has sold, and nothing else."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from .order import FakeOrder, Kind
from .payloads import instructions_payload, package_payload, usage_payload

Answer = Callable[[FakeOrder], requests.Response]


class FakeAPI:
    """The endpoints. :class:`FakeAiralo` is this with the verbs that a test uses."""

    def __init__(self) -> None:
        self.orders: list[FakeOrder] = []
        self.vouchers: list[FakeOrder] = []
        self.refunds: list[FakeOrder] = []
        self.balance = 1000.0
        self.topup_packages = [
            package_payload(id="test-mobile-7days-1gb-topup", type="topup"),
            package_payload(id="test-mobile-30days-3gb-topup", type="topup", amount=3072, day=30, price=11),
        ]
        self._answers: list[Answer] = []
        self._usage: dict[str, dict[str, Any]] = {}
        self._brands: dict[str, str | None] = {}
        self._served: dict[tuple[str, str], requests.Response] = {}

    def _handle(self, request: requests.PreparedRequest) -> requests.Response:
        parts = urlsplit(request.url or "")
        method, path = str(request.method), parts.path
        if (method, path) in self._served:
            return self._served[method, path]
        for wanted, pattern, handler in ROUTES:
            if wanted == method and (found := re.fullmatch(pattern, path)):
                query = {key: values[0] for key, values in parse_qs(str(parts.query)).items()}
                return handler(self, _Request(request, query), *found.groups())
        return not_found()

    # Account

    def _token(self, request: _Request) -> requests.Response:
        return success({"access_token": "fake-token" * 30, "expires_in": 86400})

    def _balance(self, request: _Request) -> requests.Response:
        amount = {"amount": self.balance, "currency": "USD"}
        return success({"balances": {"name": "balance", "availableBalance": amount}})

    def _refund(self, request: _Request) -> requests.Response:
        number = str(len(self.refunds) + 1)
        answer = {"refund_id": number, "created_at": "2026-01-02 03:04"}
        return self._take("refund", self.refunds, request, lambda order: success(answer, 202))

    def _esim_vouchers(self, request: _Request) -> requests.Response:
        def answer(order: FakeOrder) -> requests.Response:
            return success(
                [
                    {
                        "package_id": wanted["package_id"],
                        "codes": [secrets.token_hex(4).upper() for _ in range(wanted["quantity"])],
                        "booking_reference": wanted.get("booking_reference"),
                    }
                    for wanted in order.body["vouchers"]
                ]
            )

        return self._take("voucher", self.vouchers, request, answer)

    def _airmoney(self, request: _Request) -> requests.Response:
        def answer(order: FakeOrder) -> requests.Response:
            asked = {key: order.body.get(key) for key in ("usage_limit", "amount", "is_paid")}
            code = order.body.get("voucher_code") or secrets.token_hex(4).upper()
            return success({"id": len(self.vouchers), "code": code, "created_at": "2026-01-02 03:04:05", **asked})

        return self._take("voucher", self.vouchers, request, answer)

    # Orders

    def _take(
        self, kind: Kind, asked: list[FakeOrder], request: _Request, succeed: Callable[[FakeOrder], requests.Response]
    ) -> requests.Response:
        order = FakeOrder(request.json(), kind)
        asked.append(order)
        if self._answers:
            return self._answers.pop(0)(order)
        if kind == "topup" and self._recycled(order.body["iccid"]):
            return recycled(order.body["iccid"])
        order.bought = True
        return succeed(order)

    def _order_async(self, request: _Request) -> requests.Response:
        def answer(order: FakeOrder) -> requests.Response:
            return success({"request_id": order.request_id, "accepted_at": "2026-01-02 03:04:05"}, 202)

        return self._take("async", self.orders, request, answer)

    def _order(self, request: _Request) -> requests.Response:
        return self._take("sync", self.orders, request, lambda order: success(order.fulfil()))

    def _topup(self, request: _Request) -> requests.Response:
        return self._take("topup", self.orders, request, lambda order: success(order.fulfil()))

    def _future_order(self, request: _Request) -> requests.Response:
        return self._take("future", self.orders, request, lambda order: success(_schedule(order)))

    def _orders(self, request: _Request) -> requests.Response:
        wanted = {key: request.wanted(key) for key in ("description", "code", "iccid")}
        found = [
            payload
            for payload in self._listed()
            if wanted["description"] in payload["description"]
            and wanted["code"] in payload["code"]
            and (not wanted["iccid"] or any(wanted["iccid"] in sim["iccid"] for sim in payload.get("sims", [])))
            and request.wanted("order_status") in ("", payload["status"]["slug"])
            and request.is_between(payload["created_at"])
        ]
        return listed(found, request)

    def _one_order(self, request: _Request, number: str) -> requests.Response:
        for payload in self._listed():
            if str(payload["id"]) == number:
                return success(payload)
        return respond(401, {"data": [], "meta": {"message": "This action is unauthorized."}})

    def _future_orders(self, request: _Request) -> requests.Response:
        status = request.query.get("status", "pending")
        rows = [
            {**_schedule(order), "status": status, "quantity": order.body["quantity"], "description": order.description}
            | {"package_id": order.body["package_id"]}
            for order in self.orders
            if order.kind == "future" and _is_open(order) and (status == "failed") is order.failed
        ]
        first, last = request.query.get("from_due_date", ""), request.query.get("to_due_date", "9")
        rows = [row for row in rows if first <= row["due_date"] <= last]
        return listed(rows if status in ("pending", "failed") else [], request)

    def _cancel(self, request: _Request) -> requests.Response:
        scheduled = {order.request_id: order for order in self.orders if order.kind == "future" and order.bought}
        errors = {}
        chosen = []
        for index, request_id in enumerate(request.json()["request_ids"]):
            order = scheduled.get(request_id)
            if order is None:
                errors[f"request_ids.{index}"] = f"Request ID: {request_id} does not exist."
            elif order.failed or not _is_open(order):
                errors[f"request_ids.{index}"] = (
                    f"Request ID: {request_id} is already processed and can not be cancelled."
                )
            else:
                chosen.append(order)
        if errors:
            return respond(422, {"data": errors, "meta": {"message": "the parameter is invalid"}})
        for order in chosen:
            order.cancelled = True
        return success([])

    def _listed(self) -> list[dict[str, Any]]:
        completed = {"status": {"name": "Completed", "slug": "completed"}}
        return [{**completed, **order.payload} for order in self.orders if order.payload]

    # eSIMs

    def _sims(self, request: _Request) -> requests.Response:
        found = [sim for sim in self._sold() if request.wanted("iccid") in sim["iccid"]]
        return listed([sim for sim in found if request.is_between(sim["created_at"])], request)

    def _sim(self, request: _Request, iccid: str) -> requests.Response:
        found = [sim for sim in self._sold() if sim["iccid"] == iccid]
        return success(found[0]) if found else not_found()

    def _sold(self) -> list[dict[str, Any]]:
        return [
            {
                **sim,
                "brand_settings_name": self._brands.get(sim["iccid"]),
                "recycled": self._recycled(sim["iccid"]),
                "simable": {key: value for key, value in order.items() if key != "sims"},
            }
            for order in self._listed()
            for sim in order.get("sims", [])
        ]

    def _recycled(self, iccid: str) -> bool:
        return self._usage.get(iccid, {}).get("status") == "RECYCLED"

    def _sim_usage(self, request: _Request, iccid: str) -> requests.Response:
        return success(self._usage.get(iccid) or usage_payload())

    def _sim_topups(self, request: _Request, iccid: str) -> requests.Response:
        return recycled(iccid) if self._recycled(iccid) else success(self.topup_packages)

    def _sim_packages(self, request: _Request, iccid: str) -> requests.Response:
        usage = self._usage.get(iccid) or usage_payload()
        topups = {package["id"]: package for package in self.topup_packages}
        bought = [
            package_payload(id=order["package_id"])
            for order in self._listed()
            if any(sim["iccid"] == iccid for sim in order.get("sims", []))
        ]
        bought += [
            topups.get(order.body["package_id"]) or package_payload(id=order.body["package_id"], type="topup")
            for order in self.orders
            if order.kind == "topup" and order.bought and order.body["iccid"] == iccid
        ]
        times = dict.fromkeys(("activated_at", "expired_at", "finished_at"))
        return success(
            [
                {"id": number, "status": usage["status"], "remaining": package["amount"], **times, "package": package}
                for number, package in enumerate(bought, start=1)
            ]
        )

    def _sim_instructions(self, request: _Request, iccid: str) -> requests.Response:
        return success({"instructions": instructions_payload(language=request.language)})

    def _sim_brand(self, request: _Request, iccid: str) -> requests.Response:
        self._brands[iccid] = request.json()["brand_settings_name"]
        return success({"brand_settings_name": self._brands[iccid]})


class _Request:
    """What the handlers need of a request."""

    def __init__(self, request: requests.PreparedRequest, query: dict[str, str]) -> None:
        self.query = query
        self.language = str(request.headers.get("Accept-Language") or "en")
        self._body = request.body

    def json(self) -> Any:
        return json.loads(self._body or b"{}")

    def wanted(self, key: str) -> str:
        """What a list is to be filtered by, or ``""``."""
        return self.query.get(f"filter[{key}]", "")

    def is_between(self, created_at: str) -> bool:
        """Whether a time is within the days asked for, such as ``2026-01-01 - 2026-01-31``."""
        first, _, last = self.wanted("created_at").partition(" - ")
        return not last or first <= created_at[:10] <= last


def _schedule(order: FakeOrder) -> dict[str, Any]:
    due = datetime.fromisoformat(order.body["due_date"])
    until = (due - timedelta(days=1)).strftime("%Y-%m-%d %H:%M")
    return {"request_id": order.request_id, "due_date": order.body["due_date"], "latest_cancellation_date": until}


def _is_open(order: FakeOrder) -> bool:
    """A future order that was taken and is neither fulfilled nor cancelled."""
    return order.bought and order.payload is None and not order.cancelled


def respond(status: int, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
    """An answer: ``body`` as JSON, or as it is if it is bytes."""
    response = requests.Response()
    response.status_code = status
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.headers.update({"Content-Type": "application/json", **(headers or {})})
    return response


def success(data: Any, status: int = 200) -> requests.Response:
    """An enveloped success."""
    return respond(status, {"data": data, "meta": {"message": "success"}})


def listed(data: list[Any], request: _Request) -> requests.Response:
    """The page asked for; all on one if no ``limit`` was given."""
    limit = int(request.query.get("limit", 0)) or max(1, len(data))
    page = int(request.query.get("page", 1))
    meta = {"message": "success", "current_page": page, "last_page": max(1, -(-len(data) // limit))}
    meta |= {"per_page": str(limit), "total": len(data)}
    return respond(200, {"data": data[(page - 1) * limit : page * limit], "meta": meta})


def not_found() -> requests.Response:
    """What is not there."""
    return respond(404, {"data": [], "meta": {"message": "messages.resource_not_found"}})


def recycled(iccid: str) -> requests.Response:
    """Code 73."""
    reason = f"The eSIM with iccid {iccid} has been recycled. It can no longer be used or topped up."
    return respond(422, {"code": 73, "reason": reason})


_SIM = "/v2/sims/([^/]+)"
ROUTES: tuple[tuple[str, str, Callable[..., requests.Response]], ...] = (
    ("POST", "/v2/token", FakeAPI._token),
    ("GET", "/v2/balance", FakeAPI._balance),
    ("POST", "/v2/refund", FakeAPI._refund),
    ("POST", "/v2/voucher/esim", FakeAPI._esim_vouchers),
    ("POST", "/v2/voucher/airmoney", FakeAPI._airmoney),
    ("POST", "/v2/orders-async", FakeAPI._order_async),
    ("POST", "/v2/orders", FakeAPI._order),
    ("POST", "/v2/orders/topups", FakeAPI._topup),
    ("GET", "/v2/orders", FakeAPI._orders),
    ("GET", "/v2/orders/([0-9]+)", FakeAPI._one_order),
    ("POST", "/v2/future-orders", FakeAPI._future_order),
    ("GET", "/v2/future-orders", FakeAPI._future_orders),
    ("POST", "/v2/cancel-future-orders", FakeAPI._cancel),
    ("GET", "/v2/sims", FakeAPI._sims),
    ("GET", _SIM, FakeAPI._sim),
    ("GET", f"{_SIM}/usage", FakeAPI._sim_usage),
    ("GET", f"{_SIM}/topups", FakeAPI._sim_topups),
    ("GET", f"{_SIM}/packages", FakeAPI._sim_packages),
    ("GET", f"{_SIM}/instructions", FakeAPI._sim_instructions),
    ("PUT", f"{_SIM}/brand", FakeAPI._sim_brand),
)
