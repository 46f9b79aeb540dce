"""Keep all processes together below Airalo's limits, so that Airalo does not respond with 429."""

from __future__ import annotations

import hashlib
import time

from django_airalo.conf import Rate, conf
from django_airalo.exceptions import AiraloRateLimitError

from .cache import SharedCache

#: A period has six windows, so any span of that length touches at most seven.
WINDOWS = 7
#: A window gets an eighth of the limit, not a seventh, since a request may arrive at Airalo in the next window.
SHARE = 8


class RateLimit:
    """At most ``rate.count`` calls within any ``rate.period`` seconds, counted in a cache that all processes share.

    Args:
        name: the name of the limit, for the text of errors.
        rate: the limit.
        cache: the cache that all processes share.
        patience: the maximum seconds for which ``take()`` waits, if that is long enough.
        key: the key of the limit in the cache; default its name.
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
        """Count a call.

        Raises:
            AiraloRateLimitError: the limit is reached; ``retry_after`` has the seconds to wait.
        """
        give_up = time.monotonic() + self._patience
        while (wait := self._take_or_wait()) > 0:
            if time.monotonic() + wait > give_up:
                raise AiraloRateLimitError(
                    f"Not sent, to keep below Airalo's limit for {self._name}.", retry_after=wait
                )
            time.sleep(wait)

    def take_again(self) -> None:
        """Count the repetition of a call with a new token, unless the limit has only one slot per window."""
        if self._quota > 1:
            self.take()

    def _take_or_wait(self) -> float:
        """Return 0 if the call was counted, else the seconds until the next may be allowed."""
        now = time.time()
        if self._period <= 0:
            return 0
        if not self._window:  # one call in a period: as long as its key exists, the limit is reached
            # One second more, since some caches delete keys up to a second too early.
            if self._cache.add(self._key, now + self._period, self._period + 1):
                return 0
            return max(1.0, float(self._cache.get(self._key, now)) - now)
        window = int(now // self._window)
        # One key for each call, since add() is atomic in all caches but those in files, while incr() is not.
        for slot in range(self._quota):
            if self._cache.add(f"{self._key}:{window}:{slot}", 1, max(1.0, self._window * 2)):
                return 0
        return self._window - now % self._window


class Limits:
    """The limits of a client, from the settings. Some limits are counted separately for each eSIM or package."""

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
        """Return the limit for requests about one eSIM.

        Args:
            what: the kind of request.
            iccid: the eSIM's ICCID.
        """
        name = what.replace(" ", "-")
        return RateLimit(f"the {what} of one eSIM", self._per_esim, self._cache, key=f"{name}:{_safe(iccid)}")

    def product_information(self, slug: str) -> RateLimit:
        """Return the limit for one package's product information."""
        key = f"product-information:{_safe(slug)}"
        return RateLimit("one package's product information", self._per_product, self._cache, key=key)


def _safe(text: str) -> str:
    """Return a digest or text that fits into a cache key, which memcached requires to be short and without blanks."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
