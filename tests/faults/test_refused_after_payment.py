"""A paid order that `place_order()` itself refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.faults.shop.verbs import PACKAGE

from .world import World

REFUSED = {"package_id": PACKAGE, "quantity": 51, "idempotency_key": "line-1", "on_refusal": "record"}


def told(world: World) -> list[dict[str, Any]]:
    return [row for row in world.read().received if row["signal"] == "esim_order_failed"]


def nothing_was_bought(world: World) -> bool:
    endpoints = ("orders-async", "orders", "topups", "future-orders")
    return not any(world.emulator.requests(endpoint) for endpoint in endpoints) and not world.emulator.purchases()


def test_row_39_it_is_recorded_signalled_and_never_sent(world: World) -> None:
    world.serve()
    (pk,) = world.place(**REFUSED)
    world.laws({"failed": 1})
    assert world.order(pk).is_refused_at_placing
    assert len(told(world)) == 1
    assert nothing_was_bought(world)


def test_row_39_the_others_of_the_same_transaction_are_bought(world: World) -> None:
    world.serve()
    orders = [{"package_id": PACKAGE}, REFUSED, {"package_id": PACKAGE, "mode": "sync"}]
    world.run("place", json.dumps(orders))
    world.laws({"failed": 1, "completed": 2})
    assert len(world.emulator.purchases()) == 2


@pytest.mark.parametrize("trouble", ["kill", "kill-after"])
def test_row_39_the_process_dies_at_the_receiver(world: World, trouble: str) -> None:
    world.serve()
    world.flag.touch()
    process = world.start(
        "place", json.dumps([REFUSED]), trouble={**world.config["trouble"], "esim_order_failed": trouble}
    )
    assert process.wait() == -9
    assert world.read().statuses() == {"failed": 1}
    world.flag.unlink()
    shop = world.laws({"failed": 1})
    assert len({row["event_id"] for row in shop.received}) == 1
    assert len(told(world)) == 1 + (trouble == "kill-after")
    assert nothing_was_bought(world)


def test_row_39_the_shops_transaction_rolls_back(world: World) -> None:
    world.serve()
    world.run("place", json.dumps([REFUSED]), "roll-back")
    world.laws({})
    assert told(world) == []


def test_row_39_the_payment_is_told_by_four_processes_at_once(world: World) -> None:
    world.serve()
    processes = [world.start("place", json.dumps([REFUSED])) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert len({process.output() for process in processes}) == 1
    world.laws({"failed": 1})
    assert len(told(world)) == 1
    assert nothing_was_bought(world)
