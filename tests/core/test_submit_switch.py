"""AIRALO_SUBMIT = False holds all that is sent, and costs nothing while it is True."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.services import operations
from tests.factories import EsimOrderFactory, OrderEventFactory, VoucherFactory, at_airalo, due_now
from tests.orders.future_support import Failing, in_days

from .restore_support import asked, refund

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("deployed")]


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


@pytest.mark.parametrize("make", [EsimOrderFactory, refund, VoucherFactory])
def test_submit_switch_holds_orders_refunds_and_vouchers(airalo, settings, make):
    settings.AIRALO_SUBMIT = False
    row = make()
    send = {"EsimOrder": services.submit_order, "Refund": operations.send_refund, "Voucher": operations.send_voucher}
    send[type(row).__name__](row)
    services.sweep()
    assert [request for request in asked(airalo) if not request.startswith("GET")] == []
    settings.AIRALO_SUBMIT = True
    services.sweep()
    assert len([request for request in asked(airalo) if not request.startswith("GET")]) == 1


def test_submit_switch_holds_cancellations_and_refuses_retry_now(airalo, settings, committed):
    order = services.submit_order(services.place_order(package_id="test", due_date=in_days(30)))
    waits = EsimOrderFactory()
    settings.AIRALO_SUBMIT = False
    with committed():
        services.cancel_order(order)
    due_now(order)
    services.sweep()
    with pytest.raises(IllegalTransitionError, match="AIRALO_SUBMIT is False"):
        operations.retry_now(waits)
    assert "POST /v2/cancel-future-orders" not in asked(airalo)
    settings.AIRALO_SUBMIT = True
    due_now(order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "cancelled"


def test_unusable_switch_stops_nothing_but_submission(airalo, settings, heard):
    settings.AIRALO_SUBMIT = "maybe"
    waits, accepted = EsimOrderFactory(), EsimOrderFactory(accepted=True)
    at_airalo(airalo, accepted)
    OrderEventFactory(order=EsimOrderFactory(failed=True), new_status="failed")
    report = services.sweep()
    waits.refresh_from_db()
    accepted.refresh_from_db()
    assert (waits.status, accepted.status) == ("pending", "completed")
    assert (report.submitted, report.put_off) == (0, 2)  # submission, and cancellations of future orders
    assert "esim_order_failed" in heard.names()


def test_submission_does_not_update_deployment_row(airalo):
    services.submit_order(EsimOrderFactory())
    order = EsimOrderFactory()
    with CaptureQueriesContext(connection) as queries:
        services.submit_order(order)
    assert not [
        query for query in queries if query["sql"].startswith("UPDATE") and "_deployment" in query["sql"].split()[1]
    ]
