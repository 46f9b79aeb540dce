"""Heartbeats: when the sweep, tasks and other regular work last ran, by the database's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError

from django_airalo.models import Heartbeat

from . import database

REFUNDS = "refunds"
SWEEP, TASK, BALANCE = "sweep", "task", "balance"


def beat(name: str) -> None:
    """Record that ``name`` is alive now."""
    now = database.db_now()
    if not Heartbeat.primary.filter(name=name).update(at=now):
        _create_heartbeat(name, now)


def last_beat(name: str) -> datetime | None:
    """Return when ``name`` was last alive, or ``None`` if it never was."""
    return Heartbeat.primary.filter(name=name).values_list("at", flat=True).first()


def claim(name: str, every: float) -> bool:
    """Return whether the last beat is at least ``every`` seconds ago, and beat if so.

    Only one process gets ``True``.

    Args:
        name: the heartbeat.
        every: the interval in seconds.
    """
    now = database.db_now()
    rows = Heartbeat.primary.filter(name=name)
    if rows.filter(at__lte=now - timedelta(seconds=every)).update(at=now):
        return True
    return not rows.exists() and _create_heartbeat(name, now)


def _create_heartbeat(name: str, now: datetime) -> bool:
    try:
        with database.atomic():
            Heartbeat.primary.create(name=name, at=now)
    except IntegrityError:  # another process did so at the same moment
        return False
    return True
