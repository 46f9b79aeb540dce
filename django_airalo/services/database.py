"""The database that orders live in: its alias, its transactions, its clock."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connections, router, transaction
from django.utils.dateparse import parse_datetime

from django_airalo.models import EsimOrder

#: Leases and due times are compared across machines whose clocks differ, so all of them use the database's clock.
_NOW = {
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "postgresql": "SELECT statement_timestamp()",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL",
}


def alias() -> str:
    """The alias of the database that holds the orders."""
    return router.db_for_write(EsimOrder)


def atomic(*, durable: bool = False) -> transaction.Atomic:
    """A transaction on that database. ``durable`` refuses to be nested, so that its end is really a commit."""
    return transaction.atomic(using=alias(), durable=durable)


def now() -> datetime:
    """The database's present time, aware."""
    connection = connections[alias()]
    with connection.cursor() as cursor:
        cursor.execute(_NOW[connection.vendor])
        (moment,) = cursor.fetchone()
    if isinstance(moment, str):
        moment = parse_datetime(moment)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # type: ignore[no-any-return]
