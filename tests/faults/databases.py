"""Databases for the shop of the fault suite: made, emptied, cut off and dropped."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
#: A cache may lose what it holds, so it needs no waiting for the disk.
CACHE_OPTIONS = {**SQLITE_OPTIONS, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"}


def sqlite_config(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """A DATABASES entry of an SQLite file."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}


class Database(Protocol):
    """Where the shop keeps its rows."""

    kind: str

    def config(self) -> dict[str, Any]:
        """The DATABASES entry."""

    def make(self) -> None:
        """Make it, empty and without tables."""

    def keep_as_template(self) -> None:
        """The tables are there now: remember this state."""

    def empty(self) -> None:
        """Back to that state. Nobody else may be using the database."""

    def drop(self) -> None:
        """Remove it."""


class Restorable(Database, Protocol):
    """One that can be backed up while it is used, restored, and copied."""

    def backup(self) -> Any:
        """What it holds at this moment."""

    def restore(self, backup: Any, *, in_place: bool) -> None:
        """Back to what was kept: in the same tables, or in a database made anew, as on another server."""

    def copy(self, name: str) -> Database:
        """Another database with the same content. Nobody may be using this one."""

    def age(self, columns: Mapping[str, Sequence[str]], minutes: int) -> None:
        """Move moments into the past: columns by table."""


class SqliteDatabase:
    """A file."""

    kind = "sqlite"

    def __init__(self, directory: Path, name: str = "shop") -> None:
        self.path = directory / f"{name}.sqlite3"
        self._template = directory / "template.sqlite3"

    def config(self) -> dict[str, Any]:
        return sqlite_config(self.path, SQLITE_OPTIONS)

    def make(self) -> None:
        self.drop()

    def keep_as_template(self) -> None:
        shutil.copy(self.path, self._template)

    def empty(self) -> None:
        self.drop()
        shutil.copy(self._template, self.path)

    def drop(self) -> None:
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()

    def backup(self) -> Path:
        kept = self.path.parent / "backup.sqlite3"
        self._copy(self.path, kept)
        return kept

    def restore(self, backup: Path, *, in_place: bool) -> None:
        if in_place:
            self._copy(backup, self.path)
        else:
            self.drop()
            backup.rename(self.path)

    def copy(self, name: str) -> SqliteDatabase:
        other = SqliteDatabase(self.path.parent, name)
        other.drop()
        self._copy(self.path, other.path)
        return other

    def age(self, columns: Mapping[str, Sequence[str]], minutes: int) -> None:
        with closing(sqlite3.connect(self.path, timeout=20)) as connection, connection:
            for table, names in columns.items():
                for name in names:
                    moment = f"strftime('%Y-%m-%d %H:%M:%f', {name}, '-{minutes} minutes') || '000'"
                    connection.execute(f"UPDATE {table} SET {name} = {moment}")

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        with closing(sqlite3.connect(source, timeout=20)) as old, closing(sqlite3.connect(target, timeout=20)) as new:
            old.backup(new)


