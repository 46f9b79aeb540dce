"""How many queries the hot paths make. A number here may fall, but should rise only for a known reason."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.models import EsimOrder, WebhookEvent
from django_airalo.testing import order_payload, sign_webhook, webhook_payload
from tests.factories import LONG_AGO, EsimOrderFactory, PackageFactory, at_airalo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _deployment(settings):
    """As the documents ask for. Without it, the database is asked for its own string: a query more."""
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2


class Queries:
    def __init__(self):
        self.captured = CaptureQueriesContext(connection)

    def __enter__(self):
        self.captured.__enter__()
        return self

    def __exit__(self, *exc_info):
        self.captured.__exit__(*exc_info)
        statements = [query["sql"] for query in self.captured.captured_queries]
        #: Savepoints are left out: there are more of them within a test than without.
        self.statements = [sql for sql in statements if not sql.startswith(("SAVEPOINT", "RELEASE"))]
        self.count = len(self.statements)

    def __repr__(self):
        return "\n".join(f"{number}. {sql[:150]}" for number, sql in enumerate(self.statements, 1))


def test_place_order_makes_five_queries(airalo):
    package = PackageFactory(net_price="1.50")
    with Queries() as queries:
        services.place_order(package_id=package.package_id, idempotency_key="line-1")
    # The key, the clock, the package, the order, its event.
    assert queries.count == 5, queries


def test_place_order_under_discount_pricing_makes_six_queries(airalo):
    package = PackageFactory()
    with Queries() as queries:
        services.place_order(package_id=package.package_id, idempotency_key="line-1")
    # And the discount, to estimate the cost.
    assert queries.count == 6, queries


def test_repeated_place_order_with_same_key_makes_one_query(airalo):
    services.place_order(package_id="test", idempotency_key="line-1")
    with Queries() as queries:
        services.place_order(package_id="test", idempotency_key="line-1")
    assert queries.count == 1, queries


def test_submit_order_makes_27_queries(airalo, committed):
    order = EsimOrderFactory()
    services.submit_order(EsimOrderFactory())  # fetches the token
    with Queries() as queries, committed():
        services.submit_order(order)
    # Claim: pause, unknown outcomes, clock and server, deployment, order, claim, status, event (8). Lease: clock,
    # check (2). Outcome: clock, status, event (3). Webhooks that wait for it (1). Signals: clock, events due (2), and
    # for each of two events: clock, claim, order with user, clock, done (10). The order as returned (1).
    assert queries.count == 27, queries


def test_submit_order_that_is_not_due_makes_seven_queries(airalo):
    order = EsimOrderFactory(accepted=True)
    with Queries() as queries:
        services.submit_order(order)
    # Pause, unknown outcomes, clock and server, deployment, order; its turn in a pause; the order as returned.
    assert queries.count == 7, queries


def webhook_for(order):
    payload = order_payload(description=order.airalo_description, quantity=order.quantity)
    return json.dumps(webhook_payload(payload, order.request_id)).encode()


def post(body):
    headers = {"airalo-signature": sign_webhook(body)}
    return Client().post("/airalo/webhook/", body, content_type="application/json", headers=headers)


def test_receiving_webhook_makes_three_queries(airalo):
    body = webhook_for(EsimOrderFactory(accepted=True))
    with Queries() as queries:
        assert post(body).status_code == 200
    # The clock, the digest, the event. Nothing else keeps Airalo waiting if there are workers.
    assert queries.count == 3, queries


@pytest.mark.parametrize("quantity", [1, 10])
def test_processing_delivery_stays_within_query_limit(airalo, committed, quantity):
    order = EsimOrderFactory(accepted=True, quantity=quantity)
    body = webhook_for(order)
    post(body)
    event = WebhookEvent.objects.get()
    with Queries() as queries:
        services.process_webhook_event(event)
    # Lock and read the event (2), clock, orders by request_id and by reference (3), lock and read the order (2), for
    # each eSIM: is it known, keep it (2), count and any (2), status and event (2), the event (1) and as returned (1).
    assert queries.count <= 14 + 2 * quantity, queries
    order.refresh_from_db()
    assert order.status == "completed"


def test_sweep_with_nothing_due_makes_39_queries(airalo):
    services.sweep()  # its first heartbeat is an INSERT more
    with Queries() as queries:
        services.sweep()
    # Once for each kind of row, with the clock before it. Most sweeps are this one.
    assert queries.count == 39, queries


@pytest.mark.parametrize("status", ["pending", "unconfirmed", "submitting"])
def test_sweep_makes_same_number_of_queries_for_each_order(airalo, status):
    def cost(count):
        EsimOrder.objects.all().delete()
        for _ in range(count):
            EsimOrderFactory(**{status: True, "due_at": LONG_AGO})
        with Queries() as queries:
            services.sweep()
        return queries.count

    cost(1)
    # From five on, Airalo's list is read in place of a look-up for each.
    for few, more, most in ((2, 3, 4), (6, 7, 8)):
        costs = cost(few), cost(more), cost(most)
        assert costs[2] - costs[1] == costs[1] - costs[0]


def test_lookup_of_each_unchanged_order_makes_two_queries(airalo):
    def cost(count):
        EsimOrder.objects.all().delete()
        airalo.orders.clear()
        orders = [EsimOrderFactory(accepted=True) for _ in range(count)]
        at_airalo(airalo, orders[0])
        with Queries() as queries:
            services.sweep()
        return queries.count

    cost(10)  # the first sweep's heartbeat is an INSERT more
    # Moving its due time on, with the clock.
    assert cost(20) - cost(10) == 10 * 2
