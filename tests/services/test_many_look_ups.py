"""Look-ups share Airalo's limit: none is starved, none counts that was not made, nothing urgent waits for them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from django_airalo import services
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.services import database, lookups, recovery
from django_airalo.testing import FakeAiralo
from django_airalo.testing.api import respond
from tests.factories import EsimOrderFactory, ago, at_airalo, due_now

pytestmark = pytest.mark.django_db

PER_PAGE = 2


class Paged(FakeAiralo):
    """Lists two orders on a page; does as it is told before it answers a question for orders, counted from 1."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.meanwhile = {}

    def _handle(self, request):
        parts = urlsplit(request.url)
        if (request.method, parts.path) != ("GET", "/v2/orders"):
            return super()._handle(request)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.asked.append(int(query["page"]) if "page" in query else "one")
        trouble = self.meanwhile.get(len(self.asked), lambda: None)()
        if trouble is not None:
            return trouble
        if self.asked[-1] == "one":
            return super()._handle(request)
        rows, page = self._listed(), self.asked[-1]
        meta = {"current_page": page, "last_page": -(-len(rows) // PER_PAGE), "total": len(rows)}
        return respond(200, {"data": rows[PER_PAGE * (page - 1) : PER_PAGE * page], "meta": meta})


@pytest.fixture
def airalo():
    with Paged() as fake:
        yield fake


def delivered(airalo, count):
    orders = EsimOrderFactory.create_batch(count, accepted=True)
    for order in orders:
        at_airalo(airalo, order)
    return orders


def scheduled():
    """A future order whose date has come, due to be looked at."""
    order = EsimOrderFactory(status="scheduled", due_date=ago(3600), scheduled_at=ago(9 * 86400))
    due_now(order)
    return order


def statuses(orders):
    return [EsimOrder.objects.get(pk=order.pk).status for order in orders]


def failing():
    return respond(500, b"")


def limited():
    return respond(429, {"message": "Too Many Attempts."}, {"Retry-After": "30"})


# The list


def test_all_pages_are_read_once(airalo):
    orders = delivered(airalo, 5)
    services.sweep()
    assert airalo.asked == [1, 2, 3]
    assert set(statuses(orders)) == {"completed"}


def test_what_was_read_before_a_page_failed_is_recorded(airalo):
    orders = delivered(airalo, 6)
    airalo.meanwhile |= dict.fromkeys(range(3, 7), failing)  # a GET is sent four times at most
    services.sweep()
    assert sorted(statuses(orders)) == ["accepted"] * 2 + ["completed"] * 4
    assert EsimOrder.objects.due(database.now()).count() == 0  # no other sweep begins the same again at once


def test_while_a_long_list_is_read_no_other_sweep_reads_it(airalo, settings, monkeypatch):
    delivered(airalo, 6)
    settings.AIRALO_LOOKUPS_PER_MINUTE = 1  # so the three pages may take three minutes
    settings.AIRALO_LOOKUP_DELAYS = [1]
    due = []
    airalo.meanwhile[2] = lambda: due.append(EsimOrder.objects.due(database.now() + timedelta(seconds=170)).count())
    monkeypatch.setattr(lookups, "LIST_PATIENCE", 0)
    services.sweep()
    assert due == [0]


def test_an_order_that_is_listed_twice_on_two_pages_is_flagged(airalo):
    orders = delivered(airalo, 5)
    at_airalo(airalo, orders[0])
    services.sweep()
    assert "more than one order with this reference" in EsimOrder.objects.get(pk=orders[0].pk).attention
    assert set(statuses(orders[1:])) == {"completed"}


@pytest.mark.parametrize("reading_takes_long", [True, False])
def test_what_is_urgent_does_not_wait_until_a_long_list_is_read(airalo, monkeypatch, reading_takes_long):
    if reading_takes_long:
        monkeypatch.setattr(recovery, "LONGEST_STEP", -1)
    delivered(airalo, 6)
    placed, sent = [], []
    airalo.meanwhile[1] = lambda: placed.append(services.place_order(package_id="test"))
    airalo.meanwhile[3] = lambda: sent.extend(statuses(placed))
    services.sweep()
    assert sent == ["accepted" if reading_takes_long else "pending"]


# Fairness


def test_no_kind_of_look_up_is_the_last_every_time(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = [0]
    EsimOrderFactory(unconfirmed=True)
    EsimOrderFactory(accepted=True)
    first = set()
    for _ in range(100):
        EsimOrder.objects.update(due_at=ago(1))
        airalo.asked.clear()
        airalo.meanwhile[1] = lambda: first.add(EsimOrder.objects.get(lookups=1).status) or limited()
        services.sweep()
        EsimOrder.objects.update(lookups=0)
    assert first == {"accepted", "unconfirmed"}


@pytest.mark.parametrize(
    "at_rest", [{"unconfirmed": True, "attention": "Decide."}, {"failed": True}, {"status": "cancelled"}]
)
def test_what_a_person_waits_for_is_looked_up_before_what_is_at_rest(airalo, at_rest):
    orders = EsimOrderFactory.create_batch(5, **at_rest)
    waiting = EsimOrderFactory(unconfirmed=True)
    for order in [*orders, waiting]:
        due_now(order)
    for order in orders:  # the longest waiting
        EsimOrder.objects.filter(pk=order.pk).update(due_at=ago(3600))
    airalo.meanwhile[2] = limited
    services.sweep()
    assert EsimOrder.objects.get(lookups=1) == waiting
    assert airalo.asked == ["one"] * 2


@pytest.mark.parametrize("before", [0, 1, 2])
def test_future_orders_that_airalo_wants_not_to_be_asked_for_are_due_when_it_does(airalo, before):
    orders = [scheduled() for _ in range(3)]
    airalo.meanwhile[before + 1] = limited
    services.sweep()
    for order in orders[before:]:
        order.refresh_from_db()
        assert order.lookups == 0
        assert 20 <= (order.due_at - database.now()).total_seconds() <= 30
    assert EsimOrder.objects.filter(lookups=1).count() == before


def test_a_future_order_that_could_not_be_looked_up_does_not_hold_up_the_others(airalo, settings):
    settings.AIRALO_SUBMIT_LEASE = 120
    failed, others = scheduled(), [scheduled(), scheduled()]
    airalo.meanwhile = dict.fromkeys(range(1, 5), failing)  # a GET is sent four times at most
    services.sweep()
    failed.refresh_from_db()
    assert failed.lookups == 0
    assert 110 <= (failed.due_at - database.now()).total_seconds() <= 120
    assert all(EsimOrder.objects.get(pk=order.pk).lookups == 1 for order in others)


def test_what_was_taken_back_is_not_taken_back_again(airalo):
    for _ in range(3):
        scheduled()
    airalo.meanwhile = {**dict.fromkeys(range(1, 5), failing), 5: limited}
    services.sweep()
    assert set(EsimOrder.objects.values_list("lookups", flat=True)) == {0}


def test_a_look_up_that_was_not_made_is_made_up_for(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = [3600, 7200]
    order = EsimOrderFactory(unconfirmed=True)
    airalo.meanwhile[1] = limited
    services.sweep()
    order.refresh_from_db()
    assert order.lookups == 0
    assert 20 <= (order.due_at - database.now()).total_seconds() <= 30


def test_a_look_up_that_failed_does_not_make_the_next_ones_rare(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = [100, 7200]
    order = EsimOrderFactory(unconfirmed=True)
    airalo.meanwhile = dict.fromkeys(range(1, 9), failing)
    for _ in range(2):
        due_now(order)
        services.sweep()
        order.refresh_from_db()
        assert order.lookups == 0
        assert 80 <= (order.due_at - database.now()).total_seconds() <= 110
    assert len(airalo.asked) == 8  # each sweep asks four times


@pytest.mark.parametrize(("answer", "sent"), [(429, 0), (422, 3), (500, 3)])
def test_while_airalo_wants_no_more_orders_none_is_sent(airalo, answer, sent):
    orders = EsimOrderFactory.create_batch(4)
    airalo.answer(answer, {"message": "No."})
    services.sweep()
    assert statuses(orders).count("accepted") == sent
    assert statuses(orders).count("pending") == (4 if answer == 429 else 0)


# What waits for a person


def test_look_ups_of_an_order_on_hold_are_noted_once_a_day(airalo):
    order = EsimOrderFactory(unconfirmed=True, attention="Decide.")
    OrderEvent.objects.all().delete()
    for _ in range(3):
        services.sync_order(order)
    assert order.events.filter(kind="looked_up").count() == 1
    order.events.update(created_at=ago(86401))
    services.sync_order(order)
    assert order.events.filter(kind="looked_up").count() == 2


def test_look_ups_in_the_grace_period_are_all_noted(airalo):
    order = EsimOrderFactory(unconfirmed=True)
    OrderEvent.objects.all().delete()
    for _ in range(3):
        services.sync_order(order)
    assert order.events.filter(kind="looked_up").count() == 3
