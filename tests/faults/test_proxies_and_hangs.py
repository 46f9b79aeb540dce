"""Rows 29, 35 and 36: a proxy's answers, an Airalo that hangs, a connection that was silently dropped."""

from __future__ import annotations

import time

import pytest

from django_airalo.models import EsimOrder, SubmissionPause
from tests.forwarder import Forwarder
from tests.waiting import wait_until

from .world import ALIAS, World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("status", [400, 403, 413, 422])
@pytest.mark.parametrize("bought", [False, True])
def test_row_29_a_proxys_page_fails_no_order_and_buys_none_twice(world: World, status: int, bought: bool) -> None:
    fault = {"preset": f"html-{status}", "bought": bought, "webhook": "none"}
    world.emulator.fault(fault, "orders-async", times=3)
    pks = world.place(3)
    shop = world.laws({"completed": 3})
    assert all(event["new_status"] != "failed" for event in shop.events)
    assert [world.order(pk).attempt for pk in pks] == [2, 2, 2]
    assert len(world.emulator.purchases()) == 3


@pytest.mark.parametrize("resets", [False, True], ids=["silent", "reset"])
def test_row_36_a_connection_that_a_nat_forgot_leaves_no_order_in_doubt(world: World, resets: bool) -> None:
    with Forwarder(int(world.emulator.url.rpartition(":")[2]), resets=resets) as between:
        world.set(BASE_URL=between.url, READ_TIMEOUT=3)
        world.serve()
        worker = world.start("work", backend="Queue")
        (first,) = world.place(backend="Queue")
        world.wait_status(first, "completed")
        between.forget()
        time.sleep(11)  # the worker uses a connection for ten seconds
        (second,) = world.place(backend="Queue")
        world.wait_status(second, "completed")
        worker.kill()
        shop = world.laws({"completed": 2})
        assert all(event["new_status"] != "unconfirmed" for event in shop.events)
        assert [world.order(pk).attempt for pk in (first, second)] == [1, 1]
        assert between.connections >= 2


@pytest.mark.parametrize("fault", ["hang", "outage-503"])
def test_row_35_while_airalo_hangs_few_orders_are_in_doubt(world: World, fault: str) -> None:
    """Four processes submit sixty orders: three open the pause, three are under way by then, and one tries again."""
    world.set(READ_TIMEOUT=3, UNCONFIRMED_GRACE=5, BALANCE_CHECK_INTERVAL=0)
    world.set_constants(BREAKER_DELAYS=[4, 8])
    world.serve()
    # Only purchases hang: questions are answered, so an order has its turn.
    what = {"hang": 30.0} if fault == "hang" else {"status": 503, "body": {"message": "Service Unavailable"}}
    world.emulator.fault(what, "orders-async", times=None)
    world.place(60, backend="Queue")
    workers = [world.start("work", backend="Queue") for _ in range(3)]
    sweeper = world.sweeper()

    def in_doubt() -> int:
        return sum(status == "unconfirmed" for status in _statuses(world))

    wait_until(lambda: SubmissionPause.objects.using(ALIAS).filter(is_active=True, probes=1).exists(), world.logs)
    assert 4 <= in_doubt() <= 7, _statuses(world)
    assert len(world.emulator.requests("balance")) == 1
    assert len(world.emulator.requests("orders-async")) == in_doubt()
    assert sum(status == "pending" for status in _statuses(world)) >= 53

    doubted = in_doubt()
    world.emulator.clear_faults()
    wait_until(lambda: not SubmissionPause.objects.using(ALIAS).filter(is_active=True).exists(), world.logs)
    for process in (*workers, sweeper):
        process.kill()
    shop = world.laws({"completed": 60 - doubted, "unconfirmed": doubted})
    assert len(shop.orders) == 60
    assert len(world.emulator.purchases()) == 60 - doubted
    print(f"{fault}: {doubted} of 60 orders in doubt")


def _statuses(world: World) -> list[str]:
    return list(EsimOrder.objects.using(ALIAS).values_list("status", flat=True))
