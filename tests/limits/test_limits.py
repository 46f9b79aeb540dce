"""Airalo's limits, kept by eight processes together."""

from __future__ import annotations

import json
import random
import time

import pytest
from django.core.cache import caches

from django_airalo.client.limits import WINDOW, WINDOWS, RateLimit
from django_airalo.emulator.catalogue import catalogue
from django_airalo.exceptions import AiraloRateLimitError

from .processes import EmulatorProcess, Shop

WORKERS = 8
SECONDS = 10
STORM, NEW, UNLISTED = 40, 20, 30
LOOKUPS, PACKAGES = 40, 80  # a minute
PACKAGE = next(iter(catalogue(1, False).packages))


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
        AIRALO_RETRY_DELAYS=[0.5],
        AIRALO_LOOKUPS_PER_MINUTE=LOOKUPS,
        AIRALO_PACKAGE_REQUESTS_PER_MINUTE=PACKAGES,
    )
    try:
        shop.run("tests.limits.worker", "prepare", STORM, UNLISTED, PACKAGE)
        workers = [
            shop.start("tests.limits.worker", "work", 3, SECONDS, 0 if number else NEW, PACKAGE)
            for number in range(WORKERS)
        ]
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        time.sleep(SECONDS / 2)
        revoked_at = time.time()
        emulator.control("revoke-tokens")
        seen = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
        ledger = emulator.ledger()
        orders = shop.rows("SELECT description, status, attempt FROM django_airalo_esimorder")
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
        quota = per_minute // WINDOWS
        assert quota <= len(asked[endpoint]) <= quota * windows, endpoint
        assert {request["status"] for request in asked[endpoint]} <= {200, 401}
    assert sum(worker.get("held back", 0) for worker in seen) > WORKERS  # the limit was reached, over and over
    assert not any("refused by Airalo" in worker or "failed" in str(worker) for worker in seen)

    # One token for all eight; after the revocation one more.
    assert [(request["status"], request["at"] > revoked_at) for request in asked["token"]] == [
        (200, False),
        (200, True),
    ]
    answered_late = [request for request in asked["packages"] if request["at"] > asked["token"][1]["at"]]
    assert answered_late
    assert {request["status"] for request in answered_late} == {200}

    # The storm was one, and nobody else suffered from it.
    refused = [request for request in asked["orders-async"] if request["status"] == 429]
    assert len(refused) > STORM
    storm = [(status, attempt) for description, status, attempt in orders if description.startswith("storm")]
    assert {status for status, _ in storm} <= {"pending", "submitting"}
    assert min(attempt for _, attempt in storm) >= 2
    new = [(status, attempt) for description, status, attempt in orders if description.startswith("new")]
    assert new == [("completed", 1)] * NEW
    bought = [purchase["description"].partition(" ")[2] for purchase in ledger["purchases"]]
    assert sorted(bought) == sorted(f"new {number}" for number in range(NEW))


@pytest.mark.parametrize("per_minute", [7, 40, 80])
def test_no_sixty_seconds_have_more_than_the_limit(per_minute, monkeypatch):
    """A hundred simulated hours of the worst customers: some ask all the time, some in bursts at any moment."""
    chance = random.Random(7)
    limit = RateLimit("test", per_minute, caches["default"])
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
