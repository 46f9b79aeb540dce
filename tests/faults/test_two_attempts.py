"""An attempt in doubt that is followed by another one: refused, or delivered too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.waiting import wait_until

from .world import ALIAS, World

#: One that has top-ups.
PACKAGE = "albai-linea-7days-1gb"
NEVER = 10**6
ENDPOINTS = {"async": "orders-async", "sync": "orders", "topup": "topups"}


@pytest.fixture(params=ENDPOINTS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def place_in_doubt(world: World, kind: str, second: Any) -> int:
    """Place an order whose first attempt buys behind a 503, and is sent again after the grace period."""
    world.serve()
    content: dict[str, Any] = {"mode": kind}
    if kind == "topup":
        (esim_of,) = world.place(mode="sync", package_id=PACKAGE)
        content = {"topup_of": esim_of, "package_id": f"{PACKAGE}-topup"}
    world.set(UNCONFIRMED_POLICY="resubmit", UNCONFIRMED_GRACE=5)
    bought = {"preset": "503-bought", "webhook": "none", "listing_delay": NEVER}
    world.emulator.fault(bought, ENDPOINTS[kind])
    if second:
        world.emulator.fault(second, ENDPOINTS[kind])
    (pk,) = world.place(**content)
    assert world.order(pk).status == "unconfirmed"
    before = len(world.emulator.requests(ENDPOINTS[kind]))
    world.sweeper()
    world.wait_call(ENDPOINTS[kind], before + 1)
    return pk


def list_all(world: World) -> None:
    """Airalo lists all that it has sold."""
    world.emulator.ledger.execute("UPDATE purchases SET listed_at = 0 WHERE listed_at IS NOT NULL")


def test_row_27_an_attempt_in_doubt_is_followed_by_a_refusal(world: World, kind: str) -> None:
    pk = place_in_doubt(world, kind, {"code": 34})
    world.wait_status(pk, "failed")
    list_all(world)
    shop = world.laws({"completed": 2 if kind == "topup" else 1})
    reference = world.order(pk).reference
    completions = [
        row["late"] for row in shop.received if (row["signal"], row["reference"]) == ("esim_order_completed", reference)
    ]
    assert completions
    assert all(completions)
    assert len(world.emulator.purchases(reference)) == 1


def test_row_28_an_attempt_in_doubt_is_followed_by_a_delivery(world: World, kind: str) -> None:
    pk = place_in_doubt(world, kind, None)
    world.wait_status(pk, "completed")
    list_all(world)
    wait_until(lambda: world.order(pk).attention, lambda: f"the second purchase to be seen; {world.logs()}")
    world.laws({"completed": 2 if kind == "topup" else 1})  # a known duplicate
    order = world.order(pk)
    ids = {purchase["id"] for purchase in world.emulator.purchases(order.reference)}
    assert len(ids) == 2
    assert all(str(number) in order.attention for number in ids)
    duplicate = order.duplicates.using(ALIAS).get()
    assert {duplicate.airalo_order_id, order.airalo_order_id} == ids
    assert duplicate.esims.using(ALIAS).count() == (kind != "topup")
