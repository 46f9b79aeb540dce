"""The storm: emulator, webhook server, workers and shops as processes, while everything goes wrong at random.

``make faults ORDERS=1000 SEED=7 DB=sqlite`` (or postgres, mariadb). It places all orders under fire, stops the faults,
sweeps until everything has settled, compares the two ledgers and prints a table. Exit code 1 if a law is broken.
Three in ten orders take other roads: synchronous orders, top-ups and future orders, whose dates come when the faults
have stopped and all other orders are decided.

Goes wrong: connections reset before and after buying, 5xx with and without having bought, HTML, a proxy's pages with
4xx, cut-off JSON, 202 without ``request_id``, 429 and 503, code 53, slow answers, revoked tokens, look-ups that fail;
webhooks that come before their 202, twice, twenty times at once, late, never, out of order, as failures, as failures
and then successes; orders listed late, also so late that they are sent again meanwhile and then refused or bought
twice; deliveries in parts, ICCIDs that are odd, missing or another order's, codes that are missing, in parts or change;
values of another type or shape; outages of seconds, idle connections that are lost; tasks lost, repeated, a broker that
raises; shops that roll back and that repeat their keys; forged webhooks; and any process of the shop killed with
SIGKILL and started again. Left out, since there Airalo itself breaks the laws and only a person can decide
(``test_row_25`` has it): two orders for one request.

The seed decides every fault by the number of its call or of its order, every kill and its place in the sequence, and
what each shop does with each order. Which order happens to make the hundredth call, and where in its work a process is
when it is killed, is up to the scheduler: the same seed gives the same weather, not the same run to the microsecond.

The policy is ``resubmit``: an order that Airalo does not list when the grace period is over is sent again, and may be
bought twice if the first purchase is listed later. Then it must be flagged with both numbers. With ``--policy hold`` it
stays UNCONFIRMED and calls for a person. That is not stuck, and counted by itself; no order is bought twice.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.ports import free_port

from .databases import CACHE_OPTIONS, Database, database_for, sqlite_config
from .processes import Process, Zygote
from .storm_airalo import LOOKUPS_PER_MINUTE, Airalo
from .storm_forger import Forger
from .storm_report import Progress, counted_faults, print_table
from .storm_weather import LISTED_AFTER, script

#: So many of each process.
SHOPS, WORKERS, SWEEPERS = 3, 3, 2
#: Steps (an order placed, bought or completed) between two kills, at least and at most. Not seconds: on a busy machine
#: processes would be killed before they had done anything.
KILL_EVERY = (10, 60)
#: Seconds that the fire goes on at most when all orders are placed, so that nearly all are sent under it: these, or so
#: many for each order.
LONGEST_AFTER, LONGEST_AFTER_EACH = 120, 0.12
#: Counts that must be nothing before the end.
UNSETTLED = ("open", "signals due", "due at Airalo", "in the inbox", "details due")
#: Processes that end without being killed break the run; after so many it is given up.
MOST_DEATHS = 10
SETTINGS = {
    "AIRALO_CONNECT_TIMEOUT": 1,
    "AIRALO_READ_TIMEOUT": 3,
    "AIRALO_LOOKUP_DELAYS": [1.5, 2, 4, 6, 8],
    "AIRALO_UNCONFIRMED_GRACE": 20,
    "AIRALO_RATE_LIMITS": {"lookups": f"{LOOKUPS_PER_MINUTE}/min", "tokens": "20/min"},
}
CONSTANTS = {
    "submit_lease": 12,
    "RETRY_DELAYS": [0.5, 1, 2, 4],
    "BREAKER_DELAYS": [1, 2],
    "signal_lease": 3,
    "FUTURE_ORDER_INTERVAL": 5,
}
#: How connections end that were idle for too long: what came next is reset, never answered, or they are closed before.
IDLE_ENDS = ("reset", "silent", "close")
#: From when Airalo has fulfilled an order until it lists it, and then until all look-ups that were made before are due
#: again (the longest delay, and a tenth).
UNTIL_LISTED = timedelta(seconds=LISTED_AFTER + 8 * 1.1)


class Storm:
    """One run. A context manager, so that nothing is left running however it ends."""

    def __init__(self, orders: int, seed: int, kind: str, *, policy: str = "resubmit", kills: bool = True) -> None:
        self.orders, self.seed, self.kind = orders, seed, kind
        self.directory = Path(tempfile.mkdtemp(prefix="airalo-storm-"))
        self.policy, self._with_kills = policy, kills
        self._rng = random.Random(f"{seed}:storm")
        self._processes: dict[str, Process] = {}
        self.kills: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
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
            "constants": CONSTANTS,
            "settings": {
                **SETTINGS,
                "AIRALO_UNCONFIRMED_POLICY": self.policy,
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
        self.airalo.control("POST", "faults", list(script(self.orders, self.seed)))
        self.forger = Forger(self.airalo, self.config["settings"]["AIRALO_WEBHOOK_URL"], self.seed)
        self._open.append(self.forger.end)

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
        self.forger.start()
        next_kill, next_revocation = self._rng.uniform(*KILL_EVERY), time.monotonic() + 1
        next_look, state = 0.0, self.state()
        under_fire_until: float | None = None
        while True:
            now = time.monotonic()
            if now >= next_revocation:
                self.airalo.control("POST", "revoke-tokens")
                self.airalo.control("POST", "options", {"idle_end": self._rng.choice(IDLE_ENDS)})
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
        self.forger.end()

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
        self.airalo.control("POST", "options", {"idle_limit": None})
        # What is left over from the rage is ended: new processes do the rest, unhindered.
        for process in self._processes.values():
            process.kill()
        self.config["backend"] = "Queue"
        for name in ("web", *self._crew()):
            self._start(name)
        started = moved = time.monotonic()
        before: dict[str, int] = {}
        lister: Process | None = None
        while time.monotonic() - moved < limit:
            self._tend()
            state = self.state()
            if not state["undecided"]:
                # The dates of the future orders come: Airalo's are days after the sending.
                self.airalo.control("POST", "due")
            progress.show(state)
            if state != before:
                before, moved = state, time.monotonic()
            if lister is None and not (state["open"] or state["due at Airalo"]):
                # What Airalo shows in its list of eSIMs alone comes with the shop's usual reading of that.
                lister = self.zygote.start(self.directory, self.config, "lister", "sync-esims")
            is_settled = lister is not None and not lister.is_running()
            if is_settled and not any(state[name] for name in UNSETTLED):
                # From here on no look-up can come too early any more, so one more of each order is enough.
                self.calm_since = self.calm_since or datetime.now(UTC) + UNTIL_LISTED
                if not state["overdue"] and datetime.now(UTC) > self.calm_since:
                    break
            time.sleep(0.5)
        seconds = time.monotonic() - started
        if lister is not None and lister.wait(120) != 0:
            print(f"the list of eSIMs was not read:\n{lister.errors()[-3000:]}", file=sys.stderr)
            self.deaths["lister"] += 1
        for process in self._processes.values():
            process.kill()
        return seconds

    def state(self) -> dict[str, int]:
        """A few counts, for the progress and to know when everything has settled."""
        from django.db.models import Count, Q

        from django_airalo.models import Esim, EsimOrder, OrderEvent, WebhookEvent

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
            "kills": self.kills.total(),
            "forged": self.forger.answers.total(),
            "signals due": OrderEvent.objects.exclude(signal_due_at=None).count(),
            "due at Airalo": self.airalo.count("webhooks", "state = 'pending'")
            + self.airalo.count("purchases", "status = 'pending'"),
            "in the inbox": WebhookEvent.objects.filter(status="received").count(),
            # eSIMs that are to be asked for the first time, or for a code that differs.
            "details due": Esim.objects.exclude(details_due_at=None)
            .filter(Q(details_tries=0) | Q(other_code_at__isnull=False))
            .count(),
            # Orders on hold or given up: each is looked up once more when all has happened at Airalo.
            "overdue": EsimOrder.objects.filter(due_at__lt=self.calm_since).count() if self.calm_since else 0,
        }

    def verdict(self, raged: float, seconds: float) -> tuple[dict[str, Any], dict[str, list[str]]]:
        """The rows of the table, and what breaks a law."""
        from .storm_verdict import judged

        resubmits = self.policy == "resubmit"
        table, found, broken = judged(self.airalo, self.orders, calm_since=self.calm_since, resubmits=resubmits)
        forged = self.forger.answers
        accepted = forged[200] + len(found.unsigned) + len(found.foreign_esims)
        if accepted:
            broken["forged"] = [f"{accepted}"]
        if self.deaths:
            broken["deaths"] = [f"{name}: ended {count} times by itself" for name, count in self.deaths.items()]
        table |= {
            "forged webhooks accepted": f"{accepted} of {forged.total()}",
            "idle connections lost": self.airalo.lost_connections(),
            "kills": f"{self.kills.total()} ({', '.join(f'{n} {c}' for n, c in sorted(self.kills.items()))})",
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
    parser.add_argument("--policy", choices=("resubmit", "hold"), default="resubmit", help="AIRALO_UNCONFIRMED_POLICY")
    parser.add_argument("--limit", type=float, default=150, help="give up after so many seconds without change")
    parser.add_argument("--no-kills", dest="kills", action="store_false", help="kill no process")
    parser.add_argument("--keep", type=Path, help="directory to copy the processes' logs and Airalo's ledger to")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with Storm(options.orders, options.seed, options.db, policy=options.policy, kills=options.kills) as storm:
            started = time.monotonic()
            try:
                with Progress(options.orders) as progress:
                    storm.rage(progress)
                    raged = time.monotonic() - started
                    seconds = storm.calm(progress, options.limit)
                table, broken = storm.verdict(raged, seconds)
                faults = counted_faults(storm.airalo)
            finally:
                if options.keep:
                    shutil.copytree(storm.directory, options.keep, dirs_exist_ok=True)
    except KeyboardInterrupt:
        print("Interrupted; everything has been ended.", file=sys.stderr)
        return 130
    title = f"{options.orders} orders, seed {options.seed}, {options.db}, policy {options.policy}"
    print_table(title, table, broken, faults)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
