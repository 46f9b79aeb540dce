from __future__ import annotations

import json
from typing import Any

import pytest

from django_airalo.emulator import Emulator

from .support import Partner, Receiver
from .test_async_orders import signed


def test_opting_in_and_out(partner: Partner, receiver: Receiver) -> None:
    assert partner.get("notifications/opt-in").json()["data"] == []
    answer = partner.post("notifications/opt-in", json={"type": "webhook_low_data", "webhook_url": receiver.url})
    assert answer.status_code == 200
    assert answer.json() == {
        "data": {"notification": {"type": "webhook_low_data", "contact_point": receiver.url}},
        "meta": {"message": "success"},
    }
    assert partner.get("notifications/opt-in").json() == answer.json()
    assert receiver.heads == 1
    out = partner.post("notifications/opt-out", json={"type": "webhook_low_data"})
    assert (out.status_code, out.content) == (204, b"")
    assert partner.get("notifications/opt-in").json()["data"] == []


def test_levels_and_language(partner: Partner, receiver: Receiver) -> None:
    hook = {"type": "webhook_credit_limit", "webhook_url": receiver.url, "levels": [50, 90]}
    assert partner.post("notifications/opt-in", json=hook).json()["data"]["notification"]["levels"] == [50, 90]
    mail = {"type": "email_credit_limit", "email": "office@example.com", "language": "fr", "levels": [80]}
    assert partner.post("notifications/opt-in", json=mail).json()["data"]["notification"] == {
        "type": "email_credit_limit",
        "contact_point": "office@example.com",
        "language": "fr",
        "levels": [80],
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "type"),
        ({"type": "sms"}, "type"),
        ({"type": "async_orders"}, "webhook_url"),
        ({"type": "email_low_data", "email": "nobody"}, "email"),
        ({"type": "webhook_credit_limit", "webhook_url": "http://127.0.0.1:1/", "levels": [55]}, "levels"),
        ({"type": "webhook_credit_limit", "webhook_url": "http://127.0.0.1:1/", "levels": 50}, "levels"),
        ({"type": "async_orders", "webhook_url": "http://127.0.0.1:1/"}, "webhook_url"),  # nobody answers HEAD
    ],
)
def test_what_is_wrong_with_an_opt_in_is_said(partner: Partner, fields: dict[str, Any], problem: str) -> None:
    answer = partner.post("notifications/opt-in", json=fields)
    assert answer.status_code == 422
    assert set(answer.json()["data"]) == {problem}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event": "low_data_notification", "type": "data_75"}, {"level": "75%"}),
        ({"event": "low_data_notification", "type": "expire_3"}, {"level": "3days"}),
        (
            {"event": "credit_limit_notification", "level": 80},
            {"message": "Surpassed 80% of the credit limit balance"},
        ),
        ({"event": "async_order_notification"}, {"meta": {"message": "success"}}),
    ],
)
@pytest.mark.parametrize("sandbox", [False, True])
def test_the_simulator_sends_signed_notifications_in_both_modes(
    emulator: Emulator,
    partner: Partner,
    receiver: Receiver,
    fields: dict[str, Any],
    expected: dict[str, Any],
    sandbox: bool,
) -> None:
    emulator.options.change(sandbox=sandbox)
    iccid = "8900000000000000123"
    answer = partner.post("simulator/webhook", json={**fields, "iccid": iccid, "webhook_url": receiver.url})
    assert (answer.status_code, answer.json()) == (200, {"success": "Notification sent"})
    (delivery,) = receiver.deliveries
    assert signed(delivery)
    content = json.loads(delivery.body)
    assert content.items() >= expected.items()
    if fields["event"] == "low_data_notification":
        assert content["iccid"] == iccid
    if fields["event"] == "async_order_notification":
        assert [sim["iccid"] for sim in content["data"]["sims"]] == [iccid]


def test_the_simulator_says_why_nothing_was_sent(partner: Partner, receiver: Receiver) -> None:
    low_data = {"event": "low_data_notification", "type": "data_90"}
    nobody = partner.post("simulator/webhook", json=low_data)
    assert (nobody.status_code, nobody.json()) == (400, {"error": "User is not opted in"})
    partner.post("notifications/opt-in", json={"type": "email_low_data", "email": "office@example.com"})
    by_mail = partner.post("simulator/webhook", json=low_data)
    assert (by_mail.status_code, by_mail.json()) == (400, {"error": "User is not configured for webhook push"})
    receiver.answers = [500]
    failed = partner.post("simulator/webhook", json={**low_data, "webhook_url": receiver.url})
    assert (failed.status_code, failed.json()) == (400, {"error": f"Could not push data to {receiver.url}"})
    unknown = partner.post("simulator/webhook", json={"event": "sim_installed"})
    assert unknown.status_code == 422
    assert unknown.json()["data"]["event"].startswith("Event must be one of: low_data_notification")
    partner.post("notifications/opt-in", json={"type": "webhook_low_data", "webhook_url": receiver.url})
    assert partner.post("simulator/webhook", json=low_data).status_code == 200


def test_the_simulator_tells_the_package_of_an_esim_it_knows(
    partner: Partner, receiver: Receiver, package_id: str
) -> None:
    iccid = partner.order(package_id).json()["data"]["sims"][0]["iccid"]
    fields = {"event": "low_data_notification", "type": "data_90", "iccid": iccid, "webhook_url": receiver.url}
    partner.post("simulator/webhook", json=fields)
    assert json.loads(receiver.deliveries[0].body)["package_name"] == package_id


def test_the_simulator_has_its_limit(receiver: Receiver) -> None:
    with Emulator() as emulator:
        partner = Partner.of(emulator)
        fields = {"event": "low_data_notification", "type": "data_90", "webhook_url": receiver.url}
        statuses = [partner.post("simulator/webhook", json=fields).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]


@pytest.mark.parametrize(("levels", "notified"), [([50, 90], [50, 90]), (None, [50, 70, 80, 90])])
def test_used_credit_is_told_once_per_level(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str, levels: Any, notified: list[int]
) -> None:
    fields = {"type": "webhook_credit_limit", "webhook_url": receiver.url, "levels": levels}
    partner.post("notifications/opt-in", json={name: value for name, value in fields.items() if value})
    price = emulator.state.catalogue.packages[package_id].net_price
    emulator.balance = str(round(price * 10, 2))
    for _ in range(10):
        partner.order(package_id)
    bodies = [json.loads(delivery.body) for delivery in receiver.wait(len(notified))]
    assert emulator.wait_idle(60)
    assert [body["message"] for body in sorted(bodies, key=lambda body: -body["remaining"])] == [
        f"Surpassed {level}% of the credit limit balance" for level in notified
    ]


def test_levels_may_be_required(emulator: Emulator, partner: Partner, receiver: Receiver) -> None:
    hook = {"type": "webhook_credit_limit", "webhook_url": receiver.url}
    assert partner.post("notifications/opt-in", json=hook).status_code == 200
    emulator.options.change(levels_required=True)
    refused = partner.post("notifications/opt-in", json=hook)
    assert refused.json()["data"] == {"levels": "The levels field is required."}
    mail = {"type": "email_low_data", "email": "office@example.com", "language": "fr"}
    shown = partner.post("notifications/opt-in", json=mail).json()["data"]["notification"]
    assert shown == {"type": "email_low_data", "contact_point": "office@example.com", "language": "fr"}
