"""Read Airalo's lists page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from django_airalo.client.payloads import Page
from django_airalo.exceptions import AiraloRateLimitError

T = TypeVar("T")

#: The seconds to wait if a limit does not say how long.
USUAL_WAIT = 10


def read_pages(
    fetch: Callable[[int], Page[T]],
    *,
    patience: float,
    first_patience: float | None = None,
    between: Callable[[], object] = lambda: None,
) -> Iterator[Page[T]]:
    """Yield the pages of a list, and wait if a limit is reached.

    A page may take megabytes. It is released before the next one is read, if the caller releases it, too.

    Args:
        fetch: reads a page, given its number from 1 on.
        patience: the maximum seconds to wait for a page; 0 for no wait.
        first_patience: the same for the first page; default ``patience``.
        between: called before each page but the first.

    Raises:
        AiraloRateLimitError: the limit allowed no request within that time.
        AiraloAPIError: a page could not be read.
    """
    number, page_patience = 1, patience if first_patience is None else first_patience
    while True:
        page = _fetch_patiently(fetch, number, page_patience)
        has_next = page.has_next
        yield page
        del page
        if not has_next:
            return
        between()
        number, page_patience = number + 1, patience


def _fetch_patiently(fetch: Callable[[int], Page[T]], number: int, patience: float) -> Page[T]:
    give_up = time.monotonic() + patience
    while True:
        try:
            return fetch(number)
        except AiraloRateLimitError as error:
            left = give_up - time.monotonic()
            if left <= 0:
                raise
            wait = error.retry_after or USUAL_WAIT
        time.sleep(min(wait, left))
