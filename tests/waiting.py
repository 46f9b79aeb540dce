"""Waiting for what another thread or process does: as long as a busy machine may take, and no longer than needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django_airalo.services.core import database


def wait_until(
    condition: Callable[[], Any], what: str | Callable[[], str] = "", timeout: float = 90, pause: float = 0.02
) -> Any:
    """The first true value of ``condition``; an AssertionError that says ``what`` there is instead if none comes."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout:g} s: {what() if callable(what) else what or condition}"
        time.sleep(pause)


def assert_due(moment: datetime | None, seconds: float, since: datetime, spread: float = 0) -> None:
    """Assert that a moment lies so many seconds after something that was done between ``since`` and now.

    However long that took: a busy machine fails no test.

    Args:
        spread: how much more or less the wait may be, 0.1 for a tenth.
    """
    now = database.db_now()
    earliest = since + timedelta(seconds=seconds * (1 - spread))
    latest = now + timedelta(seconds=seconds * (1 + spread))
    assert moment is not None
    assert earliest <= moment <= latest, f"{(moment - now).total_seconds()} s from now, not about {seconds} s"
