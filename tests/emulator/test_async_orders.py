from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from django_airalo.emulator import Emulator
from django_airalo.emulator.messages import php_json

from .support import Delivery, Partner, Receiver


def signed(delivery: Delivery) -> bool:
    expected = hmac.new(b"emulator-secret", delivery.body, hashlib.sha512).hexdigest()
    return delivery.headers.get("airalo-signature") == expected


def test_an_async_order_is_accepted_and_then_delivered_by_a_signed_webhook(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    answer = partner.order_async(package_id, quantity=2, description="ref-1 é", webhook_url=receiver.url)
    assert answer.status_code == 202
    request_id = answer.json()["data"]["request_id"]
    assert re.fullmatch(r"[A-Za-z0-9_-]{25}", request_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", answer.json()["data"]["accepted_at"])
    (delivery,) = receiver.wait(1)
    assert signed(delivery)
    assert delivery.headers["Content-Type"] == "application/json"
    content = json.loads(delivery.body)
    assert content["request_id"] == request_id
    assert content["meta"] == {"message": "success"}
    assert len(content["data"]["sims"]) == 2
    assert content["data"]["description"] == "ref-1 é"
    assert emulator.wait_idle(60)
    (purchase,) = emulator.purchases("ref-1")
    assert (purchase["id"], purchase["request_id"]) == (content["data"]["id"], request_id)
    (push,) = emulator.delivery_attempts(purchase["id"])
    assert (push["url"], push["body"], push["status"]) == (receiver.url, delivery.body, 200)
    listed = partner.get("orders", params={"filter[description]": "ref-1", "include": "sims"}).json()["data"]
    assert [sim["iccid"] for sim in listed[0]["sims"]] == [sim["iccid"] for sim in content["data"]["sims"]]


def test_the_body_is_written_as_php_writes_json(partner: Partner, receiver: Receiver, package_id: str) -> None:
    partner.order_async(package_id, description="naïve 😀 a/b", webhook_url=receiver.url)
    body = receiver.wait(1)[0].body
    assert b'"description":"na\\u00efve \\ud83d\\ude00 a\\/b"' in body
    assert b"https:\\/\\/" in body
    assert b'": ' not in body
    assert body.isascii()


def test_php_json_knows_phps_habits() -> None:
    # As printed by PHP 8: json_encode(['a' => 9.0, 'b' => 9.5, 'c' => 'é/', 'd' => null, 'e' => [], 'f' => true])
    value = {"a": 9.0, "b": 9.5, "c": "é/", "d": None, "e": [], "f": True}
    assert php_json(value) == b'{"a":9,"b":9.5,"c":"\\u00e9\\/","d":null,"e":[],"f":true}'


def flat(content: dict[str, Any]) -> tuple[Any, Any]:
    return content["request_id"], content["sims"]


def nested(content: dict[str, Any]) -> tuple[Any, Any]:
    assert "request_id" not in content
    return content["data"]["request_id"], content["data"]["sims"]


def enveloped(content: dict[str, Any]) -> tuple[Any, Any]:
    assert "request_id" not in content["data"]
    return content["request_id"], content["data"]["sims"]


@pytest.mark.parametrize("shape", [enveloped, flat, nested], ids=lambda shape: shape.__name__)
def test_three_shapes_of_success(
    emulator: Emulator,
    partner: Partner,
    receiver: Receiver,
    package_id: str,
    shape: Callable[[dict[str, Any]], tuple[Any, Any]],
) -> None:
    emulator.options.change(webhook_shape=shape.__name__)
    accepted = partner.order_async(package_id, webhook_url=receiver.url).json()["data"]
    request_id, sims = shape(json.loads(receiver.wait(1)[0].body))
    assert request_id == accepted["request_id"]
    assert len(sims) == 1


def test_without_an_address_an_async_order_is_refused(emulator: Emulator, partner: Partner, package_id: str) -> None:
    for fields in ({}, {"webhook_url": None}, {"webhook_url": ""}):
        answer = partner.order_async(package_id, **fields)
        assert answer.status_code == 422
        assert answer.json() == {"reason": "User is not opted in and no webhook URL provided."}
    assert emulator.purchases() == []


def test_the_opted_in_address_is_used_and_an_own_one_comes_before_it(
    partner: Partner, receiver: Receiver, package_id: str
) -> None:
    usual = Receiver()
    try:
        opted = partner.post("notifications/opt-in", json={"type": "async_orders", "webhook_url": usual.url})
        assert opted.status_code == 200
        partner.order_async(package_id, description="usual")
        assert json.loads(usual.wait(1)[0].body)["data"]["description"] == "usual"
        partner.order_async(package_id, description="own", webhook_url=receiver.url)
        assert json.loads(receiver.wait(1)[0].body)["data"]["description"] == "own"
        assert len(usual.deliveries) == 1
    finally:
        usual.close()


def test_addresses_are_probed_with_head_unless_switched_off(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    receiver.head_status = 405
    answer = partner.order_async(package_id, webhook_url=receiver.url)
    assert answer.status_code == 422
    assert set(answer.json()["data"]) == {"webhook_url"}
    assert receiver.heads == 1
    emulator.options.change(head_probe=False)
    assert partner.order_async(package_id, webhook_url=receiver.url).status_code == 202
    assert partner.order_async(package_id, webhook_url="not a url").status_code == 422
    assert len(emulator.purchases()) == 1


@pytest.mark.parametrize("status", [201, 204, 302, 400, 500])
def test_only_200_ends_the_retries(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str, status: int
) -> None:
    emulator.options.change(retry_interval=0.05)
    receiver.answers = [status, status]
    partner.order_async(package_id, webhook_url=receiver.url)
    deliveries = receiver.wait(3)
    assert emulator.wait_idle(60)
    assert {delivery.body for delivery in deliveries} == {deliveries[0].body}
    assert [push["status"] for push in emulator.delivery_attempts()] == [status, status, 200]
    assert [(hook["state"], hook["tries"]) for hook in emulator.webhooks()] == [("delivered", 3)]


def test_after_twenty_retries_the_webhook_is_given_up(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    emulator.options.change(retry_interval=0.0)
    receiver.answers = [503] * 50
    partner.order_async(package_id, webhook_url=receiver.url)
    receiver.wait(21)
    while emulator.webhooks()[0]["state"] == "pending":
        assert len(receiver.deliveries) <= 21
    assert emulator.webhooks()[0]["state"] == "given up"
    assert emulator.webhooks()[0]["tries"] == len(receiver.deliveries) == 21


def test_the_retry_waits_for_its_interval(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    emulator.options.change(retry_interval=0.3)
    receiver.answers = [500]
    partner.order_async(package_id, webhook_url=receiver.url)
    first, second = receiver.wait(2)
    assert second.at - first.at >= 0.28


def test_a_silent_receiver_counts_as_a_failed_try(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.options.change(head_probe=False)
    partner.order_async(package_id, webhook_url="http://127.0.0.1:1/")
    assert emulator.wait_idle(60)
    (push,) = emulator.delivery_attempts()
    assert push["status"] is None
    assert "refused" in push["error"]
    assert emulator.webhooks()[0]["state"] == "pending"


def test_fulfilment_waits_for_the_delay(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    emulator.options.change(webhook_delay=3.0)
    partner.order_async(package_id, webhook_url=receiver.url)
    assert emulator.purchases()[0]["status"] == "pending"
    assert partner.get("orders").json()["data"] == []
    receiver.wait(1)
    assert emulator.purchases()[0]["status"] == "completed"
    assert len(partner.get("orders").json()["data"]) == 1


def test_in_the_sandbox_no_webhook_is_sent_but_the_order_is_listed(receiver: Receiver, package_id: str) -> None:
    with Emulator(sandbox=True, webhook_delay=0.0) as emulator:
        partner = Partner.of(emulator)
        assert partner.order_async(package_id, webhook_url=receiver.url).status_code == 202
        assert emulator.wait_idle(60)
        assert len(partner.get("orders").json()["data"]) == 1
        assert emulator.webhooks() == []
    assert receiver.deliveries == []
