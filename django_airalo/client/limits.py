"""Keep below a limit of Airalo's, all processes together, instead of running into its 429s."""

from __future__ import annotations

import time

from django_airalo.exceptions import AiraloRateLimitError

from .cache import SharedCache

#: Seconds. Any 60 seconds touch seven such windows at most, so a seventh of the limit in each keeps it.
WINDOW = 10
WINDOWS = 7


class RateLimit:
    """At most ``per_minute`` calls within any 60 seconds, counted in a cache that all processes share."""

    def __init__(self, name: str, per_minute: int, cache: SharedCache) -> None:
        self._name = name
        self._quota = max(1, per_minute // WINDOWS)
        self._cache = cache

    def take(self) -> None:
        """Count a call. Raises ``AiraloRateLimitError`` with ``retry_after`` if there is no room for it now."""
        now = time.time()
        window = int(now // WINDOW)
        # One key a call: add() is atomic in the caches of servers and databases (in files it is not), incr() is not.
        for slot in range(self._quota):
            if self._cache.add(f"django_airalo:limit:{self._name}:{window}:{slot}", 1, WINDOW * 2):
                return
        raise AiraloRateLimitError(
            f"Not sent, to keep below Airalo's limit for {self._name}.", retry_after=WINDOW - now % WINDOW
        )
