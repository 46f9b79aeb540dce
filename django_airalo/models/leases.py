"""Leases: how one process at a time takes a row, holds it and gives it back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

from django.db import models, router

M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True)
class Lease:
    """Which columns of a row say whose it is.

    Attributes:
        due: the column that holds when the row is due; while it is claimed, when the lease ends.
        fence: the columns that are compared with what was read. Each claim changes at least one of them, so that of
            several processes that have read the same row only one can write.
    """

    due: str
    fence: tuple[str, ...]


class LeaseQuerySet(models.QuerySet[M]):
    """Rows that one process at a time deals with.

    Each method is one statement that names the row as it was read. Conditions that were set before, such as
    ``filter(status="pending", due_at__lte=now)``, hold as well. All moments are by the database's clock.
    """

    def as_read(self, row: M, lease: Lease, /) -> Self:
        """Return the row, if its fence is still as it was read."""
        # From the instance's dictionary: a column that was deferred would be read now, and compared with itself.
        return self.filter(pk=row.pk, **{name: vars(row)[name] for name in lease.fence})

    def claim(self, row: M, lease: Lease, /, *, until: datetime, **changes: Any) -> bool:
        """Take a row, if nobody has since it was read.

        Args:
            row: as read; brought up to date if it is taken, but for changes that only the database computes.
            until: the end of the lease.
            changes: other columns to write.

        Returns:
            ``False`` if another process has it, so that nothing was written.
        """
        changes = {lease.due: until, **changes}
        if not self.as_read(row, lease).update(**changes):
            return False
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(row, name, value)
        return True

    def hold(self, row: M, lease: Lease, /, *, until: datetime) -> bool:
        """Prolong the lease of a row that was claimed; ``False`` if it is another's by now."""
        return self.claim(row, lease, until=until)

    def is_held(self, row: M, lease: Lease, /, *, until: datetime) -> bool:
        """Return whether a row that was claimed is still ours, and its lease lasts for longer than until then."""
        return self.as_read(row, lease).filter(**{f"{lease.due}__gt": until}).exists()

    def release(self, row: M, lease: Lease, /, *, due: datetime | None, **changes: Any) -> bool:
        """Give a row back that was claimed, with what came of it.

        Args:
            row: as it was claimed. It stays as it is, so a second release changes nothing.
            due: when it is due again; ``None`` if never.
            changes: other columns to write.

        Returns:
            ``False`` if it is another's by now, so that nothing was written.
        """
        return bool(self.as_read(row, lease).update(**{lease.due: due, **changes}))

    def expire(self, row: M, lease: Lease, /, *, now: datetime, due: datetime | None, **changes: Any) -> bool:
        """Release another process's row whose lease has run out; ``False`` if it has not, or the row has changed."""
        expired: LeaseQuerySet[M] = self.filter(**{f"{lease.due}__lte": now})
        return expired.release(row, lease, due=due, **changes)


def leased(model: type[M]) -> LeaseQuerySet[M]:
    """Return the rows of a model whose own manager has no leases, in the database that it is written to."""
    return LeaseQuerySet(model, using=router.db_for_write(model))
