"""An emulated Airalo, a database and the shop's processes for runs one after the other."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from django_airalo.emulator import Emulator
from tests.faults.databases import CACHE_OPTIONS, sqlite_config

from .scenarios import SCENARIOS, WITH_ESIM, Scenario

ROOT = Path(__file__).parents[3]
#: A file may lose what the machine's power takes away: processes are killed here, not the machine.
OPTIONS = CACHE_OPTIONS
FILES = ("shop.sqlite3", "cache.sqlite3")
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Point:
    """One point of a life.

    Args:
        kills: whether the process ends here; else something fails and it lives on.
        state: what was committed when it was reached, as a digest; empty if that was not asked for.
    """

    name: str
    kills: bool
    state: str

    @classmethod
    def read(cls, line: str) -> Point:
        """Return the point of a line of a trace."""
        kind, name, state = line.split("\t")
        return cls(name, kind == "kill", state)

    @property
    def key(self) -> tuple[str, str]:
        """What decides how it goes on: nothing but the state after a death."""
        return (self.state, "") if self.kills else (self.state, self.name)


@dataclass
class Run:
    """What one life, with its crashes, came to.

    Args:
        crashes: the points at which something went wrong, counted from 1 on through all processes.
    """

    scenario: str
    crashes: tuple[int, ...]
    points: list[Point] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)
    end: str = ""
    errors: str = ""

    @property
    def name(self) -> str:
        """The crashes in words."""
        names = [self.points[at - 1].name for at in self.crashes if at <= len(self.points)]
        return f"{self.scenario}: " + (" | then ".join(names) or "no crash")

    @property
    def again(self) -> str:
        """The command that repeats it."""
        at = " ".join(map(str, self.crashes))
        return f"python -m tests.faults.crash.drill --scenario {self.scenario} --at {at}"


class Lab:
    """Runs scenarios in a directory of its own."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="crash-points-"))
        self._file = self._directory / "shop.sqlite3"

    def __enter__(self) -> Self:
        logging.getLogger("django_airalo.emulator").setLevel(logging.WARNING)
        self._emulator = Emulator(
            webhook_delay=0, head_probe=False, retries=0, rate_limits=False, listing_delay=0
        ).start()
        self._control = _Control(self._emulator, self._state)
        self._configure()
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        call_command("createcachetable", database="cache", verbosity=0)
        self._forget_connections()
        for name in FILES:
            shutil.copy(self._directory / name, self._directory / f"{name}.template")
        self._shop = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.crash.life"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CONTROL": self._control.url},
        )
        return self

    def __exit__(self, *error: object) -> None:
        assert self._shop.stdin
        self._shop.stdin.close()
        self._shop.wait(60)
        self._control.close()
        self._emulator.stop()
        shutil.rmtree(self._directory)

    def _configure(self) -> None:
        config = {
            "database": sqlite_config(self._file, OPTIONS),
            "cache": sqlite_config(self._directory / "cache.sqlite3", OPTIONS),
            "backend": "WatchedQueue",
            "settings": {
                "AIRALO_BASE_URL": self._emulator.url,
                "AIRALO_CLIENT_ID": self._emulator.client_id,
                "AIRALO_CLIENT_SECRET": self._emulator.client_secret,
                "AIRALO_WEBHOOK_URL": f"{self._control.url}/webhook",
                "AIRALO_RATE_LIMITS": {"lookups": None},
                # How long others wait for the token of a process that died over it.
                "AIRALO_CONNECT_TIMEOUT": 1,
                "AIRALO_READ_TIMEOUT": 2,
                "AIRALO_REFUND_REASONS": ["NO_COVERAGE"],
            },
        }
        os.environ["FAULTS_CONFIG"] = json.dumps(config)
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.faults.shop.settings"

    def _forget_connections(self) -> None:
        from django.db import connections

        connections.close_all()

    def run(self, name: str, crashes: tuple[int, ...], *, states_from: int | None = None) -> Run:
        """Live through a scenario, with a crash at each of these points, to its end; and judge it.

        Args:
            states_from: the first point whose state is wanted, and those after it, which takes longer.
        """
        scenario, run = SCENARIOS[name], Run(name, crashes)
        self._begin(scenario)
        for _ in range(len(crashes) + 1):
            status, points = self._live(name, crashes, passed=len(run.points), states_from=states_from)
            run.points += points
            if status != KILLED:
                break
            self._end_locks()
        if status or len(run.points) < max(crashes, default=0):
            run.broken["failed"] = [f"exit status {status} after {len(run.points)} points"]
        self._judge(scenario, run)
        if run.broken:
            run.errors = self._errors.read_text() if self._errors.exists() else ""
        self._forget_connections()
        return run

    def _end_locks(self) -> None:
        """Let the dead process's lock for the token end, which the next one would wait for."""
        with contextlib.closing(sqlite3.connect(self._directory / "cache.sqlite3")) as cache, cache:
            cache.execute("DELETE FROM cache WHERE cache_key LIKE '%:token-lock:%'")

    @property
    def _errors(self) -> Path:
        return self._directory / "errors.txt"

    def _begin(self, scenario: Scenario) -> None:
        for name in FILES:
            for suffix in ("-wal", "-shm"):
                (self._directory / f"{name}{suffix}").unlink(missing_ok=True)
            shutil.copy(self._directory / f"{name}.template", self._directory / name)
        self._errors.unlink(missing_ok=True)
        self._emulator.reset()
        self._control.forget()
        if scenario.road in WITH_ESIM:
            status, _ = self._live(scenario.name, (), prepare=True)
            assert not status, self._errors.read_text()
        self._emulator.script(list(scenario.faults))

    def _live(
        self,
        scenario: str,
        crashes: tuple[int, ...],
        *,
        passed: int = 0,
        states_from: int | None = None,
        prepare: bool = False,
    ) -> tuple[int, list[Point]]:
        trace = self._directory / "trace.txt"
        trace.unlink(missing_ok=True)
        order = {
            "scenario": scenario,
            "crashes": crashes,
            "passed": passed,
            "states_from": states_from,
            "trace": str(trace),
            "errors": str(self._errors),
            "prepare": prepare,
        }
        assert self._shop.stdin
        assert self._shop.stdout
        self._shop.stdin.write(json.dumps(order) + "\n")
        self._shop.stdin.flush()
        status = int(self._shop.stdout.readline())
        return status, [Point.read(line) for line in trace.read_text().splitlines()] if trace.exists() else []

    def _judge(self, scenario: Scenario, run: Run) -> None:
        from tests.faults.ledgers import AiraloLedger, ShopLedger, judge

        shop = ShopLedger.read()
        airalo = AiraloLedger.read(self._emulator.ledger.table)
        signed = self._control.digests
        run.broken.update(judge(shop, airalo, signed=signed).broken())
        orders = [order for order in shop.orders if order["idempotency_key"] != "before"]
        legal = {*scenario.ends, *(scenario.in_doubt if run.crashes else ())}
        wrong = [order["status"] for order in orders if order["status"] not in legal]
        if wrong:
            run.broken["illegal_end"] = wrong
        if scenario.road not in ("refund", "voucher") and len(orders) != 1:
            run.broken["orders"] = [str(len(orders))]
        for table, most in (("refunds", 1), ("vouchers", 1)):
            if len(self._emulator.ledger.table(table)) > most:
                run.broken[f"double_{table}"] = [str(len(self._emulator.ledger.table(table)))]
        run.end = self._state()

    def _state(self) -> str:
        """What the shop's and Airalo's ledgers say, but for moments and random values, as a digest."""
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
        content: list[object] = []
        with contextlib.closing(sqlite3.connect(self._file)) as database:
            database.row_factory = sqlite3.Row
            for (table,) in database.execute(TABLES).fetchall():
                rows = database.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()
                content += [table, [_plain(dict(row), now) for row in rows]]
        ledger = self._emulator.ledger
        content += [{table: len(ledger.table(table))} for table in ("purchases", "esims", "refunds", "vouchers")]
        content += [sorted(Counter(row["status"] for row in ledger.table("future_orders")).items())]
        content += [
            len(self._control.waiting),
            self._emulator.state.faults.used,
            ledger.row("SELECT count(*) FROM purchases WHERE listed_at > 0"),
        ]
        return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()


