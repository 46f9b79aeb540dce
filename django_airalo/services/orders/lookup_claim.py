"""Claim an order before its look-up, so that no other sweep looks it up at the same time."""

from __future__ import annotations

from copy import copy
from datetime import datetime, timedelta

from django_airalo.exceptions import AiraloAPIError, AiraloRateLimitError, AiraloTokenError
from django_airalo.models import EsimOrder
from django_airalo.services.core import database


class LookUpClaim:
    """A claim to look up an order: its due time is postponed until the findings set it again.

    Args:
        order: as last read. It is not changed, so that later changes are noticed.
        due_at: when the order is due again if the look-up fails.
        counts: whether the look-up counts, so that the next ones are less frequent.
    """

    def __init__(self, order: EsimOrder, due_at: datetime, *, counts: bool = True) -> None:
        self.order = order
        self._claimed = copy(order)
        self._due_at = due_at
        self._counts = counts

    def take(self) -> bool:
        """Take the claim; return ``False`` if another sweep has it, or if the order has changed."""
        lookups = self.order.lookups + self._counts
        return bool(
            EsimOrder.primary.claim(self._claimed, EsimOrder.LOOK_UP_LEASE, until=self._due_at, lookups=lookups)
        )

    def take_back(self, error: AiraloAPIError) -> None:
        """Release the claim if no look-up took place, so that it does not count as one.

        Changes nothing if the order has changed since, or if the claim is released already.

        Args:
            error: the error of the look-up.
        """
        due_again = self._due_at
        if isinstance(error, AiraloRateLimitError | AiraloTokenError):
            due_again = min(due_again, database.db_now() + timedelta(seconds=error.retry_after or 0))
        EsimOrder.primary.release(self._claimed, EsimOrder.LOOK_UP_LEASE, due=due_again, lookups=self.order.lookups)
