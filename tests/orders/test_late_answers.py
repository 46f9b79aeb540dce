"""An answer that comes when the order is no longer its worker's: a purchase is recorded in any status."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import EsimOrder
from django_airalo.services.core import database
from django_airalo.services.orders import submit
from django_airalo.testing import order_payload, webhook_payload
from django_airalo.testing.delivery import respond
from tests.factories import FAR_AHEAD, EsimOrderFactory, due_now

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
ACCEPTED_BODY = {"data": {"request_id": "request-1"}, "meta": {"message": "success"}}


def late_202(airalo, order, meanwhile, request_id="request-1"):
    def answer(fake):
        meanwhile()
        return respond(202, {"data": {"request_id": request_id}})

    airalo._answers.append(answer)
    return services.submit_order(order)


@pytest.mark.parametrize(
    ("status", "afterwards"),
    [
        ("pending", "accepted"),
        ("accepted", "accepted"),
        ("unconfirmed", "accepted"),
        ("completed", "completed"),
    ],
)
def test_late_202_is_recorded_for_active_or_completed_order(airalo, status, afterwards):
    order = late_202(airalo, EsimOrderFactory(), lambda: EsimOrder.objects.update(status=status, due_at=None))
    assert (order.status, order.request_id) == (afterwards, "request-1")
    if afterwards == "accepted" and status != "accepted":
        assert order.due_at > database.db_now()
        assert order.events.filter(old_status=status, new_status="accepted").exists()
    else:
        assert order.events.filter(late=True, detail="Attempt 1 was accepted as request-1.").exists()
    if status in ("failed", "cancelled"):
        # Given up, yet Airalo delivers: the order is flagged, and the sweep looks it up.
        assert "after it had been given up" in order.attention
        assert order.due_at > database.db_now()
    else:
        assert not order.attention


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_late_202_for_failed_or_cancelled_order_is_flagged_and_looked_up(airalo, heard, committed, status):
    order = late_202(airalo, EsimOrderFactory(), lambda: EsimOrder.objects.update(status=status, due_at=None))
    assert (order.status, order.request_id) == (status, "request-1")
    assert order.attention == "Airalo accepted the order after it had been given up."
    assert order.due_at > database.db_now()
    airalo.fulfil(order)
    due_now(order)
    with committed():
        services.sweep()
    order.refresh_from_db()
    assert (order.status, order.due_at) == ("completed", None)
    assert [kwargs["late"] for kwargs in heard.of("esim_order_completed")] == [True]


@pytest.mark.parametrize("status", ["pending", "unconfirmed"])
def test_late_202_clears_errors_and_lookups_of_earlier_attempts(airalo, status):
    left = {"error_code": 13, "error_reason": "Maintenance.", "look_up_first": True, "lookups": 9}
    order = late_202(airalo, EsimOrderFactory(), lambda: EsimOrder.objects.update(status=status, due_at=None, **left))
    assert (order.status, order.error_code, order.error_reason) == ("accepted", None, "")
    assert (order.look_up_first, order.lookups) == (False, 0)


def test_late_202_for_failed_order_resets_lookups_and_keeps_error(airalo):
    left = {"error_code": 34, "error_reason": "Out of stock.", "lookups": 9}
    order = late_202(airalo, EsimOrderFactory(), lambda: EsimOrder.objects.update(status="failed", due_at=None, **left))
    assert (order.status, order.error_code, order.error_reason, order.lookups) == ("failed", 34, "Out of stock.", 0)


def test_late_202_stops_next_attempt_before_sending(airalo):
    """The first try was given up and a second one is on its way when the first turns out to have bought."""
    order = late_202(airalo, EsimOrderFactory(), lambda: EsimOrder.objects.update(attempt=2, due_at=FAR_AHEAD))
    assert (order.status, order.request_id) == ("accepted", "request-1")
    assert not submit._holds_lease(EsimOrder(pk=order.pk, attempt=2, status="submitting"))
    assert "Attempt 1 was accepted after it had been given up" in order.attention


def test_two_202s_for_one_order_are_flagged(airalo):
    def meanwhile():
        EsimOrder.objects.update(status="accepted", request_id="request-2", attempt=2)

    order = late_202(airalo, EsimOrderFactory(), meanwhile)
    assert (order.status, order.request_id) == ("accepted", "request-2")
    assert order.attention == "Airalo accepted the order twice: as request-2 and as request-1."


def test_late_refusal_is_logged_without_changing_order(airalo):
    def answer(fake):
        EsimOrder.objects.update(status="completed", due_at=None)
        return respond(422, {"code": 34, "reason": "Reason 34."})

    airalo._answers.append(answer)
    order = services.submit_order(EsimOrderFactory())
    assert (order.status, order.error_code) == ("completed", None)
    assert order.events.filter(late=True, detail__contains="Reason 34.").count() == 1


def test_webhook_before_202_completes_order(airalo, committed):
    payload = order_payload(description="no reference of ours")

    def answer(fake):
        assert airalo.push(webhook_payload(payload, "request-1")).status_code == 200
        return respond(202, ACCEPTED_BODY)

    airalo._answers.append(answer)
    with committed():
        order = services.submit_order(EsimOrderFactory())
    order.refresh_from_db()
    assert order.status == "completed"
    assert order.esims.get().iccid == payload["sims"][0]["iccid"]
