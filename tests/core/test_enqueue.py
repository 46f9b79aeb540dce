from __future__ import annotations

import pytest

from django_airalo import services, tasks  # made once per process, by the settings of then
from django_airalo.models import EsimOrder
from django_airalo.services import operations
from django_airalo.services.core.task_backend import find_backend
from tests.factories import FAR_AHEAD, EsimOrderFactory, WebhookEventFactory, at_airalo

pytestmark = pytest.mark.django_db


def test_tasks_run_inline_without_task_backend(airalo, settings, committed):
    settings.AIRALO_TASK_BACKEND = None
    with committed():
        order = services.place_order(package_id="test")
    order.refresh_from_db()
    assert order.status == "accepted"
    assert airalo.deliver(order).status_code == 200
    order.refresh_from_db()
    assert order.status == "completed"


@pytest.mark.parametrize("backend", ["missing", "default"])
def test_order_is_submitted_despite_unavailable_queue(airalo, settings, committed, backend):
    """No such backend, or one that refuses the task's queue: the shop's request still succeeds."""
    settings.AIRALO_TASK_BACKEND = backend
    settings.TASKS = {"default": {**settings.TASKS["default"], "QUEUES": ["another"]}}
    with committed():
        order = services.place_order(package_id="test")
        operations.retry_now(order)
    order.refresh_from_db()
    if order.status == "pending":  # tasks are made once per process, so the first test decides which it is
        services.sweep()
    assert EsimOrder.objects.get().status == "accepted"
    assert len(airalo.orders) == 1


def test_order_submitted_inline_without_credentials_stays_pending(settings, committed):
    settings.AIRALO_TASK_BACKEND = None
    settings.AIRALO_CLIENT_ID = ""
    with committed():
        order = services.place_order(package_id="test")
    order.refresh_from_db()
    assert order.status == "pending"
    assert "AIRALO_CLIENT_ID" in order.error_reason


def test_tasks_return_status_and_report(airalo):
    order = EsimOrderFactory()
    assert tasks.submit_order.call(order.pk) == "accepted"
    waiting = EsimOrderFactory(unconfirmed=True)
    at_airalo(airalo, waiting)
    assert tasks.sweep.call()["looked_up"] == 1


def test_acceptance_enqueues_task_for_each_waiting_webhook_after_commit(airalo, settings, committed):
    backend = settings.TASKS["default"]["BACKEND"].replace("immediate.ImmediateBackend", "dummy.DummyBackend")
    settings.TASKS = {"default": {"BACKEND": backend}}
    waiting = [WebhookEventFactory(status="waiting", request_id="request-1", due_at=FAR_AHEAD) for _ in range(2)]
    WebhookEventFactory(status="waiting", request_id="another", due_at=FAR_AHEAD)
    airalo.answer(202, {"data": {"request_id": "request-1"}})
    with committed():
        assert services.submit_order(EsimOrderFactory()).status == "accepted"
        assert queued() == []
    assert queued() == [("django_airalo.tasks.process_webhook_event", event.pk) for event in waiting]


def queued():
    """The tasks in the queue, each with its argument."""
    results = find_backend().results
    return [(result.task.module_path, result.args[0]) for result in results]
