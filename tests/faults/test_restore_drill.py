"""Row 30: the database is restored, whole rows are lost, and a copy runs beside it."""

from __future__ import annotations

import os

import pytest
from pytest_django import DjangoDbBlocker

from .restore_drill import drill

KIND = os.environ.get("TEST_DATABASE", "sqlite")


@pytest.mark.skipif(KIND not in ("sqlite", "postgres"), reason="the drill restores SQLite and PostgreSQL")
def test_row_30_restored_database_buys_nothing_twice(django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        assert drill(runs=5, seed=7, kind=KIND) == 0
