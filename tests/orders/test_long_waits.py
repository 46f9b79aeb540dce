"""An order that has waited for long is looked up before it is sent."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import Deployment
from django_airalo.services.orders import order_list
from tests.core.restore_support import BUY, LIST, asked
from tests.factories import EsimOrderFactory, ago, at_airalo

from .future_support import Failing

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("deployed")]


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


def test_order_waiting_for_long_is_looked_up_before_sending(airalo):
    bought_already, other = EsimOrderFactory(created_at=ago(180)), EsimOrderFactory(created_at=ago(180))
    at_airalo(airalo, bought_already)
    assert services.submit_order(bought_already).status == "completed"
    assert services.submit_order(other).status == "accepted"
    assert asked(airalo) == [LIST, LIST, BUY]


def test_many_orders_waiting_for_long_share_one_list_request(airalo):
    orders = EsimOrderFactory.create_batch(8, created_at=ago(180))
    for order in orders[:3]:
        at_airalo(airalo, order)
    services.sweep()
    # What was found has its eSIM completed by a request of its own, after all that is urgent.
    assert asked(airalo)[:6] == [LIST, *[BUY] * 5]
    assert asked(airalo).count(LIST) == 1


def test_list_with_more_pages_than_waiting_orders_is_replaced_by_single_lookups(airalo, monkeypatch):
    orders = EsimOrderFactory.create_batch(5, created_at=ago(180))
    at_airalo(airalo, orders[0])
    for number in range(11):
        at_airalo(airalo, EsimOrderFactory.build(reference=f"{number:032x}"))
    monkeypatch.setattr(order_list, "PAGE_SIZE", 2)
    services.sweep()
    assert asked(airalo).count(LIST) == 1 + 5
    assert asked(airalo).count(BUY) == 4


def test_order_covered_by_list_read_within_five_minutes_is_not_looked_up(airalo):
    EsimOrderFactory.create_batch(5, created_at=ago(180))
    services.sweep()
    late = EsimOrderFactory(created_at=ago(170))
    airalo.asked.clear()
    services.submit_order(late)
    assert asked(airalo) == [BUY]
    Deployment.objects.update(list_read_at=ago(301))
    services.submit_order(EsimOrderFactory(created_at=ago(400)))
    assert asked(airalo) == [BUY, LIST, BUY]


def test_order_looked_up_for_its_age_can_still_be_cancelled(airalo):
    order = EsimOrderFactory(created_at=ago(180))
    airalo.answer(429, {})
    assert services.submit_order(order).status == "pending"
    assert services.cancel_order(order).status == "cancelled"
