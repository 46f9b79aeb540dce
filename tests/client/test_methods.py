"""Each method of the client: the request that leaves, and what is made of the documented answer."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import OrderData
from django_airalo.exceptions import AiraloResponseError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, CLIENT_ID, CLIENT_SECRET, LOCATION, META, ORDER, PACKAGE, SIM, page, sent, token


def test_token(client: AiraloClient, server: ScriptedServer) -> None:
    assert client.get_token() == token(1)

    (request,) = server.requests("/v2/token")
    assert request.method == "POST"
    assert request.form() == {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "grant_type": "client_credentials",
    }
    assert "authorization" not in request.headers
    assert request.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("balances", "amount", "currency"),
    [
        ({"name": "balance", "availableBalance": {"amount": 12.5, "currency": "USD"}}, Decimal("12.5"), "USD"),
        ({"name": "balance", "availableBalance": {"amount": "225.35", "currency": "USD"}}, Decimal("225.35"), "USD"),
        ({"name": "balance", "availableBalance": {"amount": 0, "currency": "USD"}}, Decimal(0), "USD"),
        ([{"name": "balance", "availableBalance": {"amount": 3, "currency": "EUR"}}], Decimal(3), "EUR"),
        ([], None, ""),
    ],
)
def test_balance(client: AiraloClient, server: ScriptedServer, balances: Any, amount: Decimal, currency: str) -> None:
    server.on("/v2/balance", Answer(200, {"data": {"balances": balances}, "meta": {"message": "succes"}}))

    balance = client.get_balance()

    assert (balance.amount, balance.currency) == (amount, currency)
    assert balance.name == ("balance" if balances else "")
    request = sent(server, "GET", "/v2/balance")
    assert request.query == {}
    assert request.body == b""


def test_packages(client: AiraloClient, server: ScriptedServer) -> None:
    document = page([LOCATION], last="3", total="213")
    server.on("/v2/packages", Answer(200, document))

    result = client.get_packages(type="local", country="TL", include_topup=True, limit=50, page=1, language="de")

    request = sent(server, "GET", "/v2/packages")
    assert request.query == {
        "filter[type]": "local",
        "filter[country]": "TL",
        "include": "topup",
        "limit": "50",
        "page": "1",
    }
    assert request.headers["accept-language"] == "de"
    assert (result.current_page, result.last_page, result.total, result.has_next) == (1, 3, 213, True)
    assert result.raw == document
    (location,) = result.items
    assert (location.slug, location.title, location.country_code) == ("test-land", "Test Land", "TL")
    assert location.image_url == "https://example.com/tl.png"
    assert location.raw == LOCATION
    (operator,) = location.operators
    (package,) = operator.packages
    assert (operator.id, operator.title, operator.type, operator.plan_type) == (801, "Téstcom", "local", "data")
    assert (operator.activation_policy, operator.is_kyc_verify, operator.rechargeability) == (
        "first-usage",
        False,
        True,
    )
    assert operator.coverages[0].code == "TL"
    assert (package.id, package.type, package.title, package.data) == (PACKAGE["id"], "sim", "1 GB - 7 Days", "1 GB")
    assert (package.price, package.net_price) == (Decimal("9.5"), Decimal("7.25"))
    assert (package.amount, package.day, package.is_unlimited) == (1024, 7, False)
    assert (package.voice, package.text, package.short_info) == (None, 10, "")
    assert package.prices["net_price"] == {"USD": 7.25}


def test_packages_without_filters_ask_for_everything(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/packages", Answer(200, {"data": [], "meta": META}))

    result = client.get_packages()

    request = sent(server, "GET", "/v2/packages")
    assert request.query == {}
    assert "accept-language" not in request.headers
    assert (result.items, result.current_page, result.has_next) == ((), None, False)


def test_packages_under_discount_pricing_have_no_net_price(client: AiraloClient, server: ScriptedServer) -> None:
    bare = {key: value for key, value in PACKAGE.items() if key not in ("net_price", "prices")}
    operator = {**LOCATION["operators"][0], "packages": {"0": bare}}
    server.on("/v2/packages", Answer(200, {"data": {"7": {**LOCATION, "country_code": "", "operators": [operator]}}}))

    (location,) = client.get_packages().items

    (package,) = location.operators[0].packages
    assert package.net_price is None
    assert package.prices == {}
    assert location.country_code == ""


def test_iter_packages_reads_list_and_dict_pages_until_the_last(client: AiraloClient, server: ScriptedServer) -> None:
    second = {**LOCATION, "slug": "second"}
    third = {**LOCATION, "slug": "third"}
    server.on(
        "/v2/packages",
        Answer(200, page([LOCATION], current=1, last=2)),
        # From the second page on an object keyed by index is documented.
        Answer(200, page({"1": second, "2": third}, current="2", last="2")),
    )

    slugs = [location.slug for location in client.iter_packages(page_size=1, type="global", include_topup=True)]

    assert slugs == ["test-land", "second", "third"]
    queries = [request.query for request in server.requests("/v2/packages")]
    shared = {"filter[type]": "global", "include": "topup", "limit": "1"}
    assert queries == [{**shared, "page": "1"}, {**shared, "page": "2"}]


def test_iter_packages_follows_links_if_the_page_is_not_numbered(client: AiraloClient, server: ScriptedServer) -> None:
    more = {"data": [LOCATION], "links": {"next": "https://example.com?page=2"}}
    server.on("/v2/packages", Answer(200, more), Answer(200, {"data": [LOCATION], "links": {"next": None}}))

    assert len(list(client.iter_packages())) == 2
    assert [request.query["limit"] for request in server.requests("/v2/packages")] == ["50", "50"]


def test_order_async(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(202, ACCEPTED))

    accepted = client.submit_order_async(
        package_id="test-land-7days-1gb",
        quantity=2,
        description="REF-1 für Zoë 🏝️",
        webhook_url="https://shop.example.com/hook/",
        to_email="guest@example.com",
        sharing_option=["link", "pdf"],
        copy_address=["desk@example.com"],
        brand_settings_name="Our Brand",
    )

    assert accepted.request_id == "Zq-7_aB3dEfGhIjKlMnOpQrSt"
    assert accepted.accepted_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    request = sent(server, "POST", "/v2/orders-async")
    assert request.query == {}
    assert request.json() == {
        "package_id": "test-land-7days-1gb",
        "quantity": 2,
        "type": "sim",
        "description": "REF-1 für Zoë 🏝️",
        "webhook_url": "https://shop.example.com/hook/",
        "to_email": "guest@example.com",
        "sharing_option": ["link", "pdf"],
        "copy_address": ["desk@example.com"],
        "brand_settings_name": "Our Brand",
    }


def test_what_is_empty_is_not_sent(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(202, ACCEPTED))

    client.submit_order_async(
        package_id="p",
        quantity=0,
        description="",
        to_email="",
        sharing_option=[],
        copy_address=(),
        webhook_url=None,
    )

    # 0 is not empty: Airalo shall say what it thinks of it.
    assert sent(server, "POST", "/v2/orders-async").json() == {"package_id": "p", "quantity": 0, "type": "sim"}


def test_accepted_order_without_envelope(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(200, {"request_id": "r" * 300, "accepted_at": "soon"}))

    accepted = client.submit_order_async(package_id="p", quantity=1)

    assert accepted.request_id == "r" * 255
    assert accepted.accepted_at is None


def test_order(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders", Answer(200, {"data": ORDER, "meta": META}))

    order = client.submit_order(
        package_id="test-land-7days-1gb", quantity=2, description="REF-1", brand_settings_name="Our Brand"
    )

    assert sent(server, "POST", "/v2/orders").json() == {
        "package_id": "test-land-7days-1gb",
        "quantity": 2,
        "type": "sim",
        "description": "REF-1",
        "brand_settings_name": "Our Brand",
    }
    assert_is_the_order(order)


def assert_is_the_order(order: OrderData) -> None:
    assert (order.id, order.code, order.request_id) == (9001, "20260102-009001", "")
    assert (order.package_id, order.quantity, order.type) == ("test-land-7days-1gb", 2, "sim")
    assert (order.description, order.status, order.currency) == ("REF-1 for a customer", "completed", "USD")
    assert (order.price, order.net_price, order.validity) == (Decimal("9.50"), Decimal("7.25"), 7)
    assert order.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert order.manual_installation == ORDER["manual_installation"]
    assert order.qrcode_installation == ORDER["qrcode_installation"]
    assert order.raw == ORDER
    (sim,) = order.sims
    assert (sim.id, sim.iccid, sim.msisdn, sim.is_roaming) == (70001, "8900000000000000123", "", True)
    assert (sim.smdp_address, sim.matching_id) == ("lpa.example.com", "MATCHING-SECRET")
    assert (sim.activation_code, sim.confirmation_code) == (SIM["qrcode"], "CONFIRMATION-SECRET")
    assert (sim.qrcode_url, sim.apple_installation_url) == (SIM["qrcode_url"], SIM["direct_apple_installation_url"])
    assert sim.apn == {
        "apn_type": "manual",
        "apn_value": "internet.example",
        "ios": {"apn_type": "automatic"},
        "android": {"apn_type": "manual", "apn_value": "internet.example"},
    }
    assert sim.raw == SIM


def test_list_orders(client: AiraloClient, server: ScriptedServer) -> None:
    plain = {**ORDER, "id": "9002", "quantity": 1, "validity": 30, "price": 4, "net_price": None, "status": "failed"}
    plain["sims"] = {"0": SIM, "1": "not an eSIM"}
    server.on("/v2/orders", Answer(200, page([ORDER, plain], current=2, last=2, total=2)))

    result = client.list_orders(
        description="REF-1",
        code="20260102",
        iccid="89000",
        order_status="completed",
        created_at="2026-01-01 - 2026-01-31",
        include=("sims", "status", "user"),
        limit=10,
        page=2,
    )

    assert sent(server, "GET", "/v2/orders").query == {
        "filter[description]": "REF-1",
        "filter[code]": "20260102",
        "filter[iccid]": "89000",
        "filter[order_status]": "completed",
        "filter[created_at]": "2026-01-01 - 2026-01-31",
        "include": "sims,status,user",
        "limit": "10",
        "page": "2",
    }
    first, second = result.items
    assert_is_the_order(first)
    assert (second.id, second.quantity, second.validity, second.status) == (9002, 1, 30, "failed")
    assert (second.price, second.net_price) == (Decimal(4), None)
    # What is no object is an eSIM of which nothing is known: it counts, so that the order is seen to be incomplete.
    assert [sim.iccid for sim in second.sims] == ["8900000000000000123", ""]
    assert result.has_next is False


def test_list_orders_asks_for_sims_and_status_by_default(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders", Answer(200, page([])))

    assert client.list_orders().items == ()
    assert sent(server, "GET", "/v2/orders").query == {"include": "sims,status"}


@pytest.mark.parametrize("document", [{"data": ORDER, "meta": META}, ORDER], ids=["enveloped", "flat"])
def test_get_order(client: AiraloClient, server: ScriptedServer, document: Any) -> None:
    server.on("/v2/orders/9001", Answer(200, document))

    assert_is_the_order(client.get_order(9001))
    assert sent(server, "GET", "/v2/orders/9001").query == {"include": "sims,status"}


def test_get_order_takes_numbers_alone(client: AiraloClient, server: ScriptedServer) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        client.get_order("9001/../../token")
    assert server.requests() == []


HTML = "<html><body>Welcome</body></html>"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, HTML),
        (202, b""),
        (202, b'{"data": {"request_id": "Zq'),
        (202, {"data": {"accepted_at": "2026-01-02 03:04:05"}, "meta": META}),
        (202, {"data": {"request_id": None}}),
        (202, {"data": {"request_id": ["a"]}}),
        (202, []),
        (202, "null"),
        (202, '"text"'),
        (202, b"\xff\xfe\xfd not text"),
        (202, "[" * 200_000),
        (202, '{"data": {"request_id": ' + "7" * 5000 + "}}"),
        (204, b""),
    ],
)
def test_purchase_with_unreadable_response_may_have_acted(
    client: AiraloClient, server: ScriptedServer, status: int, body: Any
) -> None:
    server.on("/v2/orders-async", Answer(status, body))
    server.on("/v2/orders", Answer(status, body))

    for buy in (client.submit_order_async, client.submit_order):
        with pytest.raises(AiraloResponseError) as caught:
            buy(package_id="p", quantity=1)
        assert caught.value.may_have_acted is True

    assert len(server.requests("/v2/orders-async")) == 1
    assert len(server.requests("/v2/orders")) == 1


@pytest.mark.parametrize("body", [HTML, b"", b'{"data": [', '{"data": "none"}', "[]", '{"data": ' + "1" * 5000 + "}"])
def test_unreadable_list_raises_response_error(client: AiraloClient, server: ScriptedServer, body: Any) -> None:
    server.on("/v2/packages", Answer(200, body))
    server.on("/v2/orders", Answer(200, body))

    for ask in (client.get_packages, client.list_orders):
        with pytest.raises(AiraloResponseError) as caught:
            ask()
        assert caught.value.may_have_acted is False
