"""A table that cannot store every character is found when the shop migrates."""

from __future__ import annotations

import pytest
from django.db import connection

from django_airalo.check_storage import check_database
from django_airalo.models import Heartbeat


@pytest.mark.database("mariadb", reason="the others have one character set for all of a database")
@pytest.mark.django_db(transaction=True)
def test_table_that_cannot_store_every_character():
    table = Heartbeat._meta.db_table
    assert check_database(databases=["default"]) == check_database(databases=None) == []
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb3")
        try:
            (found,) = check_database(databases=["default"])
            assert check_database(databases=None) == []
            assert (found.id, table in found.msg) == ("django_airalo.W014", True)
            cursor.execute(found.hint)
            assert check_database(databases=["default"]) == []
        finally:
            cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4")
