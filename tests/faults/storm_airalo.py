"""The storm's Airalo: the emulator as a process, and what goes wrong there."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from django_airalo.emulator.catalogue import catalogue

from .processes import ROOT

LOOKUPS_PER_MINUTE = 700
EMULATOR = (
    "--fault-rate 0.2 --webhook-delay 0.3 --listing-delay 1 --retry-interval 1.5 --webhook-timeout 5 --no-head-probe"
    f" --balance 10000000 --limit token=20/60 --limit orders-list={LOOKUPS_PER_MINUTE}/60"
).split()
#: Beside those that the emulator draws by itself.
MORE_FAULTS: tuple[Any, ...] = (
    "failure",
    "failure-then-success",
    "success-then-failure",
    "no-request-id",
    "more-sims",
    {"preset": "failure", "webhook_first": True},
    {"code": 53},
    {"code": 53, "bought": True},
    {"delay": 1.5},
    {"delay_after": 1.5},
    {"delay_after": 4},
    {"delay": 4, "webhook": "none"},
    {"preset": "no-webhook", "listing_delay": 6},
    {"webhook_delay": 5},
    {"preset": "twenty-at-once", "webhook_shape": "nested"},
    {"webhook_shape": "flat"},
    {"close": "after", "webhook": "none"},
    {"preset": "500-bought", "webhook": "none", "listing_delay": 5},
    "429",
    "401",
)
#: For the roads on which no webhook is planned by a fault: the answer that counts is lost, or says no.
LOST_ANSWERS: tuple[Any, ...] = (
    {"code": 53},
    {"code": 53, "bought": True},
    {"delay_after": 4},
    {"delay": 4},
    {"close": "after", "webhook": "none"},
    "500-bought",
    "503-bought",
    "truncated",
    "429",
    "401",
)


class Airalo:
    """The emulator as a process, with its ledger in a file."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.file = directory / "airalo.sqlite3"
        command = [sys.executable, "-m", "django_airalo.emulator", "--port", "0", "--ledger", str(self.file)]
        with (directory / "airalo.log").open("wb") as log:
            self._popen = subprocess.Popen(
                [*command, "--seed", str(seed), *EMULATOR],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        assert self._popen.stdout is not None
        found = re.search(r"http://\S+", self._popen.stdout.readline())
        assert found, "the emulator did not start"
        self.url = found[0]
        offers = catalogue(seed, False)
        cheap = (package.id for package in offers.packages.values() if package.net_price < 10)
        self.package_id = min(name for name in cheap if f"{name}-topup" in offers.topups)

    def control(self, method: str, route: str, content: Any = None) -> None:
        requests.request(method, f"{self.url}/_emulator/{route}", json=content, timeout=30).raise_for_status()

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Read the ledger's file, while the emulator runs or after."""
        with contextlib.closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def count(self, table: str, where: str = "1") -> int:
        return int(self.rows(f"SELECT count(*) AS n FROM {table} WHERE {where}")[0]["n"])

    def close(self) -> None:
        self._popen.terminate()
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
