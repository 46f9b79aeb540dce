from __future__ import annotations

import json
from importlib import import_module

import pytest

from django_airalo import services
from django_airalo.models import EsimOrder, OrderEvent, WebhookEvent
from django_airalo.services.core import database
from django_airalo.testing import credit_limit_payload
from django_airalo.testing.delivery import respond
from tests.factories import (
    FAR_AHEAD,
    LONG_AGO,
    EsimFactory,
    EsimOrderFactory,
    OrderEventFactory,
    VoucherFactory,
    WebhookEventFactory,
    at_airalo,
    due_now,
)
from tests.fakes import FakeAiralo
from tests.orders.future_support import Failing

from .restore_support import refund

pytestmark = pytest.mark.django_db


def report(**counts):
    return {"submitted": 0, "expired": 0, "looked_up": 0, "webhooks": 0, "signalled": 0, "put_off": 0, **counts}


def counted():
    return {name: count for name, count in vars(services.sweep()).items() if name in report()}


def test_sweep_with_nothing_due_changes_nothing(airalo):
    for status in EsimOrder.Status.values:
        EsimOrderFactory(status=status, due_at=FAR_AHEAD)
        EsimOrderFactory(status=status, due_at=None)
    WebhookEventFactory(due_at=FAR_AHEAD)
    OrderEventFactory(order__due_at=None, signal_due_at=FAR_AHEAD)
    before = list(EsimOrder.objects.values())
    assert not services.sweep()
    assert list(EsimOrder.objects.values()) == before


def test_sweep_processes_each_kind_of_due_row(airalo, heard):
    pending = EsimOrderFactory()
    expired = EsimOrderFactory(submitting=True, due_at=LONG_AGO)
    accepted = EsimOrderFactory(accepted=True)
    unconfirmed = EsimOrderFactory(unconfirmed=True)
    at_airalo(airalo, unconfirmed)
    WebhookEventFactory(body=json.dumps(credit_limit_payload()))
    OrderEventFactory(order=EsimOrderFactory(failed=True), new_status="failed")
    completed = EsimOrderFactory(completed=True, due_at=LONG_AGO)

    # The expired order becomes unconfirmed, so it is looked up in the same sweep; so are settled ones, which are due
    # only if there may be more of them than is known.
    assert counted() == report(submitted=1, expired=1, looked_up=4, webhooks=1, signalled=counted_signals(heard))

    statuses = dict(EsimOrder.objects.values_list("pk", "status"))
    assert statuses[pending.pk] == "accepted"
    assert statuses[expired.pk] == "unconfirmed"
    assert statuses[accepted.pk] == "accepted"
    assert statuses[unconfirmed.pk] == "completed"
    assert statuses[completed.pk] == "completed"
    assert len(airalo.orders) == 2
    assert not services.sweep()


def counted_signals(heard):
    class Any:
        def __eq__(self, other):
            return other >= 1

        def __hash__(self):
            return 1

    return Any()


def test_expired_submission_lease_makes_order_unconfirmed_without_resending(airalo, heard):
    order = EsimOrderFactory(submitting=True, due_at=LONG_AGO)
    services.sweep()
    order.refresh_from_db()
    assert (order.status, order.attempt) == ("unconfirmed", 1)
    assert "lease expired" in order.events.get(new_status="unconfirmed").detail
    assert "esim_order_unconfirmed" in heard.names(order)
    assert airalo.orders == []


def test_order_with_valid_lease_is_not_touched(airalo):
    order = EsimOrderFactory(submitting=True)
    assert counted() == report()
    order.refresh_from_db()
    assert order.status == "submitting"


def test_sweep_submits_orders_whose_task_was_lost(airalo):
    """The process died between the commit and the task."""
    orders = [services.place_order(package_id="test-mobile-7days-1gb") for _ in range(3)]
    assert counted()["submitted"] == 3
    assert {fake.description for fake in airalo.orders} == {order.reference for order in orders}
    assert counted()["submitted"] == 0


@pytest.mark.parametrize("status", ["accepted", "unconfirmed"])
def test_lookup_delays_increase(airalo, settings, status):
    settings.AIRALO_LOOKUP_DELAYS = (10, 20, 40)
    order = EsimOrderFactory(**{status: True})
    for number, delay in enumerate((10, 20, 40, 40, 40)):
        due_now(order)
        before = database.db_now()
        services.sweep()
        order.refresh_from_db()
        assert order.lookups == number + 1
        assert delay * 0.9 <= (order.due_at - before).total_seconds()
        assert (order.due_at - database.db_now()).total_seconds() <= delay * 1.1


