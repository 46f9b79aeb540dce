"""Leases, with which one process at a time claims a row, holds it and releases it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

from django.db import models, router

M = TypeVar("M", bound=models.Model)


@dataclass(frozen=True)
class Lease:
    """The columns of a row that a lease uses.

    Attributes:
        due: the column with the time when the row is due; while it is claimed, the end of the lease.
        fence: the columns that are compared with the values that were read. Each claim changes at least one of them, so
            only one of several processes that have read the same row can write it.
    """

    due: str
    fence: tuple[str, ...]


class LeaseQuerySet(models.QuerySet[M]):
    """A queryset of rows that one process at a time can claim.

    Each method is one statement, which has an effect only if the row is still as it was read. Earlier conditions, such
    as ``filter(status="pending", due_at__lte=now)``, apply as well. All times are by the database's clock.
    """

    def as_read(self, row: M, lease: Lease, /) -> Self:
        """Return the row, if its fence is still as it was read."""
        # From the instance's dictionary, since a deferred column would be read now and compared with itself.
        return self.filter(pk=row.pk, **{name: vars(row)[name] for name in lease.fence})

    def claim(self, row: M, lease: Lease, /, *, until: datetime, **changes: Any) -> bool:
        """Claim a row, unless it has changed since it was read.

        Args:
            row: the row as read; updated if it is claimed, except for expressions that the database computes.
            lease: the kind of lease.
            until: the end of the lease.
            changes: other columns to write.

        Returns:
            ``False`` if another process has claimed it. Nothing was written then.
        """
        changes = {lease.due: until, **changes}
        if not self.as_read(row, lease).update(**changes):
            return False
        for name, value in changes.items():
            if not hasattr(value, "resolve_expression"):
                setattr(row, name, value)
        return True

    def hold(self, row: M, lease: Lease, /, *, until: datetime) -> bool:
        """Extend the lease of a claimed row. Return ``False`` if another process has claimed it since."""
        return self.claim(row, lease, until=until)

    def is_held(self, row: M, lease: Lease, /, *, until: datetime) -> bool:
        """Return whether this process still has its claim, and the lease ends after ``until``."""
        return self.as_read(row, lease).filter(**{f"{lease.due}__gt": until}).exists()

    def release(self, row: M, lease: Lease, /, *, due: datetime | None, **changes: Any) -> bool:
        """Release a claimed row, and write the outcome.

        Args:
            row: the row as it was claimed. It is not updated, so a second release has no effect.
            lease: the kind of lease.
            due: when the row is due again; ``None`` for never.
            changes: other columns to write.

        Returns:
            ``False`` if another process has claimed it since. Nothing was written then.
        """
        return bool(self.as_read(row, lease).update(**{lease.due: due, **changes}))

    def expire(self, row: M, lease: Lease, /, *, now: datetime, due: datetime | None, **changes: Any) -> bool:
        """Release a row whose lease has expired. Return ``False`` if it has not, or the row has changed."""
        expired: LeaseQuerySet[M] = self.filter(**{f"{lease.due}__lte": now})
        return expired.release(row, lease, due=due, **changes)


def leased(model: type[M]) -> LeaseQuerySet[M]:
    """Return the rows of a model, from the database that it is written to, with the methods for leases."""
    return LeaseQuerySet(model, using=router.db_for_write(model))
