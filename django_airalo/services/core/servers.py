"""Identify the database server, database and table, to notice that a database was restored or moved.

The identity is read together with the clock, in one statement of the transaction that claims an order. So a failover
behind the same address is noticed at once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, connections

from django_airalo.conf import conf
from django_airalo.models import Deployment

from . import database

logger: logging.Logger = logging.getLogger("django_airalo.database")

Connection = Any
#: The length of the column.
LONGEST = 255
_TABLE = Deployment._meta.db_table
#: For PostgreSQL, the SQL that identifies the server, its history, the database and the table. The first expression of
#: a part that works is used; if a managed server allows none of them, the part is left out.
_POSTGRESQL = {
    "system": ("(SELECT system_identifier FROM pg_control_system())",),
    "timeline": (
        # It changes at once after a promotion; the control file changes with the next checkpoint only.
        "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)",
        "(SELECT timeline_id FROM pg_control_checkpoint())",
    ),
    "database": ("(SELECT oid FROM pg_database WHERE datname = current_database())",),
    # Restoring a dump over the database recreates the table.
    "table": (f"to_regclass('{_TABLE}')::oid",),
}
_CREATED = (
    f"(SELECT UNIX_TIMESTAMP(create_time) FROM information_schema.tables WHERE table_name = '{_TABLE}' "  # noqa: S608  ours
    "AND table_schema = DATABASE())"
)


@dataclass(frozen=True)
class Identity:
    """The SQL that identifies a server.

    Attributes:
        parts: the name of each part and the SQL of its value.
        hidden: the names of the parts that the server does not disclose.
    """

    parts: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...] = ()


#: The identities by database alias, determined once in each process.
_known: dict[str, Identity] = {}


def clock_and_server() -> tuple[datetime, str]:
    """Return the database's present time and its server; ``""`` if ``AIRALO_CHECK_SERVER`` is off.

    Call inside ``database.atomic()``: a proxy may send a statement outside of a transaction to another server.

    Raises:
        DatabaseError: the server refuses an expression that worked before. The next call determines again which ones
            work.
    """
    alias = database.primary_alias()
    connection = connections[alias]
    if not conf.CHECK_SERVER:
        return database.db_now(), ""
    if connection.vendor == "sqlite":
        return database.db_now(), _file(connection)
    parts = identity().parts
    try:
        now, values = database.db_now_and([sql for _name, sql in parts])
    except DatabaseError:
        _known.pop(alias, None)  # it may be another server, which discloses less
        raise
    named = zip(parts, values, strict=True)
    return now, " ".join([connection.vendor, *(f"{name} {value}" for (name, _sql), value in named)])[:LONGEST]


def hidden() -> tuple[str, ...]:
    """Return the names of the parts that the server does not disclose."""
    return () if connections[database.primary_alias()].vendor == "sqlite" else identity().hidden


def identity() -> Identity:
    """Return the SQL that identifies this server. It is determined once in each process."""
    alias = database.primary_alias()
    if alias not in _known:
        connection = connections[alias]
        _known[alias] = _WAYS.get(connection.vendor, lambda connection: Identity((), ("server",)))(connection)
    return _known[alias]


def _file(connection: Connection) -> str:
    """Identify the file of an SQLite database: a copy, or a backup put in its place, is another file."""
    name = str(connection.settings_dict["NAME"])
    if connection.is_in_memory_db():
        return "sqlite memory"
    path = name.removeprefix("file:").partition("?")[0] if name.startswith("file:") else name
    try:
        status = os.stat(path)
    except OSError as error:  # it was moved while the connection was open
        return f"sqlite {type(error).__name__}"
    return f"sqlite device {status.st_dev} inode {status.st_ino}"


def _postgresql(connection: Connection) -> Identity:
    parts, hidden = [], []
    for name, ways in _POSTGRESQL.items():
        sql = next((way for way in ways if _works(connection, way)), None)
        if sql is None:
            hidden.append(name)
        else:
            parts.append((name, sql))
    return Identity(tuple(parts), tuple(hidden))


def _works(connection: Connection, expression: str) -> bool:
    """Return whether the server discloses the value of an expression."""
    try:
        with database.atomic(), connection.cursor() as cursor:  # a savepoint, so that an error ends nothing else
            cursor.execute(f"SELECT {expression}")
            return cursor.fetchone()[0] is not None
    except DatabaseError as error:
        logger.info("The database server does not disclose %s: %s", expression, error)
        return False


def _mysql(connection: Connection) -> Identity:
    """Identify MySQL or MariaDB. The nodes of a cluster with synchronous replication count as one server."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SHOW VARIABLES WHERE Variable_name IN ('server_uid', 'server_uuid', 'hostname', 'port', "
            "'wsrep_on', 'wsrep_cluster_name', 'group_replication_group_name')"
        )
        variables = dict(cursor.fetchall())
    if variables.get("wsrep_on") == "ON":
        server: tuple[tuple[str, str], ...] = (("cluster", "@@wsrep_cluster_name"),)
    elif variables.get("group_replication_group_name"):
        server = (("group", "@@group_replication_group_name"),)
    else:
        name = next((name for name in ("server_uid", "server_uuid") if variables.get(name)), None)
        server = (("server", f"@@{name}"),) if name else (("host", "@@hostname"), ("port", "@@port"))
    hidden = () if server[0][0] != "host" else ("server",)
    created = (("table", _CREATED),) if _works(connection, _CREATED) else ()
    return Identity((*server, *created), hidden if created else (*hidden, "table"))


_WAYS: dict[str, Callable[[Connection], Identity]] = {"postgresql": _postgresql, "mysql": _mysql}
