"""A webhook whose processing failed is never lost and does not stop others."""

from __future__ import annotations

import json

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from django_airalo import services
from django_airalo.exceptions import WebhookVerificationError
from django_airalo.models import Esim, EsimOrder, WebhookEvent
from django_airalo.services.core import database
from django_airalo.testing import (
    credit_limit_payload,
    failure_payload,
    order_payload,
    sign_webhook,
    sim_payload,
    webhook_payload,
)
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, WebhookEventFactory, ago, due_now

from .support import Meanwhile, MissingTable


def payload_for(order, **overrides):
    return webhook_payload(order_payload(description=order.airalo_description, **overrides), order.request_id)


def due_again():
    WebhookEvent.objects.filter(processed_at=None).update(due_at=LONG_AGO)


@pytest.mark.django_db(transaction=True)
def test_webhook_is_retried_after_database_error_while_processing(airalo):
    order = EsimOrderFactory(accepted=True)
    notice = credit_limit_payload()
    with MissingTable(Esim):
        assert airalo.push(payload_for(order)).status_code == 200  # it is kept, and that is what 200 means
        event = WebhookEvent.objects.get()
        assert (event.status, event.processed_at, event.tries) == ("received", None, 1)
        assert event.error.endswith("Error: see the log.")
        assert event.due_at > database.db_now()
        order.refresh_from_db()
        assert order.status == "accepted"
        # The sweep tries again, and goes on to others.
        due_again()
        WebhookEventFactory(body=json.dumps(notice))
        report = services.sweep()
        assert report.webhooks == 2
        assert WebhookEvent.objects.filter(status="processed", kind="credit_limit").exists()
        event.refresh_from_db()
        assert event.tries == 2
    due_again()
    services.sweep()
    order.refresh_from_db()
    event.refresh_from_db()
    assert (order.status, event.status, event.error) == ("completed", "processed", "")
    assert order.esims.count() == 1


@pytest.mark.django_db(transaction=True)
def test_repeated_webhook_is_processed_again_after_first_processing_failed(airalo):
    order = EsimOrderFactory(accepted=True)
    payload = payload_for(order)
    with MissingTable(Esim):
        airalo.push(payload)
    airalo.push(payload)
    order.refresh_from_db()
    assert order.status == "completed"
    assert WebhookEvent.objects.get().deliveries == 2


@pytest.mark.django_db(transaction=True)
def test_delivery_that_cannot_be_recorded_keeps_no_esim(airalo):
    """The second eSIM cannot be written: neither is the first."""
    order = EsimOrderFactory(accepted=True, quantity=2)
    with MissingTable(EsimOrder.events.rel.related_model):
        airalo.push(payload_for(order, sims=[sim_payload(), sim_payload()]))
    assert not Esim.objects.exists()
    order.refresh_from_db()
    assert order.status == "accepted"


@pytest.mark.django_db
def test_failing_webhook_is_retried_with_increasing_delays(airalo):
    """A row that never succeeds does not delay new ones permanently."""
    EsimOrderFactory(request_id="request-a", accepted=True)
    order = EsimOrderFactory(accepted=True)
    event = WebhookEventFactory(body=json.dumps(payload_for(order)))
    Esim.objects.all().delete()
    with connection.cursor() as cursor:  # the body cannot be decrypted any more
        cursor.execute("UPDATE django_airalo_webhookevent SET body = 'f1:nonsense'")
    waits = []
    for _ in range(7):
        WebhookEvent.objects.update(due_at=LONG_AGO)
        services.sweep()
        kept = WebhookEvent.objects.defer("body").get(pk=event.pk)
        waits.append(round((kept.due_at - database.db_now()).total_seconds(), -1))
        assert kept.error == "DecryptionError: see the log."
    assert waits == sorted(waits)
    assert waits[0] > 20
    assert waits[-1] > 6 * 3600 - 10


@pytest.mark.django_db
def test_webhook_that_cannot_be_decrypted_does_not_stop_others(airalo, settings, heard):
    """The keys were changed and the old ones lost: all that is new works on."""
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    lost = WebhookEventFactory(body=json.dumps(payload_for(order)), status="waiting", request_id="request-1")
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    WebhookEventFactory(body=json.dumps(credit_limit_payload()))
    pending = EsimOrderFactory()

    airalo.sweep()

    assert len(heard.of("credit_limit_reached")) == 1
    pending.refresh_from_db()
    assert pending.status == "accepted"
    kept = WebhookEvent.objects.defer("body").get(pk=lost.pk)
    assert kept.error == "DecryptionError: see the log."
    # Neither does a 202 with its request_id, nor does its repetition.
    EsimOrder.objects.filter(pk=order.pk).update(status="pending", request_id=None)
    due_now(order)
    airalo.answer(202, {"data": {"request_id": "request-1"}})
    assert services.submit_order(order).status == "accepted"


@pytest.mark.django_db
def test_repetition_of_webhook_that_cannot_be_decrypted_is_200(airalo, settings):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    payload = webhook_payload(order_payload(), "unknown")
    assert airalo.push(payload).status_code == 200
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert airalo.push(payload).status_code == 200


