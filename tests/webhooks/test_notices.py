"""Low data and credit limit."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal

import pytest
from django.db import transaction

from django_airalo import services, signals
from django_airalo.models import UsageRecord, WebhookEvent
from django_airalo.services import database
from django_airalo.testing import credit_limit_payload, low_data_payload
from tests.factories import LONG_AGO, EsimFactory, UserFactory, WebhookEventFactory, ago

from .support import Meanwhile, MissingTable

pytestmark = pytest.mark.django_db


def event():
    return WebhookEvent.objects.get()


def test_low_data_names_the_esim(airalo, heard):
    esim = EsimFactory(order__user=UserFactory())
    airalo.push(low_data_payload(esim.iccid, level="90%", remaining_percentage=10))
    (kwargs,) = heard.of("esim_low_data")
    assert kwargs["esim"] == esim
    assert kwargs["esim"].order.user.email
    assert (kwargs["sender"], kwargs["iccid"], kwargs["level"]) == (WebhookEvent, esim.iccid, "90%")
    assert (kwargs["remaining_percentage"], kwargs["package_name"]) == (Decimal(10), "test-mobile-7days-1gb")
    assert kwargs["event_id"] == event().event_id
    assert (event().kind, event().status, event().due_at) == ("low_data", "processed", None)
    assert event().processed_at is not None


def test_low_data_of_an_esim_that_is_not_ours_is_signalled_without_it(airalo, heard):
    airalo.push(low_data_payload("8900000000000000123", level="3days", remaining_percentage=None))
    (kwargs,) = heard.of("esim_low_data")
    assert (kwargs["esim"], kwargs["iccid"], kwargs["remaining_percentage"]) == (None, "8900000000000000123", None)


def test_credit_limit(airalo, heard):
    airalo.push(credit_limit_payload(remaining=225.35))
    (kwargs,) = heard.of("credit_limit_reached")
    assert (kwargs["message"], kwargs["remaining"]) == (
        "Surpassed 80% of the credit limit balance",
        Decimal("225.35"),
    )
    assert kwargs["event_id"] == event().event_id
    assert (event().kind, event().status) == ("credit_limit", "processed")


@pytest.mark.parametrize(
    "payload",
    [
        {"level": None, "iccid": ["x"], "package_name": {}},
        {"level": 75, "iccid": 8900000000000000123, "remaining_percentage": "many"},
        {"message": None, "remaining": "NaN"},
    ],
)
def test_odd_values_are_tolerated(airalo, heard, payload):
    airalo.push(payload)
    assert event().status == "processed"
    assert len(heard) == 1


def test_the_same_notice_again_is_signalled_once(airalo, heard):
    for _ in range(3):
        airalo.push(credit_limit_payload())
    assert len(heard) == 1
    assert event().deliveries == 3


def test_the_same_notice_hours_later_is_a_new_one(airalo, heard):
    airalo.push(credit_limit_payload())
    WebhookEvent.objects.update(last_received_at=ago(5 * 3600))
    airalo.push(credit_limit_payload())
    assert len(heard) == 1
    WebhookEvent.objects.update(last_received_at=ago(7 * 3600))
    airalo.push(credit_limit_payload())
    assert len(heard) == 2
    assert heard[0][1]["event_id"] != heard[1][1]["event_id"]
    assert WebhookEvent.objects.count() == 1


@pytest.fixture
def raising():
    calls = []

    def receiver(sender, event_id, **kwargs):
        calls.append(event_id)
        raise LookupError("token=secret")

    signals.credit_limit_reached.connect(receiver)
    yield calls
    signals.credit_limit_reached.disconnect(receiver)


def test_a_notice_whose_receiver_raised_is_signalled_again_to_all(airalo, raising, heard, committed):
    assert airalo.push(credit_limit_payload()).status_code == 200
    assert len(heard) == len(raising) == 1  # the other receiver heard all the same
    kept = event()
    assert (kept.status, kept.processed_at) == ("received", None)
    assert kept.error.endswith("receiver raised LookupError")
    assert "secret" not in kept.error
    assert kept.due_at > database.now()

    WebhookEvent.objects.update(due_at=LONG_AGO)
    airalo.settle()
    assert len(heard) == len(raising) == 2
    assert len({kwargs["event_id"] for _, kwargs in heard}) == 1

    airalo.push(credit_limit_payload())  # Airalo repeats it: again
    assert len(heard) == 3


def test_a_notice_that_another_process_is_sending_is_left_to_it(airalo, heard, committed):
    airalo.push(credit_limit_payload())
    WebhookEvent.objects.update(status="received", processed_at=None, due_at=ago(-100))
    with committed():
        services.process_webhook_event(event())
    assert len(heard) == 1
    WebhookEvent.objects.update(due_at=LONG_AGO)
    with committed():
        services.process_webhook_event(event())
    assert len(heard) == 2


@pytest.mark.django_db(transaction=True)
def test_its_signal_is_sent_after_the_commit_of_whoever_had_it_interpreted(heard):
    kept = WebhookEventFactory(body=json.dumps(credit_limit_payload()))
    with transaction.atomic():
        services.process_webhook_event(kept)
        assert heard == []
    assert heard.names() == ["credit_limit_reached"]
    with transaction.atomic():
        WebhookEvent.objects.update(status="received", processed_at=None, due_at=LONG_AGO)
        services.process_webhook_event(kept)
        transaction.set_rollback(True)
    assert len(heard) == 1


@pytest.mark.django_db(transaction=True)
def test_what_raises_before_the_receivers_are_asked_is_shown_and_tried_again(airalo, heard):
    esim = EsimFactory()
    with MissingTable(UsageRecord):
        assert airalo.push(low_data_payload(esim.iccid)).status_code == 200
    kept = event()
    assert (kept.status, kept.processed_at, kept.tries) == ("received", None, 1)
    assert kept.error.endswith("Error: see the log.")
    assert kept.due_at > database.now()
    assert heard == []
    WebhookEvent.objects.update(due_at=LONG_AGO)
    services.sweep()
    assert (event().status, event().error) == ("processed", "")
    assert len(heard.of("esim_low_data")) == 1


def test_the_same_notice_renewed_by_another_process_is_renewed_once(airalo, heard):
    airalo.push(credit_limit_payload())
    WebhookEvent.objects.update(last_received_at=ago(7 * 3600))
    renewed = uuid.uuid4()

    def renew():
        WebhookEvent.objects.update(event_id=renewed, status="received", processed_at=None, due_at=ago(-300))

    with Meanwhile(renew):
        airalo.push(credit_limit_payload())
    assert event().event_id == renewed
    assert len(heard) == 1  # the other process sends it


# What a low data notice does to the eSIM


def test_low_data_is_noted_and_has_the_usage_looked_up(airalo):
    esim = EsimFactory(usage_status="active", remaining=500, total=1000, usage_due_at=None)
    airalo.push(low_data_payload(esim.iccid, level="75%", remaining_percentage=24.5))
    record = esim.usage_records.get()
    assert (record.source, record.level, record.remaining_percentage) == ("low data", "75%", Decimal("24.5"))
    assert (record.status, record.remaining, record.event_id) == ("active", 500, event().event_id)
    assert record.signal_due_at is None
    esim.refresh_from_db()
    assert esim.usage_due_at <= database.now()
    assert esim.usage_status == "active"


def test_low_data_whose_signal_is_sent_again_is_noted_once(airalo, committed):
    def raising(**kwargs):
        raise LookupError("no")

    esim = EsimFactory(usage_due_at=None)
    signals.esim_low_data.connect(raising)
    try:
        airalo.push(low_data_payload(esim.iccid))
    finally:
        signals.esim_low_data.disconnect(raising)
    esim.usage_due_at = None
    esim.save(update_fields=["usage_due_at"])
    WebhookEvent.objects.update(due_at=LONG_AGO)
    with committed():
        services.process_webhook_event(event())
    assert event().status == "processed"
    assert esim.usage_records.count() == 1
    esim.refresh_from_db()
    assert esim.usage_due_at is None  # it has been looked up since


@pytest.mark.parametrize(
    ("odd", "level", "percentage"),
    [
        ({"level": "1day", "user_id": 7, "package_slug": "x"}, "1day", Decimal(43)),
        ({"level": 1, "remaining_percentage": 1e30}, "1", None),
        ({"level": "x" * 500, "remaining_percentage": -3}, "x" * 20, None),
        ({"level": None, "remaining_percentage": "many"}, "", None),
        ({"level": [], "remaining_percentage": 33.3333333}, "", Decimal("33.33")),
    ],
)
def test_odd_low_data_is_noted_as_far_as_it_is_understood(airalo, heard, odd, level, percentage):
    esim = EsimFactory()
    airalo.push({**low_data_payload(esim.iccid, remaining_percentage=43), **odd})
    record = esim.usage_records.get()
    assert (record.level, record.remaining_percentage) == (level, percentage)
    assert len(heard.of("esim_low_data")) == 1