#: Columns whose values differ from run to run, or say when a row was written.
RANDOM = {
    *("reference", "event_id", "public_id", "request_id", "airalo_order_id", "airalo_order_code", "airalo_id"),
    *("refund_id", "deployment", "digest", "body", "size", "key"),
    *("iccid", "iccid_key", "msisdn", "matching_id", "smdp_address", "apple_installation_url"),
    *("activation_code", "code_key", "confirmation_code", "codes"),
    *("error", "error_reason", "reason", "detail"),
}
TABLES = """
SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE 'django_airalo%' OR name LIKE '%job')
"""
MOMENT = re.compile(r"^\d{4}-\d\d-\d\d \d\d:")
#: A moment inside of JSON.
MOMENT_IN_JSON = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?")


def _plain(row: dict[str, Any], now: str) -> dict[str, Any]:
    """Return the columns that are the same in each run; of a moment, whether it has come."""
    return {name: _comparable(value, now) for name, value in row.items() if name not in RANDOM}


def _comparable(value: Any, now: str) -> Any:
    if not isinstance(value, str):
        return value
    return value < now if MOMENT.match(value) else MOMENT_IN_JSON.sub("moment", value)


class _Control:
    """Where Airalo's webhooks arrive, and what the shop's side may ask of Airalo."""

    def __init__(self, emulator: Emulator, state: Callable[[], str]) -> None:
        self._emulator, self._state = emulator, state
        self.waiting: dict[str, dict[str, str]] = {}
        self.digests: set[str] = set()
        control = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path, _, argument = self.path.partition("?")
                answer = control.answer(path, argument, body, self.headers.get("airalo-signature", ""))
                content = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def forget(self) -> None:
        self.waiting.clear()
        self.digests.clear()

    def answer(self, path: str, argument: str, body: bytes, signature: str) -> Any:
        if path == "/webhook":
            digest = hashlib.sha256(body).hexdigest()
            self.digests.add(digest)
            self.waiting[digest] = {"id": digest, "body": body.hex(), "signature": signature}
        elif path == "/webhooks":
            self._emulator.wait_idle()
            return list(self.waiting.values())
        elif path == "/taken":
            self.waiting.pop(argument, None)
        elif path == "/state":
            self._emulator.wait_idle()
            return self._state()
        elif path == "/age":
            self._age(float(argument))
        elif path == "/make-due":
            self._emulator.make_due()
            self._emulator.wait_idle()
        return {}

    def _age(self, seconds: float) -> None:
        ledger = self._emulator.ledger
        for column in ("created_at", "due_at", "listed_at"):
            ledger.execute(f"UPDATE purchases SET {column} = {column} - ?", (seconds,))
