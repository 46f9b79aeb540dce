"""Airalo's list of orders proposes what became of a refund; an operator decides."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import Deployment, Heartbeat
from django_airalo.services import operations
from django_airalo.services.core import deployment, heartbeats
from django_airalo.testing import order_payload
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, RefundFactory, ago
from tests.scripted_server import Answer

pytestmark = pytest.mark.django_db


def refund_of(*esims, status="requested"):
    refund = RefundFactory(status=status)
    refund.esims.set(esims)
    return refund


def listed(*orders, status):
    rows = [order_payload(status={"slug": status}) | {"id": order.airalo_order_id} for order in orders]
    meta = {"current_page": 1, "last_page": 1, "total": len(rows)}
    return Answer(200, {"data": rows, "meta": meta})


def sweep(server, *answers):
    server.on("/v2/orders", *answers)
    Heartbeat.objects.filter(name="refunds").update(at=LONG_AGO)
    services.sweep()


def test_listed_refund_is_proposed_but_not_decided(server):
    esim = EsimFactory(order__completed=True, order__airalo_order_id=9001)
    refund = refund_of(esim)
    sweep(server, listed(esim.order, status="refunded"), listed(status="partially_refunded"))
    refund.refresh_from_db()
    assert (refund.status, refund.proposed_outcome) == ("requested", "refunded")
    assert operations.resolve_refund(refund, approved=True, decided_by="operator").status == "approved"


def test_refund_of_two_orders_is_proposed_as_partial_until_both_are_refunded(server):
    one = EsimFactory(order__completed=True, order__airalo_order_id=9001)
    two = EsimFactory(order__completed=True, order__airalo_order_id=9002)
    refund = refund_of(one, two)
    sweep(server, listed(one.order, status="refunded"), listed(status="partially_refunded"))
    refund.refresh_from_db()
    assert refund.proposed_outcome == "partially_refunded"
    sweep(server, listed(two.order, status="refunded"), listed(status="partially_refunded"))
    refund.refresh_from_db()
    assert refund.proposed_outcome == "refunded"


def test_list_is_read_once_per_day_only_while_refund_is_requested(server):
    esim = EsimFactory(order__completed=True, order__airalo_order_id=9001)
    refund = refund_of(esim, status="pending")
    refund.due_at = None
    refund.save()
    sweep(server, listed(status="refunded"))
    assert not server.requests("/v2/orders")
    type(refund).objects.update(status="requested")
    services.sweep()
    services.sweep()
    assert len(server.requests("/v2/orders")) == 2  # one for each of the two statuses


# Whatever else reads the list


def by_look_up(order):
    services.sync_order(order)


def by_look_up_of_many(order):
    EsimOrderFactory.create_batch(5, accepted=True)
    services.sweep()


def by_import(order):
    operations.import_orders()


def by_matching(order):
    """Nothing was alive in the database for so long that the list is read before anything is sent."""
    deployment.state()
    Deployment.objects.update(alive_at=ago(400))
    services.sweep()


@pytest.mark.parametrize("status", ["requested", "unconfirmed"])
@pytest.mark.parametrize("read", [by_look_up, by_look_up_of_many, by_import, by_matching])
def test_every_reading_of_list_proposes_refund(server, settings, read, status):
    settings.AIRALO_LISTING_DELAY = 0
    assert heartbeats.claim(heartbeats.REFUNDS, 86400)  # that for refunds has just been read
    esim = EsimFactory(order__completed=True, order__airalo_order_id=9001)
    refund = refund_of(esim, status=status)
    server.on("/v2/orders", listed(esim.order, status="refunded"))
    server.on("/v2/future-orders", listed(status=""))
    read(esim.order)
    refund.refresh_from_db()
    assert (refund.status, refund.proposed_outcome) == (status, "refunded")


def test_dry_run_of_import_proposes_nothing(server):
    esim = EsimFactory(order__completed=True, order__airalo_order_id=9001)
    refund = refund_of(esim)
    server.on("/v2/orders", listed(esim.order, status="refunded"))
    operations.import_orders(dry_run=True)
    refund.refresh_from_db()
    assert refund.proposed_outcome == ""
