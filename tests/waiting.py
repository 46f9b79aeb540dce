"""Waiting for what another thread or process does: as long as a busy machine may take, and no longer than needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


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
