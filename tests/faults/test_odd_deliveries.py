"""What Airalo delivers in parts, with odd numbers or without codes: kept, delivered, followed up until it is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from django_airalo.emulator.esims import APPLE, HOST
from django_airalo.models import Esim, OrderEvent
from tests.waiting import wait_until

from .world import ALIAS, World

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
#: How an order reaches the shop: its mode, and what Airalo does beside the fault.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "webhook": ("async", {"again_after": 0.5, "again_shape": "nested"}),
    "list": ("async", {"webhook": "none"}),
    "answer": ("sync", {}),
}
ENDPOINTS = {"async": "orders-async", "sync": "orders"}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def place(world: World, way: str, faults: list[dict[str, Any]], *, after: int = 0) -> list[int]:
    """Place an order for each fault, after so many others, and wait until all are completed."""
    mode, beside = WAYS[way]
    for number, fault in enumerate(faults, after + 1):
        world.emulator.fault({**beside, **fault}, ENDPOINTS[mode], call=number)
    pks = world.place(len(faults), mode=mode)
    for pk in pks:
        world.wait_status(pk, "completed")
    return pks


def sold(world: World, pk: int) -> list[dict[str, Any]]:
    """What Airalo knows of the eSIMs of an order in the end."""
    (purchase,) = world.emulator.purchases(world.order(pk).reference)
    rows = [row for row in world.emulator.ledger.table("esims") if row["purchase_id"] == purchase["id"]]
    return [json.loads(row["body"]) | json.loads(row["later"] or "{}") for row in rows]


def code_of(sim: dict[str, Any]) -> str:
    return f"LPA:1${HOST}${sim['matching_id']}" if sim["matching_id"] else ""


def kept(pk: int) -> list[Esim]:
    return list(Esim.objects.using(ALIAS).filter(order=pk).order_by("airalo_id"))


def is_whole(world: World, pk: int) -> bool:
    """Whether the shop has each eSIM of an order as Airalo sold it, once, with its code."""
    ours = [(esim.iccid, esim.activation_code) for esim in kept(pk)]
    return ours == [(sim["iccid"] or "", code_of(sim)) for sim in sold(world, pk)]


def wait_whole(world: World, pks: list[int]) -> None:
    for pk in pks:
        wait_until(lambda pk=pk: is_whole(world, pk), lambda pk=pk: f"all of order {pk}: {world.logs()}")


def changes(pk: int) -> list[dict[str, Any]]:
    """The news of the eSIMs of a completed order, all of which the shop has heard."""
    events = OrderEvent.objects.using(ALIAS).filter(order=pk, kind=OrderEvent.Kind.ESIMS_CHANGED)
    assert all(event.signalled_at and event.signal_due_at is None for event in events)
    return [event.esims for event in events]


def hurry_details() -> None:
    """The eSIMs are due to be asked for, as if their time had passed."""
    Esim.objects.using(ALIAS).exclude(details_due_at=None).update(details_due_at=LONG_AGO)


def is_asked_for(pk: int) -> bool:
    """Whether the eSIM of an order has been asked for by itself, or is asked for again since it has no code."""
    (esim,) = kept(pk)
    return esim.details_due_at is None or not esim.activation_code


def sync_esims(world: World) -> None:
    """Run the shop's command that reads Airalo's list of eSIMs."""
    names = {"FAULTS_CONFIG": json.dumps(world.config), "DJANGO_SETTINGS_MODULE": "tests.faults.shop.settings"}
    command = [sys.executable, "-m", "django", "airalo_sync_esims"]
    subprocess.run(command, env={**os.environ, **names}, check=True, capture_output=True, timeout=240)


def test_row_31_part_delivery_whose_rest_comes_by_another_way_or_never(world: World) -> None:
    server = world.serve()
    faults: list[dict[str, Any]] = [
        {"preset": "part-then-webhook", "rest_delay": 1.0},
        {"preset": "part-then-webhook", "rest_delay": 1.0, "rest_only": True},
        {"preset": "part-then-list", "rest_delay": 1.0},
        {"preset": "part-then-sims", "rest_delay": 1.0},
        {"preset": "part-for-ever"},
    ]
    for number, fault in enumerate(faults, 1):
        world.emulator.fault(fault, "orders-async", call=number)
    pks = world.place(len(faults), quantity=3)
    for pk in pks:
        world.wait_status(pk, "completed")
    server.kill()  # the rest comes while the shop is down, and again when it is up
    world.serve()
    sweeper = world.sweeper()
    wait_whole(world, pks[:3])
    sweeper.kill()
    sync_esims(world)
    wait_whole(world, pks)
    shop = world.laws({"completed": 5})
    assert [len(kept(pk)) for pk in pks] == [3, 3, 3, 3, 1]
    assert ["Part delivery" in world.order(pk).attention for pk in pks] == [False] * 4 + [True]
    assert world.order(pks[4]).due_at is not None
    flagged = OrderEvent.objects.using(ALIAS).filter(kind=OrderEvent.Kind.ATTENTION, detail__startswith="Part delivery")
    assert set(flagged.values_list("order", flat=True)) == set(pks)
    for pk in pks:
        added = [esim for change in changes(pk) for esim in change["added"]]
        assert len(added) == len(set(added)) == len(kept(pk)) - 1
    completions = [row["event_id"] for row in shop.received if row["signal"] == "esim_order_completed"]
    assert len(set(completions)) == 5


FORMS = ("blanks", "dashes", "trailing-f", "letters", "15", "24")


def test_row_32_odd_missing_and_shared_numbers(world: World, way: str) -> None:
    world.serve()
    sweeper = world.sweeper()
    faults = [{"iccid_form": form} for form in FORMS]
    pks = place(world, way, [{}])
    pks += place(world, way, [{"repeat_iccid": "previous"}, {"no_iccid": True}, *faults], after=1)
    wait_whole(world, pks)
    sweeper.kill()
    world.laws({"completed": len(pks)})
    assert all(is_whole(world, pk) for pk in pks)  # a webhook that is repeated adds nothing
    numbers = {pk: sold(world, pk)[0]["iccid"] for pk in pks}
    shared = [pk for pk in pks if list(numbers.values()).count(numbers[pk]) > 1]
    assert pks[1] in shared
    for pk in pks:
        attention = world.order(pk).attention
        assert ("for more than one order" in attention) == (pk in shared)
        assert ("Without ICCID" in attention) == (pk == pks[2])
        assert ("odd ICCID" in attention) == (pk in pks[3:] or numbers[pk] in [numbers[odd] for odd in pks[3:]])


def test_row_33_codes_that_come_late_in_parts_or_change(world: World, way: str) -> None:
    world.serve()
    sweeper = world.sweeper()
    faults: list[dict[str, Any]] = [
        {"preset": "codes-parts"},
        {"preset": "codes-no-prefix"},
        {"preset": "codes-late", "codes_delay": 1.0},
        {"preset": "codes-late", "codes_delay": 1.0, "codes_later_in": "sims"},
        {"preset": "codes-changed", "codes_delay": 1.0},
        {"preset": "codes-changed", "codes_delay": 1.0, "codes_later_in": "sims"},
        {"preset": "codes-never"},
        {},
    ]
    pks = place(world, way, faults)
    wait_until(lambda: _later_codes_are_there(world), "the later codes")
    sync_esims(world)  # a change that no webhook and no look-up shows
    hurry_details()
    wait_whole(world, pks)
    wait_until(lambda: all(map(is_asked_for, pks)), lambda: f"the details of all eSIMs: {world.logs()}")
    sweeper.kill()
    world.laws({"completed": len(pks)})
    assert all(is_whole(world, pk) for pk in pks)  # an older webhook puts no older code back
    *others, never, _ = (world.order(pk) for pk in pks)
    assert "Without activation code" in never.attention
    assert never.due_at is not None
    assert [order.attention for order in others] == [""] * 6
    for pk in pks:
        if pk == never.pk:
            continue
        (esim,), (sim,) = kept(pk), sold(world, pk)
        assert esim.apple_installation_url == f"{APPLE}?carddata={code_of(sim)}"
        assert esim.confirmation_code == (sim["confirmation_code"] or "")
    for pk in pks[2:6]:
        assert [change["changed"] for change in changes(pk)] == [[kept(pk)[0].pk]]


def _later_codes_are_there(world: World) -> bool:
    now = datetime.now(UTC).timestamp()
    return all(row["later_at"] <= now for row in world.emulator.ledger.table("esims") if row["later"])
