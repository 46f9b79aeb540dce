"""Airalo's own Python SDK against the emulator, unchanged but for the address."""

from __future__ import annotations

import importlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from django_airalo.emulator import Emulator

from .support import Receiver

airalo = pytest.importorskip("airalo", reason="Airalo's SDK (airalo-sdk) is not installed")


def part(name: str) -> Any:
    """Return a module of the SDK, which has no types."""
    return importlib.import_module(f"airalo.{name}")


@pytest.fixture
def client(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(part("constants.api_constants").ApiConstants, "PRODUCTION_URL", f"{emulator.url}/v2/")
    monkeypatch.setattr(part("helpers.cached").Cached, "_cache_path", tmp_path)  # it would write beside site-packages
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return airalo.Airalo({"client_id": emulator.client_id, "client_secret": emulator.client_secret})


def plain(flat: Any) -> str:
    """Return a package without accents: the SDK's own signature check fails on any non-ASCII text."""
    return str(
        next(
            row["package_id"]
            for row in flat["data"]
            if row["operator"]["title"].isascii() and row["type"] == "sim" and row["countries"] == ["JP"]
        )
    )


def test_token_packages_order_and_async_order_with_its_webhook(
    emulator: Emulator, receiver: Receiver, client: Any
) -> None:
    flat = client.get_sim_packages(flat=True)
    assert len({row["package_id"] for row in flat["data"]}) >= 3000
    assert client.get_all_packages(flat=True, limit=3)["data"]
    package_id = plain(flat)

    order = client.order(package_id, 2, "with the SDK")
    assert len(order["data"]["sims"]) == 2
    assert re.fullmatch(r"\d{8}-\d{6}", order["data"]["code"])

    accepted = client.order_async(package_id, 1, receiver.url, "async with the SDK")
    (delivery,) = receiver.wait(1)
    content = json.loads(delivery.body)
    assert content["request_id"] == accepted["data"]["request_id"]
    checker = part("helpers.signature").Signature(emulator.client_secret)
    assert checker.check_signature(delivery.headers["airalo-signature"], content)
    assert not checker.check_signature(delivery.headers["airalo-signature"], {**content, "request_id": "another"})
    assert [row["description"] for row in emulator.purchases()] == ["with the SDK", "async with the SDK"]


def test_the_sdk_sees_errors_as_errors(client: Any) -> None:
    error = part("exceptions.airalo_exception").APIError
    with pytest.raises(error, match="The selected package is invalid"):
        client.order("no-such-package", 1)
    with pytest.raises(error, match="User is not opted in"):
        client.order_async(plain(client.get_sim_packages(flat=True)), 1)


def test_the_sdk_can_order_in_bulk(emulator: Emulator, client: Any) -> None:
    first, second = list(emulator.state.catalogue.packages)[:2]
    answers = client.order_bulk({first: 1, second: 2})
    assert len(answers[second]["data"]["sims"]) == 2
    assert len(emulator.purchases()) == 2


def test_packages_of_all_kinds(client: Any) -> None:
    assert {row["type"] for row in client.get_all_packages(flat=True, limit=4)["data"]} == {"sim", "topup"}
    assert len(client.get_local_packages(limit=2)["data"]) == 2
    assert client.get_global_packages(limit=2)["data"][0]["country_code"] == ""
    assert client.get_country_packages("jp")["data"][0]["slug"] == "japan"


def test_from_the_second_page_on_the_sdk_is_lost(emulator: Emulator, client: Any) -> None:
    # Airalo documents an object instead of a list there; the SDK takes its keys for packages.
    assert client.get_all_packages(limit=3, page=2)["data"][0] == "3"
    emulator.options.change(keyed_pages=False)
    client.clear_cache()
    assert client.get_all_packages(limit=3, page=2)["data"][0]["operators"]


def test_bulk_orders_of_all_kinds(emulator: Emulator, receiver: Receiver, client: Any) -> None:
    first, second = list(emulator.state.catalogue.packages)[:2]
    emulator.options.change(sharing_in_answers=True)
    shared = {"to_email": "buyer@example.com", "sharing_option": ["link"], "copy_address": ["shop@example.com"]}
    answers = client.order_bulk_with_email_sim_share({first: 1, second: 1}, shared, "bulk")
    assert all(answer["data"]["sims"][0]["sharing"]["link"] for answer in answers.values())
    accepted = client.order_async_bulk({first: 1, second: 1}, receiver.url, "later")
    receiver.wait(2)
    assert {answer["data"]["request_id"] for answer in accepted.values()} == {
        json.loads(delivery.body)["request_id"] for delivery in receiver.deliveries
    }
    # A list of two lines with the same package becomes one line: the SDK makes a dict of it.
    client.order_bulk([{"package_id": first, "quantity": 1}, {"package_id": first, "quantity": 2}], "twice")
    assert [row["quantity"] for row in emulator.purchases("twice")] == [2]


def test_an_order_sent_on_by_email(emulator: Emulator, client: Any) -> None:
    package_id = next(iter(emulator.state.catalogue.packages))
    emulator.options.change(sharing_in_answers=True)
    shared = {"to_email": "buyer@example.com", "sharing_option": ["link", "pdf"]}
    order = client.order_with_email_sim_share(package_id, 1, shared, "with a link")
    assert order["data"]["sims"][0]["sharing"]["access_code"]
    assert json.loads(emulator.purchases()[0]["share"])["sharing_option"] == ["link", "pdf"]


def test_the_life_of_an_esim(emulator: Emulator, pair: tuple[str, str], client: Any) -> None:
    iccid = client.order(pair[0], 1)["data"]["sims"][0]["iccid"]
    emulator.use(iccid, data=24)
    assert client.sim_usage(iccid)["data"]["remaining"] == 1000
    assert pair[1] in {row["id"] for row in client.get_sim_topups(iccid)["data"]}
    topup = client.topup(pair[1], iccid, "more")
    assert (topup["data"]["type"], topup["data"]["description"]) == ("topup", "more")
    assert [row["package"]["type"] for row in client.get_sim_package_history(iccid)["data"]] == ["topup", "sim"]
    other = client.order(pair[0], 1)["data"]["sims"][0]["iccid"]
    usage = client.sim_usage_bulk([iccid, other])
    assert {name: row["data"]["total"] for name, row in usage.items()} == {iccid: 2048, other: 1024}
    instructions = client.get_installation_instructions({"iccid": iccid, "language": "de"})
    assert instructions["data"]["instructions"]["language"] == "DE"
    assert [row["type"] for row in emulator.purchases()] == ["sim", "topup", "sim"]


def test_the_sdk_does_not_tell_errors_of_an_esim_apart(emulator: Emulator, pair: tuple[str, str], client: Any) -> None:
    iccid = client.order(pair[0], 1)["data"]["sims"][0]["iccid"]
    emulator.recycle(iccid)
    assert client.get_sim_topups(iccid) is None  # code 73
    assert client.sim_usage("8900000000000000000") is None  # 404
    emulator.fault("429", "usage")
    assert client.sim_usage(iccid) is None
    assert client.sim_usage(iccid) is None  # and that "nothing" is cached for five minutes
    assert len(emulator.requests("usage")) == 2
    with pytest.raises(part("exceptions.airalo_exception").APIError, match='"code":73'):
        client.topup(pair[1], iccid)


def test_future_orders(emulator: Emulator, receiver: Receiver, client: Any) -> None:
    package_id = next(iter(emulator.state.catalogue.packages))
    due = (datetime.now(UTC) + timedelta(days=4)).strftime("%Y-%m-%d %H:%M")
    order = {"package_id": package_id, "quantity": 1, "due_date": due, "webhook_url": receiver.url}
    made = [client.create_future_order(dict(order))["data"]["request_id"] for _ in range(2)]
    assert client.cancel_future_order({"request_ids": made[:1]})["meta"]["message"].startswith("Future orders")
    emulator.make_due()
    (delivery,) = receiver.wait(1)
    assert json.loads(delivery.body)["request_id"] == made[1]
    error = part("exceptions.airalo_exception").AiraloException
    with pytest.raises(error, match="already processed"):
        client.cancel_future_order({"request_ids": made})
    with pytest.raises(error, match="day after tomorrow"):
        client.create_future_order({**order, "due_date": "2025-01-01 10:00"})


def test_vouchers_rates_and_devices(emulator: Emulator, client: Any) -> None:
    package_id = next(iter(emulator.state.catalogue.packages))
    voucher = client.create_voucher({"amount": 5, "quantity": 1, "usage_limit": 2, "voucher_code": "ABC1"})
    assert (voucher["data"]["code"], voucher["data"]["amount"]) == ("ABC1", 5)
    made = client.create_esim_voucher({"vouchers": [{"package_id": package_id, "quantity": 2}]})
    assert len(made["data"][0]["codes"]) == 2
    rates = client.get_exchange_rates({"to": "EUR,GBP"})["data"]["rates"]
    assert [row["to"] for row in rates] == ["EUR", "GBP"]
    assert client.get_compatible_devices()["data"][0]["os"]


def test_the_sdk_does_not_recognise_what_it_is_given_as_text(
    emulator: Emulator, receiver: Receiver, client: Any
) -> None:
    package_id = plain(client.get_sim_packages(flat=True))
    client.order_async(package_id, 1, receiver.url)
    (delivery,) = receiver.wait(1)
    sent = delivery.headers["airalo-signature"]
    checker = part("helpers.signature").Signature(emulator.client_secret)
    assert checker.check_signature(sent, json.loads(delivery.body))
    # It escapes the slashes of text that has them escaped already, so the very body is refused.
    assert not checker.check_signature(sent, delivery.body.decode())


def test_the_sdk_recognises_only_ascii(emulator: Emulator, receiver: Receiver, package_id: str, client: Any) -> None:
    client.order_async(package_id, 1, receiver.url)
    (delivery,) = receiver.wait(1)
    assert b"\\u00" in delivery.body  # an accent, as PHP writes it
    checker = part("helpers.signature").Signature(emulator.client_secret)
    assert not checker.check_signature(delivery.headers["airalo-signature"], json.loads(delivery.body))


def test_after_a_new_token_the_services_keep_the_old_one(emulator: Emulator, client: Any) -> None:
    package_id = next(iter(emulator.state.catalogue.packages))
    emulator.revoke_tokens()
    client.clear_cache()
    assert client.refresh_token()
    with pytest.raises(part("exceptions.airalo_exception").APIError, match="401"):
        client.order(package_id, 1)
    assert emulator.purchases() == []
