"""The database that orders live in: its alias, its transactions, its clock."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connections, router, transaction
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from django_airalo.models import EsimOrder

#: Leases and due times are compared across machines whose clocks differ, so all of them use the database's clock.
_NOW = {
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "postgresql": "SELECT statement_timestamp()",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL",
}

#: How a database says that it ended a transaction for the sake of another one, so that the same may be tried again.
_MYSQL_CONFLICTS = {1213, 1205, 1020}  # deadlock, lock wait time-out; MariaDB: record has changed since last read
_POSTGRESQL_CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock
#: Seconds before each further try, less up to a half by chance; none after ``_PATIENCE``, so that a lock which is held
#: for long is not waited for again and again.
_WAITS = (0.03, 0.06, 0.12, 0.25, 0.5)
_PATIENCE = 5

P = ParamSpec("P")
R = TypeVar("R")
Rows = TypeVar("Rows", bound=QuerySet[Any])

logger = logging.getLogger("django_airalo.database")


def alias() -> str:
    """The alias of the database that holds the orders."""
    return router.db_for_write(EsimOrder)


def atomic(*, durable: bool = False) -> transaction.Atomic:
    """A transaction on that database. ``durable`` refuses to be nested, so that its end is really a commit."""
    return transaction.atomic(using=alias(), durable=durable)


def held(rows: Rows) -> Rows:
    """The rows as they are now, locked as an UPDATE of them locks. SQLite, which has no such SELECT, only reads them.

    In a REPEATABLE READ of MySQL or MariaDB a plain SELECT reads a row as it was when the transaction began to read,
    even if an UPDATE that changed nothing has locked it since.
    """
    # On PostgreSQL not more than the UPDATE: rows that refer to these may still be written by others.
    no_key = connections[alias()].features.has_select_for_no_key_update
    return rows.using(alias()).select_for_update(no_key=no_key)


def in_transaction(*, durable: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: run the function in a transaction, and again if the database ended that for another's sake.

    A deadlock ends one of two transactions, and whoever called a service should not hear of it. Inside the caller's
    own transaction the error is raised, since that one is lost as a whole and only the caller can begin it again.

    The function may run several times: it sends nothing, and reads what it changes inside (or copies what it was
    given, since an object keeps what a rolled back transaction has set on it).
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            waits, give_up = iter(_WAITS), time.monotonic() + _PATIENCE
            while True:
                try:
                    with atomic(durable=durable):
                        return function(*args, **kwargs)
                except OperationalError as error:
                    wait = next(waits, None)
                    is_nested = connections[alias()].in_atomic_block
                    if is_nested or wait is None or time.monotonic() > give_up or not is_conflict(error):
                        raise
                    logger.info("%s is tried again: %s", function.__name__, error)
                # By chance, so that two which collided do not do so again.
                time.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  guards nothing

        return run

    return decorate


def is_conflict(error: OperationalError) -> bool:
    """Whether the database rolled the transaction back because of another one, with nothing of it kept."""
    cause = error.__cause__
    if str(getattr(cause, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return True
    # psycopg 3 calls it sqlstate, psycopg 2 pgcode.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state in _POSTGRESQL_CONFLICTS or (bool(error.args) and error.args[0] in _MYSQL_CONFLICTS)


def now() -> datetime:
    """The database's present time, aware and in UTC."""
    connection = connections[alias()]
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        (moment,) = cursor.fetchone()
    if isinstance(moment, str):
        moment = parse_datetime(moment)
    # PostgreSQL gives it in the time zone that DATABASES may name.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)  # type: ignore[no-any-return]  # what a driver gives is Any
