"""How long to wait before something is tried again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from django_airalo.conf import conf

#: Seconds. A Retry-After that asks for more is taken for a mistake: it must not bury a row or break the arithmetic.
LONGEST_RETRY_AFTER = 24 * 3600


def backoff(
    delays: Sequence[float], tries: int, *, at_least: float = 0, spread: tuple[float, float] = (1, 1)
) -> timedelta:
    """Return how long to wait before the next try.

    Args:
        delays: seconds to wait after the first try, the second and so on; the last is for all that follow, too.
        tries: how many tries there were before the one that was made last.
        at_least: seconds.
        spread: the wait is multiplied by a random number between these two.
    """
    delay = delays[min(max(tries, 0), len(delays) - 1)]
    return scatter(timedelta(seconds=max(delay, at_least)), spread)


def scatter(wait: timedelta, spread: tuple[float, float]) -> timedelta:
    """Return a wait times a random number, so that what began together does not come back together.

    Args:
        spread: the least and the greatest number.
    """
    return wait * random.uniform(*spread)  # noqa: S311  spreads requests, guards nothing


def retry_wait(attempt: int, retry_after: float | None) -> timedelta:
    """Return how long until something is sent again that was not carried out.

    Args:
        attempt: the number of the attempt that was made, from 1 on.
        retry_after: seconds that Airalo asked to wait, if it did.
    """
    at_least = min(retry_after or 0, LONGEST_RETRY_AFTER)
    return backoff(conf.RETRY_DELAYS, attempt - 1, at_least=at_least, spread=(1, 1.25))
