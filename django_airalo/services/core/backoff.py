"""Compute how long to wait before the next try."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from django_airalo.conf import conf

#: Seconds. A longer ``Retry-After`` is taken for a mistake, since it would postpone a row for days.
LONGEST_RETRY_AFTER = 24 * 3600


def backoff(
    delays: Sequence[float], tries: int, *, at_least: float = 0, spread: tuple[float, float] = (1, 1)
) -> timedelta:
    """Return how long to wait before the next try.

    Args:
        delays: the seconds to wait after the first try, the second and so on; the last one is for all later tries, too.
        tries: the number of tries before the last one.
        at_least: the minimum seconds to wait.
        spread: two numbers; the wait is multiplied by a random number between them.
    """
    delay = delays[min(max(tries, 0), len(delays) - 1)]
    return scatter(timedelta(seconds=max(delay, at_least)), spread)


def scatter(wait: timedelta, spread: tuple[float, float]) -> timedelta:
    """Return a wait times a random number, so that processes that began together do not repeat together.

    Args:
        wait: the wait.
        spread: the lowest and the highest number.
    """
    return wait * random.uniform(*spread)  # noqa: S311  spreads requests, guards nothing


def retry_wait(attempt: int, retry_after: float | None) -> timedelta:
    """Return how long to wait before a request that was not carried out is sent again.

    Args:
        attempt: the number of the last attempt, from 1 on.
        retry_after: the seconds that Airalo asked to wait; ``None`` if it did not.
    """
    at_least = min(retry_after or 0, LONGEST_RETRY_AFTER)
    return backoff(conf.RETRY_DELAYS, attempt - 1, at_least=at_least, spread=(1, 1.25))
