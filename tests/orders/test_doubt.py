"""An attempt in doubt is never forgotten: what it may have bought is looked for until it can no longer appear."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.models import Esim, EsimOrder
from django_airalo.services.core import database
from django_airalo.testing import order_payload
from django_airalo.testing.delivery import respond
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, ago, at_airalo, due_now
from tests.fakes import FakeAiralo
from tests.shop_fixtures import GRACE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_grace")]


def assert_in_doubt(order, since):
    order.refresh_from_db()
    until = order.in_doubt_until - timedelta(seconds=GRACE)
    assert since - timedelta(milliseconds=5) <= until <= database.db_now()


def test_attempt_without_answer_is_in_doubt_for_grace_period(airalo):
    since = database.db_now()
    airalo.time_out(bought=True)
    order = services.submit_order(EsimOrderFactory())
    assert order.status == "unconfirmed"
    assert_in_doubt(order, since)


def test_lost_lease_is_in_doubt_for_grace_period(airalo):
    since = database.db_now()
    order = EsimOrderFactory(submitting=True)
    due_now(order)
    services.sweep()
    assert_in_doubt(order, since)


def test_attempt_after_one_in_doubt_extends_doubt(airalo):
    since = database.db_now()
    order = services.submit_order(EsimOrderFactory(look_up_first=True, in_doubt_until=LONG_AGO))
    assert (order.status, len(airalo.orders)) == ("accepted", 1)
    assert_in_doubt(order, since)


@pytest.mark.parametrize("refusal", ["202", "422", "429"])
def test_conclusive_answer_leaves_no_doubt(airalo, refusal):
    if refusal != "202":
        airalo.answer(int(refusal), {"code": 34, "reason": "Gone."} if refusal == "422" else {})
    assert services.submit_order(EsimOrderFactory()).in_doubt_until is None


class ListedMeanwhile(FakeAiralo):
    """Lists an order just after the look-up before its next attempt, and another process sees that."""

    def __init__(self):
        super().__init__()
        self.meanwhile = None

    def _handle(self, request):
        answer = super()._handle(request)
        if self.meanwhile and request.method == "GET" and request.path_url.startswith("/v2/orders"):
            act, self.meanwhile = self.meanwhile, None
            act()
        return answer


@pytest.mark.parametrize(("sims", "status"), [({}, "completed"), ({"sims": []}, "accepted")])
def test_purchase_found_while_next_attempt_is_claimed_prevents_sending(sims, status):
    order = EsimOrderFactory(look_up_first=True, in_doubt_until=ago(1))
    with ListedMeanwhile() as airalo:

        def meanwhile():
            at_airalo(airalo, order, **sims)
            services.sync_order(order)

        airalo.meanwhile = meanwhile
        found = services.submit_order(order)
        assert len(airalo.orders) == 1  # the one that is listed
    assert found.status == status
    assert found.in_doubt_until > database.db_now()  # had it been sent just before, it would be seen


def test_purchase_found_while_next_attempt_is_answered_keeps_lookup_scheduled(airalo, committed):
    """Attempt 1 has bought, and a look-up finds that while Airalo takes attempt 2, too."""
    order = EsimOrderFactory(look_up_first=True, in_doubt_until=ago(1))

    def answer(fake):
        fake.bought = True
        at_airalo(airalo, order)
        services.sync_order(order)
        return respond(202, {"data": {"request_id": fake.request_id}})

    airalo._answers.append(answer)
    order = services.submit_order(order)
    assert order.status == "completed"
    assert order.due_at == order.in_doubt_until > database.db_now()
    airalo.orders[0].fulfil()
    EsimOrder.objects.update(due_at=ago(1), in_doubt_until=ago(1))
    with committed():
        services.sweep()
    order.refresh_from_db()
    assert order.duplicates.count() == 1
    assert (order.due_at, "fulfilled the order twice" in order.attention) == (None, True)


def test_completed_order_never_listed_by_airalo_is_flagged(airalo):
    order = EsimOrderFactory(completed=True, in_doubt_until=ago(499))
    EsimFactory(order=order)
    assert services.sync_order(order).in_doubt_until is not None
    EsimOrder.objects.update(in_doubt_until=ago(501))
    order = services.sync_order(order)
    assert (order.in_doubt_until, order.due_at) == (None, None)
    assert "Airalo has never listed the order" in order.attention


def test_failed_second_purchase_is_not_counted_as_duplicate(airalo):
    order = EsimOrderFactory(completed=True, in_doubt_until=ago(1), airalo_order_id=7)
    at_airalo(airalo, order, id=7)
    at_airalo(airalo, order, id=8, sims=[], status={"name": "Failed", "slug": "failed"})
    order = services.sync_order(order)
    assert (order.attention, order.in_doubt_until, order.duplicates.count()) == ("", None, 0)


def test_second_purchase_without_esims_is_flagged_and_becomes_duplicate_once_delivered(airalo):
    order = EsimOrderFactory(completed=True, in_doubt_until=ago(1), airalo_order_id=7)
    at_airalo(airalo, order, id=7)
    second = at_airalo(airalo, order, id=8, sims=[])
    order = services.sync_order(order)
    assert "without eSIMs yet: 8." in order.attention
    assert order.in_doubt_until is not None
    second.override(sims=order_payload()["sims"])
    order = services.sync_order(order)
    assert order.duplicates.get().airalo_order_id == 8
    assert order.in_doubt_until is None


@pytest.mark.parametrize("own_is", ["newer", "older"])
def test_completed_order_without_airalo_id_matches_own_purchase_by_esims(airalo, own_is):
    """The webhook that completed it said no id. Airalo lists the newest first."""
    order = EsimOrderFactory(completed=True, in_doubt_until=ago(1))
    other, own = (at_airalo(airalo, order).payload for _ in range(2))
    if own_is == "older":
        own, other = other, own
    Esim.objects.create(order=order, iccid=own["sims"][0]["iccid"])
    order = services.sync_order(order)
    assert order.esims.get().iccid == own["sims"][0]["iccid"]
    assert order.duplicates.get().airalo_order_id == other["id"]


def test_purchase_found_for_one_of_two_attempts_keeps_lookup_scheduled(airalo, committed):
    order = EsimOrderFactory(unconfirmed=True, attempt=2, look_up_first=True)
    first = at_airalo(airalo, order).payload
    order = services.sync_order(order)
    assert (order.status, order.airalo_order_id) == ("completed", first["id"])
    assert order.due_at == order.in_doubt_until is not None
    second = at_airalo(airalo, order).payload
    EsimOrder.objects.update(due_at=ago(1), in_doubt_until=ago(1))
    with committed():
        services.sweep()
    order.refresh_from_db()
    assert (order.due_at, order.duplicates.get().airalo_order_id) == (None, second["id"])


def test_purchase_found_for_only_attempt_ends_doubt(airalo):
    order = EsimOrderFactory(unconfirmed=True)
    at_airalo(airalo, order)
    order = services.sync_order(order)
    assert (order.status, order.due_at, order.in_doubt_until) == ("completed", None, None)
