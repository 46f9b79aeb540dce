"""Webhooks that come early, often, never, out of order or with the wrong contents."""

from __future__ import annotations

import itertools
import signal
import time
from collections import Counter
from typing import Any

import pytest
import requests

from django_airalo.admin.webhooks import WebhookEventAdmin
from django_airalo.models import WebhookEvent
from tests.faults.shop.verbs import PACKAGE
from tests.waiting import wait_until

from .conftest import MakeWorld
from .world import ALIAS, World


def buy_elsewhere(world: World, description: str, **fields: Any) -> dict[str, Any]:
    """Buy at Airalo past the shop, as another shop of the company or a worker given up would; the purchase."""
    url = world.emulator.url
    credentials = {"client_id": world.emulator.client_id, "client_secret": world.emulator.client_secret}
    token = requests.post(
        f"{url}/v2/token", data={**credentials, "grant_type": "client_credentials"}, timeout=60
    ).json()
    answer = requests.post(
        f"{url}/v2/orders-async",
        json={"package_id": PACKAGE, "quantity": 1, "description": description, **fields},
        headers={"Authorization": f"Bearer {token['data']['access_token']}"},
        timeout=60,
    )
    assert answer.status_code == 202, answer.text
    return world.emulator.purchases(description)[-1]


def test_row_12_the_webhook_overtakes_its_own_202(world: World) -> None:
    world.serve()
    world.emulator.fault("webhook-first", "orders-async", call=1)
    world.emulator.fault({"webhook": "failure", "webhook_first": True}, "orders-async", call=2)
    world.emulator.fault({"preset": "webhook-first", "webhook_shape": "flat"}, "orders-async", call=3)
    success, failure, flat = world.place(3)
    shop = world.laws({"completed": 2, "failed": 1})
    assert [world.order(pk).status for pk in (success, failure, flat)] == ["completed", "failed", "completed"]
    assert world.order(success).request_id == world.emulator.purchases()[0]["request_id"]
    # The failure carries no description, so it can be matched only once the 202 is stored.
    ours = [event for event in shop.events if event["order__reference"] == world.order(failure).reference]
    assert [event["new_status"] for event in ours] == ["submitting", "accepted", "failed"]


@pytest.mark.parametrize("copies", ["duplicate", "twenty-at-once"])
def test_row_13_the_same_webhook_again(world: World, copies: str) -> None:
    world.serve()
    world.emulator.fault(copies, "orders-async")
    (pk,) = world.place()
    world.wait_status(pk, "completed")
    assert world.emulator.wait_idle(60)
    shop = world.laws({"completed": 1})
    assert [push["status"] for push in world.emulator.delivery_attempts()] == [200] * (
        2 if copies == "duplicate" else 20
    )
    assert len(shop.webhooks) == 1
    assert sum(event["new_status"] == "completed" for event in shop.events) == 1
    heard = [row for row in shop.received if row["signal"] == "esim_order_completed"]
    assert len({row["event_id"] for row in heard}) == 1


def test_row_14_the_webhook_never_arrives(world: World) -> None:
    world.serve()
    world.emulator.fault("no-webhook", "orders-async", times=3)
    world.place(3)
    world.laws({"completed": 3})
    assert world.emulator.delivery_attempts() == []


def test_row_14_sandbox_mode(make_world: MakeWorld) -> None:
    world = make_world(sandbox=True)
    world.set(SANDBOX=True)
    world.place(6)
    world.laws({"completed": 6})
    assert world.emulator.delivery_attempts() == []


@pytest.mark.slow
def test_row_14_look_ups_grow_rare(world: World) -> None:
    delays = [0.2, 0.4, 0.8, 1.6]
    world.set(LOOKUP_DELAYS=delays)
    world.emulator.fault({"webhook": "none", "listing_delay": 3600}, "orders-async")
    world.place()
    sweeper = world.sweeper()
    world.wait_call("orders-list", len(delays) + 1)
    sweeper.kill()
    times = [request["at"] for request in world.emulator.requests("orders-list")]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    # Spread by a tenth. How much longer they are is for the machine to say.
    assert all(gap >= 0.9 * delay - 0.05 for gap, delay in zip(gaps, delays, strict=False)), gaps
    world.emulator.ledger.execute("UPDATE purchases SET listed_at = 0")
    world.laws({"completed": 1})


def test_row_15_a_webhook_for_another_shop_of_the_account(world: World) -> None:
    world.serve()
    (pk,) = world.place()
    world.wait_status(pk, "completed")
    before = world.order(pk).__dict__.copy()
    stranger = buy_elsewhere(world, "another-shop 4711", webhook_url=world.webhook_url)
    wait_until(lambda: world.emulator.delivery_attempts(stranger["id"]), "the stranger's webhook")
    assert world.emulator.delivery_attempts(stranger["id"])[0]["status"] == 200
    world.post(b'{"reason": "Nobody knows which.", "request_id": "unknown"}')
    shop = world.laws({"completed": 1}, except_for={"unknown_purchases"})
    assert Counter(webhook["status"] for webhook in shop.webhooks) == {"processed": 1, "waiting": 2}
    # Visible: they are what the admin shows under this status, each with the number that Airalo gave it.
    assert {"status", "received_at"} <= set(WebhookEventAdmin.list_filter)
    shown = WebhookEvent.objects.using(ALIAS).filter(status="waiting")
    assert {event.request_id for event in shown} == {stranger["request_id"], "unknown"}
    assert all(event.body_bytes for event in shown)
    after = world.order(pk).__dict__
    assert {**before, "_state": None} == {**after, "_state": None}


