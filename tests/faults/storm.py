"""The storm: emulator, webhook server, workers and shops as processes, while everything goes wrong at random.

``make faults ORDERS=1000 SEED=7 DB=sqlite`` (or postgres, mariadb). It places all orders under fire, stops the faults,
sweeps until everything has settled, compares the two ledgers and prints a table. Exit code 1 if a law is broken.
Three in ten orders take other roads: synchronous orders, top-ups and future orders, whose dates come when the faults
have stopped and all other orders are decided.

Goes wrong: connections reset before and after buying, 5xx with and without having bought, HTML, cut-off JSON, 202
without ``request_id``, 429 and 503, code 53, slow answers, revoked tokens, look-ups that fail; webhooks that come
before their 202, twice, twenty times at once, late, never, out of order, as failures, as failures and then successes;
orders listed late; tasks lost, repeated, a broker that raises; shops that roll back and that repeat their keys; forged
webhooks; and any process of the shop killed with SIGKILL and started again. Left out, since there Airalo itself breaks
the laws and only a person can decide (``test_rows_12_to_17.py`` and ``test_row_25`` have them): two orders for one
request, missing or repeated ICCIDs.

The seed decides every fault by the number of its call, every kill and its place in the sequence, and what each shop
does with each order. Which order happens to make the hundredth call, and where in its work a process is when it is
killed, is up to the scheduler: the same seed gives the same weather, not the same run to the microsecond.

The policy is ``hold``: an order that Airalo never took, and of which that cannot be known, stays UNCONFIRMED and calls
for a person. That is not stuck, and counted by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.ports import free_port

from .databases import CACHE_OPTIONS, Database, database_for, sqlite_config
from .processes import Process, Zygote
from .storm_airalo import LOOKUPS_PER_MINUTE, LOST_ANSWERS, MORE_FAULTS, Airalo
from .storm_report import Progress, print_table

#: So many of each process.
SHOPS, WORKERS, SWEEPERS = 3, 3, 2
#: Steps (an order placed, bought or completed) between two kills, at least and at most. Not seconds: on a busy machine
#: processes would be killed before they had done anything.
KILL_EVERY = (10, 60)
#: Seconds that the fire goes on at most when all orders are placed, so that nearly all are sent under it: these, or so
#: many for each order.
LONGEST_AFTER, LONGEST_AFTER_EACH = 120, 0.12
#: Processes that end without being killed break the run; after so many it is given up.
MOST_DEATHS = 10
SETTINGS = {
    "AIRALO_CONNECT_TIMEOUT": 1,
    "AIRALO_READ_TIMEOUT": 3,
    "AIRALO_SUBMIT_LEASE": 12,
    "AIRALO_RETRY_DELAYS": [0.5, 1, 2, 4],
    "AIRALO_LOOKUP_DELAYS": [1.5, 2, 4, 8],
    "AIRALO_UNAVAILABLE_WAIT": 8,  # longer than an order takes to be listed, also where Airalo's process must wait
    "AIRALO_UNCONFIRMED_GRACE": 8,
    "AIRALO_SIGNAL_LEASE": 3,
    "AIRALO_FUTURE_ORDER_INTERVAL": 5,
    "AIRALO_LOOKUPS_PER_MINUTE": LOOKUPS_PER_MINUTE,
    "AIRALO_TOKEN_REQUESTS_PER_MINUTE": 20,
}
#: From when Airalo has fulfilled an order until it lists it (six seconds at most, see MORE_FAULTS), and then until all
#: look-ups that were made before are due again (the longest delay, and a tenth).
UNTIL_LISTED = timedelta(seconds=6 + 8 * 1.1)


class Storm:
    """One run. A context manager, so that nothing is left running however it ends."""

    def __init__(self, orders: int, seed: int, kind: str, *, kills: bool = True) -> None:
        self.orders, self.seed, self.kind = orders, seed, kind
        self.directory = Path(tempfile.mkdtemp(prefix="airalo-storm-"))
        self._with_kills = kills
        self._rng = random.Random(f"{seed}:storm")
        self._ending = threading.Event()
        self._processes: dict[str, Process] = {}
        self.kills: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.forged: Counter[int] = Counter()
        self._open: list[Any] = []
        self.calm_since: datetime | None = None

    def __enter__(self) -> Self:
        try:
            self._set_up()
        except BaseException:  # Ctrl-C, too: no process or database is left behind; raised again
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes and remove all files and databases."""
        self._ending.set()
        for thing in reversed(self._open):
            with contextlib.suppress(Exception):  # the rest must be tidied up whatever happens to one
                thing()
        self._open = []
        shutil.rmtree(self.directory, ignore_errors=True)  # a process that was killed just now may still write

    def _set_up(self) -> None:
        self.airalo = Airalo(self.directory, self.seed)
        self._open.append(self.airalo.close)
        self.database: Database = database_for(self.kind, f"airalo_storm_{os.getpid()}", self.directory)
        self.database.make()
        self._open.append(self.database.drop)
        self.zygote = Zygote(self.kind)
        self._open.append(self.zygote.close)
        self.port = free_port()
        self.config: dict[str, Any] = {
            "database": self.database.config(),
            "cache": sqlite_config(self.directory / "cache.sqlite3", CACHE_OPTIONS),
            "backend": "FaultyQueue",
            "settings": {
                **SETTINGS,
                "AIRALO_BASE_URL": self.airalo.url,
                "AIRALO_CLIENT_ID": "emulator-client",
                "AIRALO_CLIENT_SECRET": "emulator-secret",
                "AIRALO_WEBHOOK_URL": f"http://127.0.0.1:{self.port}/airalo/webhook/",
            },
        }
        migration = self.zygote.start(self.directory, self.config, "migrate", "migrate")
        assert migration.wait(120) == 0, migration.errors()
        os.environ["FAULTS_CONFIG"] = json.dumps(self.config)
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.faults.shop.settings"
        import django

        django.setup()
        from django.db import connections

        self._open.append(connections.close_all)
        self.airalo.control("POST", "faults", list(self._script()))

    def _script(self) -> Iterator[dict[str, Any]]:
        """What goes wrong beside what the emulator draws by itself: with calls that buy, and with others."""
        for call in range(1, 2 * self.orders + 1):
            if self._rng.random() < 0.12:
                yield {"endpoint": "orders-async", "call": call, "do": self._rng.choice(MORE_FAULTS)}
        for endpoint in ("orders", "topups", "future-orders"):
            for call in range(1, self.orders // 5 + 1):
                if self._rng.random() < 0.2:
                    yield {"endpoint": endpoint, "call": call, "do": self._rng.choice(LOST_ANSWERS)}
        for call in range(2, 40):
            if self._rng.random() < 0.3:
                yield {"endpoint": "token", "call": call, "do": self._rng.choice(["500", "close-before", "slow"])}

    # --- processes ---

    def _roles(self) -> dict[str, tuple[Any, ...]]:
        sellers = {
            f"shop-{n}": ("sell", n, SHOPS, self.orders, self.seed, self.airalo.package_id) for n in range(SHOPS)
        }
        return {"web": ("serve", self.port), **self._crew(), **sellers}

    def _crew(self) -> dict[str, tuple[Any, ...]]:
        workers = {f"worker-{n}": ("work",) for n in range(WORKERS)}
        return workers | {f"sweeper-{n}": ("sweep", 0.5) for n in range(SWEEPERS)}

    def _start(self, name: str) -> None:
        self._processes[name] = self.zygote.start(self.directory, self.config, name, *self._roles()[name])

    def _tend(self) -> None:
        """Start again what ended by itself: a shop that has sold everything ends with 0, nothing else should end."""
        for name, process in list(self._processes.items()):
            if process.is_running():
                continue
            if name.startswith("shop") and process.wait(0) == 0:
                continue
            self.deaths[name.split("-")[0]] += 1
            print(f"{name} has ended by itself:\n{process.errors()[-3000:]}", file=sys.stderr, flush=True)
            assert self.deaths.total() < MOST_DEATHS, "processes end by themselves, see above"
            self._start(name)

    def selling(self) -> bool:
        """Whether a shop has orders left to place."""
        shops = [process for name, process in self._processes.items() if name.startswith("shop")]
        return any(process.is_running() or process.wait(0) != 0 for process in shops)

    # --- the run ---

    def rage(self, progress: Progress) -> None:
        """Place all orders under fire, and keep it up until nearly all are sent."""
        for name in self._roles():
            self._start(name)
        forger = threading.Thread(target=self._forge, daemon=True)
        forger.start()
        next_kill, next_revocation = self._rng.uniform(*KILL_EVERY), time.monotonic() + 1
        next_look, state = 0.0, self.state()
        under_fire_until: float | None = None
        while True:
            now = time.monotonic()
            if now >= next_revocation:
                self.airalo.control("POST", "revoke-tokens")
                next_revocation = now + self._rng.uniform(8, 16)
            self._tend()
            if now >= next_look:
                state = self.state()
                progress.show(state)
                next_look = now + 0.5
                steps = state["placed"] + state["purchases"] + state["completed"]
                while self._with_kills and steps >= next_kill:
                    self._kill()
                    next_kill += self._rng.uniform(*KILL_EVERY)
            if not self.selling():
                under_fire_until = under_fire_until or now + max(LONGEST_AFTER, LONGEST_AFTER_EACH * self.orders)
                if now >= under_fire_until or state["unsent"] <= self.orders // 50:
                    break
            time.sleep(0.05)
        self._ending.set()
        forger.join(10)

    def _kill(self) -> None:
        # Drawn from all roles, so that the sequence does not depend on what happens to be running.
        name = self._rng.choice(sorted(self._roles()))
        process = self._processes[name]
        if process.is_running():
            process.kill()
            self.kills[name.split("-")[0]] += 1
            self._start(name)

    def calm(self, progress: Progress, limit: float) -> float:
        """Stop the faults and sweep until everything has settled, or nothing has moved for ``limit`` seconds.

        Not for so many seconds in all: how many orders a machine can send in a minute is no law.

        Returns:
            The seconds that took.
        """
        self.airalo.control("DELETE", "faults")
        # What is left over from the rage is ended: new processes do the rest, unhindered.
        for process in self._processes.values():
            process.kill()
        self.config["backend"] = "Queue"
        for name in ("web", *self._crew()):
            self._start(name)
        started = moved = time.monotonic()
        before: dict[str, int] = {}
        while time.monotonic() - moved < limit:
            self._tend()
            state = self.state()
            if not state["undecided"]:
                # The dates of the future orders come: Airalo's are days after the sending.
                self.airalo.control("POST", "due")
            progress.show(state)
            if state != before:
                before, moved = state, time.monotonic()
            if not any(state[name] for name in ("open", "signals due", "due at Airalo", "in the inbox")):
                # From here on no look-up can come too early any more, so one more of each order is enough.
                self.calm_since = self.calm_since or datetime.now(UTC) + UNTIL_LISTED
                if not state["overdue"] and datetime.now(UTC) > self.calm_since:
                    break
            time.sleep(0.5)
        seconds = time.monotonic() - started
        for process in self._processes.values():
            process.kill()
        return seconds

    def state(self) -> dict[str, int]:
        """A few counts, for the progress and to know when everything has settled."""
        from django.db.models import Count

        from django_airalo.models import EsimOrder, OrderEvent, WebhookEvent

        statuses = dict(EsimOrder.objects.order_by().values_list("status").annotate(Count("id")))
        on_hold = EsimOrder.objects.filter(status="unconfirmed").exclude(attention="").count()
        final = sum(statuses.get(status, 0) for status in ("completed", "failed", "cancelled"))
        still_open = sum(statuses.values()) - final - on_hold
        return {
            "placed": sum(statuses.values()),
            **{status: statuses.get(status, 0) for status in ("completed", "failed", "accepted", "unconfirmed")},
            "unsent": statuses.get("pending", 0) + statuses.get("submitting", 0),
            "undecided": still_open - statuses.get("scheduled", 0),
            "open": still_open,
            "on hold": on_hold,
            "purchases": self.airalo.count("purchases"),
            "kills": sum(self.kills.values()),
            "forged": sum(self.forged.values()),
            "signals due": OrderEvent.objects.exclude(signal_due_at=None).count(),
            "due at Airalo": self.airalo.count("webhooks", "state = 'pending'")
            + self.airalo.count("purchases", "status = 'pending'"),
            "in the inbox": WebhookEvent.objects.filter(status="received").count(),
            # Orders on hold or given up: each is looked up once more when all has happened at Airalo.
            "overdue": EsimOrder.objects.filter(due_at__lt=self.calm_since).count() if self.calm_since else 0,
        }

    # --- forged webhooks ---

    def _forge(self) -> None:
        """Throw webhooks at the shop that would deliver false eSIMs if one were believed."""
        rng = random.Random(f"{self.seed}:forger")
        session = requests.Session()
        session.trust_env = False
        while not self._ending.wait(rng.uniform(0.02, 0.1)):
            with contextlib.suppress(sqlite3.Error, requests.RequestException):  # the server is being killed
                answer = session.post(
                    self.config["settings"]["AIRALO_WEBHOOK_URL"], timeout=10, **self._forged_webhook(rng)
                )
                self.forged[answer.status_code] += 1

    def _forged_webhook(self, rng: random.Random) -> dict[str, Any]:
        bought = self.airalo.rows("SELECT description, request_id FROM purchases ORDER BY random() LIMIT 1")
        target = bought[0] if bought else {"description": "f" * 32, "request_id": "x"}
        sims = [{"iccid": f"89999{rng.randrange(10**14):014d}", "matching_id": "FALSE", "lpa": "rsp.example.com"}]
        order = {"id": rng.randrange(10**6), "description": target["description"], "sims": sims}
        body: dict[str, Any] = {"data": order, "request_id": target["request_id"]}
        if rng.random() < 0.3:
            body = {"reason": "forged", "code": 34, "request_id": target["request_id"]}
        raw = json.dumps(body).encode()
        from django_airalo.testing import sign_webhook

        signature = rng.choice(
            [
                "",
                sign_webhook(raw, "guessed-secret"),
                sign_webhook(b"{}", "emulator-secret"),
                sign_webhook(raw, "emulator-secret").upper(),
                f"{rng.getrandbits(512):0128x}",
            ]
        )
        return {"data": raw, "headers": {"Content-Type": "application/json", "airalo-signature": signature}}

    # --- the verdict ---

    def verdict(self, seconds: float, raged: float) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """The rows of the table, and what breaks a law."""
        from .ledgers import AiraloLedger, ShopLedger, judge
        from .shop.models import ShopOrder

        shop = ShopLedger.read()
        airalo = AiraloLedger.read(lambda name: self.airalo.rows(f"SELECT * FROM {name}"))
        found = judge(shop, airalo, calm_since=self.calm_since)
        statuses = shop.statuses()
        broken = found.broken()
        if ShopOrder.objects.count() != self.orders or len(shop.orders) != self.orders:
            broken["orders"] = [f"{ShopOrder.objects.count()} of the shop, {len(shop.orders)} of ours"]
        rolled_back = airalo.requests and [row for row in airalo.requests if "rolled back" in row["body"]]
        if rolled_back:
            broken["rolled_back"] = [f"{len(rolled_back)} requests for orders that were rolled back"]
        accepted = self.forged[200] + len(found.unsigned) + len(found.foreign_esims)
        if accepted:
            broken["forged"] = [f"{accepted}"]
        for endpoint, most in (("token", 20), ("orders-list", LOOKUPS_PER_MINUTE)):
            if airalo.most_requests(endpoint) > most:
                broken["limits"] = [f"{airalo.most_requests(endpoint)} requests of {endpoint} within a minute"]
        if self.deaths:
            broken["deaths"] = [f"{name}: ended {count} times by itself" for name, count in self.deaths.items()]
        doubted = {event["order__reference"] for event in shop.events if event["new_status"] == "unconfirmed"}
        table = {
            "orders": len(shop.orders),
            "purchases": len(airalo.purchases),
            "double purchases": len(found.double_purchases),
            "lost eSIMs": len(found.lost_esims),
            "unsignalled changes": len(found.unsignalled) + len(found.untold_changes) + len(found.early_signals),
            "stuck orders": len(found.stuck) + len(found.silent_doubts),
            "forged webhooks accepted": f"{accepted} of {sum(self.forged.values())}",
            "completed": statuses["completed"],
            "failed": statuses["failed"],
            "unconfirmed on hold": statuses["unconfirmed"],
            "once in doubt": len(doubted),
            "eSIMs": len(shop.esims),
            "changes of state": len(shop.events),
            "signals heard": len(shop.received),
            "webhooks sent": self.airalo.count("pushes"),
            "requests to Airalo": len(airalo.requests),
            "most look-ups in a minute": f"{airalo.most_requests('orders-list')} of {LOOKUPS_PER_MINUTE}",
            "faults": sum(row["fault"] is not None for row in airalo.requests),
            "kills": f"{sum(self.kills.values())} ({', '.join(f'{n} {c}' for n, c in sorted(self.kills.items()))})",
            "seconds under fire": f"{raged:.0f}",
            "seconds to settle": f"{seconds:.0f}",
        }
        return table, broken


def main() -> int:
    """Run a storm as the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.storm", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--db", choices=("sqlite", "postgres", "mariadb"), default="sqlite")
    parser.add_argument("--limit", type=float, default=60, help="give up after so many seconds without change")
    parser.add_argument("--no-kills", dest="kills", action="store_false", help="kill no process")
    parser.add_argument("--keep", type=Path, help="directory to copy the processes' logs and Airalo's ledger to")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Storm(options.orders, options.seed, options.db, kills=options.kills) as storm:
            started = time.monotonic()
            try:
                with Progress(options.orders) as progress:
                    storm.rage(progress)
                    raged = time.monotonic() - started
                    seconds = storm.calm(progress, options.limit)
                table, broken = storm.verdict(seconds, raged)
            finally:
                if options.keep:
                    shutil.copytree(storm.directory, options.keep, dirs_exist_ok=True)
    except KeyboardInterrupt:
        print("Interrupted; everything has been ended.", file=sys.stderr)
        return 130
    print_table(f"{options.orders} orders, seed {options.seed}, {options.db}", table, broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
