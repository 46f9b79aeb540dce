"""The change page of an unconfirmed order: what is known, and the three ways on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from django_airalo import services
from django_airalo.models import OrderEvent
from django_airalo.services.core import database
from tests.factories import EsimOrderFactory, OrderEventFactory, at_airalo

pytestmark = pytest.mark.django_db


def page(client, order):
    answer = client.get(reverse("admin:django_airalo_esimorder_change", args=[order.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(("policy", "then"), [("hold", "operator must decide"), ("resubmit", "it is submitted again")])
def test_page_shows_attempts_lookups_and_grace_period(admin_client, settings, policy, then):
    settings.AIRALO_UNCONFIRMED_POLICY, settings.AIRALO_UNCONFIRMED_GRACE = policy, 600
    order = EsimOrderFactory(unconfirmed=True, quantity=2, unconfirmed_at=database.db_now())
    OrderEventFactory(order=order, new_status="submitting", attempt=1)
    OrderEventFactory(
        order=order, kind=OrderEvent.Kind.LOOKED_UP, new_status="", detail="Airalo does not list the order."
    )
    shown = page(admin_client, order)
    assert f"2 × {order.package_id}" in shown
    assert order.airalo_description in shown
    assert "Attempt 1: " in shown
    assert "Airalo does not list the order." in shown
    assert "Grace period: 10 more minutes" in shown
    assert then in shown


def test_page_shows_that_grace_period_is_over(admin_client, settings):
    settings.AIRALO_UNCONFIRMED_GRACE = 0
    assert "The grace period is over" in page(admin_client, EsimOrderFactory(unconfirmed=True))


@pytest.mark.parametrize(("action", "status"), [("resubmit_unconfirmed", "pending"), ("mark_failed", "failed")])
def test_decision_on_page_shows_warning_and_is_applied(admin_client, airalo, action, status):
    order = EsimOrderFactory(unconfirmed=True, in_doubt_until=None)
    shown = page(admin_client, order)
    assert "bought and paid twice" in shown
    assert f'value="{action}"' in shown
    assert '<input type="hidden" name="confirmed" value="yes">' in shown
    data = {"_selected_action": order.pk, "action": action, "confirmed": "yes"}
    admin_client.post(reverse("admin:django_airalo_esimorder_changelist"), data)
    order.refresh_from_db()
    assert order.status == status


@pytest.mark.parametrize(
    ("action", "warning"), [("resubmit_unconfirmed", "bought and paid twice"), ("mark_failed", "paid anyway")]
)
def test_decision_in_list_shows_warning_before_change(admin_client, airalo, action, warning):
    order = EsimOrderFactory(unconfirmed=True)
    path = reverse("admin:django_airalo_esimorder_changelist")
    shown = admin_client.post(path, {"_selected_action": order.pk, "action": action}).content.decode()
    order.refresh_from_db()
    assert order.status == "unconfirmed"
    assert warning in shown
    assert order.reference in shown
    assert f'<input type="hidden" name="action" value="{action}">' in shown


def test_page_offers_lookup(admin_client, airalo):
    order = EsimOrderFactory(unconfirmed=True)
    assert 'value="look_up"' in page(admin_client, order)


def test_page_of_pending_order_offers_no_decisions(admin_client, airalo):
    order = services.place_order(package_id="test")
    shown = page(admin_client, order)
    assert "what is known" not in shown.lower()
    assert "resubmit_unconfirmed" not in shown


def test_page_without_change_permission_has_no_buttons(client, django_user_model):
    from django.contrib.auth.models import Permission

    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_esimorder"))
    client.force_login(viewer)
    shown = page(client, EsimOrderFactory(unconfirmed=True))
    assert "Grace" in shown or "grace" in shown
    assert "resubmit_unconfirmed" not in shown


# In doubt

CHANGELIST = "admin:django_airalo_esimorder_changelist"


def act(client, action, *orders, **data):
    data = {"_selected_action": [order.pk for order in orders], "action": action, **data}
    answer = client.post(reverse(CHANGELIST), data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode(), [str(message) for message in answer.context["messages"]]


def permitted(client, django_user_model, *codenames):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return user


def test_decision_about_many_orders_counts_changed_and_reports_refused(admin_client, airalo):
    decided = EsimOrderFactory.create_batch(3, unconfirmed=True, in_doubt_until=None)
    doubtful, accepted = EsimOrderFactory(unconfirmed=True), EsimOrderFactory(accepted=True)
    _, said = act(admin_client, "resubmit_unconfirmed", *decided, doubtful, accepted, confirmed="yes")
    assert said[0] == "3 orders: Marked as never placed."
    assert any(doubtful.reference in text and "may appear on Airalo's list until" in text for text in said)
    assert any(accepted.reference in text and "not possible, since its status is: Accepted" in text for text in said)
    assert len(said) == 3
    doubtful.refresh_from_db()
    assert doubtful.status == "unconfirmed"
    assert sorted(LogEntry.objects.values_list("object_id", flat=True)) == sorted(str(order.pk) for order in decided)
    assert {entry.get_change_message() for entry in LogEntry.objects.all()} == {"Marked as never placed."}


def test_submit_of_order_in_doubt_says_until_when_it_waits(admin_client, airalo):
    until = database.db_now() + timedelta(hours=1)
    order = EsimOrderFactory(look_up_first=True, in_doubt_until=until, due_at=until)
    _, said = act(admin_client, "submit", order)
    assert len(said) == 1
    assert "may appear on Airalo's list until" in said[0]
    assert airalo.orders == []


def test_forced_submission_needs_its_own_permission(client, django_user_model, airalo):
    order = EsimOrderFactory(unconfirmed=True)
    permitted(client, django_user_model, "view_esimorder", "change_esimorder")
    assert "force_submission" not in page(client, order)
    _, said = act(client, "force_submission", order, confirmed="yes", reason="Because.")
    assert said == ["No action selected."]
    order.refresh_from_db()
    assert order.status == "unconfirmed"


@pytest.mark.parametrize("status", ["unconfirmed", "pending"])
def test_forced_submission_names_risk_and_records_reason(client, django_user_model, airalo, status):
    permitted(client, django_user_model, "view_esimorder", "change_esimorder", "force_submission")
    until = database.db_now() + timedelta(hours=1)
    order = EsimOrderFactory(status=status, look_up_first=True, in_doubt_until=until, due_at=until)
    assert 'value="force_submission"' in page(client, order)
    shown, _ = act(client, "force_submission", order)
    assert "bought and paid twice" in shown
    shown, _ = act(client, "force_submission", order, confirmed="yes", reason=" ")
    assert "This field is required." in shown
    order.refresh_from_db()
    assert (order.status, LogEntry.objects.count(), airalo.orders) == (status, 0, [])
    _, said = act(client, "force_submission", order, confirmed="yes", reason="Support says no.")
    assert said == ["1 order: Submitted again without waiting: Support says no."]
    assert "Support says no." in LogEntry.objects.get().get_change_message()
    assert order.events.filter(source="operator", detail__contains="by operator: Support says no.").count() == 1
    order.refresh_from_db()
    assert order.due_at <= database.db_now()


def test_operator_chooses_one_of_two_listed_purchases(admin_client, airalo):
    order = EsimOrderFactory(unconfirmed=True)
    listed = [at_airalo(airalo, order).payload for _ in range(2)]
    order = services.sync_order(order)
    path = reverse("admin:django_airalo_esimorder_choose", args=[order.pk])
    assert path in page(admin_client, order)
    shown = admin_client.get(path).content.decode()
    for payload in listed:
        assert str(payload["id"]) in shown
        assert payload["sims"][0]["iccid"] in shown
    assert admin_client.post(path, {"airalo_order_id": "nonsense"}).status_code == 302
    order.refresh_from_db()
    assert order.status == "unconfirmed"
    admin_client.post(path, {"airalo_order_id": listed[1]["id"]})
    order.refresh_from_db()
    assert (order.status, order.airalo_order_id) == ("completed", listed[1]["id"])
    assert order.duplicates.get().airalo_order_id == listed[0]["id"]
    assert str(listed[1]["id"]) in LogEntry.objects.get().get_change_message()


def test_choosing_without_change_permission_is_403(client, django_user_model, airalo):
    order = EsimOrderFactory(unconfirmed=True, attention="Two.")
    permitted(client, django_user_model, "view_esimorder")
    assert client.get(reverse("admin:django_airalo_esimorder_choose", args=[order.pk])).status_code == 403


def test_choosing_when_list_cannot_be_read_shows_message(admin_client, airalo):
    airalo.override_answer("GET", "/v2/orders", b"", status=404)
    order = EsimOrderFactory(unconfirmed=True)
    answer = admin_client.get(reverse("admin:django_airalo_esimorder_choose", args=[order.pk]), follow=True)
    assert len([str(message) for message in answer.context["messages"]]) == 1


def test_lookups_of_many_orders_are_counted(admin_client, airalo):
    orders = EsimOrderFactory.create_batch(11, unconfirmed=True)
    at_airalo(airalo, orders[0])
    _, said = act(admin_client, "look_up", *orders)
    assert said == ["Completed: 1, Unconfirmed: 10"]
