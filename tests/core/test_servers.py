"""A database that is not the same one says so, on each kind of server; what hides it breaks nothing."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, connections, transaction

from django_airalo.models import Deployment
from django_airalo.services.core import database, servers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _anew():
    """Each test asks the server again."""
    servers._known.clear()
    yield
    servers._known.clear()


def server():
    with database.atomic():
        return servers.clock_and_server()[1]


def test_server_identity_is_same_after_reconnect():
    first = server()
    connection.close()
    servers._known.clear()
    assert server() == first
    assert first
    assert len(first) < 200


def test_clock_and_server_returns_database_clock():
    with database.atomic():
        before, (now, _server), after = database.db_now(), servers.clock_and_server(), database.db_now()
    assert before <= now <= after


def test_database_clock_ignores_worker_clock(monkeypatch):
    class HourAhead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=1)

    monkeypatch.setattr(database, "datetime", HourAhead)
    assert abs(database.db_now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_server_identity_is_empty_when_check_is_disabled(settings):
    settings.AIRALO_CHECK_SERVER = False
    assert server() == ""


@pytest.mark.database("postgres", "mariadb", reason="a file of SQLite is told by its inode")
def test_recreated_table_changes_server_identity(django_db_blocker):
    """A dump that is restored over the database drops its tables first."""
    first = server()
    with connection.schema_editor() as editor:
        editor.delete_model(Deployment)
    if connection.vendor == "mysql":  # its times are in seconds
        with connection.cursor() as cursor:
            cursor.execute("SELECT SLEEP(1.1)")
    with connection.schema_editor() as editor:
        editor.create_model(Deployment)
    assert server() != first


def test_replaced_database_file_changes_identity(tmp_path, settings):
    path, copy = tmp_path / "shop.sqlite3", tmp_path / "backup.sqlite3"
    path.touch()
    shutil.copy(path, copy)
    config = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    connections.settings["file"] = connections.configure_settings({"default": config})["default"]
    try:
        first = servers._file(connections["file"])
        assert servers._file(connections["file"]) == first
        copy.rename(path)
        assert servers._file(connections["file"]) != first
        path.unlink()
        assert servers._file(connections["file"]) not in (first, "")
    finally:
        del connections["file"]
        del connections.settings["file"]


@pytest.mark.database("postgres", reason="PostgreSQL's functions")
def test_forbidden_server_functions_do_not_break_transaction(django_db_setup):
    """As managed ones do: the functions are there, but not for everybody."""
    functions = ("pg_control_system()", "pg_control_checkpoint()", "pg_walfile_name(pg_lsn)")
    everything = server()
    with connection.cursor() as cursor:
        for function in functions:
            cursor.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        cursor.execute("DROP ROLE IF EXISTS airalo_managed")
        cursor.execute("CREATE ROLE airalo_managed")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO airalo_managed")
        cursor.execute("SET ROLE airalo_managed")
    try:
        servers._known.clear()
        with transaction.atomic():
            told = servers.clock_and_server()[1]
            Deployment.objects.count()  # the transaction goes on
        assert servers.identity().hidden == ("system", "timeline")
        assert told
        assert told in everything.replace(everything.partition(" database")[0], "postgresql")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")
            for function in functions:
                cursor.execute(f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")
            cursor.execute("DROP OWNED BY airalo_managed")
            cursor.execute("DROP ROLE airalo_managed")


@pytest.mark.database("postgres", reason="PostgreSQL's functions")
def test_server_identity_is_probed_again_after_known_function_fails():
    server()
    servers._known[database.primary_alias()] = servers.Identity((("system", "pg_no_such_function()"),))
    with pytest.raises(DatabaseError):
        server()
    assert "system" in server()
