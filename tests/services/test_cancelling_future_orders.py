"""Future orders are cancelled at Airalo, which may answer anything or nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests
from django.db import transaction

from django_airalo import services
from django_airalo.models import EsimOrder
from django_airalo.services import database
from django_airalo.testing.api import respond
from tests.factories import EsimOrderFactory, ago, due_now

from .future_support import Failing, in_days, sweep

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
DAY = timedelta(days=1)


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


def test_it_is_cancelled_at_airalo(airalo, heard, place, committed):
    order = place()
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert (order.status, order.due_at, order.cancel_requested_at) == ("cancelled", None, None)
    assert airalo.find(order).cancelled
    assert heard.names(order)[-1] == "esim_order_cancelled"


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_the_answer_is_known_at_once(airalo):
    order = services.place_order(package_id="test", due_date=in_days(30))
    assert EsimOrder.objects.get().status == "scheduled"
    order.refresh_from_db()
    assert services.cancel_order(order) is True
    assert order.status == "cancelled"
    assert services.cancel_order(order) is False


def test_a_wish_that_is_rolled_back_was_never_there(airalo, place, committed):
    order = place()
    with committed(), transaction.atomic():
        services.cancel_order(order)
        transaction.set_rollback(True)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("scheduled", None)
    assert "POST /v2/cancel-future-orders" not in airalo.asked


def test_after_the_latest_date_airalo_is_not_asked(airalo, place, committed):
    order = place()
    EsimOrder.objects.update(latest_cancellation_date=ago(1))
    with committed():
        assert services.cancel_order(order) is False
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("scheduled", None)
    assert "POST /v2/cancel-future-orders" not in airalo.asked


def test_many_are_cancelled_in_batches_of_ten(airalo, place, committed):
    orders = [place() for _ in range(12)]
    pending = EsimOrderFactory()
    late = place()
    EsimOrder.objects.filter(pk=late.pk).update(latest_cancellation_date=ago(1))
    airalo.asked.clear()
    with committed():
        assert services.cancel_orders([*orders, pending, late]) == [pending]
    assert airalo.asked.count("POST /v2/cancel-future-orders") == 2
    assert EsimOrder.objects.filter(status="cancelled").count() == 13


def test_a_batch_that_is_refused_cancels_those_that_can_be(airalo, place, committed):
    """Airalo refuses the batch as a whole because of one. It does not say whether the others were cancelled."""
    orders = [place() for _ in range(3)]
    made = airalo.find(orders[1])
    airalo.list(orders[1])
    with committed():
        services.cancel_orders(orders)
    statuses = [EsimOrder.objects.get(pk=order.pk).status for order in orders]
    assert statuses == ["cancelled", "completed", "cancelled"]
    assert made.bought


def test_a_batch_that_is_refused_after_others_of_it_were_cancelled(airalo, place, committed):
    orders = [place() for _ in range(3)]

    def partly(usual):
        for order in (orders[0], orders[2]):
            airalo.find(order).cancelled = True
        return respond(422, {"data": {"request_ids.1": "Request ID: x is already processed."}})

    refusal = (422, {"data": {"request_ids.0": "Request ID: x can not be cancelled."}})
    airalo.failing["/v2/cancel-future-orders"] = [partly, refusal]
    with committed():
        services.cancel_orders(orders)
    found = [EsimOrder.objects.get(pk=order.pk) for order in orders]
    assert [order.status for order in found] == ["cancelled", "scheduled", "cancelled"]
    assert "can not be cancelled" in found[1].attention
    assert found[1].cancel_requested_at is None


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("trouble", ["time-out", "500"])
def test_an_unknown_outcome_is_told_by_the_list(airalo, place, committed, trouble, carried_out):
    order = place()

    def answer(usual):
        if carried_out:
            usual()
        if trouble == "500":
            return respond(500, b"oops")
        raise requests.ReadTimeout("no answer")

    airalo.failing["/v2/cancel-future-orders"] = [answer]
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert order.status == ("cancelled" if carried_out else "scheduled")
    if not carried_out:  # the wish is kept, and the sweep asks again
        assert order.cancel_requested_at is not None
        due_now(order)
        sweep(committed)
        order.refresh_from_db()
        assert order.status == "cancelled"
    assert order.attention == ""


@pytest.mark.parametrize("carried_out", [True, False])
def test_the_sweep_ends_what_a_process_that_died_began(airalo, heard, place, committed, carried_out):
    order = place()
    services.cancel_order(order)  # nothing is run after the commit
    airalo.find(order).cancelled = carried_out
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("cancelled", None)
    assert heard.names(order)[-1] == "esim_order_cancelled"


@pytest.mark.parametrize("status", [429, 401, 403])
def test_what_was_surely_not_carried_out_is_asked_again(airalo, place, committed, status):
    order = place()
    airalo.failing["/v2/cancel-future-orders"] = [(status, {})] * 2
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at is not None) == ("scheduled", True)
    airalo.failing.clear()
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "cancelled"


def test_what_is_made_after_all_is_found_and_told_as_late(airalo, heard, place, committed):
    """It was listed nowhere, so it counted as cancelled; but Airalo was making it."""
    order = place()
    airalo.find(order).cancelled = True
    airalo.failing["/v2/cancel-future-orders"] = [(500, b"oops")]
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert order.status == "cancelled"
    assert order.due_at is not None
    airalo.list(order)
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "completed"
    assert heard.of("esim_order_completed")[0]["late"] is True


def test_one_that_was_cancelled_is_not_looked_up_for_ever(airalo, place, committed):
    order = place()
    airalo.find(order).cancelled = True
    airalo.failing["/v2/cancel-future-orders"] = [(500, b"oops")]
    with committed():
        services.cancel_order(order)
    EsimOrder.objects.update(due_date=ago(2 * 3600))
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert (order.status, order.due_at) == ("cancelled", None)


# What Airalo says of one order only


def test_one_that_airalo_does_not_know_under_its_id_is_refused(airalo, place, committed):
    order = place()
    airalo.failing["/v2/cancel-future-orders"] = [(404, {"data": [], "meta": {"message": "not found"}})]
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("scheduled", None)
    assert order.attention.startswith("Airalo did not cancel the future order: Airalo answered HTTP 404")
    assert order.due_at > database.now()


@pytest.mark.parametrize("status", [404, 403, 401])
def test_one_does_not_keep_its_batch_from_being_cancelled(airalo, place, committed, status):
    orders = [place() for _ in range(3)]
    refused, usual = (status, {}), lambda usual: usual()
    airalo.failing["/v2/cancel-future-orders"] = [refused, usual, refused, usual]
    with committed():
        services.cancel_orders(orders)
    found = [EsimOrder.objects.get(pk=order.pk) for order in orders]
    assert [order.status for order in found] == ["cancelled", "scheduled", "cancelled"]
    assert (found[1].cancel_requested_at is None) is (status == 404)


def test_an_address_that_is_not_allowed_is_meant_of_all(airalo, place, committed):
    orders = [place() for _ in range(2)]
    airalo.asked.clear()
    airalo.failing["/v2/cancel-future-orders"] = [(403, {"code": 89, "reason": "not allowed"})]
    with committed():
        services.cancel_orders(orders)
    assert airalo.asked == ["POST /v2/cancel-future-orders"]
    assert EsimOrder.objects.exclude(cancel_requested_at=None).count() == 2


@pytest.mark.parametrize("becomes", ["made", "listed", "gone"])
def test_one_that_airalo_never_cancelled_is_looked_up_when_it_is_too_late(airalo, place, committed, becomes):
    order = place()
    airalo.failing["/v2/cancel-future-orders"] = [(401, {})] * 99
    with committed():
        services.cancel_order(order)
    EsimOrder.objects.update(latest_cancellation_date=ago(1))
    due_now(order)
    if becomes == "made":
        airalo.list(order)
    airalo.find(order).cancelled = becomes == "gone"
    airalo.asked.clear()
    sweep(committed)
    assert "POST /v2/cancel-future-orders" not in airalo.asked
    order.refresh_from_db()
    assert order.status == {"made": "completed", "listed": "scheduled", "gone": "cancelled"}[becomes]
    if becomes == "listed":
        assert order.attention == "Airalo did not cancel the future order before its last date for that."
        assert order.cancel_requested_at is None
        assert order.due_at > database.now()
