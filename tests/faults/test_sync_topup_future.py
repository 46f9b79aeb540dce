"""The roads beside the asynchronous order: synchronous orders, top-ups and future orders, with the same faults."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_airalo.models import Esim
from tests.faults.shop.verbs import PACKAGE
from tests.waiting import wait_until

from .world import ALIAS, World

#: In the emulator's usual catalogue: a package whose eSIMs can be topped up, and the top-up.
SIM, TOPUP = "albai-linea-3days-1gb", "albai-linea-3days-1gb-topup"


class Road:
    """One way to buy: what is placed, where it is sent, and what it becomes."""

    def __init__(self, name: str, endpoint: str, becomes: str, looked_up_in: str) -> None:
        self.name, self.endpoint, self.becomes, self.looked_up_in = name, endpoint, becomes, looked_up_in
        self.before: dict[str, int] = {}

    def prepare(self, world: World) -> dict[str, Any]:
        """What to place. For a top-up, an eSIM is sold first."""
        world.serve()
        if self.name == "sync":
            return {"package_id": PACKAGE, "mode": "sync", "quantity": 2}
        if self.name == "future":
            return {"package_id": PACKAGE, "due_date": (datetime.now(UTC) + timedelta(days=30)).isoformat()}
        (sold,) = world.place(package_id=SIM, mode="sync")
        assert world.order(sold).status == "completed", world.logs()
        self.before = {"completed": 1}
        return {"package_id": TOPUP, "topup_of": sold}

    def expect(self, **statuses: int) -> dict[str, int]:
        """The orders there must be, with that of the eSIM which was sold before."""
        totals = dict(self.before)
        for status, count in statuses.items():
            totals[status] = totals.get(status, 0) + count
        return totals

    def requests(self, world: World) -> int:
        """How often something was bought this way, or tried to be, without what was done to prepare."""
        return len(world.emulator.requests(self.endpoint))

    def sold(self, world: World) -> int:
        """How many Airalo has sold this way."""
        if self.name == "future":
            return len(world.emulator.future_orders())
        return len(world.emulator.purchases()) - sum(self.before.values())


@pytest.fixture(params=["sync", "topup", "future"])
def road(request: pytest.FixtureRequest) -> Road:
    return {
        "sync": Road("sync", "orders", "completed", "orders-list"),
        "topup": Road("topup", "topups", "completed", "orders-list"),
        "future": Road("future", "future-orders", "scheduled", "future-orders-list"),
    }[request.param]


def test_nothing_goes_wrong(world: World, road: Road) -> None:
    content = road.prepare(world)
    (pk,) = world.place(**content)
    assert world.order(pk).status == road.becomes, world.logs()
    world.laws(road.expect(**{road.becomes: 1}))
    assert road.requests(world) == road.sold(world) == 1


def test_eight_workers_on_one_order(world: World, road: Road) -> None:
    (pk,) = world.place_only(**road.prepare(world))
    world.at_once(*[("submit_order", pk)] * 8)
    world.laws(road.expect(**{road.becomes: 1}))
    assert road.requests(world) == road.sold(world) == 1


def test_the_broker_is_away(world: World, road: Road) -> None:
    world.place_only(2, **road.prepare(world))
    world.laws(road.expect(**{road.becomes: 2}))
    assert road.requests(world) == road.sold(world) == 2


def test_worker_killed_after_the_post(world: World, road: Road) -> None:
    """Airalo has bought and holds its answer back; the worker dies waiting for it."""
    (pk,) = world.place_only(**road.prepare(world))
    world.emulator.fault({"delay_after": 60, "webhook": "none"}, road.endpoint)
    worker = world.start("call", "submit_order", pk)
    wait_until(lambda: road.sold(world) == 1, "a purchase")
    assert world.order(pk).status == "submitting"
    worker.kill()
    world.end_lease(pk)
    shop = world.laws(road.expect(**{road.becomes: 1}))
    assert road.requests(world) == 1
    changes = [event["new_status"] for event in shop.events if event["order__reference"] == world.order(pk).reference]
    assert changes == ["submitting", "unconfirmed", road.becomes]
    assert len(world.emulator.requests(road.looked_up_in)) >= 1


def test_worker_killed_after_the_post_that_bought_nothing(world: World, road: Road) -> None:
    (pk,) = world.place_only(**road.prepare(world))
    world.emulator.fault({"delay": 60, "close": "before"}, road.endpoint)
    worker = world.start("call", "submit_order", pk)
    world.wait_call(road.endpoint)
    worker.kill()
    world.end_lease(pk)
    world.laws(road.expect(unconfirmed=1))
    assert (road.requests(world), road.sold(world)) == (1, 0)


LOST_ANSWERS: dict[str, tuple[Any, bool]] = {
    "reset before it bought": ("close-before", False),
    "reset after it bought": ("close-after", True),
    "cut off in the middle of the answer": ("cut", True),
    "500, not bought": ("500", False),
    "500, bought": ("500-bought", True),
    "502 with HTML, bought": ("502-bought", True),
    "504, bought": ("504-bought", True),
    "200 with HTML, bought": ("html", True),
    "JSON that ends too soon": ("truncated", True),
    "code 53, bought": ({"code": 53, "bought": True}, True),
    "code 53, not bought": ({"code": 53}, False),
}


def test_the_answer_is_lost(world: World, road: Road) -> None:
    content = road.prepare(world)
    for number, (fault, _) in enumerate(LOST_ANSWERS.values(), 1):
        world.emulator.fault(fault, road.endpoint, call=number)
    pks = world.place(len(LOST_ANSWERS), **content)
    bought = [bought for _, bought in LOST_ANSWERS.values()]
    world.laws(road.expect(**{road.becomes: sum(bought), "unconfirmed": len(bought) - sum(bought)}))
    for pk, (name, (_, was_bought)) in zip(pks, LOST_ANSWERS.items(), strict=True):
        order = world.order(pk)
        assert (order.status == road.becomes) == was_bought, name
        assert order.attempt == 1, name
    assert road.requests(world) == len(pks)
    assert road.sold(world) == sum(bought)


def test_the_answer_comes_too_late(world: World, road: Road) -> None:
    """Once it bought at once and was too slow to say so, once it bought only after the time-out."""
    content = road.prepare(world)
    world.set(READ_TIMEOUT=1)
    world.emulator.fault({"delay_after": 3}, road.endpoint, call=1)
    world.emulator.fault({"delay": 3}, road.endpoint, call=2)
    world.place(2, **content)
    world.laws(road.expect(**{road.becomes: 2}))
    assert road.requests(world) == road.sold(world) == 2


def test_refusals_and_limits(world: World, road: Road) -> None:
    content = road.prepare(world)
    for number, fault in enumerate([{"code": 34}, {"code": 43}, "429-bare", "503", "401"], 1):
        world.emulator.fault(fault, road.endpoint, call=number)
    world.place(5, **content)
    world.laws(road.expect(**{road.becomes: 2, "failed": 2, "unconfirmed": 1}))
    assert road.sold(world) == 2


def test_no_credit_pauses_and_is_made_up_for(world: World, road: Road) -> None:
    content = road.prepare(world)
    world.emulator.fault({"code": 11}, road.endpoint, call=1)
    (pk,) = world.place(**content)
    assert world.order(pk).status == "pending"
    world.run("resume")
    world.laws(road.expect(**{road.becomes: 1}))
    assert road.sold(world) == 1


def test_a_worker_that_hangs_beyond_its_lease_is_answered_at_last(world: World, road: Road) -> None:
    (pk,) = world.place_only(**road.prepare(world))
    world.emulator.fault({"delay_after": 10}, road.endpoint)
    worker = world.start("call", "submit_order", pk)
    wait_until(lambda: road.sold(world) == 1, "a purchase")
    worker.signal(signal.SIGSTOP)  # so that the sweep may take its time
    world.emulator.fault("500", road.looked_up_in, times=None)
    world.end_lease(pk)
    world.run("sweep-once")
    assert world.order(pk).status == "unconfirmed"
    worker.signal(signal.SIGCONT)
    assert worker.wait() == 0, worker.errors()
    assert world.order(pk).status == road.becomes, world.logs()
    world.laws(road.expect(**{road.becomes: 1}))
    assert road.requests(world) == 1


# Top-ups


def test_a_recycled_esim_cannot_be_topped_up(world: World) -> None:
    road = Road("topup", "topups", "completed", "orders-list")
    content = road.prepare(world)
    world.emulator.fault({"code": 73}, "topups")
    (pk,) = world.place(**content)
    order = world.order(pk)
    assert (order.status, order.error_code) == ("failed", 73)
    assert Esim.objects.using(ALIAS).filter(pk=order.esim_id, recycled_at=None).count() == 0
    process = world.start("place", f'[{{"package_id": "{TOPUP}", "topup_of": {content["topup_of"]}}}]')
    assert process.wait() != 0
    assert "recycled" in process.errors()
    world.laws(road.expect(failed=1))
    assert road.requests(world) == 1


# Future orders


@pytest.fixture
def scheduled(world: World) -> int:
    """The primary key of a future order that Airalo has taken."""
    (pk,) = world.place(**Road("future", "future-orders", "scheduled", "").prepare(world))
    assert world.order(pk).status == "scheduled", world.logs()
    return pk


@pytest.mark.parametrize("webhook", ["success", "none"])
def test_its_date_comes(make_world: Any, webhook: str) -> None:
    world = make_world()
    road = Road("future", "future-orders", "scheduled", "")
    content = road.prepare(world)
    world.emulator.fault({"webhook": webhook}, "future-orders")
    world.place(2, **content)
    world.laws({"scheduled": 2})
    world.emulator.make_due()
    world.laws({"completed": 2})
    assert len(world.emulator.purchases()) == 2


def test_it_is_cancelled(world: World, scheduled: int) -> None:
    assert "cancelled" in world.run("call", "cancel_order", scheduled)
    world.laws({"cancelled": 1})
    assert [row["status"] for row in world.emulator.future_orders()] == ["cancelled"]


@pytest.mark.parametrize("fault", ["close-before", "close-after", "500", "500-bought", "cut", "429-bare", "401", "503"])
def test_the_answer_to_the_cancellation_is_lost(world: World, scheduled: int, fault: str) -> None:
    world.emulator.fault(fault, "future-orders-cancel")
    world.run("call", "cancel_order", scheduled)
    world.hurry()
    world.laws({"cancelled": 1})
    assert [row["status"] for row in world.emulator.future_orders()] == ["cancelled"]


@pytest.mark.parametrize("carried_out", [True, False])
def test_the_process_is_killed_while_it_cancels(world: World, scheduled: int, carried_out: bool) -> None:
    fault = {"delay_after": 60} if carried_out else {"delay": 60, "close": "before"}
    world.emulator.fault(fault, "future-orders-cancel")
    process = world.start("call", "cancel_order", scheduled)
    world.wait_call("future-orders-cancel")
    if carried_out:
        wait_until(lambda: world.emulator.future_orders()[0]["status"] == "cancelled", "the cancellation")
    process.kill()
    order = world.order(scheduled)
    assert (order.status, order.cancel_requested_at is not None) == ("scheduled", True)
    world.hurry()
    world.laws({"cancelled": 1})
    assert [row["status"] for row in world.emulator.future_orders()] == ["cancelled"]


def test_it_is_made_while_it_is_being_cancelled(world: World, scheduled: int) -> None:
    """Airalo makes it before the request to cancel arrives, and refuses that."""
    world.emulator.fault({"delay": 5}, "future-orders-cancel")
    process = world.start("call", "cancel_order", scheduled)
    world.wait_call("future-orders-cancel")
    world.emulator.make_due()
    wait_until(lambda: world.emulator.future_orders()[0]["status"] == "processed", "the order at Airalo")
    process.wait()
    world.hurry()
    world.laws({"completed": 1})
    assert [row["status"] for row in world.emulator.future_orders()] == ["processed"]
