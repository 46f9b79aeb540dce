"""Start, watch and stop the child processes of the demo."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import requests

STOP_SECONDS = 8
LOG_LINES = 15


class ChildDiedError(Exception):
    """A child process ended unexpectedly. The message names it and shows the end of its log."""


@dataclass
class Child:
    """One running process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """Return the last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (its log is empty)"


class Children:
    """A context manager that stops all its processes at the end."""

    def __init__(self, manage: Path, logs: Path) -> None:
        self._manage = manage
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self, name: str, *arguments: str) -> None:
        """Start ``manage.py`` with these arguments."""
        path = self._logs / f"{name}.log"
        command = [sys.executable, str(self._manage), *arguments]
        with path.open("wb") as log:
            # In a session of its own it does not get Ctrl-C; the demo stops its whole process group.
            process = subprocess.Popen(  # noqa: S603  a fixed command
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        self._children.append(Child(name, process, path))

    def check(self) -> None:
        """Raise ``ChildDiedError`` if a process has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                raise ChildDiedError(
                    f"The {child.name} process {how}. The end of its log ({child.log}):\n{child.tail()}"
                )

    def wait_for(self, url: str, seconds: float = 60) -> None:
        """Wait until a server responds at ``url``.

        Raises:
            ChildDiedError: if a process ends, or there is no response in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(requests.RequestException):  # the server is not ready yet
                requests.get(url, timeout=2)
                return
            time.sleep(0.1)
        tails = "\n".join(f"  {child.name}:\n{child.tail()}" for child in self._children)
        raise ChildDiedError(f"No response from {url} after {seconds:g} seconds.\n{tails}")

    def tails(self) -> str:
        """Return the last lines of all logs."""
        return "\n".join(f"  {child.name} ({child.log}):\n{child.tail()}" for child in self._children)

    def stop(self) -> None:
        """Terminate all process groups, and kill those that do not end in time."""
        for child in reversed(self._children):
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it is killed below
                child.process.wait(max(0, deadline - time.monotonic()))
        for child in self._children:
            _signal_group(child, signal.SIGKILL)  # the group includes processes that the child started
            child.process.wait()
        self._children.clear()


def _signal_group(child: Child, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # the group has ended (PermissionError on macOS)
        os.killpg(child.process.pid, number)
