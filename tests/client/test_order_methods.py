"""Top-ups and future orders: the requests that leave, and what is made of the answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import OrderData
from django_airalo.exceptions import (
    AiraloRefusedError,
    AiraloResponseError,
    PackageUnavailableError,
    RecycledEsimError,
    TopupDisabledError,
)
from tests.scripted_server import Answer, ScriptedServer

from .support import FUTURE_ORDER, META, ORDER, SCHEDULED, SHARING, page, sent

ICCID = "8900000000000000123"
TOPUP = {
    **{key: value for key, value in ORDER.items() if key not in ("sims", "status")},
    "type": "topup",
    "quantity": "1",
    "validity": 30,
}


def test_topup(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders/topups", Answer(200, {"data": TOPUP, "meta": META}))

    order = client.submit_topup(package_id="test-topup", iccid=ICCID, description="REF-1 für Zoë")

    assert sent(server, "POST", "/v2/orders/topups").json() == {
        "package_id": "test-topup",
        "iccid": ICCID,
        "description": "REF-1 für Zoë",
    }
    assert (order.id, order.code, order.type, order.quantity) == (9001, "20260102-009001", "topup", 1)
    assert (order.price, order.validity, order.sims) == (Decimal("9.50"), 30, ())


@pytest.mark.parametrize(
    ("body", "kind", "fields"),
    [
        ({"code": 73, "reason": f"The eSIM with iccid {ICCID} has been recycled."}, RecycledEsimError, {}),
        ({"code": 23, "reason": "The requested top-up has been disabled."}, TopupDisabledError, {}),
        (
            {"data": {"package_id": "invalid topup package"}, "meta": {"message": "the parameter is invalid"}},
            AiraloRefusedError,
            {"package_id": "invalid topup package"},
        ),
        (
            {"data": {"package_id": "validation.order_exceed_limit"}},
            AiraloRefusedError,
            {"package_id": "validation.order_exceed_limit"},
        ),
    ],
)
def test_a_topup_that_is_refused(
    client: AiraloClient, server: ScriptedServer, body: Any, kind: type[AiraloRefusedError], fields: Any
) -> None:
    server.on("/v2/orders/topups", Answer(422, body))

    with pytest.raises(kind) as caught:
        client.submit_topup(package_id="test-topup", iccid=ICCID)

    assert type(caught.value) is kind
    assert caught.value.may_have_acted is False
    assert caught.value.field_errors == fields


def test_all_that_an_order_says() -> None:
    order = OrderData.from_json(
        {
            **ORDER,
            "net_price": None,
            "pricing_model": "discount_pricing",
            "discount_percentage": 10,
            "discount_amount": "0.95",
            "unit_paid_price": 8.55,
            "total_amount_paid": "17.10",
            "brand_settings_name": "Our Brand",
            "voice": 100,
            "text": "20",
            "installation_guides": {"en": "https://example.com/help"},
            "sharing": SHARING,
        }
    )

    assert (order.package, order.data, order.esim_type) == ("Test Land-1 GB - 7 Days", "1 GB", "Prepaid")
    assert (order.voice, order.text, order.brand_settings_name) == (100, 20, "Our Brand")
    assert (order.pricing_model, order.net_price) == ("discount_pricing", None)
    assert (order.discount_percentage, order.discount_amount) == (Decimal(10), Decimal("0.95"))
    assert (order.unit_paid_price, order.total_amount_paid) == (Decimal("8.55"), Decimal("17.10"))
    assert order.installation_guides == {"en": "https://example.com/help"}
    assert (order.sharing_link, order.sharing_access_code) == (SHARING["link"], SHARING["access_code"])
    assert order.user is None


def test_future_order(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/future-orders", Answer(200, {"data": SCHEDULED, "meta": META}))

    scheduled = client.submit_future_order(
        package_id="a",
        quantity=2,
        due_date=datetime(2026, 3, 28, 12, 0, 59, tzinfo=timezone(timedelta(hours=2))),
        description="REF",
        webhook_url="https://shop.example.com/hook/",
        to_email="",
        brand_settings_name=None,
        sharing_option=["link"],
    )

    assert sent(server, "POST", "/v2/future-orders").json() == {
        "package_id": "a",
        "quantity": 2,
        "due_date": "2026-03-28 10:00",
        "description": "REF",
        "webhook_url": "https://shop.example.com/hook/",
        "sharing_option": ["link"],
    }
    assert scheduled.request_id == SCHEDULED["request_id"]
    assert scheduled.due_date == datetime(2026, 3, 28, 10, 0, tzinfo=UTC)
    assert scheduled.latest_cancellation_date == datetime(2026, 3, 27, 10, 0, tzinfo=UTC)


def test_a_future_order_without_time_zone_is_not_sent(client: AiraloClient, server: ScriptedServer) -> None:
    with pytest.raises(ValueError, match="time zone"):
        client.submit_future_order(package_id="a", quantity=1, due_date=datetime(2026, 3, 28))  # noqa: DTZ001  which is what is refused

    assert server.requests() == []


@pytest.mark.parametrize(
    ("body", "kind", "fields"),
    [
        ({"code": 34, "reason": "The requested eSIM package is invalid."}, PackageUnavailableError, {}),
        ({"data": {"due_date": "Minimum due date"}}, AiraloRefusedError, {"due_date": "Minimum due date"}),
        (
            {"data": {"sharing_option(1)": "Position 1 is invalid."}},
            AiraloRefusedError,
            {"sharing_option(1)": "Position 1 is invalid."},
        ),
    ],
)
def test_a_future_order_that_is_refused(
    client: AiraloClient, server: ScriptedServer, body: Any, kind: type[AiraloRefusedError], fields: Any
) -> None:
    server.on("/v2/future-orders", Answer(422, body))

    with pytest.raises(kind) as caught:
        client.submit_future_order(package_id="a", quantity=1, due_date=datetime(2026, 3, 28, tzinfo=UTC))

    assert caught.value.field_errors == fields
    assert caught.value.may_have_acted is False


def test_list_future_orders(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/future-orders", Answer(200, page([FUTURE_ORDER], last=3, total=60)))

    result = client.list_future_orders(
        status="failed",
        from_due_date=datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
        to_due_date=datetime(2026, 4, 1, tzinfo=UTC),
        limit=25,
        page=1,
    )

    assert sent(server, "GET", "/v2/future-orders").query == {
        "status": "failed",
        "from_due_date": "2026-02-28 23:30",
        "to_due_date": "2026-04-01 00:00",
        "limit": "25",
        "page": "1",
    }
    assert (result.total, result.has_next) == (60, True)
    (order,) = result.items
    assert (order.request_id, order.quantity, order.description) == (SCHEDULED["request_id"], 1, "REF")
    assert (order.status, order.package_id) == ("pending", FUTURE_ORDER["package_id"])
    assert order.due_date == datetime(2026, 3, 28, 10, 0, tzinfo=UTC)
    assert order.latest_cancellation_date == datetime(2026, 3, 27, 10, 0, tzinfo=UTC)


def test_list_future_orders_asks_for_airalos_default(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/future-orders", Answer(200, page([])))

    assert client.list_future_orders().items == ()
    assert sent(server, "GET", "/v2/future-orders").query == {}


def test_cancel_future_orders(client: AiraloClient, server: ScriptedServer) -> None:
    done = {"data": [], "meta": {"message": "Future orders cancelled successfully"}}
    server.on("/v2/cancel-future-orders", Answer(200, done))

    client.cancel_future_orders(("a" * 25, "b" * 25))

    assert sent(server, "POST", "/v2/cancel-future-orders").json() == {"request_ids": ["a" * 25, "b" * 25]}


@pytest.mark.parametrize("count", [0, 11])
def test_more_than_airalo_cancels_at_once_is_not_sent(client: AiraloClient, server: ScriptedServer, count: int) -> None:
    with pytest.raises(ValueError, match="cancels 1 to 10 future orders"):
        client.cancel_future_orders(["a" * 25] * count)

    assert server.requests() == []


def test_a_future_order_that_cannot_be_cancelled(client: AiraloClient, server: ScriptedServer) -> None:
    message = "Request ID: x is already processed and can not be cancelled."
    server.on("/v2/cancel-future-orders", Answer(422, {"data": {"request_ids.0": message}}))

    with pytest.raises(AiraloRefusedError) as caught:
        client.cancel_future_orders(["x"])

    assert caught.value.field_errors == {"request_ids.0": message}


def test_an_order_that_is_not_in_the_answer(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders/7", Answer(200, {"data": []}))

    with pytest.raises(AiraloResponseError):
        client.get_order(7)
