"""An order that an earlier attempt may have bought is looked up before it is sent again."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import UnknownOutcomes
from django_airalo.testing.delivery import respond
from tests.factories import EsimOrderFactory, at_airalo, due_now
from tests.fakes import FakeAiralo

from .test_submit_order import FOREIGN

pytestmark = pytest.mark.django_db


def test_unlisted_order_is_sent(airalo):
    order = services.submit_order(EsimOrderFactory(look_up_first=True))
    assert (order.status, order.look_up_first) == ("accepted", False)
    assert len(airalo.orders) == 1


def test_order_found_by_lookup_is_completed_and_not_sent_again(airalo, heard, committed):
    order = EsimOrderFactory(look_up_first=True)
    at_airalo(airalo, order)
    with committed():
        order = services.submit_order(order)
    assert order.status == "completed"
    assert order.esims.count() == 1
    assert len(airalo.orders) == 1
    assert heard.names(order).count("esim_order_completed") == 1


class ListAway(FakeAiralo):
    def _handle(self, request):
        if request.method == "GET" and request.path_url.startswith("/v2/orders"):
            return respond(500, b"")
        return super()._handle(request)


def test_order_is_not_sent_while_lookup_fails():
    with ListAway() as airalo:
        order = services.submit_order(EsimOrderFactory(look_up_first=True))
        assert airalo.orders == []
    assert (order.status, order.look_up_first) == ("pending", True)
    assert "HTTP 500" in order.error_reason


def test_listed_order_without_esims_is_accepted_and_not_sent(airalo):
    order = EsimOrderFactory(look_up_first=True)
    at_airalo(airalo, order, sims=[])
    order = services.submit_order(order)
    assert (order.status, order.look_up_first) == ("accepted", False)
    assert len(airalo.orders) == 1


def test_order_bought_behind_proxy_error_is_found_and_not_sent_again(airalo, heard, committed):
    airalo.answer(422, FOREIGN["Cloudflare"], bought=True)
    order = services.submit_order(EsimOrderFactory())
    assert (order.status, order.look_up_first) == ("pending", True)
    airalo.fulfil(order)
    due_now(order)
    with committed():
        order = services.submit_order(order)
    assert order.status == "completed"
    assert len(airalo.orders) == 1
    assert "esim_order_failed" not in heard.names(order)


def test_repeated_proxy_errors_leave_order_unconfirmed(airalo, heard):
    order = EsimOrderFactory()
    for number in range(1, 6):
        airalo.answer(403, FOREIGN["Cloudflare"])
        due_now(order)
        UnknownOutcomes.objects.all().delete()  # the others that would have paused submission are long ago
        order = services.submit_order(order)
        assert order.status == ("pending" if number < 5 else "unconfirmed")
    assert len(airalo.orders) == 5
    assert heard.names(order)[-1] == "esim_order_unconfirmed"


def test_order_listed_twice_is_flagged_and_not_sent(airalo):
    order = EsimOrderFactory(look_up_first=True)
    first, second = at_airalo(airalo, order), at_airalo(airalo, order)
    order = services.submit_order(order)
    assert order.status == "unconfirmed"
    assert str(first.payload["id"]) in order.attention
    assert str(second.payload["id"]) in order.attention
    assert not order.esims.exists()
    assert len(airalo.orders) == 2
