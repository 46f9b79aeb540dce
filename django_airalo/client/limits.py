"""Keep below a limit of Airalo's, all processes together, instead of running into its 429s."""

from __future__ import annotations

import hashlib
import time

from django_airalo.conf import Rate, conf
from django_airalo.exceptions import AiraloRateLimitError

from .cache import SharedCache

#: A period is parted in six, so any period touches seven such windows at most.
WINDOWS = 7
#: What a window may have of the limit. An eighth, not a seventh: what was counted in one may arrive in the next.
SHARE = 8


class RateLimit:
    """At most ``rate.count`` calls within any ``rate.period`` seconds, counted in a cache that all processes share.

    ``patience``: seconds that ``take()`` waits for room at most, where that is enough. ``key``: what the cache knows
    the limit by, if not by its name.
    """

    def __init__(self, name: str, rate: Rate, cache: SharedCache, *, patience: float = 0, key: str = "") -> None:
        self._name = name
        self._key = f"django_airalo:limit:{key or name}"
        self._cache = cache
        self._period = rate.period
        self._patience = patience
        windows = min(WINDOWS, rate.count)
        self._quota = max(1, rate.count // SHARE)
        self._window = rate.period / (windows - 1) if windows > 1 else 0

    def take(self) -> None:
        """Count a call. Raises ``AiraloRateLimitError`` with ``retry_after`` if there is no room for it now."""
        give_up = time.monotonic() + self._patience
        while (wait := self._take_or_wait()) > 0:
            if time.monotonic() + wait > give_up:
                raise AiraloRateLimitError(
                    f"Not sent, to keep below Airalo's limit for {self._name}.", retry_after=wait
                )
            time.sleep(wait)

    def take_again(self) -> None:
        """Count a call that is sent once more, with another token. It is not held back if it is all there may be."""
        if self._quota > 1:
            self.take()

    def _take_or_wait(self) -> float:
        """Return zero if the call was counted, else the seconds until there may be room."""
        now = time.time()
        if self._period <= 0:
            return 0
        if not self._window:  # one call in a period: the key is there as long as there is no room
            # A second more, since some caches let keys die up to a second too early.
            if self._cache.add(self._key, now + self._period, self._period + 1):
                return 0
            return max(1.0, float(self._cache.get(self._key, now)) - now)
        window = int(now // self._window)
        # One key a call: add() is atomic in the caches of servers and databases (in files it is not), incr() is not.
        for slot in range(self._quota):
            if self._cache.add(f"{self._key}:{window}:{slot}", 1, max(1.0, self._window * 2)):
                return 0
        return self._window - now % self._window


class Limits:
    """The limits that a client keeps, from the settings. What has a limit for each object is counted for each."""

    def __init__(self, cache: SharedCache) -> None:
        self._cache = cache
        self._per_esim = conf.rate("esims")
        self._per_product = conf.rate("product_information")
        self.packages: RateLimit = RateLimit("packages", conf.rate("packages"), cache)
        self.lookups: RateLimit = RateLimit("look-ups", conf.rate("lookups"), cache)
        self.details: RateLimit = RateLimit("look-ups of eSIMs", conf.rate("lookups"), cache, key="details")
        self.usage: RateLimit = RateLimit("usage", conf.rate("usage"), cache, patience=2)
        self.refunds: RateLimit = RateLimit("refunds", conf.rate("refunds"), cache)
        self.simulator: RateLimit = RateLimit("simulator", conf.rate("simulator"), cache)

    def of_esim(self, what: str, iccid: str) -> RateLimit:
        """Return the limit for asking ``what`` of one eSIM."""
        name = what.replace(" ", "-")
        return RateLimit(f"the {what} of one eSIM", self._per_esim, self._cache, key=f"{name}:{_safe(iccid)}")

    def product_information(self, slug: str) -> RateLimit:
        """Return the limit for one package's product information."""
        key = f"product-information:{_safe(slug)}"
        return RateLimit("one package's product information", self._per_product, self._cache, key=key)


def _safe(text: str) -> str:
    """Fit for a cache's key, which memcached wants short and without blanks."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
