"""The change page of an unconfirmed order: what is known, and the three ways on."""

from __future__ import annotations

import pytest
from django.urls import reverse

from django_airalo import services
from django_airalo.models import OrderEvent
from django_airalo.services import database
from tests.factories import EsimOrderFactory, OrderEventFactory

pytestmark = pytest.mark.django_db


def page(client, order):
    answer = client.get(reverse("admin:django_airalo_esimorder_change", args=[order.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(("policy", "then"), [("hold", "a person must decide"), ("resubmit", "it is submitted again")])
def test_it_shows_what_is_known(admin_client, settings, policy, then):
    settings.AIRALO_UNCONFIRMED_POLICY, settings.AIRALO_UNCONFIRMED_GRACE = policy, 600
    order = EsimOrderFactory(unconfirmed=True, quantity=2, unconfirmed_at=database.now())
    OrderEventFactory(order=order, new_status="submitting", attempt=1)
    OrderEventFactory(
        order=order, kind=OrderEvent.Kind.LOOKED_UP, new_status="", detail="Airalo does not list the order."
    )
    shown = page(admin_client, order)
    assert f"2 × {order.package_id}" in shown
    assert order.airalo_description in shown
    assert "Attempt 1: " in shown
    assert "Airalo does not list the order." in shown
    assert "Grace: 10 minutes more" in shown
    assert then in shown


def test_the_grace_is_over(admin_client, settings):
    settings.AIRALO_UNCONFIRMED_GRACE = 0
    assert "The grace period is over" in page(admin_client, EsimOrderFactory(unconfirmed=True))


@pytest.mark.parametrize(("action", "status"), [("mark_never_placed", "pending"), ("mark_failed", "failed")])
def test_a_decision_on_the_page(admin_client, airalo, action, status):
    order = EsimOrderFactory(unconfirmed=True)
    shown = page(admin_client, order)
    assert "bought and paid twice" in shown
    assert f'value="{action}"' in shown
    assert '<input type="hidden" name="confirmed" value="yes">' in shown
    data = {"_selected_action": order.pk, "action": action, "confirmed": "yes"}
    admin_client.post(reverse("admin:django_airalo_esimorder_changelist"), data)
    order.refresh_from_db()
    assert order.status == status


@pytest.mark.parametrize(
    ("action", "warning"), [("mark_never_placed", "bought and paid twice"), ("mark_failed", "paid all the same")]
)
def test_a_decision_in_the_list_comes_after_a_warning(admin_client, airalo, action, warning):
    order = EsimOrderFactory(unconfirmed=True)
    path = reverse("admin:django_airalo_esimorder_changelist")
    shown = admin_client.post(path, {"_selected_action": order.pk, "action": action}).content.decode()
    order.refresh_from_db()
    assert order.status == "unconfirmed"
    assert warning in shown
    assert order.reference in shown
    assert f'<input type="hidden" name="action" value="{action}">' in shown


def test_a_look_up_on_the_page(admin_client, airalo):
    order = EsimOrderFactory(unconfirmed=True)
    assert 'value="look_up"' in page(admin_client, order)


def test_another_order_shows_nothing_of_it(admin_client, airalo):
    order = services.place_order(package_id="test")
    shown = page(admin_client, order)
    assert "what is known" not in shown.lower()
    assert "mark_never_placed" not in shown


def test_who_may_only_look_gets_no_buttons(client, django_user_model):
    from django.contrib.auth.models import Permission

    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_esimorder"))
    client.force_login(viewer)
    shown = page(client, EsimOrderFactory(unconfirmed=True))
    assert "Grace" in shown or "grace" in shown
    assert "mark_never_placed" not in shown
