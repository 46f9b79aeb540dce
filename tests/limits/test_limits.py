"""Airalo's limits, kept by eight processes together."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from django.core.cache import caches

from django_airalo.client import get_client
from django_airalo.client.limits import SHARE, WINDOWS, RateLimit
from django_airalo.conf import Rate
from django_airalo.emulator import Emulator
from django_airalo.emulator.catalogue import invented_catalogue
from django_airalo.exceptions import AiraloRateLimitError
from django_airalo.models import EsimOrder
from django_airalo.services import sweep
from tests.factories import EsimOrderFactory
from tests.waiting import wait_until

from .processes import EmulatorProcess, Shop

WORKERS = 8
REVOKED_AFTER = 6.5  # seconds of a token's use at least: one younger than five is not replaced
PATIENCE = 300  # seconds for a machine that does much else
STORM, NEW, UNLISTED = 40, 20, 30
LOOKUPS, PACKAGES = 40, 80  # a minute
WINDOW = 60 / (WINDOWS - 1)  # seconds
PACKAGE = next(iter(invented_catalogue(1, False).packages))


def all_is_done(orders: list[tuple[str, str, int]]) -> bool:
    """The new orders have their eSIMs, and each order of the storm was tried again."""
    completed = [status == "completed" for description, status, _ in orders if description.startswith("new")]
    tried = [attempt for description, _, attempt in orders if description.startswith("storm")]
    return len(completed) == NEW and all(completed) and min(tried) > 1


def looked_up(ledger: dict[str, Any], since: float) -> list[dict[str, Any]]:
    """The questions that Airalo answered with a token that it gave out since then."""
    given = [row["at"] for row in ledger["requests"] if row["endpoint"] == "token" and row["status"] == 200]
    new = min((at for at in given if at >= since), default=float("inf"))
    looked = [row for row in ledger["requests"] if row["endpoint"] in ("packages", "orders-list")]
    return [row for row in looked if row["status"] == 200 and row["at"] > new]


@pytest.mark.slow
def test_eight_workers_keep_the_limits_and_a_storm_of_429s_starves_nobody(tmp_path):
    script = tmp_path / "storm.json"
    script.write_text(json.dumps([{"endpoint": "orders-async", "description": "*storm*", "do": "429", "times": None}]))
    usual = ("--sandbox", "--no-head-probe", "--webhook-delay", "0")
    emulator = EmulatorProcess(*usual, "--limit", f"orders-list={LOOKUPS}/60", "--script", str(script))
    shop = Shop(
        tmp_path,
        emulator,
        AIRALO_LOOKUP_DELAYS=[0.2],  # all are always due: the limit alone holds the look-ups back
        AIRALO_RATE_LIMITS={"lookups": f"{LOOKUPS}/min", "packages": f"{PACKAGES}/min"},
        constants={"RETRY_DELAYS": [0.5]},
    )
    try:
        shop.run("tests.limits.worker", "prepare", STORM, UNLISTED, PACKAGE)
        workers = [
            shop.start("tests.limits.worker", "work", tmp_path / "stop", 0 if number else NEW, PACKAGE)
            for number in range(WORKERS)
        ]
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        # The tokens are revoked shortly before requests are let through again, and the end is shortly after it.
        used = wait_until(lambda: looked_up(emulator.ledger(), 0), "the first token", PATIENCE, 0.2)
        window = (max(used[0]["at"] + REVOKED_AFTER, time.time() + 1) // WINDOW + 1) * WINDOW
        time.sleep(max(0.0, window - 0.5 - time.time()))
        revoked_at = time.time()
        emulator.control("revoke-tokens")
        wait_until(lambda: looked_up(emulator.ledger(), revoked_at), "the second token", PATIENCE, 0.5)
        sql = "SELECT description, status, attempt FROM django_airalo_esimorder"
        wait_until(lambda: all_is_done(shop.rows(sql)), lambda: str(shop.rows(sql)), PATIENCE, 0.5)
        (tmp_path / "stop").touch()
        seen = [json.loads(worker.communicate(timeout=PATIENCE)[0]) for worker in workers]
        ledger = emulator.ledger()
        orders = shop.rows(sql)
    finally:
        shop.stop()
        emulator.stop()

    asked = {
        endpoint: [request for request in ledger["requests"] if request["endpoint"] == endpoint]
        for endpoint in ("token", "packages", "orders-list", "orders-async")
    }
    started, ended = min(worker["started"] for worker in seen), max(worker["ended"] for worker in seen)
    windows = int(ended // WINDOW) - int(started // WINDOW) + 1
    # All that the limiter lets through, and no more; Airalo itself never has to refuse.
    for endpoint, per_minute in (("packages", PACKAGES), ("orders-list", LOOKUPS)):
        quota = per_minute // SHARE
        assert quota <= len(asked[endpoint]) <= quota * windows, endpoint
        assert {request["status"] for request in asked[endpoint]} <= {200, 401}
    assert sum(worker.get("held back", 0) for worker in seen) > WORKERS  # the limit was reached, over and over
    assert not any("refused by Airalo" in worker or "failed" in str(worker) for worker in seen)

    # One token for all eight; after the revocation one more.
    assert [(request["status"], request["at"] > revoked_at) for request in asked["token"]] == [
        (200, False),
        (200, True),
    ]
    # Each worker may have had one request under way with the old one.
    assert sum(request["status"] == 401 for requests in asked.values() for request in requests) <= WORKERS

    # The storm was one, and nobody else suffered from it.
    refused = [request for request in asked["orders-async"] if request["status"] == 429]
    assert len(refused) > STORM
    assert {status for description, status, _ in orders if description.startswith("storm")} <= {"pending", "submitting"}
    assert [status for description, status, _ in orders if description.startswith("new")] == ["completed"] * NEW
    bought = [purchase["description"].partition(" ")[2] for purchase in ledger["purchases"]]
    assert sorted(bought) == sorted(f"new {number}" for number in range(NEW))


@pytest.mark.parametrize("per_minute", [7, 40, 80])
def test_no_sixty_seconds_have_more_than_the_limit(per_minute, monkeypatch):
    """A hundred simulated hours of the worst customers: some ask all the time, some in bursts at any moment."""
    chance = random.Random(7)
    limit = RateLimit("test", Rate(per_minute, 60), caches["default"])
    now, taken, told = 1_000_000.0, [], []
    monkeypatch.setattr(time, "time", lambda: now)
    for _ in range(3000):
        now += chance.choice([0.01, 0.3, 2, 9.99, 10, chance.uniform(0, 60)])
        for _ in range(chance.choice([1, per_minute * 2])):
            try:
                limit.take()
            except AiraloRateLimitError as error:
                told.append(error.retry_after)
                break
            taken.append(now)
    first = 0
    for last, moment in enumerate(taken):
        while taken[first] <= moment - 60:
            first += 1
        assert last - first + 1 <= per_minute
    assert len(taken) > 1000
    assert told
    assert all(0 < seconds <= WINDOW for seconds in told)


@pytest.fixture
def emulator(settings):
    with Emulator(sandbox=True) as emulator:
        settings.AIRALO_BASE_URL = emulator.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = emulator.client_id, emulator.client_secret
        settings.AIRALO_RATE_LIMITS = {"lookups": "7/min"}  # one in ten seconds
        yield emulator


@pytest.fixture
def within_a_window(monkeypatch) -> list[float]:
    """The wall clock stands still, so that no new window opens. Returns the seconds that somebody wanted to sleep."""
    now = time.time() // WINDOW * WINDOW + 3
    slept: list[float] = []
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@pytest.mark.usefixtures("within_a_window")
def test_repetition_after_401_is_not_sent_without_room(emulator, monkeypatch, settings):
    settings.AIRALO_RATE_LIMITS = {"lookups": "16/min"}  # two in ten seconds
    monkeypatch.setattr("django_airalo.client.token.FRESH", 0)
    get_client().list_orders(limit=1)
    emulator.fault("401", "orders-list")
    with pytest.raises(AiraloRateLimitError):
        get_client().list_orders(limit=1)
    assert [request["status"] for request in emulator.requests("orders-list")] == [200, 401]


@pytest.mark.usefixtures("within_a_window")
def test_repetition_after_401_is_sent_where_a_period_has_room_for_one(emulator, monkeypatch):
    monkeypatch.setattr("django_airalo.client.token.FRESH", 0)
    emulator.fault("401", "orders-list")
    get_client().list_orders(limit=1)
    assert [request["status"] for request in emulator.requests("orders-list")] == [401, 200]


def test_a_sweep_does_not_wait_for_the_limit_before_it_has_begun(db, emulator, within_a_window):
    """Other sweeps use up the look-ups; this one goes on to what it can do, and the orders stay due."""
    get_client().list_orders(limit=1)
    orders = EsimOrderFactory.create_batch(6, accepted=True)
    asked = len(emulator.requests("orders-list"))
    report = sweep()
    assert within_a_window == []
    assert (report.put_off, report.looked_up) == (1, 0)
    assert len(emulator.requests("orders-list")) == asked
    assert {*EsimOrder.objects.values_list("due_at", "lookups")} == {(orders[0].due_at, 0)}
