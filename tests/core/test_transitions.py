from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.db import connection, connections

from django_airalo import services
from django_airalo.client.payloads import OrderData
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, OrderEvent, SubmissionPause
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.core.transitions import TRANSITIONS, change_status, flag_for_review, lock
from django_airalo.services.orders.record import record_delivery, record_failure
from django_airalo.testing import failure_payload, order_payload
from tests.factories import FAR_AHEAD, LONG_AGO, EsimOrderFactory, ago, at_airalo, due_now
from tests.moments import assert_due

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

#: Written out once more, so that no line of the table changes by mistake.
LEGAL = {
    "pending": "submitting accepted scheduled completed failed unconfirmed cancelled",
    "submitting": "pending accepted completed failed unconfirmed scheduled",
    "accepted": "completed failed unconfirmed",
    "unconfirmed": "pending accepted scheduled completed failed",
    "scheduled": "accepted completed failed unconfirmed cancelled",
    "failed": "completed",
    "cancelled": "completed",
    "completed": "",
}
PAIRS = list(itertools.product(Status.values, Status.values))
STAMPS = {"accepted_at", "scheduled_at", "unconfirmed_at", "completed_at", "failed_at", "cancelled_at"}


def row(order):
    return EsimOrder.objects.filter(pk=order.pk).values().get()


def test_transition_table_covers_every_status():
    assert {str(old): {str(new) for new in news} for old, news in TRANSITIONS.items()} == {
        old: set(news.split()) for old, news in LEGAL.items()
    }
    assert set(LEGAL) == set(Status.values)


def test_every_other_status_can_become_completed():
    assert all("completed" in LEGAL[status] for status in Status.values if status != "completed")


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_each_pair_of_statuses_is_changed_or_refused_as_table_says(old, new):
    order = EsimOrderFactory(status=old, attempt=3, due_at=FAR_AHEAD)
    before = row(order)
    if new not in LEGAL[old].split():
        with pytest.raises(IllegalTransitionError, match=f"from {old} to {new}"):
            change_status(order, new, now=NOW, source="shop", error_reason="x")
        assert row(order) == before
        assert order.status == old
        assert not OrderEvent.objects.exists()
        return

    assert change_status(order, new, now=NOW, source="webhook", detail="why", error_reason="x") is True

    after = row(order)
    stamp = {f"{new}_at"} & STAMPS
    assert {name for name in after if after[name] != before[name]} == {"status", "due_at", "error_reason"} | stamp
    assert (after["status"], after["due_at"], after["error_reason"]) == (new, None, "x")
    assert all(after[name] == NOW for name in stamp)
    assert order.status == new  # the object is brought up to date
    assert all(getattr(order, name) == value for name, value in after.items())
    event = OrderEvent.objects.get()
    assert (event.order, event.kind, event.old_status, event.new_status) == (order, "status_changed", old, new)
    assert (event.source, event.detail, event.attempt) == ("webhook", "why", 3)
    assert event.late == (old in ("failed", "cancelled"))
    assert event.created_at == event.signal_due_at == NOW
    assert (event.signalled_at, event.signal_tries) == (None, 0)


@pytest.mark.parametrize("meanwhile", [{"status": "unconfirmed"}, {"attempt": 4}, {"status": "failed", "attempt": 4}])
def test_stale_order_changes_nothing(meanwhile):
    order = EsimOrderFactory(status="submitting", attempt=3)
    EsimOrder.objects.update(**meanwhile)
    before = row(order)
    assert change_status(order, "accepted", now=NOW, source="submit", request_id="request-1") is False
    assert row(order) == before
    assert not OrderEvent.objects.exists()


@pytest.mark.parametrize(
    "record",
    [
        partial(record_delivery, data=OrderData.from_json({"data": order_payload()})),
        partial(record_failure, reason="Out of stock.", code=34),
    ],
)
def test_recording_on_stale_order_raises_and_rolls_back(record):
    """The change is rolled back as a whole and the error is raised, so that the caller tries again."""
    order = EsimOrderFactory(status="accepted", attempt=3)
    EsimOrder.objects.update(attempt=4)
    with pytest.raises(RuntimeError, match="has changed although it is locked"), database.atomic():
        record(order, now=NOW, source="webhook")
    assert row(order)["status"] == "accepted"
    assert not order.esims.exists()
    assert not OrderEvent.objects.exists()


