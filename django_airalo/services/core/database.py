"""The database that holds the orders: its alias, transactions and clock."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connections, router, transaction
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from django_airalo.models import EsimOrder

from .backoff import scatter

#: The clocks of machines differ, so leases and due times use the database's clock.
_NOW = {
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "postgresql": "SELECT statement_timestamp()",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL",
}

#: The errors with which a database rolls back a transaction in favour of another one. It can be tried again.
_MYSQL_CONFLICTS = {1213, 1205, 1020}  # deadlock, lock wait time-out; MariaDB: record has changed since last read
_POSTGRESQL_CONFLICTS = {"40001", "40P01"}  # serialization failure, deadlock
#: The wait before each further try, shortened at random by up to a half. There is none after ``_PATIENCE`` seconds, so
#: that a lock which is held for long is not waited for again and again.
_WAITS = tuple(timedelta(milliseconds=wait) for wait in (30, 60, 120, 250, 500))
_PATIENCE = 5

P = ParamSpec("P")
R = TypeVar("R")
Rows = TypeVar("Rows", bound=QuerySet[Any])

logger: logging.Logger = logging.getLogger("django_airalo.database")


def primary_alias() -> str:
    """Return the alias of the database that holds the orders."""
    return router.db_for_write(EsimOrder)


def atomic(*, durable: bool = False) -> transaction.Atomic:
    """Return a transaction on the database that holds the orders.

    Args:
        durable: raise ``RuntimeError`` if it is nested, so that its end is a commit.
    """
    return transaction.atomic(using=primary_alias(), durable=durable)


def locked(rows: Rows) -> Rows:
    """Return the rows as they are now, and lock them until the transaction ends. SQLite only reads them.

    A plain SELECT is not enough: at the isolation level REPEATABLE READ, MySQL and MariaDB return a row as it was at
    the transaction's first read, even if an UPDATE that changed nothing has locked it since.
    """
    # On PostgreSQL the lock is as weak as an UPDATE's, so that others can still insert rows that refer to these.
    no_key = connections[primary_alias()].features.has_select_for_no_key_update
    return rows.using(primary_alias()).select_for_update(no_key=no_key)


def in_transaction(*, durable: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function to run in a transaction, and to run again after a deadlock or another conflict.

    It also runs again, once, after a row broke a constraint: at the isolation level REPEATABLE READ, the function
    cannot see the row of another transaction that it collided with.

    If the caller has a transaction of its own, the error is raised: that transaction is lost as a whole, and only the
    caller can begin it again.

    The function may run several times. So it must not send requests, and must read the rows that it changes itself. It
    copies an object that it was given before it changes it, since a rollback does not reset the object's attributes.

    Args:
        durable: as for ``atomic()``.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            waits, give_up = iter(_WAITS), time.monotonic() + _PATIENCE
            is_first_collision = True
            while True:
                try:
                    with atomic(durable=durable):
                        return function(*args, **kwargs)
                except (OperationalError, IntegrityError) as error:
                    wait = next(waits, None)
                    is_nested = connections[primary_alias()].in_atomic_block
                    can_pass = is_first_collision if isinstance(error, IntegrityError) else is_conflict(error)
                    if is_nested or wait is None or time.monotonic() > give_up or not can_pass:
                        raise
                    is_first_collision = is_first_collision and not isinstance(error, IntegrityError)
                    logger.info("%s is tried again: %s", function.__name__, error)
                # The wait is random so that the same two transactions do not collide again.
                time.sleep(scatter(wait, (0.5, 1)).total_seconds())

        return run

    return decorate


def is_conflict(error: OperationalError) -> bool:
    """Return whether the database rolled back the whole transaction because of another one."""
    cause = error.__cause__
    if str(getattr(cause, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return True
    # psycopg 3 calls it sqlstate, psycopg 2 pgcode.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state in _POSTGRESQL_CONFLICTS or (bool(error.args) and error.args[0] in _MYSQL_CONFLICTS)


def db_now() -> datetime:
    """Return the database's present time, aware and in UTC."""
    return db_now_and([])[0]


def db_now_and(expressions: Sequence[str]) -> tuple[datetime, list[Any]]:
    """Return the database's present time and the values of SQL expressions, read in one statement.

    Args:
        expressions: SQL, never a user's input.
    """
    connection = connections[primary_alias()]
    select, *source = _NOW[connection.vendor].split(" FROM ")
    with connection.cursor() as cursor:
        cursor.execute(" FROM ".join([", ".join([select, *expressions]), *source]))
        moment, *values = cursor.fetchone()
    if isinstance(moment, str):
        moment = parse_datetime(moment)
    # PostgreSQL returns it in the connection's time zone, which DATABASES may set.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC), values
