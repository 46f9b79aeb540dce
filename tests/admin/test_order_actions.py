"""What an operator does with the rows of a list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.db import connection

from django_airalo import services
from django_airalo.models import Esim, EsimOrder, Refund, SubmissionPause, SyncRun, Voucher, WebhookEvent
from tests.factories import LONG_AGO, EsimOrderFactory, WebhookEventFactory, at_airalo

from .support import MODELS, act, fill, url

pytestmark = pytest.mark.django_db


ACTIONS = {
    "submit": EsimOrder,
    "look_up": EsimOrder,
    "cancel_orders": EsimOrder,
    "resubmit_unconfirmed": EsimOrder,
    "mark_failed": EsimOrder,
    "force_submission": EsimOrder,
    "process_again": WebhookEvent,
    "resume": SubmissionPause,
    "sync_now": SyncRun,
    "approve": Refund,
    "decline": Refund,
    "confirm": Refund,
    "retry_unconfirmed": Refund,  # and Voucher, which has the same
    "retry_refused": Voucher,
    "cancel": Refund,
    "refresh_usage": Esim,
    "set_brand": Esim,
    "ask_for_refund": Esim,
}
#: Where it is not the change permission of the action's own model.
PERMISSIONS = {"ask_for_refund": "change_refund", "force_submission": "force_submission"}


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_need_permission(staff, airalo, action):
    fill()
    model = ACTIONS[action]
    name = model._meta.model_name
    client = staff(f"view_{name}")
    assert f'value="{action}"' not in client.get(url(model)).content.decode()
    before = list(model.objects.values())
    act(client, model, action, model.objects.first(), confirmed="yes")
    assert list(model.objects.values()) == before
    client = staff(f"view_{name}", PERMISSIONS.get(action, f"change_{name}"))
    assert f'value="{action}"' in client.get(url(model)).content.decode()


def test_every_action_is_tested():
    names = {name for model in MODELS for name in admin.site._registry[model].actions}
    assert names == set(ACTIONS)


def test_submit_sends_pending_order_and_refuses_accepted_one(root, airalo, django_capture_on_commit_callbacks):
    pending, other = EsimOrderFactory(due_at="2100-01-01T00:00:00Z"), EsimOrderFactory(accepted=True)
    with django_capture_on_commit_callbacks(execute=True):
        _, said = act(root, EsimOrder, "submit", pending, other)
    pending.refresh_from_db()
    assert pending.status == "accepted"
    assert len(airalo.orders) == 1
    assert said == ["1 order is being submitted.", f"{other}: not possible, since its status is: Accepted."]


def test_submit_refuses_order_of_another_deployment(root, airalo):
    order = EsimOrderFactory(deployment="another")
    _, said = act(root, EsimOrder, "submit", order)
    assert said == [f"{order}: not possible, since another deployment sends it."]
    assert not airalo.orders


def test_look_up_updates_orders_and_reports_their_status(root, airalo, django_capture_on_commit_callbacks):
    order, unlisted = EsimOrderFactory(accepted=True), EsimOrderFactory(unconfirmed=True)
    at_airalo(airalo, order)
    with django_capture_on_commit_callbacks(execute=True):
        _, said = act(root, EsimOrder, "look_up", order, unlisted)
    order.refresh_from_db()
    assert order.status == "completed"
    assert sorted(text.rsplit(" ", 1)[1] for text in said) == ["Completed", "Unconfirmed"]
    assert order.events.get(new_status="completed").source == "operator"


def test_resume_ends_only_the_selected_pause(root):
    kinds = ("no_credit", "unknown_outcomes")
    pause, other = (SubmissionPause.objects.create(kind=kind, reason="Why.", due_at=LONG_AGO) for kind in kinds)
    act(root, SubmissionPause, "resume", pause)
    pause.refresh_from_db()
    other.refresh_from_db()
    assert (pause.is_active, other.is_active) == (None, True)


@pytest.mark.django_db(transaction=True)
def test_cancel_orders_cancels_unsent_and_future_orders(root, airalo):
    due_date = datetime.now(UTC) + timedelta(days=30)
    future, silent = (services.place_order(package_id="test", due_date=due_date) for _ in range(2))
    _, said = act(root, EsimOrder, "cancel_orders", EsimOrderFactory(), EsimOrderFactory(accepted=True), future)
    assert [text.rsplit(": ", 1)[1] for text in sorted(said, key=len)] == [
        "Cancelled",
        "Cancelled",
        "Accepted.",
    ]
    airalo.override_answer("POST", "/v2/cancel-future-orders", {"message": "Too Many Attempts."}, status=429)
    _, said = act(root, EsimOrder, "cancel_orders", silent)
    assert "Airalo is being asked" in said[0]


def test_look_up_without_credentials_shows_error(root, settings):
    settings.AIRALO_CLIENT_ID = ""
    response, said = act(root, EsimOrder, "look_up", EsimOrderFactory(accepted=True))
    assert response.status_code == 200
    assert "AIRALO_CLIENT_ID" in said[0]


@pytest.mark.parametrize(("action", "status"), [("resubmit_unconfirmed", "pending"), ("mark_failed", "failed")])
def test_decision_changes_only_unconfirmed_order(root, airalo, action, status):
    order, other = EsimOrderFactory(unconfirmed=True, in_doubt_until=None), EsimOrderFactory(accepted=True)
    _, said = act(root, EsimOrder, action, order, other, confirmed="yes")
    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.status, other.status) == (status, "accepted")
    assert EsimOrder.objects.filter(events__detail__contains="user").get() == order  # who decided is kept
    assert len(said) == 2
    assert f"{other}: not possible, since its status is: Accepted." in said


def test_process_again_reports_result_of_each_webhook(root, django_capture_on_commit_callbacks):
    order = EsimOrderFactory(accepted=True, request_id="request-1")
    event = WebhookEventFactory(status="set_aside", due_at=None, body='{"request_id": "request-1", "reason": "Gone."}')
    broken = WebhookEventFactory(body="{")
    lost = WebhookEventFactory()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_webhookevent SET body = 'f1:x' WHERE id = %s", [lost.pk])
    with django_capture_on_commit_callbacks(execute=True):
        response, said = act(root, WebhookEvent, "process_again", event, broken, lost)
    assert response.status_code == 200
    order.refresh_from_db()
    assert order.status == "failed"
    assert any("Processed" in text for text in said)
    assert any("not JSON" in text for text in said)
    assert any("DecryptionError" in text for text in said)


def test_resume_ends_pause(root):
    pause = SubmissionPause.objects.create(reason="Lack of credit.", due_at=LONG_AGO)
    _, said = act(root, SubmissionPause, "resume", pause)
    pause.refresh_from_db()
    assert pause.is_active is None
    assert pause.resumed_by.startswith("user")
    assert "sent again" in said[0]
    assert act(root, SubmissionPause, "resume", pause)[1] == ["None of these pauses is active."]


@pytest.mark.django_db(transaction=True)
def test_actions_work_under_atomic_requests(root, airalo):
    order, unconfirmed = EsimOrderFactory(), EsimOrderFactory(unconfirmed=True)
    event = WebhookEventFactory(body='{"request_id": "request-1", "reason": "Gone."}')
    at_airalo(airalo, unconfirmed)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        for model, action, row in (
            (EsimOrder, "submit", order),
            (EsimOrder, "look_up", unconfirmed),
            (WebhookEvent, "process_again", event),
        ):
            assert act(root, model, action, row)[0].status_code == 200
        response, said = act(root, EsimOrder, "mark_failed", order, confirmed="yes")
        assert (response.status_code, said) == (200, [f"{order}: not possible, since its status is: Accepted."])
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    order.refresh_from_db()
    unconfirmed.refresh_from_db()
    assert (order.status, unconfirmed.status) == ("accepted", "completed")


def test_submit_is_refused_during_pause(root, airalo):
    SubmissionPause.objects.create(reason="no credit")
    order = EsimOrderFactory()
    _, said = act(root, EsimOrder, "submit", order)
    assert said == [f"{order}: not possible, since no order is sent at present."]
    assert not airalo.orders
