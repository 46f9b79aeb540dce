"""Round trips with the emulator, which reads Airalo's documents independently of the client."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import OrderData
from django_airalo.client.signature import verify
from django_airalo.emulator import Emulator
from django_airalo.exceptions import (
    AiraloAuthenticationError,
    AiraloRefusedError,
    AiraloTokenError,
    InsufficientCreditError,
    InsufficientStockError,
    OperatorMaintenanceError,
    PackageUnavailableError,
)
from tests.scripted_server import Answer, Request, ScriptedServer

from .support import MakeClient


def test_the_whole_catalogue_page_by_page(partner: AiraloClient) -> None:
    whole = partner.get_packages()
    paged = list(partner.iter_packages(page_size=60))

    assert len(whole.items) == len(paged) > 200
    assert [location.slug for location in whole.items] == [location.slug for location in paged]
    packages = {
        package.id: package
        for location in whole.items
        for operator in location.operators
        for package in operator.packages
    }
    assert len(packages) >= 3000
    for package in packages.values():
        assert package.price is not None
        assert package.net_price is not None
        assert 0 < package.net_price <= package.price
        assert package.day is not None


def test_order_balance_list_and_look_up(partner: AiraloClient, package_id: str) -> None:
    before = partner.get_balance()

    order = partner.submit_order(package_id=package_id, quantity=2, description="EMU-1 für Zoë")

    assert order.package_id == package_id
    assert len(order.sims) == order.quantity == 2
    assert all(sim.iccid and sim.activation_code.startswith("LPA:1$") for sim in order.sims)
    after = partner.get_balance()
    assert before.amount is not None
    assert after.amount is not None
    assert before.amount - after.amount > Decimal(0)
    (found,) = partner.list_orders(description="EMU-1").items
    assert order.id is not None
    for seen in (found, partner.get_order(order.id)):
        assert (seen.id, seen.description, seen.status) == (order.id, "EMU-1 für Zoë", "completed")
        assert [sim.iccid for sim in seen.sims] == [sim.iccid for sim in order.sims]
    assert partner.list_orders(description="EMU-2").items == ()
    with pytest.raises(AiraloAuthenticationError):
        partner.get_order(1)


def test_order_async_and_its_signed_webhook(
    partner: AiraloClient, emulator: Emulator, server: ScriptedServer, package_id: str
) -> None:
    server.on("/hook/", Answer(200))

    accepted = partner.submit_order_async(
        package_id=package_id, quantity=1, description="EMU-3 für Zoë", webhook_url=f"{server.url}/hook/"
    )

    (purchase,) = emulator.purchases("EMU-3")
    assert accepted.request_id == purchase["request_id"]
    webhook = wait_for_webhook(server)
    assert verify(webhook.body, webhook.headers["airalo-signature"], [emulator.client_secret]) == "raw"
    pretty = json.dumps(json.loads(webhook.body), indent=2).encode()
    assert verify(pretty, webhook.headers["airalo-signature"], [emulator.client_secret]) == "php"
    order = OrderData.from_json(json.loads(webhook.body))
    assert (order.request_id, order.description) == (accepted.request_id, "EMU-3 für Zoë")
    assert len(order.sims) == 1


def wait_for_webhook(server: ScriptedServer) -> Request:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if posts := [request for request in server.requests("/hook/") if request.method == "POST"]:
            return posts[0]
        time.sleep(0.02)
    raise AssertionError("no webhook came")


@pytest.mark.parametrize(
    ("slug", "kind", "code"),
    [
        ("test-insufficient-balance-7days-1gb", InsufficientCreditError, 11),
        ("test-maintenance-mode-7days-1gb", OperatorMaintenanceError, 13),
        ("test-not-enough-7days-1gb", InsufficientStockError, 33),
        ("test-out-of-stock-7days-1gb", PackageUnavailableError, 34),
    ],
)
def test_sandbox_slugs(partner: AiraloClient, slug: str, kind: type, code: int) -> None:
    with pytest.raises(kind) as caught:
        partner.submit_order(package_id=slug, quantity=1)

    assert caught.value.code == code
    assert caught.value.may_have_acted is False


def test_an_order_that_is_refused(partner: AiraloClient, package_id: str) -> None:
    with pytest.raises(AiraloRefusedError) as caught:
        partner.submit_order_async(package_id=package_id, quantity=51)

    assert "quantity" in caught.value.field_errors


def test_opt_in_and_out(partner: AiraloClient, emulator: Emulator) -> None:
    partner.opt_in("webhook_low_data", webhook_url="https://shop.example.com/airalo/")
    notification = partner.get_opt_in()

    assert notification is not None
    assert (notification.type, notification.contact_point) == ("webhook_low_data", "https://shop.example.com/airalo/")
    partner.opt_out("webhook_low_data")
    assert partner.get_opt_in() is None


def test_wrong_credentials(make_client: MakeClient, emulator: Emulator) -> None:
    client = make_client(base_url=emulator.url, client_id=emulator.client_id)

    with pytest.raises(AiraloTokenError, match="AIRALO_CLIENT_SECRET") as caught:
        client.get_balance()

    assert caught.value.status_code in (401, 422)


def test_a_revoked_token_is_replaced(
    partner: AiraloClient, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_airalo.client.token.FRESH", 0.0)
    partner.get_token()
    emulator.revoke_tokens()

    assert partner.get_balance().currency == "USD"
