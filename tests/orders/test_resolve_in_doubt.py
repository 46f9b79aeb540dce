"""What an operator decides while an attempt is in doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.testing import sim_payload, webhook_payload
from tests.factories import EsimOrderFactory, UserFactory, ago, at_airalo
from tests.shop_fixtures import GRACE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_grace")]


def in_doubt(airalo, **fields):
    """An order whose first attempt may have bought."""
    order = EsimOrderFactory(unconfirmed=True, **fields)
    assert order.in_doubt_until > database.db_now()
    return order


def logged(order, words):
    return order.events.filter(source="operator", detail__contains=words).exists()


def test_resubmission_is_refused_until_doubt_ends(airalo, committed):
    order = in_doubt(airalo)
    before = EsimOrder.objects.values().get()
    with pytest.raises(IllegalTransitionError, match="is unconfirmed, and Airalo may list an earlier attempt until"):
        operations.resubmit_unconfirmed(order)
    assert EsimOrder.objects.values().get() == before
    EsimOrder.objects.update(in_doubt_until=ago(1))
    with committed():
        assert operations.resubmit_unconfirmed(order).status == "pending"
        services.sweep()
    order.refresh_from_db()
    assert (order.status, len(airalo.orders)) == ("accepted", 1)


def test_resubmission_in_doubt_can_be_forced_with_logged_reason(airalo, committed):
    order = in_doubt(airalo)
    with committed():
        operations.resubmit_unconfirmed(order, decided_by="Ada", force_reason="Airalo's support says so.")
    order.refresh_from_db()
    assert (order.status, order.look_up_first) == ("pending", True)
    assert logged(order, "by Ada: Airalo's support says so.")


def waiting_in_doubt(**fields):
    """An order that is to be sent again, though its first attempt may have bought."""
    until = database.db_now() + timedelta(seconds=GRACE)
    return EsimOrderFactory(look_up_first=True, in_doubt_until=until, **fields)


def test_retry_now_is_refused_until_doubt_ends(airalo, committed):
    order = waiting_in_doubt(due_at=ago(-60))
    why = "is pending, and Airalo may list an earlier attempt until"
    with committed(), pytest.raises(IllegalTransitionError, match=why):
        operations.retry_now(order)
    order.refresh_from_db()
    assert (order.status, airalo.orders) == ("pending", [])
    EsimOrder.objects.update(in_doubt_until=ago(1))
    with committed():
        assert operations.retry_now(order) is order
    assert len(airalo.orders) == 1


def test_retry_now_can_be_forced_with_logged_reason_and_still_looks_up_first(airalo, committed):
    order = waiting_in_doubt(due_at=ago(-60))
    at_airalo(airalo, order)
    with committed():
        operations.retry_now(order, decided_by="Ada", force_reason="The flight leaves.")
    order.refresh_from_db()
    assert (order.status, len(airalo.orders)) == ("completed", 1)
    assert logged(order, "by Ada: The flight leaves.")


def test_fruitless_lookup_after_doubt_allows_resubmission(airalo):
    order = in_doubt(airalo)
    EsimOrder.objects.update(in_doubt_until=ago(1))
    order = services.sync_order(order)
    assert (order.status, order.in_doubt_until) == ("unconfirmed", None)
    assert "Decide whether" in order.attention
    assert operations.resubmit_unconfirmed(order).status == "pending"


def two_listed(airalo, **fields):
    order = EsimOrderFactory(user=UserFactory(), **fields)
    listed = [at_airalo(airalo, order).payload for _ in range(2)]
    return services.sync_order(order), listed


@pytest.mark.parametrize("chosen", [0, 1])
@pytest.mark.parametrize("status", ["unconfirmed", "accepted", "failed", "cancelled"])
def test_operator_chooses_one_of_two_purchases_and_other_becomes_duplicate(airalo, heard, committed, status, chosen):
    order, listed = two_listed(airalo, **{status: True})
    assert not order.esims.exists()
    assert {item.id for item in operations.list_purchases(order)} == {payload["id"] for payload in listed}
    own, other = listed[chosen], listed[1 - chosen]
    with committed():
        assert operations.choose_purchase(order, airalo_order_id=own["id"], decided_by="Ada").status == "completed"
    order.refresh_from_db()
    assert (order.status, order.airalo_order_id) == ("completed", own["id"])
    assert order.esims.get().iccid == own["sims"][0]["iccid"]
    assert logged(order, f"Airalo's order {own['id']} was chosen by Ada.")
    duplicate = order.duplicates.get()
    assert (duplicate.airalo_order_id, duplicate.user) == (other["id"], None)
    assert duplicate.esims.get().iccid == other["sims"][0]["iccid"]
    late = status in ("failed", "cancelled")
    assert [kwargs["late"] for kwargs in heard.of("esim_order_completed")] == [late]


@pytest.mark.parametrize("status", ["unconfirmed", "failed", "cancelled"])
def test_choice_of_a_purchase_without_esims_is_kept(airalo, committed, status):
    order = EsimOrderFactory(user=UserFactory(), **{status: True})
    listed = [at_airalo(airalo, order, sims=[]).payload for _ in range(2)]
    services.sync_order(order)
    with committed():
        operations.choose_purchase(order, airalo_order_id=listed[1]["id"])
    order.refresh_from_db()
    assert order.airalo_order_id == listed[1]["id"]
    fakes = {fake.payload["id"]: fake for fake in airalo.orders}
    for payload in listed:
        fakes[payload["id"]].fulfil(sims=[sim_payload()])
    with committed():
        order = services.sync_order(order)
    assert (order.status, order.airalo_order_id) == ("completed", listed[1]["id"])
    assert order.duplicates.get().airalo_order_id == listed[0]["id"]


def test_unlisted_purchase_cannot_be_chosen(airalo):
    order, listed = two_listed(airalo, unconfirmed=True)
    first, second = sorted(str(payload["id"]) for payload in listed)
    with pytest.raises(IllegalTransitionError, match=f"not {10**9} but {first}, {second},"):
        operations.choose_purchase(order, airalo_order_id=10**9)
    assert services.sync_order(order).status == "unconfirmed"
    operations.choose_purchase(order, airalo_order_id=listed[0]["id"])
    with pytest.raises(IllegalTransitionError, match="is completed, so choose_purchase"):
        operations.choose_purchase(order, airalo_order_id=listed[1]["id"])


def test_webhook_completes_flagged_order_and_other_purchase_becomes_duplicate(airalo, committed):
    """Which of two it is the webhook tells; the other is found by the look-up after it."""
    order, listed = two_listed(airalo, accepted=True)
    assert order.status == "unconfirmed"
    airalo.push(webhook_payload(listed[1], order.request_id))
    order.refresh_from_db()
    assert (order.status, order.airalo_order_id) == ("completed", listed[1]["id"])
    with committed():
        services.sweep()
    order.refresh_from_db()
    assert (order.due_at, order.duplicates.get().airalo_order_id) == (None, listed[0]["id"])
