"""Receivers, clocks, deployments, wrong input, doubles, and decisions at the wrong moment."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from django_airalo import services
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import Esim, EsimOrder, Refund
from tests.factories import PackageFactory
from tests.skips import ExpectedSkip
from tests.waiting import wait_until

from .conftest import MakeWorld
from .processes import ROOT
from .world import ALIAS, World


def completions(world: World) -> list[dict[str, Any]]:
    return [row for row in world.read().received if row["signal"] == "esim_order_completed"]


def test_row_21_a_receiver_raises(world: World) -> None:
    world.config["trouble"]["esim_order_completed"] = "raise"
    world.flag.touch()
    world.serve()
    (pk,) = world.place()
    world.wait_status(pk, "completed")
    wait_until(lambda: completions(world), "the other receivers")
    sweeper = world.sweeper()
    wait_until(lambda: len(completions(world)) >= 2, "the signal again")
    assert world.order(pk).status == "completed"
    world.flag.unlink()
    sweeper.kill()
    shop = world.laws({"completed": 1})
    assert len({row["event_id"] for row in shop.received if row["signal"] == "esim_order_completed"}) == 1


def test_row_21_a_receiver_hangs(world: World) -> None:
    """It holds up the process that it hangs in; the others hear from the next one."""
    world.flag.touch()
    server = world.serve(trouble={**world.config["trouble"], "esim_order_completed": "hang"})
    pks = [*world.place(), *world.place()]
    for pk in pks:
        world.wait_status(pk, "completed")
    time.sleep(0.5)
    assert completions(world) == []
    sweeper = world.sweeper()
    wait_until(lambda: len({row["reference"] for row in completions(world)}) == 2, world.logs)
    assert {row["pid"] for row in completions(world)} == {sweeper.pid}
    assert server.is_running()
    sweeper.kill()
    world.flag.unlink()  # it goes on, and is late
    shop = world.laws({"completed": 2})
    assert len({row["event_id"] for row in shop.received if row["signal"] == "esim_order_completed"}) == 2


@pytest.mark.parametrize("moment", ["kill", "kill-after"])
def test_row_21_the_process_dies_inside_a_receiver(world: World, moment: str) -> None:
    world.config["trouble"]["esim_order_completed"] = moment
    # Else somebody who is slow to tell it is followed by a second, who tells it again.
    world.set_constants(signal_lease=5)
    world.flag.touch()
    server = world.serve()
    (pk,) = world.place()
    assert server.wait() == -9
    assert world.order(pk).status == "completed"
    world.flag.unlink()
    world.serve()
    shop = world.laws({"completed": 1})
    heard = [row for row in shop.received if row["signal"] == "esim_order_completed"]
    assert len(heard) == (1 if moment == "kill" else 2)
    assert len({row["event_id"] for row in heard}) == 1


class Clock:
    """A clock that some processes go by."""

    def __init__(self, world: World, seconds: float) -> None:
        self.file = world.directory / f"clock{seconds:+g}"
        self._world = world
        self.jump(seconds)

    def jump(self, seconds: float) -> None:
        temporary = self.file.with_suffix(".new")
        temporary.write_text(str(seconds))
        temporary.replace(self.file)

    def start(self, *arguments: Any) -> Any:
        """Start a process of the shop that goes by this clock."""
        return self._world.start_afresh(self.file, *arguments, module="tests.faults.skewed")


@pytest.mark.slow
def test_row_22_workers_with_skewed_clocks(world: World) -> None:
    """Workers an hour ahead and an hour behind: leases and waiting times are the database's."""
    ahead, behind = Clock(world, 3600), Clock(world, -3600)
    world.serve()
    held, told, lost = world.place_only(3)
    reference = {pk: world.order(pk).reference for pk in (held, told, lost)}
    world.emulator.fault({"delay": 1.5}, "orders-async", description=f"{reference[held]}*")
    retry_after = {"status": 429, "body": {"message": "Too Many Attempts."}, "headers": {"Retry-After": "3"}}
    world.emulator.fault(retry_after, "orders-async", description=f"{reference[told]}*")
    world.emulator.fault("close-after", "orders-async", description=f"{reference[lost]}*")
    sweepers = [clock.start("sweep", 0.1) for clock in (ahead, ahead, behind)]
    world.wait_status(held, "completed")
    world.wait_status(told, "completed")
    ahead.jump(-3600)
    behind.jump(7200)
    time.sleep(0.5)
    assert all(sweeper.is_running() for sweeper in sweepers), world.logs()
    for sweeper in sweepers:
        sweeper.kill()
    world.laws({"completed": 3})
    posts = Counter(json.loads(row["body"])["description"] for row in world.emulator.requests("orders-async"))
    assert posts == {reference[held]: 1, reference[told]: 2, reference[lost]: 1}
    first, second = [row["at"] for row in world.emulator.requests("orders-async") if reference[told] in row["body"]]
    assert second - first >= 3