def test_change_of_deleted_order_returns_false():
    order = EsimOrderFactory()
    EsimOrder.objects.all().delete()
    order.pk = 10**6
    assert change_status(order, "submitting", now=NOW, source="submit") is False


def test_webhook_url_token_echoed_by_airalo_is_not_stored(airalo, settings):
    settings.AIRALO_WEBHOOK_URL_TOKEN = "s3cret-token"
    echo = "Gone: https://shop.example.com/airalo/webhook/s3cret-token/"
    refused, failed = EsimOrderFactory(), EsimOrderFactory(accepted=True, request_id="request-1")
    airalo.answer(422, {"code": 34, "reason": echo})
    services.submit_order(refused)
    airalo.push(failure_payload("request-1", reason=echo))
    airalo.answer(422, {"code": 11, "reason": echo})
    pausing = services.submit_order(EsimOrderFactory())
    flag_for_review(lock(failed.pk), echo, now=NOW, source="sweep")
    rows = [*EsimOrder.objects.values(), *OrderEvent.objects.values(), *SubmissionPause.objects.values()]
    assert "s3cret-token" not in str(rows)
    failed.refresh_from_db()
    assert failed.error_reason == failed.attention == "Gone: https://shop.example.com/airalo/webhook/•••/"
    assert pausing.error_reason.startswith("Airalo answered HTTP 422, code 11: Gone: https://")


def test_each_attention_reason_is_recorded_once():
    order = EsimOrderFactory()
    for reason in ("First.", "Second.", "First.", "Second."):
        flag_for_review(lock(order.pk), reason, now=NOW, source="sweep")
    order.refresh_from_db()
    assert order.attention == "First.\nSecond."
    assert list(order.events.values_list("kind", "detail")) == [("attention", "First."), ("attention", "Second.")]


def test_database_clock_is_aware_and_accurate():
    before, now, after = datetime.now(UTC), database.db_now(), datetime.now(UTC)
    slack = timedelta(seconds=1)  # what the two clocks, or their precision, may differ by
    assert before - slack <= now <= after + slack
    assert now.utcoffset().total_seconds() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.database("postgres", reason="the others have no time zone of a connection")
def test_database_clock_is_utc_in_any_connection_time_zone():
    def in_zone(name):
        connection.close()
        connection.settings_dict["TIME_ZONE"] = name
        for cached in ("timezone", "timezone_name"):
            vars(connections["default"]).pop(cached, None)  # what ``connection`` stands for

    in_zone("Pacific/Auckland")
    try:
        assert database.db_now().tzinfo is UTC
        slack = timedelta(seconds=2)
        assert datetime.now(UTC) - slack <= database.db_now() <= datetime.now(UTC) + slack
    finally:
        in_zone(None)


# Cancelling and deciding


# Of a scheduled order Airalo is asked: see test_future_orders.py.
@pytest.mark.parametrize("status", sorted(set(Status.values) - {"scheduled"}))
@pytest.mark.parametrize("look_up_first", [True, False])
def test_only_pending_order_that_was_never_sent_can_be_cancelled(airalo, heard, committed, status, look_up_first):
    order = EsimOrderFactory(status=status, look_up_first=look_up_first)
    before = row(order)
    if status == "pending" and not look_up_first:
        with committed():
            assert services.cancel_order(order) is order
        assert (order.status, order.due_at) == ("cancelled", None)
        assert heard.names() == ["esim_order_status_changed", "esim_order_cancelled"]
        services.submit_order(order)
        services.sweep()
        assert airalo.orders == []
    else:
        with committed(), pytest.raises(IllegalTransitionError, match=f"{order.reference} .* is {status}"):
            services.cancel_order(order)
        assert row(order) == before
        assert heard == []


def test_cancelling_stale_copy_of_accepted_order_is_refused(airalo):
    order = EsimOrderFactory()
    stale = EsimOrder.objects.get()
    services.submit_order(order)
    with pytest.raises(IllegalTransitionError, match="is accepted"):
        services.cancel_order(stale)
    assert stale.status == EsimOrder.objects.get().status == "accepted"


