"""How many queries the hot paths make. A number here may fall; whoever lets it rise should know why."""

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


def test_place_order(airalo):
    package = PackageFactory()
    with Queries() as queries:
        services.place_order(package_id=package.package_id, idempotency_key="line-1")
    # The key, the package, the clock, the order, its event.
    assert queries.count == 5, queries


def test_place_order_again_with_the_same_key(airalo):
    services.place_order(package_id="test", idempotency_key="line-1")
    with Queries() as queries:
        services.place_order(package_id="test", idempotency_key="line-1")
    assert queries.count == 1, queries


def test_submit_order(airalo):
    order = EsimOrderFactory()
    services.submit_order(EsimOrderFactory())  # fetches the token
    with Queries() as queries:
        services.submit_order(order)
    # Claim: pause, clock, claim, order, status, event (6). Lease: clock, check (2). Outcome: clock, status, event (3).
    # Webhooks that wait for it (1). Signals: clock, events due (2), and for each of two events: clock, claim, order
    # with user, clock, done (10). The order as returned (1).
    assert queries.count == 25, queries


def test_submit_order_that_is_not_due(airalo):
    order = EsimOrderFactory(accepted=True)
    with Queries() as queries:
        services.submit_order(order)
    # Pause, clock, claim, the order as returned.
    assert queries.count == 4, queries


def webhook_for(order):
    payload = order_payload(description=order.airalo_description, quantity=order.quantity)
    return json.dumps(webhook_payload(payload, order.request_id)).encode()


def post(body):
    headers = {"airalo-signature": sign_webhook(body)}
    return Client().post("/airalo/webhook/", body, content_type="application/json", headers=headers)


def test_the_webhooks_answer(airalo):
    body = webhook_for(EsimOrderFactory(accepted=True))
    with Queries() as queries:
        assert post(body).status_code == 200
    # The clock, the digest, the event. Nothing else keeps Airalo waiting if there are workers.
    assert queries.count == 3, queries


@pytest.mark.parametrize("quantity", [1, 10])
def test_interpreting_a_delivery(airalo, committed, quantity):
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


def test_a_sweep_with_nothing_to_do(airalo):
    services.sweep()  # its first heartbeat is an INSERT more
    with Queries() as queries:
        services.sweep()
    # Once for each kind of row, with the clock before it. Most sweeps are this one.
    assert queries.count == 34, queries


@pytest.mark.parametrize("status", ["pending", "unconfirmed", "submitting"])
def test_a_sweep_costs_the_same_for_each_order(airalo, status):
    def cost(count):
        EsimOrder.objects.all().delete()
        for _ in range(count):
            EsimOrderFactory(**{status: True, "due_at": LONG_AGO})
        with Queries() as queries:
            services.sweep()
        return queries.count

    cost(1)
    one, three, five = cost(1), cost(3), cost(5)
    assert five - three == three - one


def test_looking_up_many_orders_costs_little_for_those_without_news(airalo):
    def cost(count):
        EsimOrder.objects.all().delete()
        airalo.orders.clear()
        orders = [EsimOrderFactory(accepted=True) for _ in range(count)]
        at_airalo(airalo, orders[0])
        with Queries() as queries:
            services.sweep()
        return queries.count

    cost(10)  # the first sweep's heartbeat is an INSERT more
    # Moving its due time on, with the clock; whether it is overdue, by the clock again.
    assert cost(20) - cost(10) == 10 * 3
