"""The same call with the same key returns the same order after any outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import EsimOrder
from django_airalo.services import operations
from django_airalo.testing import order_payload
from django_airalo.testing.delivery import respond
from tests.factories import EsimFactory, UserFactory, at_airalo, due_now

from .future_support import in_days

pytestmark = pytest.mark.django_db

MOVED = timedelta(hours=5)


def other_than_asked(**overrides):
    """An order as Airalo might have changed it."""
    return order_payload(package_id="another", quantity=1, description="another", brand_settings_name="X", **overrides)


def by_webhook(airalo, order):
    airalo.deliver(order, package_id="another", description=f"{order.reference} another", brand_settings_name="X")


def by_look_up(airalo, order):
    airalo.fulfil(order, package_id="another", quantity=1, type="topup")
    services.sync_order(order)


def failed(airalo, order):
    airalo.fail(order)


def in_doubt(airalo, order):
    EsimOrder.objects.filter(pk=order.pk).update(status="unconfirmed", request_id=None)


def given_up(airalo, order):
    in_doubt(airalo, order)
    operations.mark_failed(order)


@pytest.mark.parametrize("become", [by_webhook, by_look_up, failed, in_doubt, given_up])
def test_same_call_returns_same_order_after_any_outcome(airalo, committed, become):
    call = {
        "package_id": "test-mobile-7days-1gb",
        "quantity": 2,
        "user": UserFactory(),
        "idempotency_key": "line-1",
        "description": "line 1",
        "brand_settings_name": "Brand",
        "to_email": "a@example.com",
        "sharing_option": ("link", "pdf"),
        "copy_address": ["b@example.com"],
        "webhook_url": "https://shop.example.com/hook/",
        "mode": "async",
    }
    with committed():
        order = services.place_order(**call)
    with committed():
        become(airalo, order)
    assert services.place_order(**call) == order
    call["user"].delete()  # and the shop's own row has no user any more
    assert services.place_order(**{**call, "user": None}) == order
    assert services.place_orders([{**call, "user": None}], on_refusal="record") == [order]
    assert EsimOrder.objects.count() == 1


def test_same_call_returns_sync_order_answered_with_other_content(airalo, committed):
    airalo.answer(200, {"data": other_than_asked()}, bought=True)
    call = {"package_id": "test", "quantity": 3, "mode": "sync", "description": "line 1", "idempotency_key": "line-1"}
    with committed():
        order = services.place_order(**call)
    assert services.place_order(**call) == order


def test_same_call_returns_topup_answered_with_other_content(airalo, committed):
    esim = EsimFactory()
    airalo.answer(200, {"data": other_than_asked(type="topup", sims=[])}, bought=True)
    with committed():
        order = services.place_topup(esim, package_id="test-topup", idempotency_key="topup-1", description="line 1")
    assert services.place_topup(esim, package_id="test-topup", idempotency_key="topup-1", description="line 1") == order


def moved_in_its_list(airalo, order):
    airalo.find(order).override(due_date=f"{order.due_date + MOVED:%Y-%m-%d %H:%M}")
    due_now(order)
    services.sweep()


def delivered_at_another_date(airalo, order):
    moved_in_its_list(airalo, order)
    airalo.deliver(order)


@pytest.mark.parametrize("become", [moved_in_its_list, delivered_at_another_date])
def test_same_call_returns_future_order_moved_by_airalo(airalo, committed, become):
    call = {"package_id": "test", "due_date": in_days(30), "idempotency_key": "line-1"}
    with committed():
        order = services.place_order(**call)
    order.refresh_from_db()
    with committed():
        become(airalo, order)
    order.refresh_from_db()
    assert (order.due_date, order.requested_due_date) == (call["due_date"] + MOVED, call["due_date"])
    assert services.place_order(**call) == order
    with pytest.raises(IdempotencyConflictError, match="another due_date"):
        services.place_order(**{**call, "due_date": call["due_date"] + MOVED})


def test_same_call_returns_future_order_answered_with_other_date(airalo, committed):
    call = {"package_id": "test", "due_date": in_days(30), "idempotency_key": "line-1"}

    def answer(fake):
        fake.bought = True
        moved = f"{call['due_date'] + MOVED:%Y-%m-%d %H:%M}"
        return respond(200, {"data": {"request_id": fake.request_id, "due_date": moved}})

    airalo._answers.append(answer)
    with committed():
        order = services.place_order(**call)
    order.refresh_from_db()
    assert (order.status, order.due_date) == ("scheduled", call["due_date"] + MOVED)
    assert services.place_order(**call) == order


def test_same_call_returns_unanswered_order_listed_with_other_content(airalo, committed):
    airalo.time_out(bought=True)
    call = {"package_id": "test", "quantity": 2, "description": "line 1", "idempotency_key": "line-1"}
    with committed():
        order = services.place_order(**call)
    at_airalo(airalo, order, package_id="another", quantity=1, description=f"{order.reference} another")
    with committed():
        services.sync_order(order)
    assert services.place_order(**call) == order
