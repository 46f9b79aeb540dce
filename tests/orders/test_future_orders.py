"""Orders that Airalo delivers at a date: placed, scheduled, kept in step, cancelled."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest
from django.core.exceptions import ValidationError

from django_airalo import services
from django_airalo.conf import conf
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import EsimOrder
from django_airalo.services.core import database
from django_airalo.services.orders import future
from django_airalo.testing.delivery import respond
from tests.factories import EsimOrderFactory, ago, due_now
from tests.moments import assert_due

from .future_support import Failing, in_days, sweep, the_date_comes

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


# Placing


# Days are counted in the test: at midnight, those of the time when the tests were collected are others.
@pytest.mark.parametrize(
    "due_date",
    [
        lambda: in_days(1),
        lambda: in_days(0),
        lambda: in_days(-5),
        lambda: in_days(1, hour=23, minute=59),
        lambda: in_days(2) - MINUTE,
        lambda: in_days(367),
        lambda: in_days(30).replace(tzinfo=None),
        lambda: in_days(30).date(),
        lambda: datetime.max.replace(tzinfo=timezone(timedelta(hours=-7))),
        lambda: datetime.min.replace(tzinfo=timezone(timedelta(hours=7))),
        lambda: datetime.max.replace(tzinfo=timezone(timedelta(hours=7))),
        lambda: "2026-12-01 10:00",
        lambda: 5,
    ],
    ids=[
        "1",
        "0",
        "-5",
        "1 to its end",
        "47:59",
        "367",
        "naive",
        "a date",
        "after all",
        "before all",
        "the end",
        "text",
        "a number",
    ],
)
def test_invalid_due_date_is_refused(airalo, due_date):
    with pytest.raises(ValidationError) as refused:
        services.place_order(package_id="test", due_date=due_date())
    assert set(refused.value.message_dict) == {"due_date"}
    assert not EsimOrder.objects.exists()


@pytest.mark.parametrize("ahead", [2 * DAY + 2 * MINUTE, 364 * DAY], ids=["48 hours", "a year"])
def test_earliest_and_latest_due_dates_are_accepted(airalo, ahead):
    due_date = in_days(0) + ahead
    order = services.place_order(package_id="test", due_date=due_date)
    assert order.due_date == order.requested_due_date == due_date


def test_due_date_less_than_48_hours_ahead_is_refused_with_earliest_date(airalo):
    too_early = in_days(2) - MINUTE
    with pytest.raises(ValidationError) as refused:
        services.place_order(package_id="test", due_date=too_early)
    (message,) = refused.value.message_dict["due_date"]
    earliest = datetime.fromisoformat(re.search(r"give (\S+ \S+) UTC or later", message)[1] + "+00:00")
    assert timedelta(0) < earliest - too_early <= 4 * MINUTE
    assert f"{too_early:%Y-%m-%d %H:%M} UTC is too early" in message


def test_future_order_cannot_be_synchronous(airalo, settings):
    settings.AIRALO_ORDER_MODE = "sync"
    assert services.place_order(package_id="test", due_date=in_days(30)).mode == "async"
    with pytest.raises(ValidationError) as refused:
        services.place_order(package_id="test", due_date=in_days(30), mode="sync")
    assert set(refused.value.message_dict) == {"mode"}


def test_key_with_different_due_date_conflicts_at_minute_precision(airalo):
    there = timezone(timedelta(hours=-7))
    date = in_days(30)
    order = services.place_order(package_id="test", due_date=date, idempotency_key="line-1")
    same = date.astimezone(there) + timedelta(seconds=59)
    assert services.place_order(package_id="test", due_date=same, idempotency_key="line-1") == order
    for other in (date + timedelta(minutes=1), None):
        with pytest.raises(IdempotencyConflictError, match="due_date"):
            services.place_order(package_id="test", due_date=other, idempotency_key="line-1")


def test_known_key_with_past_due_date_returns_existing_order(airalo):
    order = services.place_order(package_id="test", due_date=in_days(30), idempotency_key="line-1")
    past = ago(86400).replace(second=0, microsecond=0)
    EsimOrder.objects.update(requested_due_date=past, due_date=past)
    assert services.place_order(package_id="test", due_date=past, idempotency_key="line-1") == order


# Scheduling


def test_submitted_future_order_is_scheduled(airalo, heard, place):
    order = place(quantity=2, brand_settings_name="Brand")
    fake = airalo.find(order)
    assert (order.status, order.request_id, order.attempt) == ("scheduled", fake.request_id, 1)
    assert order.latest_cancellation_date == order.due_date - DAY
    assert order.scheduled_at is not None
    assert order.due_at > database.db_now()
    assert fake.body["due_date"] == f"{order.due_date:%Y-%m-%d %H:%M}"
    assert (fake.body["quantity"], fake.body["brand_settings_name"]) == (2, "Brand")
    assert fake.body["webhook_url"].startswith("https://")
    assert heard.names(order)[-1] == "esim_order_scheduled"


def test_webhook_before_due_date_completes_future_order(airalo, heard, place):
    order = place(quantity=2)
    assert airalo.deliver(order).status_code == 200
    order.refresh_from_db()
    assert (order.status, order.esims.count(), order.due_at) == ("completed", 2, None)
    assert heard.of("esim_order_completed")[0]["late"] is False


def test_failure_webhook_fails_future_order(airalo, place):
    order = place()
    airalo.fail(order, code=33, reason="Sold out.")
    order.refresh_from_db()
    assert (order.status, order.error_code) == ("failed", 33)


@pytest.mark.parametrize("answer", ["time-out", "500", "no id"])
@pytest.mark.parametrize("bought", [True, False])
def test_purchase_with_unknown_outcome_is_found_in_list_of_future_orders(airalo, place, answer, bought):
    if answer == "time-out":
        airalo.time_out(bought=bought)
    else:
        airalo.answer(*{"500": (500, b"oops"), "no id": (200, {"data": {}})}[answer], bought=bought)
    order = place()
    assert order.status == "unconfirmed"
    order = services.sync_order(order)
    assert order.status == ("scheduled" if bought else "unconfirmed")
    if bought:
        assert order.request_id == airalo.find(order).request_id
        assert order.latest_cancellation_date == order.due_date - DAY
    assert len(airalo.orders) == 1


def test_purchase_with_unknown_outcome_is_found_in_list_of_orders(airalo, place):
    """The sandbox makes future orders at once."""
    airalo.time_out(bought=True)
    order = place()
    airalo.fulfil(order)
    assert services.sync_order(order).status == "completed"


def test_other_order_with_same_due_date_is_not_matched(airalo, place):
    other = place()
    airalo.time_out(bought=False)
    order = place()
    assert services.sync_order(order).status == "unconfirmed"
    assert services.sync_order(other).status == "scheduled"


def test_future_order_answered_with_503_is_looked_up_and_not_sent_again(airalo, place):
    airalo.answer(503, b"", bought=True)
    order = place()
    assert order.status == "unconfirmed"
    due_now(order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "scheduled"
    assert len(airalo.orders) == 1


def test_late_acceptance_of_unconfirmed_future_order_is_recorded(airalo, place):
    def answer(fake):
        EsimOrder.objects.update(status="unconfirmed", unconfirmed_at=database.db_now())
        fake.bought = True
        return respond(200, {"data": {"request_id": fake.request_id}})

    airalo._answers.append(answer)
    order = place()
    assert (order.status, order.request_id) == ("scheduled", airalo.find(order).request_id)


def test_two_listed_future_orders_with_same_reference_are_flagged(airalo, place):
    airalo.time_out(bought=True)
    order = place()
    twin = airalo.add_order(airalo.find(order).description, due_date=order.due_date)
    order = services.sync_order(order)
    assert order.status == "unconfirmed"
    assert twin.request_id in order.attention


# In step with Airalo


def test_scheduled_order_is_looked_up_at_long_intervals(airalo, place, committed, monkeypatch):
    order = place()
    for _ in range(2):
        due_now(order)
        assert sweep(committed).looked_up == 1
        order.refresh_from_db()
        assert (order.status, order.attention, order.lookups) == ("scheduled", "", 0)
        wait = order.due_at - database.db_now()
        assert timedelta(hours=5.9) < wait < timedelta(hours=6.1)
    monkeypatch.setattr(conf, "FUTURE_ORDER_INTERVAL", 400 * 86400)
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.due_at == order.due_date + timedelta(seconds=60)  # right after its date


def test_lookup_after_due_date_completes_future_order(airalo, heard, place, committed):
    order = place()
    the_date_comes(order)
    airalo.fulfil(order)
    sweep(committed)
    order.refresh_from_db()
    assert (order.status, order.esims.count()) == ("completed", 1)
    assert heard.names(order)[-1] == "esim_order_completed"


def test_future_order_fulfilled_before_due_date_is_completed_by_sweep(airalo, place, committed):
    order = place()
    airalo.fulfil(order)
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "completed"


def test_future_order_listed_as_failed_fails_and_can_still_complete(airalo, place, committed):
    order = place()
    airalo.find(order).failed = True
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "failed"
    airalo.find(order).failed = False
    airalo.deliver(order)
    order.refresh_from_db()
    assert order.status == "completed"


def test_order_listed_without_esims_after_due_date_is_accepted(airalo, place, committed):
    order = place()
    the_date_comes(order)
    airalo.fulfil(order, sims=[])
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "accepted"
    assert order.due_at > database.db_now()


def test_due_date_changed_at_airalo_is_stored(airalo, place, committed):
    order = place()
    airalo.find(order).override(due_date=f"{order.due_date + timedelta(hours=5):%Y-%m-%d %H:%M}")
    due_now(order)
    sweep(committed)
    before = order.due_date
    order.refresh_from_db()
    assert order.due_date == before + timedelta(hours=5)
    assert order.latest_cancellation_date == order.due_date - DAY
    assert order.events.filter(kind="noted", detail__contains="moved").count() == 1


def test_scheduled_order_missing_from_list_is_flagged_after_delay(airalo, place, committed):
    order = place()
    airalo.find(order).cancelled = True
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert (order.status, order.attention) == ("scheduled", "")
    EsimOrder.objects.update(scheduled_at=ago(2 * 3600))
    for _ in range(2):
        due_now(order)
        sweep(committed)
    order.refresh_from_db()
    assert order.status == "scheduled"
    assert "Was it cancelled there?" in order.attention
    assert order.events.filter(kind="attention").count() == 1


@pytest.mark.parametrize("listed", [True, False])
def test_future_order_undelivered_after_due_date_is_flagged_as_overdue(airalo, place, committed, listed):
    order = place()
    airalo.find(order).cancelled = not listed
    the_date_comes(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.attention == ""
    assert order.due_at - database.db_now() < timedelta(minutes=10)  # looked up soon again, then ever less often
    EsimOrder.objects.update(due_date=ago(76 * 60))
    due_now(order)
    sweep(committed)
    order.refresh_from_db()
    assert order.status == "scheduled"
    assert "Overdue" in order.attention


def test_many_scheduled_orders_are_synced_with_one_list_request(airalo, place, committed):
    orders = [place(days=10 + number) for number in range(5)]
    due_now(*orders)
    airalo.asked.clear()
    sweep(committed)
    assert airalo.asked == ["GET /v2/future-orders"]
    assert not EsimOrder.objects.due(database.db_now()).exists()


def test_unreadable_list_changes_nothing_and_is_retried_soon(airalo, place, committed):
    order = place()
    due_now(order)
    airalo.failing["GET /v2/future-orders"] = [(500, b"oops")] * 9
    assert sweep(committed).put_off == 1
    order.refresh_from_db()
    assert (order.status, order.attention) == ("scheduled", "")
    assert timedelta(0) < order.due_at - database.db_now() <= timedelta(seconds=180)


def test_failure_to_record_one_future_order_does_not_stop_others(airalo, place, committed):
    EsimOrderFactory(completed=True, request_id="request-of-another")
    orders = [place(), place(), place()]
    the_date_comes(orders[0])
    airalo.fulfil(orders[0], request_id="request-of-another")
    EsimOrder.objects.filter(pk=orders[0].pk).update(request_id=None)
    airalo.find(orders[1]).failed = True
    due_now(*orders)
    sweep(committed)
    assert EsimOrder.objects.get(pk=orders[1].pk).status == "failed"
    assert EsimOrder.objects.get(pk=orders[0].pk).status == "scheduled"


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([{"current_page": 1, "last_page": 99, "total": 9900}], id="longer than is read"),
        pytest.param(
            [{"current_page": 1, "last_page": 2, "total": 101}, {"current_page": 2, "last_page": 2, "total": 100}],
            id="changed while it was read",
        ),
    ],
)
def test_order_missing_from_partial_list_is_not_sent_again(airalo, monkeypatch, pages):
    monkeypatch.setattr(future, "MOST_PAGES", len(pages))
    order = EsimOrderFactory(due_date=in_days(30), look_up_first=True)
    airalo.failing["GET /v2/future-orders"] = [(200, {"data": [], "meta": meta}) for meta in pages * 3]
    order = services.submit_order(order)
    assert (order.status, order.look_up_first) == ("pending", True)
    assert "not among them" in order.error_reason
    assert airalo.orders == []


def test_partial_list_keeps_usual_lookup_interval_of_scheduled_order(airalo, place, monkeypatch):
    monkeypatch.setattr(future, "MOST_PAGES", 1)
    monkeypatch.setattr(conf, "FUTURE_ORDER_INTERVAL", 5000)
    order = place()
    due_now(order)
    pages = [(200, {"data": [], "meta": {"current_page": 1, "last_page": 99, "total": 9900}})] * 9
    airalo.failing["GET /v2/future-orders"] = pages
    before = database.db_now()
    services.sync_order(order)
    order.refresh_from_db()
    assert (order.status, order.attention) == ("scheduled", "")
    assert_due(order.due_at, 5000, since=before)
