"""A webhook whose interpretation did not succeed is never lost and keeps no other from being interpreted."""

from __future__ import annotations

import json

import pytest
from cryptography.fernet import Fernet
from django.db import connection

from django_airalo import services
from django_airalo.exceptions import WebhookVerificationError
from django_airalo.models import Esim, EsimOrder, WebhookEvent
from django_airalo.services import database
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
def test_a_database_error_while_interpreting_loses_nothing(airalo):
    order = EsimOrderFactory(accepted=True)
    notice = credit_limit_payload()
    with MissingTable(Esim):
        assert airalo.push(payload_for(order)).status_code == 200  # it is kept, and that is what 200 means
        event = WebhookEvent.objects.get()
        assert (event.status, event.processed_at, event.tries) == ("received", None, 1)
        assert event.error.endswith("Error: see the log.")
        assert event.due_at > database.now()
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
def test_a_repeated_webhook_whose_first_processing_failed_is_processed_again(airalo):
    order = EsimOrderFactory(accepted=True)
    payload = payload_for(order)
    with MissingTable(Esim):
        airalo.push(payload)
    airalo.push(payload)
    order.refresh_from_db()
    assert order.status == "completed"
    assert WebhookEvent.objects.get().deliveries == 2


@pytest.mark.django_db(transaction=True)
def test_half_of_a_delivery_is_never_kept(airalo):
    """The second eSIM cannot be written: neither is the first."""
    order = EsimOrderFactory(accepted=True, quantity=2)
    with MissingTable(EsimOrder.events.rel.related_model):
        airalo.push(payload_for(order, sims=[sim_payload(), sim_payload()]))
    assert not Esim.objects.exists()
    order.refresh_from_db()
    assert order.status == "accepted"


@pytest.mark.django_db
def test_a_failing_webhook_waits_longer_each_time(airalo):
    """A row that never succeeds does not stand in the way of new ones for ever."""
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
        waits.append(round((kept.due_at - database.now()).total_seconds(), -1))
        assert kept.error == "DecryptionError: see the log."
    assert waits == sorted(waits)
    assert waits[0] > 20
    assert waits[-1] > 6 * 3600 - 10


@pytest.mark.django_db
def test_a_webhook_that_cannot_be_decrypted_stops_nothing_else(airalo, settings, heard):
    """The keys were changed and the old ones lost: all that is new works on."""
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    lost = WebhookEventFactory(body=json.dumps(payload_for(order)), status="waiting", request_id="request-1")
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    WebhookEventFactory(body=json.dumps(credit_limit_payload()))
    pending = EsimOrderFactory()

    airalo.settle()

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
def test_a_repetition_of_a_webhook_that_cannot_be_decrypted_is_200(airalo, settings):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    payload = webhook_payload(order_payload(), "unknown")
    assert airalo.push(payload).status_code == 200
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert airalo.push(payload).status_code == 200


@pytest.mark.django_db
def test_an_esim_that_cannot_be_decrypted_does_not_stop_its_webhooks(airalo, settings, heard):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    esim = EsimFactory(order__request_id="request-1")
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    sims = [sim_payload(iccid=esim.iccid)]
    airalo.push(webhook_payload(order_payload(sims=sims), "request-1"))
    airalo.push({"level": "75%", "iccid": esim.iccid})
    assert list(WebhookEvent.objects.values_list("status", flat=True)) == ["processed", "processed"]
    assert heard.of("esim_low_data")[0]["iccid"] == esim.iccid


@pytest.mark.django_db
def test_receive_webhook_alone_keeps_and_interprets_after_the_commit(airalo, committed):
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    body = json.dumps(failure_payload("request-1")).encode()
    with committed():
        event = services.receive_webhook(body, sign_webhook(body))
        order.refresh_from_db()
        assert (event.status, event.signature_reading, order.status) == ("received", "raw", "accepted")
    order.refresh_from_db()
    assert order.status == "failed"
    with pytest.raises(WebhookVerificationError):
        services.receive_webhook(body, "0" * 128)


