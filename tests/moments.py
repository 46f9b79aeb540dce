"""What is to happen at a moment, however long a busy machine takes."""

from __future__ import annotations

from datetime import datetime, timedelta

from django_airalo.services.core import database


def assert_due(moment: datetime | None, seconds: float, since: datetime, spread: float = 0) -> None:
    """Assert that a moment lies so many seconds after something that was done between ``since`` and now.

    Args:
        spread: how much more or less the wait may be, 0.1 for a tenth.
    """
    now = database.db_now()
    earliest = since + timedelta(seconds=seconds * (1 - spread))
    latest = now + timedelta(seconds=seconds * (1 + spread))
    assert moment is not None
    assert earliest <= moment <= latest, f"{(moment - now).total_seconds()} s from now, not about {seconds} s"
