"""``on_refusal="record"`` keeps what is refused, and raises all else.

A mistake of the caller's, a conflict and an error of the database are no refusals: the shop's own transaction must fail
with them.
"""

from __future__ import annotations

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, connection, transaction

from django_airalo import services
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import Esim, EsimOrder, OrderEvent
from tests.factories import EsimFactory

pytestmark = pytest.mark.django_db

GOOD = {"package_id": "test"}
REFUSED = {"package_id": "test", "quantity": 51}


def place_order(**content):
    services.place_order(**content, on_refusal="record")


def place_orders(**content):
    services.place_orders([GOOD, content], on_refusal="record")


def place_topup(**content):
    services.place_topup(
        Esim.objects.first(), package_id="x" * 300 if content == REFUSED else "test", on_refusal="record"
    )


def failing(error, words):
    """The database fails at each statement that holds these words."""

    def execute(run, sql, params, many, context):
        if words in sql:
            raise error("the database fails")
        return run(sql, params, many, context)

    return connection.execute_wrapper(execute)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DataError, IntegrityError])
@pytest.mark.parametrize("content", [GOOD, REFUSED], ids=["good", "refused"])
@pytest.mark.parametrize("place", [place_order, place_orders, place_topup])
@pytest.mark.parametrize("table", [EsimOrder, OrderEvent])
def test_database_error_is_raised_and_nothing_is_stored(airalo, error, content, place, table):
    EsimFactory()
    before = EsimOrder.objects.count()
    words = f"INSERT INTO {connection.ops.quote_name(table._meta.db_table)}"
    with failing(error, words), pytest.raises(error), transaction.atomic():
        place(**content)
    assert EsimOrder.objects.count() == before
    assert airalo.orders == []


@pytest.mark.parametrize("content", [GOOD, REFUSED], ids=["good", "refused"])
def test_unknown_argument_raises_type_error(content):
    with pytest.raises(TypeError):
        place_order(**content, quantitty=1)
    with pytest.raises(TypeError, match="quantitty"):
        place_orders(**content, quantitty=1)
    assert not EsimOrder.objects.exists()


@pytest.mark.parametrize("second", [{"package_id": "another"}, REFUSED], ids=["good", "refused"])
def test_key_with_other_content_raises_and_keeps_first_order(second):
    first = services.place_order(**GOOD, idempotency_key="line-1")
    for place in (place_order, place_orders):
        with pytest.raises(IdempotencyConflictError), transaction.atomic():
            place(**second, idempotency_key="line-1")
    assert EsimOrder.objects.get() == first