@pytest.mark.django_db
@pytest.mark.parametrize("reading", ["php", "php-arrays", "js-sdk", "javascript", "python"])
def test_which_reading_of_the_body_was_signed_is_kept(airalo, reading):
    document = {"reason": "é/é", "remaining": 9.0, "empty": {}}
    spaced = json.dumps(document, indent=1).encode()
    signed = {
        "php": rb'{"reason":"\u00e9\/\u00e9","remaining":9,"empty":{}}',
        "php-arrays": rb'{"reason":"\u00e9\/\u00e9","remaining":9,"empty":[]}',
        "js-sdk": '{"reason":"é\\/é","remaining":9,"empty":{}}'.encode(),
        "javascript": '{"reason":"é/é","remaining":9,"empty":{}}'.encode(),
        "python": rb'{"reason":"\u00e9/\u00e9","remaining":9.0,"empty":{}}',
    }[reading]
    assert services.receive_webhook(spaced, sign_webhook(signed)).signature_reading == reading


@pytest.mark.django_db
def test_processing_what_is_processed_changes_nothing(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    airalo.push(payload_for(order))
    event = WebhookEvent.objects.get()
    del heard[:]
    again = services.process_webhook_event(event)
    assert (again.status, again.processed_at) == ("processed", event.processed_at)
    assert order.esims.count() == 1
    assert heard == []


@pytest.mark.django_db
def test_what_was_set_aside_can_be_processed_again_by_hand(airalo, committed):
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
    WebhookEvent.objects.update(status="processed", processed_at=database.now(), due_at=None, error="")


@pytest.mark.django_db
@pytest.mark.parametrize("state", [{"status": "waiting"}, {"error": "LookupError: see the log."}])
def test_a_repetition_does_not_make_due_what_another_process_has_understood_meanwhile(airalo, state):
    payload = webhook_payload(order_payload(), "request-1")
    airalo.push(payload)
    WebhookEvent.objects.update(**state)
    with Meanwhile(processed_by_another):
        airalo.push(payload)
    event = WebhookEvent.objects.get()
    assert (event.status, event.due_at, event.deliveries) == ("processed", None, 2)


@pytest.mark.django_db(transaction=True)
def test_a_failed_attempt_leaves_another_ones_success_alone(airalo):
    order = EsimOrderFactory(accepted=True)
    event = WebhookEventFactory(body=json.dumps(payload_for(order)))
    with MissingTable(Esim), Meanwhile(processed_by_another):
        services.process_webhook_event(event)
    event.refresh_from_db()
    assert (event.status, event.error, event.tries, event.due_at) == ("processed", "", 0, None)


@pytest.mark.django_db
def test_what_is_processed_and_due_all_the_same_is_not_due_for_ever(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    airalo.push(payload_for(order))
    WebhookEvent.objects.update(due_at=LONG_AGO)
    del heard[:]
    airalo.settle()
    event = WebhookEvent.objects.get()
    assert (event.status, event.due_at, heard) == ("processed", None, [])
    assert services.sweep().webhooks == 0


# Webhooks of another shop on the same account


@pytest.mark.django_db
@pytest.mark.parametrize(("days", "is_tried_again"), [(6.9, True), (7.1, False)])
def test_a_webhook_without_an_order_is_tried_again_for_a_week(airalo, days, is_tried_again):
    airalo.push(webhook_payload(order_payload(), "request-1"))
    WebhookEvent.objects.update(due_at=LONG_AGO, received_at=ago(days * 86400))
    services.sweep()
    event = WebhookEvent.objects.get()
    assert (event.status, event.due_at is not None) == ("waiting", is_tried_again)
    # Whenever its order is accepted, it is still there.
    airalo.answer(202, {"data": {"request_id": "request-1"}})
    order = EsimOrderFactory()
    services.submit_order(order)
    order.refresh_from_db()
    assert (order.status, WebhookEvent.objects.get().status) == ("completed", "processed")
