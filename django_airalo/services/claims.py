"""The right to look an order up, taken before Airalo is asked: no other sweep asks for the same order meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django_airalo.exceptions import AiraloAPIError, AiraloRateLimitError, AiraloTokenError
from django_airalo.models import EsimOrder

from . import database


@dataclass(frozen=True)
class LookUpClaim:
    """Moves the due time of an order on; what is found sets it again.

    Args:
        order: as last read.
        due_at: when the order is due again if nothing comes of the look-up.
        counts: whether the look-up makes the next ones rarer.
    """

    order: EsimOrder
    due_at: datetime
    counts: bool = True

    def take(self) -> bool:
        """Returns ``False`` if another sweep has it, or if there is news of the order."""
        return self._update(self.order.due_at, self.order.lookups, self.due_at, self._counted)

    def take_back(self, error: AiraloAPIError) -> None:
        """It was not looked up after all: that must not make the next look-ups rarer, nor wait if nobody was asked.

        Changes nothing if there is news of the order, or a second time.
        """
        due_again = self.due_at
        if isinstance(error, AiraloRateLimitError | AiraloTokenError):
            due_again = min(due_again, database.now() + timedelta(seconds=error.retry_after or 0))
        self._update(self.due_at, self._counted, due_again, self.order.lookups)

    @property
    def _counted(self) -> int:
        return self.order.lookups + self.counts

    def _update(self, due_at: datetime | None, lookups: int, new_due_at: datetime, new_lookups: int) -> bool:
        unchanged = EsimOrder.objects.filter(pk=self.order.pk, status=self.order.status, due_at=due_at, lookups=lookups)
        return bool(unchanged.update(due_at=new_due_at, lookups=new_lookups))
