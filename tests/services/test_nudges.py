from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import EsimOrder
from tests.factories import EsimOrderFactory, at_airalo

pytestmark = pytest.mark.django_db


def test_without_a_task_backend_it_works_inline(airalo, settings, committed):
    settings.AIRALO_TASK_BACKEND = None
    with committed():
        order = services.place_order(package_id="test")
    order.refresh_from_db()
    assert order.status == "accepted"
    assert airalo.deliver(order).status_code == 200
    order.refresh_from_db()
    assert order.status == "completed"


@pytest.mark.parametrize("backend", ["missing", "default"])
def test_a_queue_that_is_away_loses_nothing(airalo, settings, committed, backend):
    """No such backend, or one that refuses the task's queue: the shop's request is none the wiser."""
    settings.AIRALO_TASK_BACKEND = backend
    settings.TASKS = {"default": {**settings.TASKS["default"], "QUEUES": ["another"]}}
    with committed():
        order = services.place_order(package_id="test")
        services.submit_soon(order)
    order.refresh_from_db()
    if order.status == "pending":  # tasks are made once per process, so the first test decides which it is
        services.sweep()
    assert EsimOrder.objects.get().status == "accepted"
    assert len(airalo.orders) == 1


def test_inline_an_order_without_credentials_waits(settings, committed):
    settings.AIRALO_TASK_BACKEND = None
    settings.AIRALO_CLIENT_ID = ""
    with committed():
        order = services.place_order(package_id="test")
    order.refresh_from_db()
    assert order.status == "pending"
    assert "AIRALO_CLIENT_ID" in order.error_reason


def test_what_the_tasks_return(airalo):
    from django_airalo import tasks

    order = EsimOrderFactory()
    assert tasks.submit_order.call(order.pk) == "accepted"
    waiting = EsimOrderFactory(unconfirmed=True)
    at_airalo(airalo, waiting)
    assert tasks.sweep.call()["looked_up"] == 1
