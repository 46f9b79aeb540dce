"""What was last seen alive when, by the database's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError

from django_airalo.models import Heartbeat

from . import database

SWEEP, TASK, BALANCE = "sweep", "task", "balance"


def beat(name: str) -> None:
    """Note that ``name`` is alive now."""
    now = database.now()
    if not Heartbeat.objects.filter(name=name).update(at=now):
        _create(name, now)


def last_beat(name: str) -> datetime | None:
    """When ``name`` was last seen alive, ``None`` if never."""
    return Heartbeat.objects.using(database.alias()).filter(name=name).values_list("at", flat=True).first()


def claim(name: str, every: float) -> bool:
    """Whether ``every`` seconds have passed since the last beat. If so, it beats now, so one process only hears yes."""
    now = database.now()
    rows = Heartbeat.objects.using(database.alias()).filter(name=name)
    if rows.filter(at__lte=now - timedelta(seconds=every)).update(at=now):
        return True
    return not rows.exists() and _create(name, now)


def _create(name: str, now: datetime) -> bool:
    try:
        with database.atomic():
            Heartbeat.objects.create(name=name, at=now)
    except IntegrityError:  # another process did so at the same moment
        return False
    return True
