"""From the shop's transaction to the POST that may or may not have bought."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.faults.shop.verbs import PACKAGE

from .world import World

ONE_ORDER = json.dumps([{"package_id": PACKAGE}])


def test_row_01_the_shops_transaction_rolls_back(world: World) -> None:
    world.serve()
    said = world.run("place", json.dumps([{"package_id": PACKAGE}] * 2), "roll-back")
    assert "rolled_back" in said
    world.laws({})
    assert world.emulator.requests() == []


def test_row_02_the_process_dies_between_the_commit_and_the_queue(world: World) -> None:
    world.serve()
    process = world.start("place", ONE_ORDER, backend="SuddenDeath")
    assert process.wait() == -9
    assert world.read().statuses() == {"pending": 1}
    assert world.emulator.requests() == []
    world.laws({"completed": 1})


def test_row_02_the_broker_is_away(world: World) -> None:
    world.serve()
    world.place_only(2)
    assert world.read().statuses() == {"pending": 2}
    assert world.emulator.requests() == []
    world.laws({"completed": 2})


def test_row_03_eight_workers_on_one_order(world: World) -> None:
    world.serve()
    (pk,) = world.place_only()
    world.at_once(*[("submit_order", pk)] * 8)
    world.laws({"completed": 1})
    assert len(world.emulator.requests("orders-async")) == 1
    assert world.order(pk).attempt == 1


def test_row_03_the_task_is_delivered_twice(world: World) -> None:
    world.serve()
    (pk,) = world.place_only()
    for _ in range(2):
        world.run("call", "submit_order", pk)
    world.laws({"completed": 1})
    assert len(world.emulator.requests("orders-async")) == 1


@pytest.mark.parametrize("policy", ["hold", "resubmit"])
def test_row_04_worker_killed_at_the_claim(world: World, policy: str) -> None:
    """The token's endpoint holds the worker between its claim and its POST."""
    world.set(CONNECT_TIMEOUT=0.5, READ_TIMEOUT=5, UNCONFIRMED_POLICY=policy)
    world.set_constants(submit_lease=12)
    world.serve()
    (pk,) = world.place_only()
    world.emulator.fault({"delay": 60, "close": "before"}, "token")
    worker = world.start("call", "submit_order", pk)
    world.wait_call("token")
    assert world.order(pk).status == "submitting"
    worker.kill()
    if policy == "resubmit":  # the other one waits until the lease is really over
        world.end_lease(pk)
    assert world.emulator.requests("orders-async") == []
    shop = world.laws({"unconfirmed": 1} if policy == "hold" else {"completed": 1})
    assert [event["new_status"] for event in shop.events][:2] == ["submitting", "unconfirmed"]
    assert len(world.emulator.purchases()) == (policy == "resubmit")


def test_row_04_the_cache_is_away_at_the_claim(world: World) -> None:
    """Without the shared token nothing can be sent; so nothing was, and nothing is in doubt."""
    world.serve()
    (pk,) = world.place_only()
    nowhere = {**world.config["cache"], "NAME": str(world.directory / "nowhere" / "cache.sqlite3")}
    worker = world.start("call", "submit_order", pk, cache=nowhere)
    worker.wait()
    assert world.order(pk).status == "pending"
    world.laws({"completed": 1})
    assert len(world.emulator.requests("orders-async")) == 1


@pytest.mark.parametrize("road", ["look-up", "webhook"])
def test_row_05_worker_killed_after_the_post(world: World, road: str) -> None:
    """Airalo has bought and holds its answer back; the worker dies waiting for it."""
    world.serve()
    (pk,) = world.place_only()
    if road == "webhook":
        world.emulator.fault("500", "orders-list", times=None)
    world.emulator.fault(
        {"delay_after": 60, "webhook": "none" if road == "look-up" else "success", "webhook_delay": 3}, "orders-async"
    )
    worker = world.start("call", "submit_order", pk)
    world.wait_bought()
    assert world.order(pk).status == "submitting"
    worker.kill()
    if road == "look-up":
        world.end_lease(pk)
    shop = world.laws({"completed": 1})
    assert len(world.emulator.requests("orders-async")) == 1
    assert ("unconfirmed" in [event["new_status"] for event in shop.events]) == (road == "look-up")


def test_row_05_worker_killed_after_the_post_that_bought_nothing(world: World) -> None:
    world.serve()
    (pk,) = world.place_only()
    world.emulator.fault({"delay": 60, "close": "before"}, "orders-async")
    worker = world.start("call", "submit_order", pk)
    world.wait_call("orders-async")
    worker.kill()
    world.end_lease(pk)
    world.laws({"unconfirmed": 1})
    assert len(world.emulator.requests("orders-async")) == 1


LOST_ANSWERS: dict[str, tuple[Any, bool]] = {
    "reset before it bought": ("close-before", False),
    "reset after it bought": ("close-after", True),
    "cut off in the middle of the answer": ("cut", True),
    "bought, and too slow to say so": ({"delay_after": 7}, True),
    "bought only after the time-out": ({"delay": 7}, True),
    "bought, silent for ever": ({"close": "after", "webhook": "none"}, True),
}


def test_row_06_the_connection_breaks_during_the_post(world: World) -> None:
    world.set(READ_TIMEOUT=4)
    world.serve()
    for number, (fault, _) in enumerate(LOST_ANSWERS.values(), 1):
        world.emulator.fault(fault, "orders-async", call=number)
    pks = world.place(len(LOST_ANSWERS))
    shop = world.laws({"completed": 5, "unconfirmed": 1})
    for pk, (name, (_, bought)) in zip(pks, LOST_ANSWERS.items(), strict=True):
        order = world.order(pk)
        assert (order.status == "completed") == bought, name
        assert order.attempt == 1, name
    assert len(world.emulator.requests("orders-async")) == len(pks)
    assert sum(event["new_status"] == "unconfirmed" for event in shop.events) >= 5


def test_row_06_resubmitted_by_policy_after_the_look_up(world: World) -> None:
    world.set(UNCONFIRMED_POLICY="resubmit", UNCONFIRMED_GRACE=10)
    world.serve()
    world.emulator.fault("close-before", "orders-async", call=1)
    world.emulator.fault("close-after", "orders-async", call=2)
    bought_nothing, bought = world.place(2)
    world.laws({"completed": 2})
    assert world.order(bought_nothing).attempt == 2
    assert world.order(bought).attempt == 1
    assert len(world.emulator.requests("orders-async")) == 3
