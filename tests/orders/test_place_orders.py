"""Many orders in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import EsimOrder, OrderEvent
from tests.factories import LONG_AGO, PackageFactory, UserFactory

pytestmark = pytest.mark.django_db


def wanted(count, **content):
    return [{"package_id": "test", "idempotency_key": f"line-{number}", **content} for number in range(count)]


def test_orders_are_placed_in_sequence_and_submitted(airalo, committed):
    user = UserFactory()
    with committed():
        orders = services.place_orders([*wanted(3, user=user), {"package_id": "test", "quantity": 2, "mode": "sync"}])
    assert [order.idempotency_key for order in orders] == ["line-0", "line-1", "line-2", None]
    assert [order.user for order in orders] == [user, user, user, None]
    assert len({order.reference for order in orders}) == 4
    for order in orders:
        order.refresh_from_db()
    assert [order.status for order in orders] == ["accepted"] * 3 + ["completed"]
    assert [order.events.first().kind for order in orders] == ["placed"] * 4
    assert len(airalo.orders) == 4


def test_invalid_line_places_no_orders_and_names_all_errors(airalo, committed):
    PackageFactory(package_id="test")
    PackageFactory(package_id="gone", withdrawn_at=LONG_AGO)
    orders = wanted(5)
    orders[1]["quantity"] = 0
    orders[3] |= {"to_email": "nobody", "mode": "later"}
    with committed(), pytest.raises(ValidationError) as refused:
        services.place_orders(orders)
    assert set(refused.value.message_dict) == {"1.quantity", "3.to_email", "3.sharing_option", "3.mode"}
    with committed(), pytest.raises(ValidationError) as refused:
        services.place_orders([*wanted(1), {"package_id": "gone"}, {"package_id": "never"}])
    assert set(refused.value.message_dict) == {"1.package_id", "2.package_id"}
    assert not EsimOrder.objects.exists()
    assert airalo.orders == []


def test_missing_package_or_unknown_argument_raises(airalo):
    with pytest.raises(ValidationError) as refused:
        services.place_orders([{}])
    assert set(refused.value.message_dict) == {"0.package_id"}
    with pytest.raises(TypeError, match="status"):
        services.place_orders([{"package_id": "test", "status": "completed"}])
    assert services.place_orders([]) == []


def test_known_keys_return_existing_orders_and_others_are_placed(airalo, committed):
    with committed():
        first = services.place_order(package_id="test", idempotency_key="line-1")
    with committed():
        orders = services.place_orders(wanted(3))
    assert orders[1] == first
    assert EsimOrder.objects.count() == OrderEvent.objects.filter(kind="placed").count() == len(airalo.orders) == 3
    with committed():
        assert services.place_orders(wanted(3)) == orders
    assert len(airalo.orders) == 3


def test_known_key_with_other_content_places_no_orders(airalo):
    services.place_order(package_id="test", idempotency_key="line-1", quantity=2)
    with pytest.raises(IdempotencyConflictError, match=r"Order 1: .*'line-1'.* another quantity"):
        services.place_orders(wanted(3))
    assert EsimOrder.objects.count() == 1


def test_repeated_key_in_batch_gives_one_order(airalo):
    one, two, three = services.place_orders([*wanted(2), wanted(1)[0]])
    assert (one, EsimOrder.objects.count()) == (three, 2)
    assert two != one
    with pytest.raises(IdempotencyConflictError, match="Order 1: "):
        services.place_orders(
            [{"package_id": "a", "idempotency_key": "k"}, {"package_id": "b", "idempotency_key": "k"}]
        )
    assert EsimOrder.objects.count() == 2


def test_rolled_back_batch_leaves_no_orders_and_sends_nothing(airalo, committed):
    with committed(), transaction.atomic():
        services.place_orders(wanted(3))
        transaction.set_rollback(True)
    assert not EsimOrder.objects.exists()
    assert airalo.orders == []


@pytest.mark.parametrize("known", [0, 5])
def test_batch_size_does_not_change_number_of_queries(airalo, settings, known):
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2  # else the database is asked for its own string
    package = PackageFactory(package_id="test", net_price="1.50")

    def cost(count):
        EsimOrder.objects.all().delete()
        services.place_orders(wanted(known))
        with CaptureQueriesContext(connection) as queries:
            services.place_orders(wanted(count))
        return len([query for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))])

    assert package.type == "sim"
    # The keys, the packages, the clock, the orders, their events. Of more orders, Django 5.2 makes several inserts on
    # SQLite, each of 999 values at most.
    assert cost(6) == cost(14) == 5


def test_batch_can_mix_future_and_sync_orders(airalo):
    due_date = datetime.now(UTC) + timedelta(days=30)
    orders = services.place_orders(
        [{"package_id": "test", "due_date": due_date}, {"package_id": "test", "mode": "sync"}]
    )
    assert [(order.mode, order.is_future) for order in orders] == [("async", True), ("sync", False)]
