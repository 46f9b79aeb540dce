"""What a signed webhook does to an order."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import Esim, EsimOrder, OrderEvent, WebhookEvent
from django_airalo.services.core import database
from django_airalo.testing import failure_payload, order_payload, sim_payload, webhook_payload
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, ago, at_airalo, due_now
from tests.moments import assert_due

pytestmark = pytest.mark.django_db

WAITING = ["pending", "submitting", "accepted", "unconfirmed", "scheduled"]
STATUSES = EsimOrder.Status.values


def delivery(order, shape="enveloped", request_id=None, **overrides):
    payload = order_payload(
        **{
            "package_id": order.package_id,
            "quantity": order.quantity,
            "description": order.airalo_description,
            **overrides,
        }
    )
    return webhook_payload(payload, request_id or order.request_id, shape)


def event():
    return WebhookEvent.objects.order_by("id").last()


# Success


@pytest.mark.parametrize("shape", ["enveloped", "flat", "nested"])
@pytest.mark.parametrize("matched_by", ["both", "request_id", "description"])
def test_delivery_in_any_shape_completes_order(airalo, heard, shape, matched_by):
    order = EsimOrderFactory(accepted=True, quantity=2)
    bystander = EsimOrderFactory(accepted=True)
    sims = [sim_payload(msisdn="+15550100", confirmation_code="1234"), sim_payload(is_roaming="0", apn=None)]
    payload = delivery(
        order,
        shape,
        request_id="somebody else's" if matched_by == "description" else order.request_id,
        description="lost on the way" if matched_by == "request_id" else order.airalo_description,
        sims=sims,
        id=4711,
        code="20260102-004711",
        price="9.50",
        net_price=3,
    )
    if matched_by == "description":
        EsimOrder.objects.filter(pk=order.pk).update(request_id=None)

    assert airalo.push(payload).status_code == 200

    order.refresh_from_db()
    assert order.status == "completed"
    assert (order.airalo_order_id, order.airalo_order_code, order.currency) == (4711, "20260102-004711", "USD")
    assert (str(order.price), str(order.net_price)) == ("9.50", "3.0000")
    assert (order.due_at, order.attention) == (None, "")
    assert order.completed_at is not None
    first, second = order.esims.order_by("id")
    assert [first.iccid, second.iccid] == [sim["iccid"] for sim in sims]
    assert first.activation_code == sims[0]["qrcode"]
    assert first.matching_id == sims[0]["matching_id"]
    assert first.apple_installation_url == sims[0]["direct_apple_installation_url"]
    assert (first.smdp_address, first.msisdn, first.confirmation_code) == ("rsp.example.com", "+15550100", "1234")
    assert first.apn["android"] == {"apn_type": "manual", "apn_value": "internet"}
    assert (first.is_roaming, second.is_roaming) == (True, False)
    assert (event().kind, event().status, event().order, event().error) == ("async_order", "processed", order, "")
    assert event().due_at is None
    assert [k["late"] for k in heard.of("esim_order_completed")] == [False]
    bystander.refresh_from_db()
    assert bystander.status == "accepted"


@pytest.mark.parametrize("status", WAITING)
def test_delivery_completes_order_in_any_waiting_status(airalo, heard, status):
    order = EsimOrderFactory(**{status: True})
    airalo.push(delivery(order, request_id="request-of-its-own"))
    order.refresh_from_db()
    assert order.status == "completed"
    assert order.request_id
    assert [k["late"] for k in heard.of("esim_order_completed")] == [False]
    assert order.events.get(new_status="completed").old_status == status


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_delivery_for_failed_or_cancelled_order_is_kept_as_late(airalo, heard, status):
    order = EsimOrderFactory(**{status: True})
    airalo.push(delivery(order, request_id="request-of-its-own"))
    order.refresh_from_db()
    assert (order.status, order.error_code, order.error_reason) == ("completed", None, "")
    assert order.esims.count() == 1
    assert [k["late"] for k in heard.of("esim_order_completed")] == [True]
    assert order.events.get(new_status="completed").late is True


def test_repeated_webhook_changes_nothing(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    payload = delivery(order)
    for _ in range(3):
        assert airalo.push(payload).status_code == 200
    assert event().deliveries == 3
    assert WebhookEvent.objects.count() == 1
    assert order.esims.count() == 1
    assert heard.names().count("esim_order_completed") == 1
    assert OrderEvent.objects.count() == 1


def test_same_delivery_in_another_shape_changes_nothing(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    sims = [sim_payload()]
    for shape in ("enveloped", "flat", "nested"):
        airalo.push(delivery(order, shape, sims=sims, id=5))
    order.refresh_from_db()
    assert WebhookEvent.objects.filter(status="processed").count() == 3
    assert order.esims.count() == 1
    assert order.attention == ""
    assert heard.names().count("esim_order_completed") == 1


def test_sims_as_object_keyed_by_number_are_kept(airalo):
    order = EsimOrderFactory(accepted=True, quantity=2)
    airalo.push(delivery(order, sims={"0": sim_payload(), "1": sim_payload()}))
    assert order.esims.count() == 2


def test_second_webhook_delivers_remaining_esims(airalo, heard):
    order = EsimOrderFactory(accepted=True, quantity=2)
    airalo.push(delivery(order, sims=[sim_payload()], id=5))
    airalo.push(delivery(order, sims=[sim_payload()], id=5))
    assert order.esims.count() == 2
    assert heard.names().count("esim_order_completed") == 1


# Success with flaws


def flaw_of(order):
    order.refresh_from_db()
    notes = order.events.filter(kind="attention")
    assert "\n".join(notes.values_list("detail", flat=True)) == order.attention
    return order.attention


def test_fewer_esims_than_ordered_are_kept_and_flagged(airalo):
    order = EsimOrderFactory(accepted=True, quantity=2)
    airalo.push(delivery(order, sims=[sim_payload()]))
    assert flaw_of(order) == "Part delivery: 1 of 2 eSIMs are there. The rest is being looked up."
    assert (order.status, order.esims.count()) == ("completed", 1)


def test_more_esims_than_ordered_are_kept_and_flagged(airalo):
    order = EsimOrderFactory(accepted=True, quantity=2)
    airalo.push(delivery(order, sims=[sim_payload() for _ in range(3)]))
    assert flaw_of(order) == "Airalo delivered 3 eSIMs, 2 were ordered."
    assert (order.status, order.esims.count()) == ("completed", 3)


def test_esim_without_number_and_code_is_flagged_and_order_not_completed(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    airalo.push(delivery(order, sims=[dict.fromkeys(sim_payload())]))
    assert flaw_of(order) == "Airalo delivered an eSIM with neither a number nor an activation code."
    assert order.status == "accepted"
    assert heard == []


def test_order_fulfilled_twice_is_flagged_and_duplicate_recorded(airalo):
    order = EsimOrderFactory(accepted=True)
    airalo.push(delivery(order, id=5))
    airalo.push(delivery(order, id=6, request_id="request-2"))
    assert flaw_of(order).startswith("Airalo fulfilled the order twice: as 5 and as 6")
    assert order.esims.count() == 1
    duplicate = order.duplicates.get()
    assert (duplicate.airalo_order_id, duplicate.request_id, duplicate.esims.count()) == (6, "request-2", 1)
    assert not duplicate.events.exclude(signal_due_at=None).exists()


# Failure


FAILURES = {
    "flat": failure_payload("request-1"),
    "without code": failure_payload("request-1", code=None),
    "data null": {"request_id": "request-1", "data": None, "reason": "The package is out of stock.", "code": 34},
    "data empty": {"request_id": "request-1", "data": [], "reason": "The package is out of stock.", "code": "34"},
    "nested": {"data": {"request_id": "request-1", "reason": "The package is out of stock.", "code": 34}, "meta": {}},
    "half nested": {"request_id": "request-1", "data": {"reason": "The package is out of stock.", "code": 34}},
    "no sims": {"request_id": "request-1", "data": {"sims": []}, "reason": "The package is out of stock."},
    "absurd code": {"request_id": "request-1", "reason": "The package is out of stock.", "code": 10**30},
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_fails_order(airalo, heard, name):
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    assert airalo.push(FAILURES[name]).status_code == 200
    order.refresh_from_db()
    assert (order.status, order.error_reason) == ("failed", "The package is out of stock.")
    assert order.error_code == (None if name in ("without code", "no sims", "absurd code") else 34)
    assert order.failed_at is not None
    assert order.due_at > database.db_now()
    assert heard.names() == ["esim_order_status_changed", "esim_order_failed"]
    assert event().status == "processed"


def test_delivery_after_failure_is_found_by_lookup(airalo, heard, settings):
    settings.AIRALO_LOOKUP_DELAYS = [60, 3600]
    order = EsimOrderFactory(accepted=True, request_id="request-1", lookups=9)
    before = database.db_now()
    airalo.push(failure_payload("request-1"))
    order.refresh_from_db()
    assert_due(order.due_at, 60, since=before, spread=0.1)  # soon, however rare the look-ups were
    at_airalo(airalo, order)
    due_now(order)
    airalo.sweep()
    order.refresh_from_db()
    assert (order.status, order.due_at, order.esims.count()) == ("completed", None, 1)
    assert heard.of("esim_order_completed")[0]["late"] is True


@pytest.mark.parametrize("listed", [True, False])
def test_lookups_after_failure_end(airalo, settings, listed):
    settings.AIRALO_OVERDUE_AFTER = 100
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    if listed:
        at_airalo(airalo, order, sims=[], status={"slug": "failed"})
    airalo.push(failure_payload("request-1"))
    for failed, is_over in ((80, False), (90, False), (110, True)):
        EsimOrder.objects.update(failed_at=ago(failed), accepted_at=ago(failed))
        due_now(order)
        airalo.sweep()
        order.refresh_from_db()
        assert (order.status, order.due_at is None) == ("failed", is_over)
    assert order.attention == ""


def test_failure_found_again_by_lookup_is_recorded_once(airalo):
    order = EsimOrderFactory(accepted=True)
    at_airalo(airalo, order, sims=[], status={"slug": "failed"})
    for _ in range(3):
        due_now(order)
        airalo.sweep()
    order.refresh_from_db()
    assert (order.status, order.error_reason) == ("failed", "Airalo lists the order as failed.")
    assert list(order.events.values_list("new_status", flat=True)) == ["failed"]


def test_failure_without_request_id_is_matched_by_description(airalo):
    order = EsimOrderFactory(accepted=True, description="line 7")
    airalo.push({"description": order.airalo_description, "reason": "Out of stock."})
    order.refresh_from_db()
    assert order.status == "failed"


def test_failure_naming_no_order_is_kept_waiting(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    airalo.push({"reason": "Out of stock."})
    order.refresh_from_db()
    assert order.status == "accepted"
    assert (event().status, event().kind) == ("waiting", "async_order")
    assert event().due_at is not None
    assert heard == []


@pytest.mark.parametrize("status", WAITING)
def test_failure_fails_order_in_any_waiting_status(airalo, status):
    order = EsimOrderFactory(**{status: True, "request_id": "request-1"})
    airalo.push(failure_payload("request-1"))
    order.refresh_from_db()
    assert order.status == "failed"


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_failure_for_finished_order_is_only_recorded(airalo, heard, status):
    esim = EsimFactory(order__request_id="request-1", order__status=status)
    airalo.push(failure_payload("request-1"))
    order = esim.order
    order.refresh_from_db()
    assert order.status == status
    assert order.events.get().detail == "Airalo reports a failure: The package is out of stock."
    assert order.events.get().late is True
    assert order.esims.count() == 1
    assert event().status == "processed"
    assert heard == []


def test_delivery_after_failure_completes_order_as_late(airalo, heard):
    order = EsimOrderFactory(accepted=True)
    airalo.push(failure_payload(order.request_id))
    airalo.push(delivery(order))
    order.refresh_from_db()
    assert (order.status, order.error_reason) == ("completed", "")
    assert heard.names() == [
        "esim_order_status_changed",
        "esim_order_failed",
        "esim_order_status_changed",
        "esim_order_completed",
    ]
    assert heard.of("esim_order_completed")[0]["late"] is True


@pytest.mark.parametrize("payload", [{"request_id": "request-1"}, {"request_id": "request-1", "data": {"sims": []}}])
def test_webhook_without_esims_and_reason_is_set_aside(airalo, payload):
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    airalo.push(payload)
    order.refresh_from_db()
    assert order.status == "accepted"
    assert (event().status, event().due_at) == ("set_aside", None)
    assert "neither eSIMs nor a reason" in event().error


# Whose is it?


def test_webhook_for_unknown_order_waits_with_increasing_delays(airalo):
    airalo.push(webhook_payload(order_payload(), "unknown"))
    waits = []
    for _ in range(7):
        kept = event()
        assert (kept.status, kept.order, kept.processed_at) == ("waiting", None, None)
        waits.append(round((kept.due_at - kept.received_at).total_seconds()))
        WebhookEvent.objects.update(due_at=LONG_AGO)
        services.sweep()
    assert waits == sorted(waits)
    assert waits[0] in (30, 31)
    assert waits[-1] >= 6 * 3600
    assert not EsimOrder.objects.exists()
    assert not Esim.objects.exists()


def test_waiting_webhook_completes_its_order_later(airalo, committed):
    airalo.push(webhook_payload(order_payload(), "request-1"))
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    WebhookEvent.objects.update(due_at=LONG_AGO)
    airalo.sweep()
    order.refresh_from_db()
    assert order.status == "completed"
    assert (event().status, event().order) == ("processed", order)


@pytest.mark.parametrize("kind", ["delivery", "failure"])
def test_request_id_and_description_of_different_orders_change_neither(airalo, heard, kind):
    first, second = EsimOrderFactory(accepted=True), EsimOrderFactory(accepted=True)
    payload = delivery(first, request_id=second.request_id)
    if kind == "failure":
        payload = {**failure_payload(second.request_id), "description": first.airalo_description}
    airalo.push(payload)
    for order in (first, second):
        order.refresh_from_db()
        assert (order.status, order.esims.count()) == ("accepted", 0)
    assert (event().status, event().error) == ("set_aside", "request_id and description name different orders.")
    assert heard == []


def test_reference_in_middle_of_description_matches_no_order(airalo):
    order = EsimOrderFactory(accepted=True)
    airalo.push(webhook_payload(order_payload(description=f"about {order.reference}"), "unknown"))
    order.refresh_from_db()
    assert order.status == "accepted"
    assert event().status == "waiting"


@pytest.mark.parametrize("request_id", ["REQUEST-A", "request-a "])
def test_request_id_is_compared_exactly(airalo, request_id):
    EsimOrderFactory(accepted=True, request_id="request-a")
    payload = webhook_payload(order_payload(), request_id)
    airalo.push(payload)
    # as_text() strips blanks on purpose; the case is never ignored, with any collation of the database.
    assert event().status == ("processed" if request_id.strip() == "request-a" else "waiting")
