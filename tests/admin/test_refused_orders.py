"""Orders that were refused when they were placed, as an operator sees them."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages

from django_airalo import services
from django_airalo.models import EsimOrder
from tests.factories import EsimOrderFactory, UserFactory

from .support import url

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused():
    return services.place_order(
        package_id="<b>test</b>", quantity=0, user=UserFactory(), description="half \ud800", on_refusal="record"
    )


def act(client, action, *orders):
    data = {"action": action, "_selected_action": [order.pk for order in orders], "confirmed": "yes"}
    response = client.post(url(EsimOrder), data)
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_page_of_refused_order_shows_reason_and_call(root, refused):
    page = root.get(url(EsimOrder, "change", refused.pk)).content.decode()
    assert "Never sent to Airalo. The call was:" in page
    assert "&quot;package_id&quot;: &quot;&lt;b&gt;test&lt;/b&gt;&quot;" in page
    assert "<b>test" not in page
    assert r"half \\ud800" in page  # the backslash as JSON writes it
    assert "which no database stores" in page


def test_page_of_other_order_shows_no_call(root):
    page = root.get(url(EsimOrder, "change", EsimOrderFactory(failed=True).pk)).content.decode()
    assert "Never sent to Airalo" not in page


def test_refused_orders_can_be_filtered(root, refused):
    other = EsimOrderFactory(failed=True)
    for value, shown, hidden in (("yes", refused, other), ("no", other, refused)):
        page = root.get(url(EsimOrder), {"refused": value}).content.decode()
        assert shown.reference in page
        assert hidden.reference not in page


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("submit", "not possible, since its status is: Failed"),
        ("look_up", "Airalo was never asked for it"),
        ("cancel_orders", "cannot be cancelled"),
        ("resubmit_unconfirmed", "not possible, since its status is: Failed"),
        ("mark_failed", "not possible, since its status is: Failed"),
    ],
)
def test_actions_neither_send_nor_look_up_refused_order(root, airalo, refused, action, said):
    (message,) = act(root, action, refused)
    assert said in message
    refused.refresh_from_db()
    assert (refused.status, refused.attempt, refused.due_at) == ("failed", 0, None)
    assert airalo.orders == []