def change_of_time(zone: str, *, forward: bool) -> float:
    """When the clocks of a zone are next put forward, or back."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for _ in range(366 * 24):
        hour += timedelta(hours=1)
        before, after = ((hour - timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset() for hours in (1, 0))
        if before != after and (after > before) == forward:
            return hour.timestamp()
    raise AssertionError(f"no change of time in {zone}")


@pytest.mark.slow
@pytest.mark.parametrize("forward", [True, False], ids=["an hour is left out", "an hour comes twice"])
def test_row_22_daylight_saving_begins_and_ends(world: World, forward: bool) -> None:
    """Where the wall clock of the workers changes while one order is being sent and another has to wait."""
    world.config["settings"]["TIME_ZONE"] = "Europe/Berlin"
    change = change_of_time("Europe/Berlin", forward=forward)
    clock = Clock(world, change - 30 - time.time())
    world.serve()
    sweepers = [clock.start("sweep", 0.1) for _ in range(2)]
    world.wait_ready(*sweepers)
    retry_after = {"status": 429, "body": {"message": "Too Many Attempts."}, "headers": {"Retry-After": "4"}}
    world.emulator.fault(retry_after, "orders-async", call=1)
    world.emulator.fault({"delay": 3}, "orders-async", call=2)
    (told,) = world.place_only()
    world.wait_call("orders-async")
    (held,) = world.place_only()
    world.wait_call("orders-async", 2)
    clock.jump(change - 0.5 - time.time())  # and half a second later it is another hour there
    for pk in (told, held):
        world.wait_status(pk, "completed")
    assert all(sweeper.is_running() for sweeper in sweepers), world.logs()
    for sweeper in sweepers:
        sweeper.kill()
    world.laws({"completed": 2})
    posts = [row["at"] for row in world.emulator.requests("orders-async") if world.order(told).reference in row["body"]]
    assert posts[1] - posts[0] >= 4
    assert len(world.emulator.requests("orders-async")) == 3


@pytest.mark.slow
def test_row_22_a_date_to_wait_for_is_read_by_airalos_clock(world: World) -> None:
    """Retry-After may be a date. A worker whose clock is an hour ahead must not take it for past."""
    ahead = Clock(world, 3600)
    world.serve()
    sweeper = ahead.start("sweep", 0.1)
    (first,) = world.place_only()
    world.wait_status(first, "completed")
    until = datetime.now(UTC) + timedelta(seconds=4)
    header = {"Retry-After": format_datetime(until, usegmt=True)}
    world.emulator.fault({"status": 429, "headers": header}, "orders-async")
    (pk,) = world.place_only()
    world.wait_status(pk, "completed")
    sweeper.kill()
    world.laws({"completed": 2})
    assert world.emulator.requests("orders-async")[-1]["at"] >= until.timestamp() - 1


GIT = ["git", "-c", "safe.directory=*"]  # whoever the clone belongs to


def git(*arguments: str) -> str:
    return subprocess.run([*GIT, *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def earlier_commit() -> str:
    """The last commit with another package and the present tables: both can run during a deployment.

    Until the first release the one migration is rewritten, so not every commit before has the present tables.
    """
    if not (ROOT / ".git").exists():
        raise ExpectedSkip("no earlier code: this is a copy without its history")
    package, tables = git("rev-parse", "HEAD:django_airalo", "HEAD:django_airalo/migrations").split()
    for commit in git("log", "--format=%H", "-n", "50", "--", "django_airalo/services", "django_airalo/client").split():
        found = git("rev-parse", f"{commit}:django_airalo", f"{commit}:django_airalo/migrations").split()
        if found[1] == tables and found[0] != package:
            return commit
    raise ExpectedSkip("no earlier code: none of the commits at hand has the present tables")


def earlier_code(directory: Path) -> Path:
    """The package as it was at an earlier commit, beside this suite as it is now."""
    archive = subprocess.run(
        [*GIT, "archive", earlier_commit(), "django_airalo"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(directory, filter="data")
    shutil.copytree(ROOT / "tests" / "faults", directory / "tests" / "faults")
    (directory / "tests" / "__init__.py").touch()
    return directory


@pytest.mark.slow
def test_row_23_old_and_new_code_together(world: World, tmp_path: Path) -> None:
    """Workers of the commit before and of this one share the orders, on the present tables."""
    root = earlier_code(tmp_path / "earlier")
    world.serve()
    world.emulator.fault("close-after", "orders-async", call=5)
    world.emulator.fault("no-webhook", "orders-async", call=9)
    world.emulator.fault("webhook-first", "orders-async", call=13)
    world.emulator.fault({"delay": 0.3}, "orders-async", times=None)  # so that all have a share
    (pk,) = world.place_only()
    old = [world.start_afresh("sweep", 0.1, root=root) for _ in range(2)]
    world.wait_status(pk, "completed")
    new = [world.start("sweep", 0.1) for _ in range(2)]
    world.wait_ready(*old, *new)
    world.place_only(23)
    world.laws({"completed": 24})
    assert all(process.is_running() for process in old + new), world.logs()
    assert len(world.emulator.requests("orders-async")) == 24
    for processes in (old, new):
        assert any("pending -> submitting" in process.errors() for process in processes)


NONSENSE: list[dict[str, Any]] = [
    {"quantity": 0},
    {"quantity": 51},
    {"quantity": -1},
    {"quantity": "1"},
    {"quantity": 1.5},
    {"package_id": "nobody-knows"},
    {"package_id": "withdrawn"},
    {"package_id": ""},
    {"description": "x" * 10_240},
]


@pytest.mark.django_db
@pytest.mark.parametrize("content", NONSENSE, ids=str)
def test_row_24_wrong_input_is_refused_before_anything_is_written(content: dict[str, Any]) -> None:
    PackageFactory(package_id="known")
    PackageFactory(package_id="withdrawn", withdrawn_at=datetime.now(UTC))
    with pytest.raises(ValidationError) as raised:
        services.place_order(**{"package_id": "known", **content})
    assert set(raised.value.message_dict) == set(content)
    assert not EsimOrder.objects.exists()


@pytest.mark.django_db
def test_row_24_the_same_key_with_other_content() -> None:
    order = services.place_order(package_id="known", idempotency_key="line-1")
    with pytest.raises(IdempotencyConflictError):
        services.place_order(package_id="known", idempotency_key="line-1", quantity=2)
    assert services.place_order(package_id="known", idempotency_key="line-1") == order
    assert EsimOrder.objects.count() == 1


def test_row_24_emoji_travel_to_airalo_and_back(world: World) -> None:
    world.serve()
    (_pk,) = world.place(description="Für Zoë \U0001f30d\U0001f1ef\U0001f1f5")
    world.laws({"completed": 1})
    assert world.emulator.purchases()[0]["description"].endswith("Für Zoë \U0001f30d\U0001f1ef\U0001f1f5")


@pytest.mark.parametrize("answered", [True, False], ids=["after a 202", "after a lost answer"])
def test_row_25_two_orders_with_our_reference(world: World, answered: bool) -> None:
    fault = {"twin": True, "webhook": "none"} | ({} if answered else {"close": "after"})
    world.emulator.fault(fault, "orders-async")
    (pk,) = world.place()
    shop = world.laws({"unconfirmed": 1}, except_for={"double_purchases", "lost_esims"})
    attention = world.order(pk).attention
    assert all(str(purchase["id"]) in attention for purchase in world.emulator.purchases())
    assert shop.esims == []
    assert len(world.emulator.requests("orders-async")) == 1


def test_row_26_cancelled_at_the_moment_it_is_sent(world: World) -> None:
    world.serve()
    pks = world.place_only(4)
    said = world.at_once(*[(name, pk) for pk in pks for name in ("submit_order", "cancel_order")])
    cancelled = {pk: word == "cancelled" for pk, word in zip(pks, said[1::2], strict=True)}
    count = sum(cancelled.values())
    expected = {"cancelled": count, "completed": len(pks) - count}
    world.laws({status: count for status, count in expected.items() if count})
    for pk in pks:
        assert world.order(pk).status == ("cancelled" if cancelled[pk] else "completed")
        assert len(world.emulator.purchases(world.order(pk).reference)) == (not cancelled[pk])


def test_row_26_marked_as_failed_at_the_moment_it_is_found(make_world: MakeWorld) -> None:
    """A person gives an order up while a look-up finds it: the eSIM wins, and both are in the log."""
    world = make_world()
    world.set(LOOKUP_DELAYS=[3600])
    world.emulator.fault({"close": "after", "webhook": "none"}, "orders-async", times=2)
    pks = world.place(2)  # after a third of unknown outcome no order would be sent
    assert world.emulator.wait_idle(60)
    said = world.at_once(*[(name, pk) for pk in pks for name in ("mark_failed", "sync_order")])
    shop = world.laws({"completed": 2})
    for pk, word in zip(pks, said[::2], strict=True):
        reference = world.order(pk).reference
        events = [event["new_status"] for event in shop.events if event["order__reference"] == reference]
        assert events[-1] == "completed"
        assert ("failed" in events) == (word == "failed")


def test_row_26_a_refund_while_the_order_is_changing(world: World) -> None:
    """Its eSIM is known already, by the list of eSIMs, when a look-up completes the order and two ask for a refund."""
    world.set(LOOKUP_DELAYS=[3600], RATE_LIMITS={"refunds": None})
    world.emulator.fault("no-webhook", "orders-async", times=2)
    pks = world.place(2)
    assert world.emulator.wait_idle(60)
    for pk in pks:
        (purchase,) = world.emulator.purchases(world.order(pk).reference)
        (sim,) = world.emulator.esims(purchase["id"])
        Esim.objects.using(ALIAS).create(order_id=pk, iccid=sim["iccid"])
    said = world.at_once(*[(name, pk) for pk in pks for name in ("sync_order", "refund", "refund")])
    shop = world.laws({"completed": 2})
    for number, pk in enumerate(pks):
        # One of the two requests wins, and neither is lost to the change, nor the change to them.
        assert sorted(said[3 * number + 1 : 3 * number + 3]) == ["asked", "refused"]
        events = world.order(pk).events.order_by("pk")
        assert [event.kind for event in events if event.detail.startswith("A refund was asked for")] == ["noted"]
        assert sum(event.new_status == "completed" for event in events) == 1
    refunds = Refund.objects.using(ALIAS).all()
    assert [refund.status for refund in refunds] == ["requested", "requested"]
    assert sorted(json.loads(row["iccids"]) for row in world.emulator.refunds()) == sorted(
        [esim["iccid"]] for esim in shop.esims
    )
