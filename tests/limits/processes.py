"""An emulator and workers as processes."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[2]


class EmulatorProcess:
    """The emulator in a process of its own, spoken to over HTTP only."""

    def __init__(self, *options: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "django_airalo.emulator", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        assert self.popen.stdout
        found = re.search(r"http://\S+", self.popen.stdout.readline())
        assert found
        self.url = found[0]

    def ledger(self) -> dict[str, Any]:
        return dict(requests.get(f"{self.url}/_emulator/ledger", timeout=120).json())

    def control(self, route: str, content: Any = None) -> None:
        requests.post(f"{self.url}/_emulator/{route}", json=content or {}, timeout=120).raise_for_status()

    def stop(self) -> None:
        self.popen.terminate()
        self.popen.communicate(timeout=60)


class Shop:
    """A database file, and processes that work on it."""

    def __init__(
        self, folder: Path, emulator: EmulatorProcess, *, constants: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        self.database = folder / "shop.sqlite3"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.limits.settings",
            "LIMITS_DATABASE": str(self.database),
            "LIMITS_SETTINGS": json.dumps({"AIRALO_BASE_URL": emulator.url, **settings}),
            "LIMITS_CONSTANTS": json.dumps(constants or {}),
        }
        self.started: list[subprocess.Popen[str]] = []

    def run(self, *arguments: object) -> None:
        """``python -m`` something, to its end."""
        subprocess.run(
            [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, env=self.environment, check=True, timeout=240
        )

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """``python -m`` something, that goes on."""
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=self.environment,
        )
        self.started.append(process)
        return process

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.database, timeout=120)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def stop(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=60)
