"""Airalo's list of future orders may hide their descriptions: then nothing is concluded from what it does not show."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import Deployment, EsimOrder
from django_airalo.services import operations
from django_airalo.services.core import deployment
from tests.factories import LONG_AGO, EsimOrderFactory, ago, due_now

from .future_support import Failing, in_days

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
PAGE = b"<!DOCTYPE html><title>Attention Required! | Cloudflare</title>"


@pytest.fixture
def airalo():
    with Failing() as fake:
        fake.future_descriptions = False
        yield fake


def bought_by_hand(airalo, days=30):
    """A future order that no order here has the number of."""
    return airalo.add_order(package_id="test", due_date=in_days(days))


def posts(airalo):
    return airalo.asked.count("POST /v2/future-orders")


@pytest.mark.parametrize("status", [400, 403, 422])
def test_future_order_answered_by_proxy_is_not_sent_again(airalo, heard, committed, status):
    airalo.answer(status, PAGE, bought=True)
    order = services.submit_order(EsimOrderFactory(due_date=in_days(30)))
    assert (order.status, order.look_up_first) == ("pending", True)
    for _ in range(3):
        due_now(order)
        with committed():
            services.sweep()
    order.refresh_from_db()
    assert posts(airalo) == 1
    assert order.status == "unconfirmed"
    assert "without their descriptions" in order.attention
    assert order.in_doubt_until
    assert "esim_order_unconfirmed" in heard.names(order)
    airalo.deliver(order)
    order.refresh_from_db()
    assert (order.status, order.esims.count()) == ("completed", 1)


def test_future_order_missing_from_list_with_descriptions_is_sent_again(airalo):
    airalo.future_descriptions = True
    bought_by_hand(airalo)  # it says nothing of an order of ours
    airalo.orders[-1].override(description="by hand")
    airalo.answer(403, PAGE)
    order = services.submit_order(EsimOrderFactory(due_date=in_days(30)))
    due_now(order)
    assert services.submit_order(order).status == "scheduled"


def test_future_order_is_sent_again_if_all_listed_rows_are_known(airalo):
    known = services.submit_order(EsimOrderFactory(due_date=in_days(30)))
    airalo.answer(403, PAGE)
    order = services.submit_order(EsimOrderFactory(due_date=in_days(30)))
    due_now(order)
    assert (known.status, services.submit_order(order).status) == ("scheduled", "scheduled")


def hidden(airalo, settings, policy="hold"):
    """An order whose first attempt bought behind a time-out, which the list hides."""
    settings.AIRALO_UNCONFIRMED_POLICY = policy
    airalo.time_out(bought=True)
    return services.submit_order(EsimOrderFactory(due_date=in_days(30)))


def test_order_possibly_hidden_only_at_resubmission_is_held(airalo, settings, committed):
    airalo.future_descriptions = True
    settings.AIRALO_UNCONFIRMED_POLICY = "resubmit"
    airalo.time_out()
    order = services.submit_order(EsimOrderFactory(due_date=in_days(30), in_doubt_until=LONG_AGO))
    EsimOrder.objects.update(in_doubt_until=LONG_AGO)
    order = services.sync_order(order)
    assert order.status == "pending"
    airalo.future_descriptions = False
    bought_by_hand(airalo)
    with committed():
        services.sweep()
    order.refresh_from_db()
    assert (order.status, posts(airalo)) == ("unconfirmed", 1)
    assert order.attention


def test_possibly_hidden_order_is_not_resubmitted_by_policy(airalo, settings, committed):
    order = hidden(airalo, settings, policy="resubmit")
    EsimOrder.objects.update(due_at=LONG_AGO, in_doubt_until=LONG_AGO)
    with committed():
        services.sweep()
    order.refresh_from_db()
    assert (order.status, posts(airalo)) == ("unconfirmed", 1)
    assert "without their descriptions" in order.attention
    assert not order.events.filter(old_status="unconfirmed").exists()


def test_operator_can_resubmit_possibly_hidden_order(airalo, settings, committed):
    order = hidden(airalo, settings)
    airalo.orders[-1].bought = False  # as the operator saw there
    bought_by_hand(airalo)
    EsimOrder.objects.update(in_doubt_until=LONG_AGO)
    order = services.sync_order(order)
    assert "without their descriptions" in order.attention
    with committed():
        assert operations.resubmit_unconfirmed(order, decided_by="Ada")
    order = services.submit_order(order)
    assert (order.status, posts(airalo)) == ("scheduled", 2)


def test_operator_decision_covers_only_next_attempt(airalo, settings, committed):
    order = hidden(airalo, settings)
    EsimOrder.objects.update(in_doubt_until=LONG_AGO)
    order = services.sync_order(order)
    airalo.answer(403, PAGE, bought=True)
    with committed():
        assert operations.resubmit_unconfirmed(order, decided_by="Ada")
    order = services.submit_order(order)
    assert (order.status, posts(airalo)) == ("pending", 2)
    due_now(order)
    assert (services.submit_order(order).status, posts(airalo)) == ("unconfirmed", 2)


def test_possibly_hidden_order_of_database_in_doubt_is_held(airalo, committed):
    """Say it was restored from a backup that lacks the future order's number."""
    order, other = EsimOrderFactory(due_date=in_days(30)), EsimOrderFactory()
    bought_by_hand(airalo)
    deployment.state()
    Deployment.objects.update(alive_at=ago(400))
    with committed():
        services.sweep()
    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.status, posts(airalo)) == ("unconfirmed", 0)
    assert "without their descriptions" in order.attention
    assert other.status == "accepted"


def test_scheduled_order_in_doubt_is_flagged_if_second_purchase_may_be_hidden(airalo):
    airalo.answer(403, PAGE)
    order = services.submit_order(EsimOrderFactory(due_date=in_days(30)))
    due_now(order)
    order = services.submit_order(order)
    assert (order.status, order.attention) == ("scheduled", "")
    assert order.in_doubt_until
    bought_by_hand(airalo)  # or by the first attempt, listed only now
    EsimOrder.objects.update(in_doubt_until=ago(1))
    due_now(order)
    services.sweep()
    order.refresh_from_db()
    assert (order.status, order.in_doubt_until) == ("scheduled", None)
    assert "may have bought it, too" in order.attention
