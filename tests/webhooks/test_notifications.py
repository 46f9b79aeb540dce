"""Low data and credit limit."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal

import pytest
from django.db import transaction

from django_airalo import services, signals
from django_airalo.models import Esim, UsageRecord, WebhookEvent
from django_airalo.services.core import database
from django_airalo.testing import credit_limit_payload, low_data_payload
from tests.factories import LONG_AGO, EsimFactory, UserFactory, WebhookEventFactory, ago

from .support import Meanwhile, MissingTable

pytestmark = pytest.mark.django_db


def event():
    return WebhookEvent.objects.get()


def test_low_data_signal_names_esim(airalo, heard):
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


def test_low_data_of_unknown_esim_is_signalled_without_esim(airalo, heard):
    airalo.push(low_data_payload("8900000000000000123", level="3days", remaining_percentage=None))
    (kwargs,) = heard.of("esim_low_data")
    assert (kwargs["esim"], kwargs["iccid"], kwargs["remaining_percentage"]) == (None, "8900000000000000123", None)


def test_credit_limit_webhook_is_signalled(airalo, heard):
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
def test_notification_with_odd_values_is_processed(airalo, heard, payload):
    airalo.push(payload)
    assert event().status == "processed"
    assert len(heard) == 1


def test_repeated_notification_is_signalled_once(airalo, heard):
    for _ in range(3):
        airalo.push(credit_limit_payload())
    assert len(heard) == 1
    assert event().deliveries == 3


def test_same_notification_hours_later_is_signalled_again(airalo, heard):
    airalo.push(credit_limit_payload())
    WebhookEvent.objects.update(last_received_at=ago(5 * 3600))
    airalo.push(credit_limit_payload())
    assert len(heard) == 1
    WebhookEvent.objects.update(last_received_at=ago(7 * 3600))
    airalo.push(credit_limit_payload())
    assert len(heard) == 2
    assert heard[0][1]["event_id"] != heard[1][1]["event_id"]
    assert WebhookEvent.objects.count() == 1


def test_same_low_data_webhook_is_signalled_again_after_top_up(airalo, heard, committed):
    esim = EsimFactory()
    notice = low_data_payload(esim.iccid, level="75%")
    for _ in range(2):
        airalo.push(notice)
    assert len(heard.of("esim_low_data")) == 1
    with committed():
        services.place_topup(esim, package_id="test-mobile-7days-1gb-topup")
    services.sweep()
    for _ in range(2):
        airalo.push(notice)
    told = heard.of("esim_low_data")
    assert [kwargs["is_stale"] for kwargs in told] == [False, False]
    assert len({kwargs["event_id"] for kwargs in told}) == 2
    assert UsageRecord.objects.filter(source="low data").count() == 2


@pytest.mark.parametrize(
    ("levels", "stale"),
    [
        (["75%", "90%"], [False, False]),
        (["90%", "75%"], [False, True]),
        (["3days", "1days"], [False, False]),
        (["1days", "3days"], [False, True]),
        (["1 day", "3 days"], [False, True]),
        (["90%", "3days", "1days", "75%"], [False, False, False, True]),
        (["odd", "75%", "odd"], [False, False, False]),
    ],
)
def test_less_urgent_low_data_after_more_urgent_one_is_stale(airalo, heard, levels, stale):
    esim, other = EsimFactory(), EsimFactory()
    airalo.push(low_data_payload(other.iccid, level="90%"))
    for number, level in enumerate(levels):
        airalo.push(low_data_payload(esim.iccid, level=level, number=number))
    assert [kwargs["is_stale"] for kwargs in heard.of("esim_low_data")][1:] == stale
    records = UsageRecord.objects.filter(esim=esim).order_by("id")
    assert list(records.values_list("is_stale", flat=True)) == stale


def test_less_urgent_low_data_after_top_up_is_not_stale(airalo, heard):
    esim = EsimFactory()
    airalo.push(low_data_payload(esim.iccid, level="90%"))
    Esim.objects.update(topped_up_at=database.db_now())
    airalo.push(low_data_payload(esim.iccid, level="75%"))
    assert [kwargs["is_stale"] for kwargs in heard.of("esim_low_data")] == [False, False]


@pytest.fixture
def raising():
    calls = []

    def receiver(sender, event_id, **kwargs):
        calls.append(event_id)
        raise LookupError("token=secret")

    signals.credit_limit_reached.connect(receiver)
    yield calls
    signals.credit_limit_reached.disconnect(receiver)


def test_notification_is_signalled_again_after_receiver_raised(airalo, raising, heard, committed):
    assert airalo.push(credit_limit_payload()).status_code == 200
    assert len(heard) == len(raising) == 1  # the other receiver was called, too
    kept = event()
    assert (kept.status, kept.processed_at) == ("received", None)
    assert kept.error.endswith("receiver raised LookupError")
    assert "secret" not in kept.error
    assert kept.due_at > database.db_now()

    WebhookEvent.objects.update(due_at=LONG_AGO)
    airalo.sweep()
    assert len(heard) == len(raising) == 2
    assert len({kwargs["event_id"] for _, kwargs in heard}) == 1

    airalo.push(credit_limit_payload())  # Airalo repeats it: again
    assert len(heard) == 3


def test_notification_being_signalled_by_another_process_is_skipped(airalo, heard, committed):
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
def test_notification_signal_is_sent_after_callers_commit(heard):
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
def test_error_before_notification_signal_is_recorded_and_retried(airalo, heard):
    esim = EsimFactory()
    with MissingTable(UsageRecord):
        assert airalo.push(low_data_payload(esim.iccid)).status_code == 200
    kept = event()
    assert (kept.status, kept.processed_at, kept.tries) == ("received", None, 1)
    assert kept.error.endswith("Error: see the log.")
    assert kept.due_at > database.db_now()
    assert heard == []
    WebhookEvent.objects.update(due_at=LONG_AGO)
    services.sweep()
    assert (event().status, event().error) == ("processed", "")
    assert len(heard.of("esim_low_data")) == 1


def test_repeated_notification_renewed_by_another_process_is_not_signalled_again(airalo, heard):
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


def test_low_data_is_recorded_and_schedules_usage_lookup(airalo):
    esim = EsimFactory(usage_status="active", remaining=500, total=1000, usage_due_at=None)
    airalo.push(low_data_payload(esim.iccid, level="75%", remaining_percentage=24.5))
    record = esim.usage_records.get()
    assert (record.source, record.level, record.remaining_percentage) == ("low data", "75%", Decimal("24.5"))
    assert (record.status, record.remaining, record.event_id) == ("active", 500, event().event_id)
    assert record.signal_due_at is None
    esim.refresh_from_db()
    assert esim.usage_due_at <= database.db_now()
    assert esim.usage_status == "active"


def test_low_data_signalled_again_is_recorded_once(airalo, committed):
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
def test_odd_low_data_is_recorded_as_far_as_understood(airalo, heard, odd, level, percentage):
    esim = EsimFactory()
    airalo.push({**low_data_payload(esim.iccid, remaining_percentage=43), **odd})
    record = esim.usage_records.get()
    assert (record.level, record.remaining_percentage) == (level, percentage)
    assert len(heard.of("esim_low_data")) == 1
