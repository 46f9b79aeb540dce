"""Future orders are cancelled at Airalo, which may answer anything or nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests
from django.db import transaction

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder
from django_airalo.services.core import database
from django_airalo.testing.delivery import respond
from tests.factories import EsimOrderFactory, ago, due_now

from .future_support import Failing, in_days, sweep

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
DAY = timedelta(days=1)


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


def test_cancelled_future_order_is_cancelled_at_airalo(airalo, heard, place, committed):
    order = place()
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert (order.status, order.due_at, order.cancel_requested_at) == ("cancelled", None, None)
    assert airalo.find(order).cancelled
    assert heard.names(order)[-1] == "esim_order_cancelled"


@pytest.mark.django_db(transaction=True)
def test_cancel_outside_transaction_returns_cancelled_order(airalo):
    order = services.place_order(package_id="test", due_date=in_days(30))
    assert EsimOrder.objects.get().status == "scheduled"
    order.refresh_from_db()
    assert services.cancel_order(order) is order
    assert order.status == "cancelled"
    with pytest.raises(IllegalTransitionError, match="is cancelled, so cancel_order"):
        services.cancel_order(order)


def test_cancel_inside_transaction_calls_airalo_after_commit(airalo, place, committed):
    order = place()
    with committed():
        assert services.cancel_order(order) is order
        assert order.status == "scheduled"
        assert order.cancel_requested_at is not None
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("cancelled", None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [422, 429])
def test_cancel_outside_transaction_raises_on_422_and_stays_requested_on_429(airalo, status):
    services.place_order(package_id="test", due_date=in_days(30))
    order = EsimOrder.objects.get()
    refusal = {"data": {"request_ids.0": "Request ID: x can not be cancelled."}}
    airalo.override_answer("POST", "/v2/cancel-future-orders", refusal, status=status)
    if status == 422:
        with pytest.raises(IllegalTransitionError, match="Airalo does not cancel it"):
            services.cancel_order(order)
    else:
        services.cancel_order(order)
    assert (order.status, order.cancel_requested_at is None) == ("scheduled", status == 422)


def test_rolled_back_cancel_request_is_not_stored_or_sent(airalo, place, committed):
    order = place()
    with committed(), transaction.atomic():
        services.cancel_order(order)
        transaction.set_rollback(True)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("scheduled", None)
    assert "POST /v2/cancel-future-orders" not in airalo.asked


def test_cancel_after_latest_cancellation_date_raises_without_calling_airalo(airalo, place, committed):
    order = place()
    EsimOrder.objects.update(latest_cancellation_date=ago(1))
    with committed(), pytest.raises(IllegalTransitionError, match="Airalo does not cancel it"):
        services.cancel_order(order)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("scheduled", None)
    assert "POST /v2/cancel-future-orders" not in airalo.asked


def test_cancel_orders_sends_batches_of_ten(airalo, place, committed):
    orders = [place() for _ in range(12)]
    pending = EsimOrderFactory()
    late = place()
    EsimOrder.objects.filter(pk=late.pk).update(latest_cancellation_date=ago(1))
    airalo.asked.clear()
    with committed():
        assert services.cancel_orders([*orders, pending, late]) == [*orders, pending]
        assert [order.status for order in orders] == ["scheduled"] * 12
        assert all(order.cancel_requested_at for order in orders)
    assert airalo.asked.count("POST /v2/cancel-future-orders") == 2
    assert EsimOrder.objects.filter(status="cancelled").count() == 13


def test_refused_batch_still_cancels_cancellable_orders(airalo, place, committed):
    """Airalo refuses the batch as a whole because of one. It does not say whether the others were cancelled."""
    orders = [place() for _ in range(3)]
    made = airalo.find(orders[1])
    airalo.fulfil(orders[1])
    with committed():
        services.cancel_orders(orders)
    statuses = [EsimOrder.objects.get(pk=order.pk).status for order in orders]
    assert statuses == ["cancelled", "completed", "cancelled"]
    assert made.bought


def test_batch_refused_after_partial_cancellation_flags_only_refused_order(airalo, place, committed):
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
@pytest.mark.parametrize("trouble", ["time-out", "500", "400", "401", "403", "404", "422"])
def test_unknown_cancellation_outcome_is_resolved_by_list(airalo, place, committed, trouble, carried_out):
    order = place()

    def answer(usual):
        if carried_out:
            usual()
        if trouble.isdecimal():
            return respond(int(trouble), b"<html>oops")
        raise requests.ReadTimeout("no answer")

    airalo.failing["/v2/cancel-future-orders"] = [answer]
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert order.status == ("cancelled" if carried_out else "scheduled")
    if not carried_out:  # the request is kept, and the sweep sends it again
        assert order.cancel_requested_at is not None
        due_now(order)
        sweep(committed)
        order.refresh_from_db()
        assert order.status == "cancelled"
    assert order.attention == ""


@pytest.mark.parametrize("carried_out", [True, False])
def test_sweep_completes_cancellation_of_dead_process(airalo, heard, place, committed, carried_out):
    order = place()
    services.cancel_order(order)  # nothing is run after the commit
    airalo.find(order).cancelled = carried_out
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("cancelled", None)
    assert heard.names(order)[-1] == "esim_order_cancelled"


@pytest.mark.parametrize("status", [429, 401, 403])
def test_cancellation_not_executed_is_retried_by_sweep(airalo, place, committed, status):
    order = place()
    airalo.failing["/v2/cancel-future-orders"] = [(status, {"message": "No."})] * 2
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at is not None) == ("scheduled", True)
    airalo.failing.clear()
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "cancelled"


def test_cancelled_order_fulfilled_by_airalo_completes_late(airalo, heard, place, committed):
    """It was listed nowhere, so it counted as cancelled; but Airalo was making it."""
    order = place()
    airalo.find(order).cancelled = True
    airalo.failing["/v2/cancel-future-orders"] = [(500, b"oops")]
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert order.status == "cancelled"
    assert order.due_at is not None
    airalo.fulfil(order)
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "completed"
    assert heard.of("esim_order_completed")[0]["late"] is True


def test_cancelled_order_lookups_end_after_due_date(airalo, place, committed):
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


def test_cancellation_of_unknown_request_id_is_flagged_as_refused(airalo, place, committed):
    order = place()
    airalo.failing["/v2/cancel-future-orders"] = [(404, {"data": [], "meta": {"message": "not found"}})]
    with committed():
        services.cancel_order(order)
    order.refresh_from_db()
    assert (order.status, order.cancel_requested_at) == ("scheduled", None)
    assert order.attention.startswith("Airalo did not cancel the future order: Airalo answered HTTP 404")
    assert order.due_at > database.db_now()


@pytest.mark.parametrize("status", [404, 403, 401])
def test_one_failing_order_does_not_block_rest_of_cancel_batch(airalo, place, committed, status):
    orders = [place() for _ in range(3)]
    refused, usual = (status, {"message": "No."}), lambda usual: usual()
    airalo.failing["/v2/cancel-future-orders"] = [refused, usual, refused, usual]
    with committed():
        services.cancel_orders(orders)
    found = [EsimOrder.objects.get(pk=order.pk) for order in orders]
    assert [order.status for order in found] == ["cancelled", "scheduled", "cancelled"]
    assert (found[1].cancel_requested_at is None) is (status == 404)


def test_disallowed_ip_address_keeps_whole_batch_requested_after_one_call(airalo, place, committed):
    orders = [place() for _ in range(2)]
    airalo.asked.clear()
    airalo.failing["/v2/cancel-future-orders"] = [(403, {"code": 89, "reason": "not allowed"})]
    with committed():
        services.cancel_orders(orders)
    assert airalo.asked == ["POST /v2/cancel-future-orders"]
    assert EsimOrder.objects.exclude(cancel_requested_at=None).count() == 2


@pytest.mark.parametrize("becomes", ["made", "listed", "gone"])
def test_uncancelled_order_is_looked_up_after_latest_cancellation_date(airalo, place, committed, becomes):
    order = place()
    airalo.failing["/v2/cancel-future-orders"] = [(401, {})] * 99
    with committed():
        services.cancel_order(order)
    EsimOrder.objects.update(latest_cancellation_date=ago(1))
    due_now(order)
    if becomes == "made":
        airalo.fulfil(order)
    airalo.find(order).cancelled = becomes == "gone"
    airalo.asked.clear()
    sweep(committed)
    assert "POST /v2/cancel-future-orders" not in airalo.asked
    order.refresh_from_db()
    assert order.status == {"made": "completed", "listed": "scheduled", "gone": "cancelled"}[becomes]
    if becomes == "listed":
        assert order.attention == "Airalo did not cancel the future order before its last date for that."
        assert order.cancel_requested_at is None
        assert order.due_at > database.db_now()


@pytest.mark.parametrize(
    "body",
    [
        {
            "data": {"request_ids.0": "It cannot be cancelled any more."},
            "meta": {"message": "the parameter is invalid"},
        },
        {"code": 34, "reason": "It cannot be cancelled any more."},
    ],
)
def test_cancellation_refused_under_200_leaves_order_scheduled_and_flagged(airalo, heard, place, committed, body):
    order = place()
    airalo.override_answer("POST", "/v2/cancel-future-orders", body)
    with committed():
        services.cancel_order(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "scheduled"
    assert "It cannot be cancelled any more." in order.attention
    assert "esim_order_cancelled" not in heard.names(order)