@pytest.mark.parametrize("status", Status.values)
@pytest.mark.parametrize("known", [{}, {"request_id": "request-1"}, {"airalo_order_id": 5}])
def test_only_unconfirmed_order_unknown_to_airalo_can_be_marked_as_never_placed(airalo, committed, status, known):
    order = EsimOrderFactory(status=status, due_at=None, attention="Look at it.", **known)
    before = row(order)
    if status == "unconfirmed" and not known:
        with committed():
            assert operations.resubmit_unconfirmed(order, decided_by="Ada") is order
        assert (order.status, order.look_up_first, order.attention) == ("pending", True, "")
        assert order.events.get().detail == "Marked as never placed by Ada."
        services.sweep()
        order.refresh_from_db()
        assert order.status == "accepted"
        assert len(airalo.orders) == 1
    else:
        with committed(), pytest.raises(IllegalTransitionError, match=f"{order.reference} .* is {status}"):
            operations.resubmit_unconfirmed(order, decided_by="Ada")
        assert row(order) == before


def test_order_marked_as_never_placed_is_looked_up_before_resubmission(airalo):
    airalo.time_out(bought=True)
    order = services.submit_order(EsimOrderFactory())
    EsimOrder.objects.update(in_doubt_until=LONG_AGO)
    assert operations.resubmit_unconfirmed(order)
    airalo.fulfil(order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "completed"
    assert len(airalo.orders) == 1


@pytest.mark.parametrize("status", Status.values)
def test_only_unconfirmed_order_can_be_marked_as_failed(heard, committed, status):
    order = EsimOrderFactory(status=status, attention="Look at it.")
    before = row(order)
    if status == "unconfirmed":
        with committed():
            assert operations.mark_failed(order) is order
        assert (order.status, order.attention) == ("failed", "")
        assert order.error_reason == "Marked as failed by an operator."
        assert heard.names() == ["esim_order_status_changed", "esim_order_failed"]
    else:
        with (
            committed(),
            pytest.raises(IllegalTransitionError, match=f"{order.reference} .* is {status}, so mark_failed"),
        ):
            operations.mark_failed(order)
        assert row(order) == before


def test_delivery_of_order_marked_as_failed_is_late(airalo, heard, committed):
    airalo.time_out(bought=True)
    order = services.submit_order(EsimOrderFactory())
    with committed():
        operations.mark_failed(order)
    airalo.deliver(order)
    order.refresh_from_db()
    assert order.status == "completed"
    assert heard.of("esim_order_completed")[0]["late"] is True


def test_purchase_of_order_marked_as_failed_is_found_by_lookup(airalo, heard, committed, settings):
    settings.AIRALO_LOOKUP_DELAYS = [60, 3600]
    airalo.time_out(bought=True)
    order = services.submit_order(EsimOrderFactory())
    EsimOrder.objects.update(lookups=9)
    before = database.db_now()
    with committed():
        operations.mark_failed(order)
    assert_due(order.due_at, 60, since=before, spread=0.1)  # soon again, however rare the look-ups were
    for _ in range(2):
        due_now(order)
        airalo.sweep()
        order.refresh_from_db()
        assert (order.status, order.attention) == ("failed", "")
        assert order.due_at > database.db_now()
    airalo.fulfil(order)
    due_now(order)
    airalo.sweep()
    order.refresh_from_db()
    assert (order.status, order.due_at, order.esims.count()) == ("completed", order.in_doubt_until, 1)
    assert heard.of("esim_order_completed")[0]["late"] is True


@pytest.mark.parametrize("is_listed", [True, False])
def test_lookups_of_order_marked_as_failed_end(airalo, settings, committed, is_listed):
    settings.AIRALO_OVERDUE_AFTER = 100
    order = EsimOrderFactory(unconfirmed=True, in_doubt_until=ago(1))
    if is_listed:  # but without eSIMs
        at_airalo(airalo, order, sims=[])
    with committed():
        operations.mark_failed(order)
    for given_up, is_over in ((90, False), (110, True)):
        EsimOrder.objects.update(failed_at=ago(given_up))
        due_now(order)
        airalo.sweep()
        order.refresh_from_db()
        assert (order.status, order.due_at is None) == ("failed", is_over)
    assert ("or was given up" in order.attention) is is_listed
    assert order.events.filter(kind="attention").count() == is_listed