def test_row_16_contradictory_webhooks(world: World) -> None:
    world.serve()
    world.emulator.fault("failure-then-success", "orders-async", call=1)
    world.emulator.fault("success-then-failure", "orders-async", call=2)
    world.emulator.fault({"preset": "failure-then-success", "copies": 3}, "orders-async", call=3)
    pks = world.place(3)
    world.laws({"completed": 3})
    assert world.emulator.wait_idle(60)
    shop = world.laws({"completed": 3})
    references = [world.order(pk).reference for pk in pks]
    late = {row["reference"] for row in shop.received if row["signal"] == "esim_order_completed" and row["late"]}
    assert references[1] not in late
    for reference in references:
        ours = [event["new_status"] for event in shop.events if event["order__reference"] == reference]
        assert ours[-1] == "completed"


def test_row_16_success_after_cancel(world: World) -> None:
    world.serve()
    (pk,) = world.place_only()
    assert "cancelled" in world.run("call", "cancel_order", pk)
    assert world.order(pk).status == "cancelled"
    buy_elsewhere(world, world.order(pk).airalo_description, webhook_url=world.webhook_url)
    shop = world.laws({"completed": 1})
    assert {row["late"] for row in shop.received if row["signal"] == "esim_order_completed"} == {True}


def test_row_16_accepted_after_a_person_gave_it_up(world: World) -> None:
    """A stopped worker's 202 arrives when the order has been marked as failed, and no webhook ever comes."""
    world.emulator.fault("500", "orders-list", times=None)
    world.emulator.fault({"delay_after": 10, "webhook": "none"}, "orders-async")
    (pk,) = world.place_only()
    worker = world.start("call", "submit_order", pk)
    world.wait_bought()
    worker.signal(signal.SIGSTOP)
    world.end_lease(pk)
    sweeper = world.sweeper()
    world.wait_status(pk, "unconfirmed")
    assert "failed" in world.run("call", "mark_failed", pk)
    sweeper.kill()
    worker.signal(signal.SIGCONT)
    assert worker.wait() == 0, worker.errors()
    assert world.order(pk).request_id
    world.emulator.clear_faults()
    shop = world.laws({"completed": 1})
    assert {row["late"] for row in shop.received if row["signal"] == "esim_order_completed"} == {True}


def test_row_17_not_what_was_ordered(world: World) -> None:
    world.serve()
    world.emulator.fault("none", "orders-async", call=1)
    world.emulator.fault({"preset": "fewer-sims"}, "orders-async", call=2)
    world.emulator.fault({"preset": "more-sims"}, "orders-async", call=3)
    world.emulator.fault({"repeat_iccid": "order"}, "orders-async", call=4)
    world.emulator.fault({"preset": "no-iccid"}, "orders-async", call=5)
    pks = world.place(5, quantity=2)
    world.laws({"completed": 5})
    assert [world.order(pk).esims.count() for pk in pks] == [2, 1, 3, 2, 2]
    assert [bool(world.order(pk).attention) for pk in pks] == [False, True, True, True, True]


def test_row_17_a_number_of_another_order_and_none_at_all(world: World) -> None:
    """Both are kept, delivered and flagged; so is the order that has the number already."""
    world.serve()
    (first,) = world.place()
    world.wait_status(first, "completed")
    world.emulator.fault("repeat-iccid", "orders-async", call=2)
    world.emulator.fault("no-iccid", "orders-async", call=3)
    pks = world.place(2)
    for pk in pks:
        wait_until(lambda pk=pk: world.order(pk).attention, "the flag of an order")
    world.laws({"completed": 3})
    assert [world.order(pk).esims.count() for pk in (first, *pks)] == [1, 1, 1]
    for pk in (first, pks[0]):
        assert "for more than one order" in world.order(pk).attention
    assert "Without ICCID" in world.order(pks[1]).attention


def test_row_17_time_passes_and_nothing_comes(world: World) -> None:
    """Accepted, but neither delivered nor refused: a person is told."""
    world.set(OVERDUE_AFTER=1)
    world.emulator.fault({"webhook": "none", "listing_delay": 3600}, "orders-async")
    (pk,) = world.place()
    time.sleep(1)
    sweeper = world.sweeper()
    wait_until(lambda: "Overdue" in world.order(pk).attention, "the alert")
    sweeper.kill()
    world.laws({"accepted": 1}, waiting={"accepted"}, except_for={"lost_esims"})
