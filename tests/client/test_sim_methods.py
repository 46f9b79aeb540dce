"""What can be asked of an eSIM: the requests that leave, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import SimData, UserData
from django_airalo.exceptions import (
    AiraloNotFoundError,
    AiraloRateLimitError,
    AiraloRefusedError,
    AiraloResponseError,
    RecycledEsimError,
)
from tests.scripted_server import Answer, ScriptedServer

from .support import FULL_SIM, INSTRUCTIONS, META, ORDER, PACKAGE, SHARING, SIM, SIM_PACKAGE, USAGE, page, sent

ICCID = str(SIM["iccid"])


def assert_is_the_full_sim(sim: SimData) -> None:
    assert (sim.id, sim.iccid, sim.activation_code) == (70001, ICCID, SIM["qrcode"])
    assert sim.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (sim.imsis, sim.airalo_code, sim.voucher_code) == (("IMSI-SECRET",), "AIRALO-CODE", "VOUCHER-SECRET")
    assert sim.brand_settings_name == "Our Brand"
    assert (sim.recycled, sim.recycled_at) == (True, datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC))
    assert (sim.sharing_link, sim.sharing_access_code) == (SHARING["link"], SHARING["access_code"])
    assert sim.order is not None
    assert (sim.order.id, sim.order.code, sim.order.status) == (9001, ORDER["code"], "completed")
    assert (sim.order.description, sim.order.sims) == (ORDER["description"], ())
    assert sim.order.user is not None
    assert (sim.order.user.id, sim.order.user.name, sim.order.user.company) == (120, "PERSON", "Shop Ltd")


def test_list_sims(client: AiraloClient, server: ScriptedServer) -> None:
    bare = {**SIM, "id": 2, "simable": None}
    server.on("/v2/sims", Answer(200, page([FULL_SIM, bare], last=2)))

    result = client.list_sims(
        iccid="8900", created_at="2026-01-01 - 2026-01-31", include=("order", "order.user"), limit=2, page=1
    )

    assert sent(server, "GET", "/v2/sims").query == {
        "filter[iccid]": "8900",
        "filter[created_at]": "2026-01-01 - 2026-01-31",
        "include": "order,order.user",
        "limit": "2",
        "page": "1",
    }
    assert result.has_next
    assert_is_the_full_sim(result.items[0])
    assert (result.items[1].order, result.items[1].recycled, result.items[1].sharing_link) == (None, None, "")


@pytest.mark.parametrize("document", [{"data": FULL_SIM, "meta": {"message": "succes"}}, FULL_SIM])
def test_get_sim(client: AiraloClient, server: ScriptedServer, document: Any) -> None:
    server.on(f"/v2/sims/{ICCID}", Answer(200, document))

    assert_is_the_full_sim(client.get_sim(ICCID))

    assert sent(server, "GET", f"/v2/sims/{ICCID}").query == {"include": "order,order.status,share"}


def test_sharing_beside_the_order_is_read_too() -> None:
    sim = SimData.from_json({**SIM, "sharing": SHARING, "msisdn": "883000000000000"})

    assert (sim.sharing_link, sim.sharing_access_code) == (SHARING["link"], SHARING["access_code"])
    assert (sim.order, sim.msisdn) == (None, "883000000000000")


def test_user_of_order_is_read() -> None:
    words = {
        "name": "A. Person",
        "email": "person@example.com",
        "mobile": "+100",
        "address": "1 Example Street",
        "state": "Example State",
        "city": "Exampletown",
        "postal_code": "00001",
        "company": "Shop Ltd",
    }
    user = UserData.from_json({"id": "7", "created_at": "2026-01-01 00:00:00", "country_id": "3", **words})

    assert user is not None
    assert {name: getattr(user, name) for name in words} == words
    assert (user.id, user.country_id, user.created_at) == (7, 3, datetime(2026, 1, 1, tzinfo=UTC))
    assert UserData.from_json(None) is None


def test_an_order_in_a_sim_in_an_order_ends_somewhere() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"id": 1, "iccid": "8900000000000000123", "simable": {"id": 2, "sims": [deep]}}

    sim = SimData.from_json(deep)

    assert sim.order is not None
    assert sim.order.sims == ()


def test_usage(client: AiraloClient, server: ScriptedServer) -> None:
    server.on(f"/v2/sims/{ICCID}/usage", Answer(200, {"data": USAGE, "meta": {"message": "api.succes"}}))

    usage = client.get_usage(ICCID)

    assert sent(server, "GET", f"/v2/sims/{ICCID}/usage").query == {}
    assert (usage.status, usage.is_unlimited) == ("ACTIVE", False)
    assert (usage.remaining, usage.total) == (767, 2048)
    assert (usage.remaining_voice, usage.total_voice, usage.remaining_text, usage.total_text) == (5, 10, 6, 20)
    assert usage.expired_at == datetime(2026, 1, 9, tzinfo=UTC)


def test_usage_of_a_recycled_esim(client: AiraloClient, server: ScriptedServer) -> None:
    gone = dict.fromkeys(USAGE)
    server.on(f"/v2/sims/{ICCID}/usage", Answer(200, {"data": {**gone, "status": "RECYCLED"}}))

    usage = client.get_usage(ICCID)

    assert usage.status == "RECYCLED"
    assert (usage.remaining, usage.total, usage.is_unlimited, usage.expired_at) == (None, None, None, None)


@pytest.mark.parametrize("data", [[PACKAGE], {"4": PACKAGE}])
def test_topup_packages(client: AiraloClient, server: ScriptedServer, data: Any) -> None:
    server.on(f"/v2/sims/{ICCID}/topups", Answer(200, {"data": data}))

    (package,) = client.get_topup_packages(ICCID)

    sent(server, "GET", f"/v2/sims/{ICCID}/topups")
    assert (package.id, package.price, package.day) == (PACKAGE["id"], Decimal("9.5"), 7)


def test_no_topups(client: AiraloClient, server: ScriptedServer) -> None:
    server.on(f"/v2/sims/{ICCID}/topups", Answer(200, {"data": []}))

    assert client.get_topup_packages(ICCID) == ()


def test_topup_packages_of_a_recycled_esim(client: AiraloClient, server: ScriptedServer) -> None:
    server.on(f"/v2/sims/{ICCID}/topups", Answer(422, {"code": 73, "reason": "It has been recycled."}))

    with pytest.raises(RecycledEsimError) as caught:
        client.get_topup_packages(ICCID)

    assert (caught.value.code, caught.value.may_have_acted) == (73, False)


def test_packages_of_an_esim(client: AiraloClient, server: ScriptedServer) -> None:
    pricing = {"model": "discount_pricing", "discount_percentage": 10}
    package = {**PACKAGE, "net_price": None}
    rows = [
        SIM_PACKAGE,
        {
            **SIM_PACKAGE,
            "id": "9",
            "status": "finished",
            "finished_at": "2026-01-09T00:00:00+02:00",
            "package": package,
        },
    ]
    server.on(f"/v2/sims/{ICCID}/packages", Answer(200, {"pricing": pricing, "data": rows}))

    packages = client.get_sim_packages(ICCID)
    first, second = packages.items

    assert (packages.pricing.model, packages.pricing.discount_percentage) == ("discount_pricing", Decimal(10))
    sent(server, "GET", f"/v2/sims/{ICCID}/packages")
    assert (first.id, first.status, first.remaining) == (728, "ACTIVE", 2378)
    assert first.activated_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert first.expired_at == datetime(2026, 2, 2, 3, 4, 5, tzinfo=UTC)
    assert first.finished_at is None
    assert (first.package.id, first.package.net_price) == (PACKAGE["id"], Decimal("7.25"))
    assert (second.id, second.status, second.package.net_price) == (9, "FINISHED", None)
    assert second.finished_at == datetime(2026, 1, 8, 22, 0, tzinfo=UTC)


def test_instructions(client: AiraloClient, server: ScriptedServer) -> None:
    server.on(f"/v2/sims/{ICCID}/instructions", Answer(200, INSTRUCTIONS))

    instructions = client.get_instructions(ICCID, language="pt-BR")

    request = sent(server, "GET", f"/v2/sims/{ICCID}/instructions")
    assert request.headers["accept-language"] == "pt-BR"
    assert instructions.language == "EN"
    (guide,) = instructions.ios
    assert instructions.android == (guide,)
    assert (guide.model, guide.version) == ("Example 1", "17,16")
    assert guide.qr_steps == ("Open the settings.", "Scan.", "Done.")  # by number, not by place
    assert guide.qr_code_data == "LPA:1$lpa.example.com$MATCHING-SECRET"
    assert guide.qr_code_url == "https://example.com/qr?signature=QR-SECRET"
    assert guide.apple_installation_url == "https://example.com/apple?carddata=MATCHING-SECRET"
    assert guide.manual_steps == ("Enter the code.",)
    assert guide.smdp_address_and_activation_code == "LPA:1$lpa.example.com$MATCHING-SECRET"
    assert guide.network_steps == ("Turn it on.",)
    assert (guide.apn_type, guide.apn_value, guide.is_roaming) == ("manual", "a", True)


@pytest.mark.parametrize("name", ["Our Brand", None])
def test_brand(client: AiraloClient, server: ScriptedServer, name: str | None) -> None:
    server.on(f"/v2/sims/{ICCID}/brand", Answer(200, {"data": {"brand_settings_name": name}, "meta": META}))

    sim = client.set_brand(ICCID, name)

    # null is what takes the brand away, so it must be sent.
    assert sent(server, "PUT", f"/v2/sims/{ICCID}/brand").json() == {"brand_settings_name": name}
    assert (sim.iccid, sim.brand_settings_name) == (ICCID, name or "")


def test_an_unknown_brand(client: AiraloClient, server: ScriptedServer) -> None:
    message = "Brand settings name doesn't exist."
    server.on(f"/v2/sims/{ICCID}/brand", Answer(422, {"data": {"brand_settings_name": message}}))

    with pytest.raises(AiraloRefusedError) as caught:
        client.set_brand(ICCID, "Nobody's")

    assert caught.value.field_errors == {"brand_settings_name": message}


QUESTIONS: dict[str, Callable[[AiraloClient, str], Any]] = {
    "": AiraloClient.get_sim,
    "/usage": AiraloClient.get_usage,
    "/topups": AiraloClient.get_topup_packages,
    "/packages": AiraloClient.get_sim_packages,
    "/instructions": AiraloClient.get_instructions,
}


@pytest.mark.parametrize("path", QUESTIONS)
def test_an_esim_that_airalo_does_not_know(client: AiraloClient, server: ScriptedServer, path: str) -> None:
    body = {"data": [], "meta": {"message": "messages.resource_not_found"}}
    server.on(f"/v2/sims/1{path}", Answer(404, body))

    with pytest.raises(AiraloNotFoundError) as caught:
        QUESTIONS[path](client, "1")

    assert caught.value.reason == "messages.resource_not_found"


@pytest.mark.parametrize("path", QUESTIONS)
def test_asked_too_often(client: AiraloClient, server: ScriptedServer, path: str) -> None:
    server.on(f"/v2/sims/1{path}", Answer(429, {"message": "Too Many Attempts."}, {"Retry-After": "42"}))

    with pytest.raises(AiraloRateLimitError) as caught:
        QUESTIONS[path](client, "1")

    assert caught.value.retry_after == 42


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("body", ["<html>", b"", "[]", {"data": None}, {"data": "x"}])
def test_an_answer_that_cannot_be_read(client: AiraloClient, server: ScriptedServer, path: str, body: Any) -> None:
    # An object without an envelope is read as it is, and says nothing here.
    if isinstance(body, dict) and path in ("", "/usage", "/instructions"):
        body = {"data": {}}
    server.on(f"/v2/sims/1{path}", Answer(200, body))

    with pytest.raises(AiraloResponseError) as caught:
        QUESTIONS[path](client, "1")

    assert caught.value.may_have_acted is False


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("iccid", ["", "..", "../orders", "1/usage?x=", "1#"])
def test_an_iccid_stays_one_segment_of_the_path(
    client: AiraloClient, server: ScriptedServer, path: str, iccid: str
) -> None:
    try:
        QUESTIONS[path](client, iccid)
    except ValueError:
        assert iccid in ("", "..")
    except AiraloNotFoundError:
        pass  # it was asked for

    for request in server.requests():
        if request.method == "GET":
            assert request.path.startswith("/v2/sims/")
            assert request.path.count("/") == 3 + path.count("/")
