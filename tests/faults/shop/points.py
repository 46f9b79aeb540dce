"""Points at which a process of the shop can be killed: each commit, HTTP exchange, enqueue and receiver it comes to.

Inactive until :func:`activate`. A run without a crash writes down which points there are; another run with the same
content then ends at one of them. So a commit that is added to the code is a new point without a change here.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
from django.db import connections
from urllib3.exceptions import ProtocolError

WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class Points:
    """Counts the points, writes each to a file before it is passed, and kills the process at one of them."""

    def __init__(self) -> None:
        self._count = 0
        self._crashes: frozenset[int] = frozenset()
        self._trace: int | None = None
        self._state: Callable[[], str] = str
        self._states_from = 0
        self._last_state: str | None = None

    @property
    def is_active(self) -> bool:
        return self._trace is not None

    def activate(
        self,
        crashes: Sequence[int],
        trace: str,
        *,
        passed: int = 0,
        state: Callable[[], str] = str,
        states_from: int = 0,
    ) -> None:
        """Begin to count.

        Args:
            crashes: the numbers of the points at which something goes wrong, from 1 on.
            trace: the file that each point is written to, as ``kind``, name and state with tabs between.
            passed: how many points were passed before, in other processes.
            state: tells what would be left behind now.
            states_from: the number of the first point whose state is asked for.
        """
        self._count, self._crashes, self._state, self._states_from = passed, frozenset(crashes), state, states_from
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        _watch_database(self)
        _watch_http(self)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done inside belongs to the test, not to the shop."""
        trace, self._trace = self._trace, None
        try:
            yield
        finally:
            self._trace = trace
            self.changed()

    def changed(self) -> None:
        """Note that what would be left behind may be different from now on."""
        self._last_state = None

    def reach(self, name: str) -> None:
        """Die here if this is the point."""
        if self._is_the_point("kill", name):
            os.kill(os.getpid(), signal.SIGKILL)

    def fails(self, name: str) -> bool:
        """Whether this is the point: then the caller lets the thing go wrong, and the process lives on."""
        return self._is_the_point("fail", name)

    def _is_the_point(self, kind: str, name: str) -> bool:
        if self._trace is None:
            return False
        self._count += 1
        os.write(self._trace, f"{kind}\t{name}\t{self._current_state()}\n".encode())
        return self._count in self._crashes

    def _current_state(self) -> str:
        if self._count < self._states_from:
            return ""
        if self._last_state is None:
            self._last_state = self._state()
        return self._last_state


points = Points()


def _watch_database(points: Points) -> None:
    connection = connections["default"]
    written: list[str] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        words = sql.split(None, 3)
        if not points.is_active or not words or words[0].upper() not in WRITES:
            return execute(sql, params, many, context)
        table = next((word.strip('"`') for word in words[1:] if word.upper() not in ("INTO", "FROM")), "")
        what = f"{words[0].upper()} {table.removeprefix('django_airalo_')}"
        if connection.in_atomic_block:
            written.append(what)
            return execute(sql, params, many, context)
        points.reach(f"{what}: not done")
        result = execute(sql, params, many, context)
        points.changed()
        points.reach(f"{what}: done")
        return result

    commit, rollback = connection._commit, connection._rollback

    def watched_commit() -> Any:
        what = ", ".join(dict.fromkeys(written))
        written.clear()
        if not what:
            return commit()
        points.reach(f"commit of {what}: not done")
        result = commit()
        points.changed()
        points.reach(f"commit of {what}: done")
        return result

    def watched_rollback() -> Any:
        written.clear()
        return rollback()

    connection.execute_wrappers.append(watch)
    connection._commit, connection._rollback = watched_commit, watched_rollback


def _watch_http(points: Points) -> None:
    send = requests.Session.send

    def watched(session: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        path = re.sub(r"\d{5,}", "{}", urlsplit(request.url or "").path)  # without the number of an eSIM or order
        what = f"{request.method} {path}"
        points.reach(f"{what}: not sent")
        response = send(session, request, **kwargs)
        points.changed()
        if points.fails(f"{what}: carried out, answer lost"):
            response.close()
            raise requests.ConnectionError(ProtocolError("Connection aborted.", RemoteDisconnected("cut by the test")))
        points.reach(f"{what}: answered, not stored")
        return response

    requests.Session.send = watched  # type: ignore[method-assign]  # the library's, not ours
