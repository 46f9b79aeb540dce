"""A shop whose router reads from a replica: what the services decide by is read from the database they write to."""

from __future__ import annotations

import json

import pytest
from django.db import connections
from django.utils.connection import ConnectionDoesNotExist

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import Esim, EsimOrder, OrderEvent, SubmissionPause, WebhookEvent
from django_airalo.services import operations
from django_airalo.services.account import pauses
from django_airalo.services.core import database
from django_airalo.services.orders import submit
from django_airalo.testing import order_payload, sim_payload, webhook_payload
from tests.factories import FAR_AHEAD, EsimFactory, EsimOrderFactory, WebhookEventFactory


class ReplicaRouter:
    """Reads our models from an unavailable replica: reading from it raises."""

    def db_for_read(self, model, **hints):
        return "replica" if model in (Esim, EsimOrder, OrderEvent, SubmissionPause, WebhookEvent) else None


pytestmark = pytest.mark.django_db


@pytest.fixture
def replica(settings):
    def begin():
        settings.DATABASE_ROUTERS = [f"{__name__}.{ReplicaRouter.__name__}"]

    yield begin
    settings.DATABASE_ROUTERS = []


def written(model):
    return model.objects.using("default")


def test_query_routed_to_replica_raises(replica):
    replica()
    assert "replica" not in connections
    with pytest.raises(ConnectionDoesNotExist):
        EsimOrder.objects.exists()


@pytest.mark.parametrize("repeated", [False, True])
def test_webhook_completes_order_and_sends_signals(airalo, heard, replica, repeated):
    order = EsimOrderFactory(accepted=True, quantity=2)
    payload = webhook_payload(order_payload(description=order.airalo_description, quantity=2), order.request_id)
    replica()
    for _ in range(1 + repeated):
        assert airalo.push(payload).status_code == 200
    event, order = written(WebhookEvent).get(), written(EsimOrder).get()
    assert (event.status, event.error, event.deliveries) == ("processed", "", 1 + repeated)
    assert (order.status, order.attention) == ("completed", "")
    assert heard.names() == ["esim_order_status_changed", "esim_order_completed"]
    assert heard.of("esim_order_completed")[0]["order"].status == "completed"


def test_delivery_of_known_esim_completes_order_without_flag(airalo, replica):
    order = EsimOrderFactory(accepted=True)
    esim = EsimFactory(order=order)
    replica()
    airalo.push(webhook_payload(order_payload(sims=[sim_payload(iccid=esim.iccid)]), order.request_id))
    order = written(EsimOrder).get()
    assert (order.status, order.attention) == ("completed", "")


def test_waiting_webhook_is_processed_after_acceptance(airalo, replica, committed):
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    body = json.dumps(webhook_payload(order_payload(), "request-1"))
    WebhookEventFactory(status="waiting", request_id="request-1", due_at=FAR_AHEAD, body=body)
    replica()
    with committed():
        submit._process_waiting_webhooks("request-1")
    assert written(EsimOrder).get(pk=order.pk).status == "completed"


def test_repeated_key_returns_existing_order(replica):
    placed = services.place_order(package_id="test", idempotency_key="line-1")
    esim = EsimFactory()
    replica()
    assert services.place_order(package_id="test", idempotency_key="line-1") == placed
    assert len(services.place_orders([{"package_id": "test", "idempotency_key": f"line-{n}"} for n in (1, 2, 3)])) == 3
    assert services.place_topup(esim, package_id="test-topup").esim_id == esim.pk


def test_holder_of_lease_is_recognised(replica):
    order = EsimOrderFactory(submitting=True)
    replica()
    assert submit._holds_lease(order)


def test_pause_is_found_and_can_be_ended(airalo, heard, replica, committed):
    order = EsimOrderFactory()
    replica()
    with committed():
        pauses.pause_submission(order, reason="No credit.")
        assert pauses.active_pause()
        with pytest.raises(IllegalTransitionError):
            operations.retry_now(order)
    with committed():
        assert operations.resume_submission(resumed_by="Ada")
    assert heard.names() == ["submission_paused", "submission_resumed"]


def test_decision_and_cancellation_update_given_order(committed, replica):
    unconfirmed, pending = EsimOrderFactory(unconfirmed=True), EsimOrderFactory()
    replica()
    with committed():
        operations.mark_failed(unconfirmed)
        services.cancel_order(pending)
    assert (unconfirmed.status, pending.status) == ("failed", "cancelled")


def test_primary_alias_is_database_that_is_written(replica):
    replica()
    assert database.primary_alias() == "default"
