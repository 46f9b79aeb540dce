"""Run syncs one at a time for each kind, and record their results."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError

from django_airalo.conf import conf
from django_airalo.exceptions import SyncRunningError
from django_airalo.models import SyncRun
from django_airalo.services.core import database

logger: logging.Logger = logging.getLogger("django_airalo.catalogue")

#: A sync that does not extend its lease for this long, between two pages or while it writes, counts as dead.
LEASE = timedelta(minutes=15)
#: How long the records of runs are kept.
KEPT = timedelta(days=90)


@dataclass
class SyncReport:
    """How many rows a sync added, changed, withdrew and left as they were."""

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0

    @classmethod
    def of(cls, run: SyncRun) -> SyncReport:
        """Return the report of a run."""
        return cls(run.added, run.changed, run.withdrawn, run.unchanged)


@contextmanager
def running(kind: SyncRun.Kind) -> Iterator[SyncRun]:
    """Hold the lease for a kind of sync, and record the run.

    Args:
        kind: the kind of sync.

    Yields:
        The record, on which the caller sets the counts.

    Raises:
        SyncRunningError: another process holds the lease.
    """
    run = _begin(kind)
    try:
        yield run
    except BaseException as error:  # Ctrl-C, too: the record must show how the run ended
        run.error = f"{type(error).__name__}: {error}".replace("\x00", "")[:2000]
        _end(run)
        raise
    _end(run)


def keep_lease(run: SyncRun) -> None:
    """Extend the lease of a run. As the first statement of a transaction, it also keeps other runs from writing.

    Raises:
        SyncRunningError: the lease had expired, and another run has taken it.
    """
    if not SyncRun.primary.hold(run, SyncRun.RUNNING_LEASE, until=database.db_now() + LEASE):
        raise SyncRunningError("Another sync of the same kind has replaced this one, so nothing was changed.")


def catalogue_is_stale() -> bool:
    """Return whether the last successful sync of packages is older than ``AIRALO_CATALOGUE_MAX_AGE``, or missing."""
    last = SyncRun.primary.last_success()
    return last is None or last.age(database.db_now()) > conf.CATALOGUE_MAX_AGE


def _begin(kind: SyncRun.Kind) -> SyncRun:
    now = database.db_now()
    abandoned = SyncRun.primary.filter(lease=kind, lease_until__lt=now)
    if abandoned.update(lease=None, lease_until=None, finished_at=now, error="The process died or hangs."):
        logger.warning("A sync (%s) died or hangs, and is replaced by this one", kind)
    try:
        with database.atomic():
            return SyncRun.primary.create(kind=kind, lease=kind, lease_until=now + LEASE, started_at=now)
    except IntegrityError as error:
        raise SyncRunningError(f"A sync ({kind}) is already running, so this one was not started.") from error


def _end(run: SyncRun) -> None:
    now = database.db_now()
    # If the lease was lost, the record already shows that the process counted as dead.
    counts = ("added", "changed", "withdrawn", "unchanged", "pricing_model", "discount_percentage", "error")
    outcome = {name: getattr(run, name) for name in counts}
    SyncRun.primary.release(run, SyncRun.RUNNING_LEASE, due=None, lease=None, finished_at=now, **outcome)
    SyncRun.primary.filter(kind=run.kind, started_at__lt=now - KEPT).delete()
