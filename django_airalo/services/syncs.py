"""The runs of all syncs: one of a kind at a time, each with a record of how it went."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import IntegrityError

from django_airalo.conf import conf
from django_airalo.exceptions import SyncRunningError
from django_airalo.models import CatalogueSync

from . import database

logger = logging.getLogger("django_airalo.catalogue")

#: How long a sync may be silent, between two pages or while it writes, before it counts as dead.
LEASE = timedelta(minutes=15)
#: How long the records of syncs are kept.
KEPT = timedelta(days=90)


@contextmanager
def running(kind: CatalogueSync.Kind) -> Iterator[CatalogueSync]:
    """Hold the lease of a kind of sync and keep a record of the run. Set its counts on what is yielded.

    Raises:
        SyncRunningError: another process holds the lease.
    """
    run = _begin(kind)
    try:
        yield run
    except BaseException as error:  # Ctrl-C, too: the record must say how it ended. Raised again.
        run.error = f"{type(error).__name__}: {error}".replace("\x00", "")[:2000]
        _end(run)
        raise
    _end(run)


def keep_lease(run: CatalogueSync) -> None:
    """Say that the run is alive. As the first statement of a transaction: make sure that nobody else may write.

    Raises:
        SyncRunningError: the run was silent for too long, and another one has taken its place.
    """
    mine = CatalogueSync.objects.filter(pk=run.pk, lease=run.kind)
    if not mine.update(lease_until=database.now() + LEASE):
        raise SyncRunningError("Another sync of the same kind has taken the place of this one; nothing was changed.")


def catalogue_is_stale() -> bool:
    """Whether the last good sync of the packages is older than ``AIRALO_CATALOGUE_MAX_AGE``, or there was none."""
    last = CatalogueSync.objects.last_success()
    return last is None or last.age(database.now()) > conf.CATALOGUE_MAX_AGE


def _begin(kind: CatalogueSync.Kind) -> CatalogueSync:
    now = database.now()
    abandoned = CatalogueSync.objects.filter(lease=kind, lease_until__lt=now)
    if abandoned.update(lease=None, lease_until=None, finished_at=now, error="The process died or hangs."):
        logger.warning("A sync (%s) died or hangs; this one takes its place", kind)
    try:
        with database.atomic():
            return CatalogueSync.objects.create(kind=kind, lease=kind, lease_until=now + LEASE, started_at=now)
    except IntegrityError as error:
        raise SyncRunningError(f"A sync ({kind}) is running already; this one has nothing to do.") from error


def _end(run: CatalogueSync) -> None:
    now = database.now()
    # Not if the lease was lost: the record says then that the process counted as dead.
    counts = ("added", "changed", "withdrawn", "unchanged", "pricing_model", "discount_percentage", "error")
    CatalogueSync.objects.filter(pk=run.pk, lease=run.kind).update(
        lease=None, lease_until=None, finished_at=now, **{name: getattr(run, name) for name in counts}
    )
    CatalogueSync.objects.filter(kind=run.kind, started_at__lt=now - KEPT).delete()
