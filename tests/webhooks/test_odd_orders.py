"""Signed webhooks of orders in odd forms: nothing that was paid for is refused, dropped or kept silent."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from django_airalo import services
from django_airalo.models import Esim, EsimOrder, OrderEvent, WebhookEvent
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.testing import failure_payload, order_payload, sim_payload, webhook_payload
from tests.factories import FAR_AHEAD, EsimOrderFactory, UserFactory, ago, at_airalo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_tasks(settings):
    settings.AIRALO_TASK_BACKEND = None


def odd(order, **overrides):
    fields = {"package_id": order.package_id, "quantity": order.quantity, "description": order.airalo_description}
    return order_payload(**{**fields, **overrides})


@pytest.mark.parametrize(
    "overrides",
    [
        {"quantity": "1", "id": "4711", "price": "4.50", "validity": "7"},
        {"quantity": None, "id": None, "code": None, "price": None, "currency": None, "package_id": None},
        {"quantity": [1], "id": {}, "code": 20260102, "price": "n/a", "currency": 5, "package_id": 7},
        {"quantity": "one", "id": 10**30, "price": 10**30, "net_price": "", "created_at": "yesterday"},
        {"status": {"name": "New", "slug": "brand-new"}},
        {"status": "failed"},
        {"status": 7, "type": "esim", "manual_installation": None, "qrcode_installation": 5, "sharing": []},
        {"reason": "There is a reason, too."},
    ],
)
def test_order_with_odd_fields_is_completed_with_its_esim(airalo, overrides):
    order = EsimOrderFactory(accepted=True)
    payload = {**odd(order), **overrides}
    airalo.push(webhook_payload(payload, order.request_id))
    order.refresh_from_db()
    assert (order.status, order.is_complete, order.attention) == ("completed", True, "")
    assert order.esims.get().activation_code == payload["sims"][0]["qrcode"]
    assert WebhookEvent.objects.get().status == "processed"


def test_order_as_only_item_of_list_is_completed(airalo):
    order = EsimOrderFactory(accepted=True)
    airalo.push({"data": [odd(order)], "request_id": order.request_id})
    order.refresh_from_db()
    assert order.is_complete


@pytest.mark.parametrize("sims", [[], {}, None, ""])
@pytest.mark.parametrize("status", ["accepted", "unconfirmed"])
def test_completed_order_without_esims_is_set_aside_and_looked_up_at_once(airalo, sims, status):
    order = EsimOrderFactory(**{status: True, "due_at": FAR_AHEAD, "request_id": "request-1"})
    payload = {"data": odd(order, sims=sims, status={"slug": "completed"}), "request_id": "request-1"}
    for _ in range(2):
        airalo.push(payload)
    event = WebhookEvent.objects.get()
    assert (event.status, event.order) == ("set_aside", order)
    assert order.events.get(kind="noted").detail == "The webhook has neither eSIMs nor a reason why there are none."
    order.refresh_from_db()
    assert order.due_at <= database.db_now()
    at_airalo(airalo, order)
    services.sweep()
    order.refresh_from_db()
    assert order.is_complete


@pytest.mark.parametrize("sims", [[None], ["?"], 5, "none yet", [{"id": None}], [[]], {"0": None}, {"data": [{}]}])
@pytest.mark.parametrize("status", ["accepted", "unconfirmed"])
def test_unreadable_sims_are_flagged_and_order_can_be_looked_up(airalo, sims, status):
    order = EsimOrderFactory(**{status: True, "request_id": "request-1"})
    airalo.push({"data": odd(order, sims=sims), "request_id": "request-1"})
    order.refresh_from_db()
    assert order.status == "accepted"
    assert "neither a number nor an activation code" in order.attention
    assert WebhookEvent.objects.get().status == "processed"
    at_airalo(airalo, order, id=order.airalo_order_id)
    order = services.sync_order(order)
    assert order.is_complete


def test_activation_code_as_text_in_place_of_esim_is_kept(airalo):
    order = EsimOrderFactory(accepted=True)
    airalo.push({"data": odd(order, sims=["LPA:1$rsp.example.com$CODE"]), "request_id": order.request_id})
    assert order.esims.get().activation_code == "LPA:1$rsp.example.com$CODE"


def test_webhook_naming_two_orders_is_set_aside_and_both_are_flagged(airalo):
    first, second = EsimOrderFactory(accepted=True), EsimOrderFactory(accepted=True)
    airalo.push(webhook_payload(odd(first), second.request_id))
    for order in (first, second):
        order.refresh_from_db()
        assert order.attention == "request_id and description name different orders."
    assert WebhookEvent.objects.get().status == "set_aside"


@pytest.mark.parametrize("sims", [[{"id": 5}], [sim_payload()]])
def test_synchronous_answer_without_id_but_with_esims_completes_order(airalo, sims):
    order = EsimOrderFactory(mode="sync")
    airalo.answer(200, {"data": odd(order, id=None, sims=sims)}, bought=True)
    order = services.submit_order(order)
    assert order.status == "completed"
    assert order.esims.count() == 1


# Once more


def refused_by_an_older_version(airalo, sim):
    """A processed webhook of which nothing was kept, as it would be by a rule that was stricter."""
    order = EsimOrderFactory(accepted=True)
    airalo.push(webhook_payload(odd(order, sims=[sim]), order.request_id))
    Esim.objects.all().delete()
    OrderEvent.objects.all().delete()
    EsimOrder.objects.update(
        status="accepted", attention="Airalo delivered an eSIM with an ICCID that is none.", due_at=FAR_AHEAD
    )
    assert WebhookEvent.objects.get().status == "processed"
    return order


def test_reprocessing_completes_order_refused_by_older_version(airalo, heard, committed):
    sim = sim_payload(iccid="89ABC-0000 0000 1F")
    order = refused_by_an_older_version(airalo, sim)
    services.process_webhook_event(WebhookEvent.objects.get())
    order.refresh_from_db()
    assert order.status == "accepted"  # it is done
    with committed():
        services.process_webhook_event(WebhookEvent.objects.get(), again=True)
    order.refresh_from_db()
    assert (order.status, order.esims.get().activation_code) == ("completed", sim["qrcode"])
    assert heard.names(order).count("esim_order_completed") == 1 + 1  # the deleted one, and this


def test_admin_and_command_reprocess_webhook(airalo, client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    order = refused_by_an_older_version(airalo, sim_payload())
    data = {"action": "process_again", "_selected_action": [WebhookEvent.objects.get().pk]}
    client.post(reverse("admin:django_airalo_webhookevent_changelist"), data)
    order.refresh_from_db()
    assert order.status == "completed"

    WebhookEvent.objects.all().delete()
    order = refused_by_an_older_version(airalo, sim_payload())
    out = StringIO()
    call_command("airalo_webhooks", "process-again", "--reference", "0" * 32, stdout=out)
    assert out.getvalue() == ""
    call_command("airalo_webhooks", "process-again", stdout=out)
    assert out.getvalue() == f"Asynchronous order {order.request_id}: Processed\n"
    order.refresh_from_db()
    assert order.status == "completed"


def test_reprocessing_old_webhook_does_not_restore_old_code(airalo):
    sim = sim_payload()
    order = EsimOrderFactory(accepted=True)
    airalo.push(webhook_payload(odd(order, sims=[sim], id=5), order.request_id))
    new = {**sim, "matching_id": "NEW", "qrcode": f"LPA:1${sim['lpa']}$NEW"}
    airalo.override_answer("GET", f"/v2/sims/{sim['iccid']}", {"data": new})
    services.sync_esim(order.esims.get())
    services.process_webhook_event(WebhookEvent.objects.get(), again=True)
    Esim.objects.update(details_due_at=ago(1))
    operations.sync_due_details()
    assert order.esims.get().activation_code == new["qrcode"]


def test_reprocessing_failure_does_not_fail_order(airalo):
    order = EsimOrderFactory(accepted=True)
    airalo.push(failure_payload(order.request_id))
    EsimOrder.objects.update(status="accepted")
    services.process_webhook_event(WebhookEvent.objects.get(), again=True)
    order.refresh_from_db()
    assert order.status == "accepted"
    assert json.loads(WebhookEvent.objects.get().body_bytes)["reason"]