def test_lookup_delays_restart_after_resubmission(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = (10, 20, 40)
    order = EsimOrderFactory(lookups=9, look_up_first=True)
    services.sweep()
    due_now(order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "accepted"
    assert (order.due_at - database.db_now()).total_seconds() <= 12


def test_limit_applies_to_each_kind_and_oldest_due_rows_come_first(airalo):
    late = [EsimOrderFactory(due_at=FAR_AHEAD.replace(year=2020 + n)) for n in (3, 1, 2)]
    for _ in range(3):
        WebhookEventFactory()
    first = counted()
    assert (first["submitted"], first["webhooks"]) == (3, 3)
    EsimOrder.objects.all().delete()
    late = [EsimOrderFactory(due_at=FAR_AHEAD.replace(year=2020 + n)) for n in (3, 1, 2)]
    WebhookEvent.objects.update(due_at=LONG_AGO)
    report = services.sweep(limit=2)
    assert (report.submitted, report.webhooks) == (2, 2)
    assert list(EsimOrder.objects.filter(status="pending")) == [late[0]]


class Scripted(FakeAiralo):
    """Answers look-ups from a script and counts them."""

    def __init__(self):
        super().__init__()
        self.look_ups = 0
        self.script = lambda number: None

    def _handle(self, request):
        if request.method == "GET" and request.path_url.startswith("/v2/orders"):
            self.look_ups += 1
            answer = self.script(self.look_ups)
            if answer is not None:
                return answer
        return super()._handle(request)


@pytest.fixture
def scripted():
    with Scripted() as fake:
        yield fake


def test_sweep_stops_lookups_at_rate_limit_but_sends_signals(scripted, heard):
    orders = [EsimOrderFactory(unconfirmed=True) for _ in range(4)]
    OrderEventFactory(order=EsimOrderFactory(failed=True), new_status="failed")
    scripted.script = lambda number: respond(429, {}, {"Retry-After": "30"}) if number == 2 else None
    result = counted()
    assert scripted.look_ups == 2
    assert (result["looked_up"], result["put_off"], result["signalled"]) == (1, 1, 1)
    assert heard.names().count("esim_order_failed") == 1
    assert EsimOrder.objects.due(database.db_now()).count() == 2  # the rest stays due
    assert len(orders) == 4


def test_failed_lookup_of_one_order_does_not_stop_others(scripted):
    orders = [EsimOrderFactory(unconfirmed=True) for _ in range(3)]
    for order in orders:
        at_airalo(scripted, order)
    # A GET is sent four times in all before it is given up.
    scripted.script = lambda number: respond(500, b"") if number <= 4 else None
    result = counted()
    assert (result["looked_up"], result["put_off"]) == (2, 1)
    assert EsimOrder.objects.filter(status="completed").count() == 2


@pytest.mark.parametrize("many", [3, 8])
def test_order_that_cannot_be_written_does_not_stop_others(scripted, many):
    """Airalo says that it accepted two orders under one request_id, which the database refuses."""
    EsimOrderFactory(completed=True, request_id="request-of-another")
    orders = [EsimOrderFactory(accepted=True) for _ in range(many)]
    EsimOrder.objects.filter(pk=orders[0].pk).update(request_id=None)
    at_airalo(scripted, orders[0], request_id="request-of-another")
    for order in orders[1:]:
        at_airalo(scripted, order)
    services.sweep()
    statuses = dict(EsimOrder.objects.values_list("pk", "status"))
    assert [statuses[order.pk] for order in orders[1:]] == ["completed"] * (many - 1)
    assert statuses[orders[0].pk] == "accepted"
    due = EsimOrder.objects.get(pk=orders[0].pk).due_at
    assert due > database.db_now()  # tried again, but not at once


def test_many_accepted_orders_are_looked_up_in_list(scripted):
    orders = [EsimOrderFactory(accepted=True) for _ in range(8)]
    for order in orders[:5]:
        at_airalo(scripted, order)
    assert counted()["looked_up"] == 8
    assert scripted.look_ups == 1
    assert EsimOrder.objects.filter(status="completed").count() == 5
    assert EsimOrder.objects.due(database.db_now()).count() == 0


def test_sweep_without_credentials_keeps_orders_and_sends_signals(settings):
    settings.AIRALO_CLIENT_ID = ""
    pending, accepted = EsimOrderFactory(), EsimOrderFactory(accepted=True)
    OrderEventFactory(order=EsimOrderFactory(failed=True))
    result = services.sweep()
    assert result.signalled >= 1
    assert result.put_off >= 1
    pending.refresh_from_db()
    accepted.refresh_from_db()
    assert (pending.status, accepted.status) == ("pending", "accepted")
    assert "AIRALO_CLIENT_ID" in pending.error_reason


def test_waiting_webhook_makes_no_request(scripted):
    EsimFactory()
    WebhookEventFactory(body='{"request_id": "x", "reason": "y"}')
    assert counted()["webhooks"] == 1
    assert scripted.look_ups == 0
    assert OrderEvent.objects.count() == 0


def test_slow_airalo_does_not_stop_sweep_from_processing_other_kinds(airalo, monkeypatch):
    monkeypatch.setattr(import_module("django_airalo.services.sweep"), "LONGEST_STEP", -1)  # each order takes too long
    EsimOrderFactory.create_batch(3)
    unconfirmed = EsimOrderFactory.create_batch(3, unconfirmed=True)
    for order in unconfirmed:
        at_airalo(airalo, order)
    assert counted() == report(submitted=1, looked_up=1, signalled=1)
    assert EsimOrder.objects.filter(status="pending").count() == 2
    assert counted() == report(submitted=1, looked_up=1, signalled=1)


@pytest.mark.parametrize(
    ("make", "path"), [(refund, "/v2/refund"), (VoucherFactory, "/v2/voucher/esim")], ids=["refunds", "vouchers"]
)
def test_rate_limit_stops_refunds_and_vouchers_of_this_sweep(make, path):
    rows = [make() for _ in range(3)]
    with Failing() as airalo:
        airalo.failing[path] = [(429, {"code": 429, "reason": "Too Many Attempts."})] * 3
        report = services.sweep()
        assert (airalo.asked.count(f"POST {path}"), report.put_off) == (1, 1)
        type(rows[0]).objects.update(due_at=LONG_AGO)
        airalo.failing.clear()
        services.sweep()
    assert not type(rows[0]).objects.filter(status="pending").exists()
