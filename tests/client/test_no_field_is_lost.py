"""Each field that the emulator sends, which was read from Airalo's documents independently, is in a field of ours.

Each leaf of an answer is changed, one after another; what is read of it must change, too. ``raw`` does not count.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client import payloads as p
from django_airalo.emulator import Emulator
from django_airalo.exceptions import PayloadError
from tests.scripted_server import Answer, ScriptedServer

Path = tuple[str | int, ...]
Read = Callable[[Any], Any]

#: What is in ``raw`` alone, and why that is enough.
LEFT_OUT = {
    r"meta\.(message|from|to|path)$": "words that vary, and places within a page",
    r"links\.\w+$": "only next is read, where the pages have no numbers",
    r"\.image\.(width|height)$": "the size of a picture",
    r"\.(style|gradient_start|gradient_end)$": "colours",
    r"status\.name$": "the English name of the slug",
    r"(data|\])\.order$": "documented as null only; the order is in simable",
}


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each leaf of a document with its path; of a list, those of its first item."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for item in value[:1]:
            yield from leaves(item, (*path, 0))
    else:
        yield path, value


def changed(document: Any, path: Path, value: Any) -> Any:
    """A copy with another value in one place."""
    if not path:
        return value
    if isinstance(document, dict):
        return {key: changed(item, path[1:], value) if key == path[0] else item for key, item in document.items()}
    return [changed(item, path[1:], value) if index == path[0] else item for index, item in enumerate(document)]


def typed(value: Any) -> Any:
    """What was read, without what is kept as it came."""
    if dataclasses.is_dataclass(value):
        kept = [field.name for field in dataclasses.fields(value) if field.name not in ("raw", "prices")]
        return [(name, typed(getattr(value, name))) for name in kept]
    if isinstance(value, tuple):
        return [typed(item) for item in value]
    return value


def lost_fields(document: Any, read: Read) -> list[str]:
    before = typed(read(document))
    lost = []
    for path, value in leaves(document):
        others = [other for other in ("Changed", 987654, True, False, "2031-05-06 07:08:09") if other != value]
        if not any(differs(read, changed(document, path, other), before) for other in others):
            lost.append(".".join(f"[{part}]" if isinstance(part, int) else part for part in path).replace(".[", "["))
    return lost


def differs(read: Read, document: Any, before: Any) -> bool:
    try:
        return bool(typed(read(document)) != before)
    except PayloadError:
        return True


def page(parse: Read) -> Read:
    return lambda document: p.Page.from_json(document, parse)


@pytest.fixture
def answers(
    partner: AiraloClient, emulator: Emulator, server: ScriptedServer, package_id: str
) -> dict[str, tuple[Any, Read]]:
    """An answer of each endpoint, and what reads it."""
    catalogue = emulator.state.catalogue
    topup = next(iter(catalogue.topups.values()))
    package = next(item for item in catalogue.packages.values() if item.operator_id == topup.operator_id)
    server.on("/hook/", Answer(200))
    hook = f"{server.url}/hook/"
    due = (datetime.now(UTC) + timedelta(days=5)).strftime("%Y-%m-%d %H:%M")
    mail = {"to_email": "guest@example.com", "sharing_option": ["link"]}
    call = partner._call

    def post(path: str, **body: Any) -> Any:
        return call("POST", path, json=body)

    def get(path: str, **params: Any) -> Any:
        return call("GET", path, params=params)

    order = post("/v2/orders", package_id=package.id, quantity=1, type="sim", description="LOST", **mail)
    iccid = order["data"]["sims"][0]["iccid"]
    sim, everything = f"/v2/sims/{iccid}", "order,order.status,order.user,share"
    emulator.use(iccid, data=100)
    future = post("/v2/future-orders", package_id=package.id, quantity=1, due_date=due, webhook_url=hook)
    found = {
        "packages": (get("/v2/packages", limit=1, include="topup"), page(p.LocationData.from_json)),
        "global packages": (
            get("/v2/packages", limit=1, **{"filter[type]": "global"}),
            page(p.LocationData.from_json),
        ),
        "product information": (
            get(f"/v2/packages/{package_id}/product-information"),
            p.ProductInformationData.from_json,
        ),
        "rates": (get("/v2/finance/exchange-rates", to="EUR"), p.ExchangeRatesData.from_json),
        "devices": (get("/v2/compatible-devices-lite"), page(p.DeviceData.from_json)),
        "order": (order, p.OrderData.from_json),
        "accepted": (
            post("/v2/orders-async", package_id=package.id, quantity=1, webhook_url=hook),
            p.AcceptedOrder.from_json,
        ),
        "topup": (post("/v2/orders/topups", package_id=topup.id, iccid=iccid), p.OrderData.from_json),
        "orders": (
            get("/v2/orders", include="sims,user,status", **{"filter[description]": "LOST"}),
            page(p.OrderData.from_json),
        ),
        "one order": (
            get(f"/v2/orders/{order['data']['id']}", include="sims,user,status"),
            p.OrderData.from_json,
        ),
        "future order": (future, p.ScheduledOrder.from_json),
        "future orders": (get("/v2/future-orders"), page(p.FutureOrderData.from_json)),
        "sims": (get("/v2/sims", include=everything, **{"filter[iccid]": iccid}), page(p.SimData.from_json)),
        "sim": (get(sim, include=everything), p.SimData.from_json),
        "usage": (get(f"{sim}/usage"), p.UsageData.from_json),
        "topups": (get(f"{sim}/topups"), page(p.PackageData.from_json)),
        "sim packages": (get(f"{sim}/packages"), page(p.SimPackageData.from_json)),
        "instructions": (get(f"{sim}/instructions"), p.InstructionsData.from_json),
        "brand": (call("PUT", f"{sim}/brand", json={"brand_settings_name": "Ours"}), p.SimData.from_json),
        "balance": (get("/v2/balance"), p.BalanceData.from_json),
        "refund": (post("/v2/refund", iccids=[iccid], reason="NO_COVERAGE"), p.RefundData.from_json),
        "vouchers": (
            post("/v2/voucher/esim", vouchers=[{"package_id": package.id, "quantity": 1, "booking_reference": "b"}]),
            p.EsimVoucherData.all_from_json,
        ),
        "airmoney": (
            post("/v2/voucher/airmoney", amount=20, quantity=1, usage_limit=1, is_paid=True),
            p.AirmoneyVoucherData.from_json,
        ),
        "opt-in": (
            post("/v2/notifications/opt-in", type="webhook_credit_limit", webhook_url=hook, levels=[50]),
            p.NotificationData.from_json,
        ),
    }
    partner.cancel_future_orders([future["data"]["request_id"]])
    partner.opt_out("webhook_credit_limit")
    return found


def test_no_field_is_lost(answers: dict[str, tuple[Any, Read]]) -> None:
    lost: dict[str, list[str]] = {}
    used = set()
    for name, (document, read) in answers.items():
        for field in lost_fields(document, read):
            reasons = [pattern for pattern in LEFT_OUT if re.search(pattern, field)]
            used |= set(reasons)
            if not reasons:
                lost.setdefault(name, []).append(field)

    assert lost == {}
    assert used == set(LEFT_OUT)  # what is excused is really there


def test_a_lost_field_is_found() -> None:
    document = {"data": {"request_id": "r", "accepted_at": "2026-01-02 03:04:05", "new": [{"a": None}]}}

    assert lost_fields(document, p.AcceptedOrder.from_json) == ["data.new[0].a"]