@pytest.mark.django_db
def test_webhooks_of_esim_that_cannot_be_decrypted_are_processed(airalo, settings, heard):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    esim = EsimFactory(order__request_id="request-1")
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    sims = [sim_payload(iccid=esim.iccid)]
    airalo.push(webhook_payload(order_payload(sims=sims), "request-1"))
    airalo.push({"level": "75%", "iccid": esim.iccid})
    assert list(WebhookEvent.objects.values_list("status", flat=True)) == ["processed", "processed"]
    assert heard.of("esim_low_data")[0]["iccid"] == esim.iccid


@pytest.mark.django_db
def test_receive_webhook_stores_webhook_and_processes_it_after_commit(airalo, committed):
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    body = json.dumps(failure_payload("request-1")).encode()
    with committed():
        event = services.receive_webhook(body, signature_header=sign_webhook(body))
        order.refresh_from_db()
        assert (event.status, event.signature_encoding, order.status) == ("received", "raw", "accepted")
    order.refresh_from_db()
    assert order.status == "failed"
    with pytest.raises(WebhookVerificationError):
        services.receive_webhook(body, signature_header="0" * 128)


@pytest.mark.django_db
@pytest.mark.parametrize("reading", ["php", "php-arrays", "js-sdk", "javascript", "python"])
def test_encoding_of_signed_body_is_stored(airalo, reading):
    document = {"reason": "é/é", "remaining": 9.0, "empty": {}}
    spaced = json.dumps(document, indent=1).encode()
    signed = {
        "php": rb'{"reason":"\u00e9\/\u00e9","remaining":9,"empty":{}}',
        "php-arrays": rb'{"reason":"\u00e9\/\u00e9","remaining":9,"empty":[]}',
        "js-sdk": '{"reason":"é\\/é","remaining":9,"empty":{}}'.encode(),
        "javascript": '{"reason":"é/é","remaining":9,"empty":{}}'.encode(),
        "python": rb'{"reason":"\u00e9/\u00e9","remaining":9.0,"empty":{}}',
    }[reading]
    assert services.receive_webhook(spaced, signature_header=sign_webhook(signed)).signature_encoding == reading


@pytest.mark.django_db
def test_processing_processed_webhook_changes_nothing(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    airalo.push(payload_for(order))
    event = WebhookEvent.objects.get()
    del heard[:]
    again = services.process_webhook_event(event)
    assert (again.status, again.processed_at) == ("processed", event.processed_at)
    assert order.esims.count() == 1
    assert heard == []


@pytest.mark.django_db
def test_webhook_set_aside_can_be_processed_again_manually(airalo, committed):
    event = WebhookEventFactory(body=json.dumps(failure_payload("request-1")), status="set_aside", due_at=None)
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    services.sweep()
    order.refresh_from_db()
    assert order.status == "accepted"
    with committed():
        assert services.process_webhook_event(event.pk).status == "processed"
    order.refresh_from_db()
    assert order.status == "failed"


# Two processes with one webhook


def processed_by_another():
    WebhookEvent.objects.update(status="processed", processed_at=database.db_now(), due_at=None, error="")


@pytest.mark.django_db
@pytest.mark.parametrize("state", [{"status": "waiting"}, {"error": "LookupError: see the log."}])
def test_repetition_does_not_make_webhook_processed_by_another_process_due(airalo, state):
    payload = webhook_payload(order_payload(), "request-1")
    airalo.push(payload)
    WebhookEvent.objects.update(**state)
    with Meanwhile(processed_by_another):
        airalo.push(payload)
    event = WebhookEvent.objects.get()
    assert (event.status, event.due_at, event.deliveries) == ("processed", None, 2)


@pytest.mark.django_db(transaction=True)
def test_failed_attempt_does_not_change_webhook_processed_by_another_process(airalo):
    order = EsimOrderFactory(accepted=True)
    event = WebhookEventFactory(body=json.dumps(payload_for(order)))
    with MissingTable(Esim), Meanwhile(processed_by_another):
        services.process_webhook_event(event)
    event.refresh_from_db()
    assert (event.status, event.error, event.tries, event.due_at) == ("processed", "", 0, None)


@pytest.mark.django_db
def test_processed_webhook_that_is_still_due_is_not_due_after_sweep(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    airalo.push(payload_for(order))
    WebhookEvent.objects.update(due_at=LONG_AGO)
    del heard[:]
    airalo.sweep()
    event = WebhookEvent.objects.get()
    assert (event.status, event.due_at, heard) == ("processed", None, [])
    assert services.sweep().webhooks == 0


# Webhooks of another shop on the same account


@pytest.mark.django_db
@pytest.mark.parametrize(("days", "is_tried_again"), [(6.9, True), (7.1, False)])
def test_webhook_without_order_is_retried_for_one_week(
    airalo, days, is_tried_again, django_capture_on_commit_callbacks
):
    airalo.push(webhook_payload(order_payload(), "request-1"))
    WebhookEvent.objects.update(due_at=LONG_AGO, received_at=ago(days * 86400))
    services.sweep()
    event = WebhookEvent.objects.get()
    assert (event.status, event.due_at is not None) == ("waiting", is_tried_again)
    # Whenever its order is accepted, it is still there.
    airalo.answer(202, {"data": {"request_id": "request-1"}})
    order = EsimOrderFactory()
    with django_capture_on_commit_callbacks(execute=True):
        services.submit_order(order)
    order.refresh_from_db()
    assert (order.status, WebhookEvent.objects.get().status) == ("completed", "processed")
