"""Rate limits: so many calls in a window that opens with the first call, as PHP's framework counts."""

from __future__ import annotations

import math
import threading
import time

from .errors import ApiError, message_only
from .options import Options


class RateLimits:
    """Counts calls per endpoint and caller."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def reset(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._windows.clear()

    def check(self, endpoint: str, caller: str) -> dict[str, str]:
        """Count a call and return the headers to answer it with.

        Raises ApiError (429 with ``Retry-After`` in whole seconds) when the caller has none left.
        """
        if not self._options.rate_limits or endpoint not in self._options.limits:
            return {}
        allowed, seconds = self._options.limits[endpoint]
        now = time.monotonic()
        with self._lock:
            start, used = self._windows.get((endpoint, caller), (now, 0))
            if now >= start + seconds:
                start, used = now, 0
            refused = used >= allowed
            if not refused:
                used += 1
            self._windows[endpoint, caller] = (start, used)
        headers = {"X-RateLimit-Limit": str(allowed), "X-RateLimit-Remaining": str(allowed - used)}
        if refused:
            wait = max(1, math.ceil(start + seconds - now))
            headers |= {"Retry-After": str(wait), "X-RateLimit-Reset": str(int(time.time()) + wait)}
            raise too_many(headers)
        return headers


def too_many(headers: dict[str, str] | None = None) -> ApiError:
    """Return the 429 of the documentation."""
    return message_only(429, "Too Many Attempts.", headers)
