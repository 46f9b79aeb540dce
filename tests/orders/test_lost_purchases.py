"""A purchase whose row was lost is adopted by the same call, repeated."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, ListedPurchase
from tests.core.restore_support import BUY, LIST, asked, silent
from tests.factories import EsimOrderFactory, PackageFactory, ago, at_airalo

from .future_support import Failing, in_days

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("deployed")]


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


def lost(airalo, key="line-1", **overrides):
    """Airalo lists a purchase of an order of ours that is not in this database."""
    order = services.place_order(package_id="test", idempotency_key=key)
    at_airalo(airalo, order, **overrides)
    order.delete()
    silent()
    services.sweep()
    airalo.asked.clear()
    return order


def test_lost_purchase_is_adopted_by_repeated_call(airalo, heard, committed):
    reference = lost(airalo).reference
    with committed():
        order = services.place_order(package_id="test", idempotency_key="line-1")
    order.refresh_from_db()
    assert (order.reference, order.status, order.attention) == (reference, "completed", "")
    assert asked(airalo) == [LIST]
    assert heard.names(order)[-1] == "esim_order_completed"
    assert order.esims.count() == 1


def test_lost_purchase_with_other_quantity_is_adopted_and_flagged(airalo, committed):
    lost(airalo, quantity=2)
    with committed():
        order = services.place_order(package_id="test", idempotency_key="line-1")
    order.refresh_from_db()
    assert order.status == "completed"
    assert "2 eSIMs, 1 were ordered" in order.attention
    assert BUY not in asked(airalo)


def test_lost_purchase_of_other_package_is_adopted_and_flagged(airalo, committed):
    lost(airalo, package_id="another")
    with committed():
        order = services.place_order(package_id="test", idempotency_key="line-1")
    order.refresh_from_db()
    assert order.status == "completed"
    assert "another" in order.attention


def test_lost_purchase_of_withdrawn_package_is_adopted(airalo, committed):
    lost(airalo)
    PackageFactory(package_id="test", withdrawn_at=ago(1))
    with committed():
        order = services.place_order(package_id="test", idempotency_key="line-1")
    order.refresh_from_db()
    assert order.status == "completed"


def test_lost_future_order_is_adopted(airalo, committed):
    date = in_days(30)
    order = services.submit_order(services.place_order(package_id="test", due_date=date, idempotency_key="line-1"))
    order.delete()
    silent()
    services.sweep()
    with committed():
        order = services.place_order(package_id="test", due_date=date, idempotency_key="line-1")
    order.refresh_from_db()
    assert order.status == "scheduled"
    assert asked(airalo).count("POST /v2/future-orders") == 1


def test_order_with_listed_purchase_cannot_be_cancelled(airalo):
    lost(airalo)
    order = services.place_order(package_id="test", idempotency_key="line-1")
    with pytest.raises(IllegalTransitionError, match="may have reached Airalo"):
        services.cancel_order(order)


def test_purchases_of_others_on_account_create_no_orders(airalo):
    at_airalo(airalo, EsimOrderFactory.build(reference="f" * 32))
    airalo.orders[-1].override(description="f" * 32)
    silent()
    services.sweep()
    assert ListedPurchase.objects.get().reference == "f" * 32
    assert not EsimOrder.objects.exists()


def test_second_purchase_for_completed_order_is_flagged(airalo):
    order = EsimOrderFactory()
    at_airalo(airalo, order)
    silent()
    services.sweep()
    at_airalo(airalo, order)
    silent()
    services.sweep()
    order.refresh_from_db()
    assert order.status == "completed"
    assert "twice" in order.attention or "more than one" in order.attention