class PostgresDatabase:
    """A database of a running PostgreSQL server."""

    kind = "postgres"

    def __init__(self, name: str, *, host: str = "127.0.0.1", port: int = 5432) -> None:
        self.name, self.host, self.port = name, host, port

    def config(self) -> dict[str, Any]:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": self.name,
            "USER": os.environ.get("PGUSER", "postgres"),
            "HOST": self.host,
            "PORT": self.port,
            "OPTIONS": {"connect_timeout": 30},
        }

    def _connection(self, database: str) -> Any:
        import psycopg

        address = f"host={self.host} port={self.port} user={self.config()['USER']} dbname={database}"
        return psycopg.connect(address, autocommit=True)

    def _execute(self, *statements: str, database: str = "postgres") -> None:
        with self._connection(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def make(self) -> None:
        self.drop()
        self._execute(f'CREATE DATABASE "{self.name}"')

    def keep_as_template(self) -> None:
        """Nothing to do: it is emptied, not copied."""

    def empty(self) -> None:
        self._execute(f"TRUNCATE {', '.join(tables())} RESTART IDENTITY CASCADE", database=self.name)

    def drop(self) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def backup(self) -> dict[str, bytes]:
        """The rows of each table as COPY writes them, all of one moment."""
        kept = {}
        with self._connection(self.name) as connection:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for table in tables():
                with connection.cursor().copy(f"COPY {table} TO STDOUT") as rows:
                    kept[table] = b"".join(map(bytes, rows))
        return kept

    def restore(self, backup: dict[str, bytes], *, in_place: bool) -> None:
        if in_place:
            self.empty()
        else:
            empty = PostgresDatabase(f"{self.name}_empty", host=self.host, port=self.port)
            try:
                self._copy_to(empty.name)
                empty.empty()
                self.drop()
                self._execute(f'ALTER DATABASE "{empty.name}" RENAME TO "{self.name}"')
            finally:
                empty.drop()
        with self._connection(self.name) as connection:
            connection.execute("SET session_replication_role = replica")  # the rows come in any order
            for table, rows in backup.items():
                with connection.cursor().copy(f"COPY {table} FROM STDIN") as copying:
                    copying.write(rows)
            numbered = "SELECT table_name, column_name FROM information_schema.columns WHERE is_identity = 'YES'"
            for table, column in connection.execute(numbered).fetchall():
                sequence = f"pg_get_serial_sequence('{table}', '{column}')"
                connection.execute(f"SELECT setval({sequence}, (SELECT coalesce(max({column}), 0) + 1 FROM {table}))")

    def copy(self, name: str) -> PostgresDatabase:
        other = PostgresDatabase(f"{self.name}_{name}", host=self.host, port=self.port)
        self._copy_to(other.name)
        return other

    def age(self, columns: Mapping[str, Sequence[str]], minutes: int) -> None:
        for table, names in columns.items():
            changes = (f"{name} = {name} - interval '{minutes} minutes'" for name in names)
            self._execute(f"UPDATE {table} SET {', '.join(changes)}", database=self.name)

    def _copy_to(self, name: str) -> None:
        # Who reads or writes it is cut off: only a database that nobody uses can be a template.
        ending = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'"
        making = f'CREATE DATABASE "{name}" TEMPLATE "{self.name}"'
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', ending, making)


class MariaDatabase:
    """A database of a running MariaDB server."""

    kind = "mariadb"

    def __init__(self, name: str, *, host: str = "127.0.0.1", port: int = 3306) -> None:
        self.name, self.host, self.port = name, host, port

    def config(self) -> dict[str, Any]:
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": self.name,
            "USER": "root",
            "HOST": self.host,
            "PORT": self.port,
            "OPTIONS": {"charset": "utf8mb4", "connect_timeout": 30},
        }

    def _execute(self, *statements: str, database: str = "") -> None:
        import MySQLdb

        connection = MySQLdb.connect(host=self.host, port=self.port, user="root", database=database, autocommit=True)
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
        finally:
            connection.close()

    def make(self) -> None:
        self.drop()
        self._execute(f"CREATE DATABASE `{self.name}` CHARACTER SET utf8mb4")

    def keep_as_template(self) -> None:
        """Nothing to do: it is emptied, not copied."""

    def empty(self) -> None:
        statements = [f"DELETE FROM {table}" for table in tables()]
        self._execute("SET FOREIGN_KEY_CHECKS = 0", *statements, database=self.name)

    def drop(self) -> None:
        self._execute(f"DROP DATABASE IF EXISTS `{self.name}`")


def tables() -> list[str]:
    """Return what the tests fill: a model that is added is emptied without a change here."""
    from django.apps import apps

    models = apps.get_app_config("django_airalo").get_models(include_auto_created=True)
    return ["faultshop_received", "faultshop_shoporder", "faultshop_job", *(model._meta.db_table for model in models)]


def database_for(kind: str, name: str, directory: Path) -> Database:
    """The database of a kind: ``sqlite``, ``postgres`` or ``mariadb``."""
    if kind == "postgres":
        return PostgresDatabase(name)
    if kind == "mariadb":
        return MariaDatabase(name)
    return SqliteDatabase(directory)


class Proxy:
    """A line between the shop and its database server that can be cut: open connections end, new ones are refused."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener: socket.socket | None = None
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.port = 0
        self.mend()

    def mend(self) -> None:
        """Listen (again)."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """End everything."""
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):  # it has ended by itself
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return  # cut
            far = socket.create_connection(self._target)
            self._pairs.append((near, far))
            threading.Thread(target=self._forward, args=(near, far), daemon=True).start()

    def _forward(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        with selectors.DefaultSelector() as selector:
            try:
                for end in (near, far):
                    selector.register(end, selectors.EVENT_READ)
                while True:
                    for key, _ in selector.select(0.2):
                        end = key.fileobj
                        assert isinstance(end, socket.socket)
                        piece = end.recv(65_536)
                        if not piece:
                            return
                        other[end].sendall(piece)
            except (OSError, ValueError):
                return  # cut
            finally:
                near.close()
                far.close()
