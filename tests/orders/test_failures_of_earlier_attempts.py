"""Airalo reports that an attempt failed. An order whose later attempt it has accepted does not fail for that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_airalo import services
from django_airalo.client.payloads import FutureOrderData
from django_airalo.models import EsimOrder
from django_airalo.services.core import database
from django_airalo.services.orders import lookup
from django_airalo.testing import failure_payload
from django_airalo.testing.delivery import respond
from tests.factories import EsimOrderFactory, ago
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db

NOTE = "Airalo reports a failure of an attempt that may not be the accepted one: "


class Listing(FakeAiralo):
    """Lists the first attempt of an order as failed."""

    def _handle(self, request):
        if request.method == "GET" and request.path_url.startswith("/v2/orders"):
            order = EsimOrder.objects.get()
            row = {"id": 3, "description": order.airalo_description, "sims": [], "status": "failed"}
            return respond(200, {"data": [row], "meta": {"message": "success"}})
        return super()._handle(request)


@pytest.fixture
def listing():
    with Listing() as fake:
        yield fake


def later(**fields):
    """An order whose second attempt Airalo has accepted, as ``request-2``."""
    return EsimOrderFactory(accepted=True, attempt=2, request_id="request-2", **fields)


def check_kept(order):
    order.refresh_from_db()
    assert (order.status, order.error_reason, order.failed_at) == ("accepted", "", None)
    assert order.events.get().detail.startswith(NOTE)


def test_lookup_that_shows_another_number(listing, heard, committed):
    order = later(airalo_order_id=7)
    for _ in range(2):
        with committed():
            services.sync_order(order)
        check_kept(order)
    assert heard == []


def test_lookup_while_an_attempt_is_in_doubt(listing, heard, committed):
    order = later(in_doubt_until=database.db_now() + timedelta(minutes=5))
    for _ in range(2):
        with committed():
            services.sync_order(order)
        check_kept(order)
    assert heard == []
    EsimOrder.objects.update(in_doubt_until=ago(1))
    with committed():
        order = services.sync_order(order)
    assert (order.status, order.error_reason) == ("failed", "Airalo lists the order as failed.")


def test_lookup_without_any_doubt(listing):
    assert services.sync_order(later()).status == "failed"


def test_webhook_with_another_request_id(airalo, heard):
    order = later()
    payload = failure_payload("request-1")
    payload["description"] = order.airalo_description
    assert airalo.push(payload).status_code == 200
    check_kept(order)
    assert heard == []
    airalo.push(failure_payload("request-2"))
    order.refresh_from_db()
    assert order.status == "failed"


def test_list_of_future_orders_with_another_request_id():
    due_date = datetime.now(UTC) + timedelta(days=9)
    order = EsimOrderFactory(scheduled=True, attempt=2, request_id="request-2", due_date=due_date)
    for request_id, status in (("request-1", "scheduled"), ("request-2", "failed")):
        row = FutureOrderData(
            request_id=request_id,
            status="failed",
            description=order.airalo_description,
            quantity=1,
            package_id=order.package_id,
            due_date=due_date,
            latest_cancellation_date=None,
            raw={},
        )
        lookup.record(order.pk, lookup.Findings(database.db_now(), future_orders=[row]), source="look-up")
        order.refresh_from_db()
        assert order.status == status
