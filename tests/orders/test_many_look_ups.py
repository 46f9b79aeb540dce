"""Look-ups share Airalo's limit: none is starved, none counts that was not made, nothing urgent waits for them."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.conf import Settings
from django_airalo.emulator.order_bodies import listed
from django_airalo.models import EsimOrder
from django_airalo.services.core import database
from django_airalo.services.orders import order_list
from django_airalo.testing.delivery import respond
from tests.factories import FAR_AHEAD, LONG_AGO, EsimOrderFactory, ago, at_airalo, due_now
from tests.fakes import FakeAiralo
from tests.moments import assert_due

pytestmark = pytest.mark.django_db

PER_PAGE = 2


class Paged(FakeAiralo):
    """Lists two orders on a page; does what a test sets before it answers a request for orders, counted from 1."""

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
        purchases = [row for row in self.core.purchases() if row["status"] != "pending"]
        rows, page = [listed(self.core.state, row, {"sims", "status"}) for row in purchases], self.asked[-1]
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


def test_orders_read_before_failed_page_are_recorded(airalo):
    orders = delivered(airalo, 6)
    airalo.meanwhile |= dict.fromkeys(range(3, 7), failing)  # a GET is sent four times at most
    services.sweep()
    assert sorted(statuses(orders)) == ["accepted"] * 2 + ["completed"] * 4
    assert EsimOrder.objects.due(database.db_now()).count() == 0  # no other sweep begins the same again at once


def test_orders_are_not_due_for_other_sweep_while_long_list_is_read(airalo, settings, monkeypatch):
    delivered(airalo, 6)
    settings.AIRALO_RATE_LIMITS = {"lookups": "1/min"}  # so the three pages may take three minutes
    settings.AIRALO_LOOKUP_DELAYS = [1]
    due = []
    airalo.meanwhile[2] = lambda: due.append(EsimOrder.objects.due(database.db_now() + timedelta(seconds=170)).count())
    monkeypatch.setattr(order_list, "PATIENCE", 0)
    services.sweep()
    assert due == [0]


def test_order_listed_on_two_pages_keeps_first_purchase_and_is_flagged(airalo):
    orders = delivered(airalo, 5)
    second = at_airalo(airalo, orders[0])
    services.sweep()
    order = EsimOrder.objects.get(pk=orders[0].pk)
    assert "Airalo fulfilled the order twice" in order.attention
    assert order.duplicates.get().airalo_order_id == second.payload["id"]
    assert order.esims.count() == 1
    assert set(statuses(orders[1:])) == {"completed"}


def test_order_listed_twice_on_one_page_is_flagged_without_esims(airalo):
    orders = delivered(airalo, 4)
    order = EsimOrderFactory(accepted=True)
    ids = {at_airalo(airalo, order).payload["id"], at_airalo(airalo, order).payload["id"]}
    services.sweep()
    order.refresh_from_db()
    assert (order.status, order.esims.count()) == ("unconfirmed", 0)
    assert all(str(number) in order.attention for number in ids)
    assert set(statuses(orders)) == {"completed"}


@pytest.mark.parametrize("reading_takes_long", [True, False])
def test_new_order_is_sent_between_pages_only_if_list_reading_is_slow(airalo, monkeypatch, reading_takes_long):
    if reading_takes_long:
        monkeypatch.setattr(import_module("django_airalo.services.sweep"), "LONGEST_STEP", -1)
    delivered(airalo, 6)
    placed, sent = [], []
    airalo.meanwhile[1] = lambda: placed.append(services.place_order(package_id="test"))
    airalo.meanwhile[3] = lambda: sent.extend(statuses(placed))
    services.sweep()
    assert sent == ["accepted" if reading_takes_long else "pending"]


# Fairness


def test_each_kind_of_lookup_comes_first_sometimes(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = [0]
    orders = [EsimOrderFactory(unconfirmed=True), EsimOrderFactory(accepted=True), scheduled()]
    first = set()
    for number in range(60):
        for order in orders:
            due_at = ago(10 if order is orders[number % 2] else 1)
            EsimOrder.objects.filter(pk=order.pk).update(due_at=due_at, lookups=0)
        airalo.asked.clear()
        airalo.meanwhile[1] = lambda: first.add(EsimOrder.objects.get(lookups=1).status) or limited()
        services.sweep()
    assert first == {"accepted", "unconfirmed", "scheduled"}


@pytest.mark.parametrize(
    "at_rest", [{"unconfirmed": True, "attention": "Decide."}, {"failed": True}, {"status": "cancelled"}]
)
def test_unconfirmed_order_is_looked_up_before_flagged_failed_or_cancelled_ones(airalo, at_rest):
    orders = EsimOrderFactory.create_batch(4, **at_rest)
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
def test_rate_limited_future_orders_are_due_after_retry_after(airalo, before):
    orders = [scheduled() for _ in range(3)]
    airalo.meanwhile[before + 1] = limited
    began = database.db_now()
    services.sweep()
    for order in orders[before:]:
        order.refresh_from_db()
        assert order.lookups == 0
        assert_due(order.due_at, 30, since=began)
    assert EsimOrder.objects.filter(lookups=1).count() == before


def test_failed_lookup_of_future_order_does_not_delay_others(airalo, monkeypatch):
    monkeypatch.setattr(Settings, "submit_lease", 120)
    failed, others = scheduled(), [scheduled(), scheduled()]
    airalo.meanwhile = dict.fromkeys(range(1, 5), failing)  # a GET is sent four times at most
    before = database.db_now()
    services.sweep()
    failed.refresh_from_db()
    assert failed.lookups == 0
    assert_due(failed.due_at, 120, since=before)
    assert all(EsimOrder.objects.get(pk=order.pk).lookups == 1 for order in others)


def test_failed_lookup_is_uncounted_only_once(airalo):
    for _ in range(3):
        scheduled()
    airalo.meanwhile = {**dict.fromkeys(range(1, 5), failing), 5: limited}
    services.sweep()
    assert set(EsimOrder.objects.values_list("lookups", flat=True)) == {0}


def test_rate_limited_lookup_is_not_counted_and_is_due_after_retry_after(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = [3600, 7200]
    order = EsimOrderFactory(unconfirmed=True)
    airalo.meanwhile[1] = limited
    before = database.db_now()
    services.sweep()
    order.refresh_from_db()
    assert order.lookups == 0
    assert_due(order.due_at, 30, since=before)


def test_failed_lookup_is_not_counted_and_keeps_first_delay(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = [100, 7200]
    order = EsimOrderFactory(unconfirmed=True)
    airalo.meanwhile = dict.fromkeys(range(1, 9), failing)
    for _ in range(2):
        due_now(order)
        before = database.db_now()
        services.sweep()
        order.refresh_from_db()
        assert order.lookups == 0
        assert_due(order.due_at, 100, since=before, spread=0.1)
    assert len(airalo.asked) == 8  # each sweep asks four times


@pytest.mark.parametrize(("answer", "sent"), [(429, 0), (422, 3), (500, 3)])
def test_sweep_stops_sending_orders_only_on_429(airalo, answer, sent):
    orders = EsimOrderFactory.create_batch(4)
    airalo.answer(answer, {"message": "No."})
    services.sweep()
    assert statuses(orders).count("accepted") == sent
    assert statuses(orders).count("pending") == (4 if answer == 429 else 0)


# Repeated look-ups


@pytest.mark.parametrize("attention", ["", "Decide."])
def test_fruitless_lookups_are_logged_once_per_attempt(airalo, attention):
    order = EsimOrderFactory(unconfirmed=True, attention=attention)
    for attempt in (1, 2):
        EsimOrder.objects.update(attempt=attempt)
        for _ in range(3):
            services.sync_order(order)
        assert order.events.filter(kind="looked_up").count() == attempt


NOTHING_NEW = {
    "unconfirmed": {"unconfirmed": True, "lookups": 1},
    "on hold": {"unconfirmed": True, "lookups": 9, "attention": "Decide.", "in_doubt_until": None},
    "accepted": {"accepted": True},
    "accepted and listed": {"accepted": True, "airalo_order_id": 7},
    "refused after a doubt": {"failed": True, "failed_at": ago(60), "in_doubt_until": FAR_AHEAD},
    "completed after a doubt": {"completed": True, "in_doubt_until": FAR_AHEAD},
}


@pytest.mark.parametrize("by_list", [True, False])
@pytest.mark.parametrize("case", NOTHING_NEW)
def test_lookup_without_news_writes_only_its_claim(airalo, case, by_list):
    orders = EsimOrderFactory.create_batch(5 if by_list else 1, **NOTHING_NEW[case])
    if "listed" in case:
        EsimOrder.objects.update(airalo_order_id=F("id"))
        for order in orders:
            at_airalo(airalo, order, sims=[], id=order.pk)
    EsimOrder.objects.update(due_at=LONG_AGO)
    with CaptureQueriesContext(connection) as queries:
        services.sweep()
    assert airalo.asked == ([1] if not airalo.orders else [1, 2, 3]) if by_list else ["one"]
    written = [query["sql"] for query in queries if query["sql"].startswith(("UPDATE", "INSERT", "DELETE"))]
    ours = [sql for sql in written if "esimorder" in sql or "orderevent" in sql]
    assert len(ours) == len(orders)
    assert all('SET "due_at"' in sql.replace("`", '"') and "lookups" in sql for sql in ours)
