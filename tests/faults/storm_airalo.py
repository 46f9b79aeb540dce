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

from django_airalo.emulator.catalogue import invented_catalogue

from .processes import ROOT

LOOKUPS_PER_MINUTE = 700
EMULATOR = (
    "--fault-rate 0.2 --random-faults usual --random-faults proxy --webhook-delay 0.3 --listing-delay 1"
    " --retry-interval 1.5 --webhook-timeout 5 --no-head-probe --idle-limit 4"
    f" --balance 10000000 --limit token=20/60 --limit orders-list={LOOKUPS_PER_MINUTE}/60"
).split()


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
        offers = invented_catalogue(seed, False)
        cheap = (package.id for package in offers.packages.values() if package.net_price < 10)
        self.package_id = min(name for name in cheap if f"{name}-topup" in offers.topups)

    def control(self, method: str, route: str, content: Any = None) -> None:
        requests.request(method, f"{self.url}/_emulator/{route}", json=content, timeout=30).raise_for_status()

    def lost_connections(self) -> int:
        """How many connections were lost while they were idle."""
        answer = requests.get(f"{self.url}/_emulator/ledger", timeout=120)
        return int(answer.json()["lost_connections"])

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
