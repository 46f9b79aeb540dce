"""Processes of the shop: started through the zygote or afresh, killed, waited for."""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Process:
    """One process of the shop and what it printed."""

    def __init__(self, pid: int, name: str, output: Path, errors: Path, ended: Callable[[float], int | None]) -> None:
        self.pid = pid
        self.name = name
        self._output = output
        self._errors = errors
        self._ended = ended

    def wait(self, timeout: float = 90) -> int:
        """The exit status; negative if a signal ended it."""
        status = self._ended(timeout)
        assert status is not None, f"{self.name} is still running after {timeout:g} s\n{self.errors()}"
        return status

    def kill(self) -> None:
        """SIGKILL: the process gets no chance to tidy up."""
        self.signal(signal.SIGKILL)
        self.wait()

    def signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.is_running():
            os.kill(self.pid, number)

    def is_running(self) -> bool:
        return self._ended(0) is None

    def output(self) -> str:
        return self._output.read_text() if self._output.exists() else ""

    def errors(self) -> str:
        return self._errors.read_text() if self._errors.exists() else ""


class Zygote:
    """The process that forks the others. Closing it kills them all."""

    def __init__(self, kind: str = os.environ.get("TEST_DATABASE", "sqlite")) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "TEST_DATABASE": kind},
        )
        self._started: queue.Queue[int] = queue.Queue()
        # By a number of our own: the system gives the number of a process that has ended to another one later.
        self._statuses: dict[int, int] = {}
        self._numbers = itertools.count(1)
        self._news = threading.Condition()
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()
        self._started.get(timeout=120)

    def _listen(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            message = json.loads(line)
            if "ended" in message:
                with self._news:
                    self._statuses[message["ended"]] = message["status"]
                    self._news.notify_all()
            else:
                self._started.put(message.get("started") or message["ready"])

    def start(self, directory: Path, config: dict[str, Any], name: str, *arguments: Any) -> Process:
        """Fork a process that runs the verb ``arguments[0]``; its output goes to files in ``directory``."""
        output, errors = directory / f"{name}.out", directory / f"{name}.err"
        number = next(self._numbers)
        order = {
            "number": number,
            "config": json.dumps(config),
            "arguments": [str(argument) for argument in arguments],
            "output": str(output),
            "errors": str(errors),
        }
        assert self._popen.stdin is not None
        with self._lock:
            self._popen.stdin.write(json.dumps(order).encode() + b"\n")
            self._popen.stdin.flush()
            pid = self._started.get(timeout=120)

        def ended(timeout: float) -> int | None:
            with self._news:
                self._news.wait_for(lambda: number in self._statuses, timeout)
                return self._statuses.get(number)

        return Process(pid, name, output, errors, ended)

    def close(self) -> None:
        """End the zygote, which kills whatever it started."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait(60)


def start_afresh(
    directory: Path,
    config: dict[str, Any],
    name: str,
    *arguments: Any,
    root: Path = ROOT,
    module: str = "tests.faults.shop.verbs",
    **environment: str,
) -> Process:
    """Start a new interpreter, for what must be in place before the first import: other code, another clock."""
    output, errors = directory / f"{name}.out", directory / f"{name}.err"
    with output.open("ab") as out, errors.open("ab") as err:
        popen = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=root,
            env={**os.environ, **environment, "PYTHONPATH": str(root), "FAULTS_CONFIG": json.dumps(config)},
        )

    def ended(timeout: float) -> int | None:
        try:
            return popen.wait(timeout) if timeout else popen.poll()
        except subprocess.TimeoutExpired:
            return None

    return Process(popen.pid, name, output, errors, ended)
