"""The restore drill: back up while orders are sent, go on, restore, repeat the calls, with a staging copy beside it.

``make restore-drill RUNS=100 SEED=7 DB=sqlite`` (or postgres). Each run is a shop of real processes and an emulated
Airalo. A backup is taken while orders are sent; more are placed and bought; then the database is what it was. Rows that
were placed later are lost, others wait again though they were bought. The seed decides the moment of the backup and how
it is restored: as a new database; into the same tables when ten minutes have passed; or into the same tables at once,
which nothing shows, so that ``airalo_after_restore`` says it. A copy under another ``AIRALO_DEPLOYMENT`` sweeps, too.
Then the shop calls ``place_order()`` again with all keys and with a new one.

The two ledgers are compared as after a storm. Exit code 1 if a law is broken, if an order is not completed or has
another reference than before, or if the copy sent anything.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django_airalo.emulator import Emulator

from .databases import CACHE_OPTIONS, Database, PostgresDatabase, Restorable, SqliteDatabase, sqlite_config
from .processes import Process, Zygote

#: Of an emulated order.
PACKAGE = "afgha-roam-3days-1gb"
#: One that was sold before; those placed before the backup begins; after it; after it and not sent; after the restore.
FIRST, BEFORE, AFTER, UNSENT, NEW = ["first"], [*"abcd"], [*"efg"], [*"h"], [*"i"]
SECONDS = 60
PRODUCTION, STAGING = "0123456789abcdef" * 2, "fedcba9876543210" * 2
SETTINGS = {
    "AIRALO_CONNECT_TIMEOUT": 5,
    "AIRALO_READ_TIMEOUT": 10,
    "AIRALO_LOOKUP_DELAYS": [0.3],
    "AIRALO_LISTING_DELAY": 0.8,  # longer than the emulator takes
    # Each run has an Airalo of its own, so a run begins without a token.
    "AIRALO_RATE_LIMITS": {"lookups": "5000/min", "tokens": "5000/min"},
    "AIRALO_BALANCE_CHECK_INTERVAL": 0,
}
CONSTANTS = {"submit_lease": 40, "RETRY_DELAYS": [0.3], "signal_lease": 2}
EMULATOR: dict[str, Any] = {
    "rate_limits": False,
    "webhook_delay": 0.1,
    "listing_delay": 0.2,
    "head_probe": False,
    "sandbox": True,
}
#: Columns that say when, of the tables that decide about sending.
TIMES = {
    "django_airalo_esimorder": ("created_at", "due_at"),
    "django_airalo_deployment": ("alive_at", "list_read_at"),
}
WAYS = ("a new database", "the same tables, ten minutes later", "the same tables, said")
COUNTED = (
    "runs",
    *WAYS,
    "rows lost",
    "rows adopted",
    "matched first",
    "bought before",
    "bought after",
    "bought twice",
    "sent by staging",
    "laws broken",
)


class Drill:
    """Runs one after the other, with the same zygote and tables."""

    def __init__(self, directory: Path, zygote: Zygote, kind: str) -> None:
        from .world import connect

        self._directory, self._zygote = directory, zygote
        self._database: Restorable = (
            PostgresDatabase(f"airalo_drill_{os.getpid()}") if kind == "postgres" else SqliteDatabase(directory)
        )
        self._cache, self._number = directory / "cache.sqlite3", 0
        self._database.make()
        self._run_steps(self._config("", PRODUCTION, self._cache), [["migrate"]])
        self._database.keep_as_template()
        connect(self._database.config())
        self.counts: Counter[str] = Counter()

    def close(self) -> None:
        """Remove the database."""
        from .world import disconnect

        disconnect()
        self._database.drop()

    def run(self, seed: str) -> list[str]:
        """One run; what is wrong at its end."""
        rng = random.Random(seed)
        self._forget()
        self._database.empty()
        self._number += 1
        with Emulator(**EMULATOR) as airalo:
            found = self._run(rng, airalo)
        self.counts += Counter({"runs": 1, "laws broken": len(found)})
        return found

    def _run(self, rng: random.Random, airalo: Emulator) -> list[str]:
        production = self._config(airalo.url, PRODUCTION, self._new_cache("production"))
        # The shop has sold before. Then orders wait, for no task is queued.
        self._run_steps(production, [_place(FIRST), ["sweep-once"], _place(BEFORE)])
        more = [["sweep-once"], _place(AFTER), ["sweep-once"], _place(UNSENT)]
        shop = self._start(production, more)
        time.sleep(rng.uniform(0, 1))
        backup = self._database.backup()
        assert shop.wait() == 0, shop.errors()
        references, bought = self._references(), _bought(airalo)

        way = rng.choice(WAYS)
        self._forget()
        self._database.restore(backup, in_place=way != WAYS[0])
        if way == WAYS[1]:
            self._database.age(TIMES, minutes=10)
        known = self._rows()
        time.sleep(0.4)  # until all is listed, as the setting above assumes
        restored_at = time.time()
        self._forget()
        staging = self._database.copy("staging")
        try:
            copy = self._config(airalo.url, STAGING, self._new_cache("staging"), staging)
            copied = self._start(copy, [["sweep", "0.2"]])
            said = [["after-restore"]] if way == WAYS[2] else []
            again = _place([*FIRST, *BEFORE, *AFTER, *UNSENT, *NEW])
            shop = self._start(production, [*said, again, ["sweep", "0.1"]])
            self._wait(airalo, shop)
            copied.kill()
            sent_by_staging = self._attempts(staging) - sum(row["attempt"] for row in known.values())
        finally:
            staging.drop()
        found = self._judge(airalo, references)
        if sent_by_staging:
            found.append(f"the copy tried to send {sent_by_staging} times")

        asked = {row["description"].split(" ")[0] for row in _purchasing(airalo) if row["at"] > restored_at}
        lost = {reference for reference in references.values() if reference not in known}
        waiting = {reference for reference, row in known.items() if row["status"] != "completed"}
        now = _bought(airalo)
        self.counts += Counter(
            {
                way: 1,
                "rows lost": len(lost),
                "rows adopted": len((lost & set(bought)) - asked),
                "matched first": len(((lost | waiting) & set(bought)) - asked),
                "bought before": bought.total(),
                "bought after": now.total() - bought.total(),
                "bought twice": sum(count > 1 for count in now.values()),
                "sent by staging": sent_by_staging,
            }
        )
        return found

    def _judge(self, airalo: Emulator, references: dict[str, str]) -> list[str]:
        from .ledgers import AiraloLedger, ShopLedger, judge
        from .world import ALIAS

        shop = ShopLedger.read(ALIAS)
        broken = judge(shop, AiraloLedger.read(airalo.ledger.table)).broken()
        found = [f"{law}: {line}" for law, lines in broken.items() for line in lines]
        found += [f"{row['idempotency_key']} is {row['status']}" for row in shop.orders if row["status"] != "completed"]
        kept = {row["idempotency_key"]: row["reference"] for row in shop.orders}
        if any(kept.get(key) != reference for key, reference in references.items()) or set(kept) - {*references, *NEW}:
            found.append("a key has another reference than before")
        return found

    # --- the shop's database ---

    def _wait(self, airalo: Emulator, shop: Process) -> None:
        """Wait until all is completed and signalled, or for long."""
        from django_airalo.models import OrderEvent

        from .world import ALIAS

        give_up = time.monotonic() + SECONDS
        due = OrderEvent.objects.using(ALIAS).exclude(signal_due_at=None)
        while time.monotonic() < give_up and shop.is_running():
            rows = self._rows().values()
            is_placed = any(row["idempotency_key"] in NEW for row in rows)
            if is_placed and all(row["status"] == "completed" for row in rows) and not due.exists():
                break
            time.sleep(0.05)
        assert shop.is_running(), shop.errors()
        shop.kill()

    def _rows(self) -> dict[str, dict[str, Any]]:
        from django_airalo.models import EsimOrder

        from .world import ALIAS

        rows = EsimOrder.objects.using(ALIAS).values("reference", "idempotency_key", "status", "attempt")
        return {row["reference"]: dict(row) for row in rows}

    def _references(self) -> dict[str, str]:
        return {row["idempotency_key"]: reference for reference, row in self._rows().items()}

    def _attempts(self, database: Database) -> int:
        """How often it was tried to send something from a copy: each try is counted before it is made."""
        from .world import connect

        self._forget()
        connect(database.config())
        try:
            return sum(row["attempt"] for row in self._rows().values())
        finally:
            self._forget()
            connect(self._database.config())

    def _forget(self) -> None:
        """Close our own connection: the file or database behind it is about to be another one."""
        from django.db import connections

        from .world import ALIAS

        connections[ALIAS].close()
        del connections[ALIAS]

    # --- processes ---

    def _config(self, url: str, deployment: str, cache: Path, database: Database | None = None) -> dict[str, Any]:
        return {
            "database": (database or self._database).config(),
            "cache": sqlite_config(cache, CACHE_OPTIONS),
            "backend": "BrokerAway",
            "constants": CONSTANTS,
            "settings": {
                **SETTINGS,
                "AIRALO_BASE_URL": url,
                "AIRALO_CLIENT_ID": "emulator-client",
                "AIRALO_CLIENT_SECRET": "emulator-secret",
                "AIRALO_WEBHOOK_URL": "http://127.0.0.1:9/airalo/webhook/",
                "AIRALO_DEPLOYMENT": deployment,
            },
        }

    def _new_cache(self, name: str) -> Path:
        for old in self._directory.glob(f"{name}-*.sqlite3*"):
            old.unlink()
        return Path(shutil.copy(self._cache, self._directory / f"{name}-{self._number}.sqlite3"))

    def _start(self, config: dict[str, Any], steps: Sequence[list[str]]) -> Process:
        return self._zygote.start(self._directory, config, "shop", "steps", json.dumps(steps))

    def _run_steps(self, config: dict[str, Any], steps: Sequence[list[str]]) -> None:
        process = self._start(config, steps)
        assert process.wait(120) == 0, process.errors()


def _place(keys: Sequence[str]) -> list[str]:
    return ["place", json.dumps([{"package_id": PACKAGE, "idempotency_key": key} for key in keys])]


def _purchasing(airalo: Emulator) -> list[dict[str, Any]]:
    return [row for row in airalo.ledger.table("requests") if row["endpoint"] in ("orders", "orders-async")]


def _bought(airalo: Emulator) -> Counter[str]:
    """How often Airalo has sold something for each reference."""
    return Counter((purchase["description"] or "").split(" ")[0] for purchase in airalo.purchases())


def drill(runs: int, seed: int, kind: str = "sqlite") -> int:
    """Do so many runs and print what came of them, also of those before an interruption; the exit code."""
    directory = Path(tempfile.mkdtemp(prefix="airalo-drill-"))
    zygote = Zygote(kind)
    started = time.monotonic()
    all_runs: Drill | None = None
    try:
        all_runs = Drill(directory, zygote, kind)
        for number in range(runs):
            for line in all_runs.run(f"{seed}:{number}"):
                print(f"BROKEN run {number}: {line}", flush=True)
            if (number + 1) % 10 == 0:
                print(f"{time.monotonic() - started:4.0f} s  {number + 1} of {runs} runs", flush=True)
    finally:
        zygote.close()
        counts = all_runs.counts if all_runs else Counter()
        if all_runs:
            all_runs.close()
        shutil.rmtree(directory, ignore_errors=True)
        print(f"restore drill, {kind}, {runs} runs, seed {seed}, {time.monotonic() - started:.0f} s")
        for name in COUNTED:
            print(f"  {name:<36}{counts[name]}", flush=True)
    return 1 if counts["laws broken"] else 0


def main() -> int:
    """Run the drill as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.restore_drill")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--db", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # The judge reads the shop's database by a connection of its own; this one is never opened.
    nowhere = sqlite_config(Path(os.devnull), {})
    os.environ["FAULTS_CONFIG"] = json.dumps({"database": nowhere, "cache": nowhere})
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.faults.shop.settings"
    import django

    django.setup()
    logging.getLogger("django_airalo").setLevel(logging.ERROR)  # the emulator's, of each call
    return drill(options.runs, options.seed, options.db)


if __name__ == "__main__":
    sys.exit(main())
