"""Asking for a refund in the admin."""

from __future__ import annotations

import html

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo.models import Esim, Refund, RefundReason
from tests.factories import EsimFactory

from .test_admin import root, staff, url

__all__ = ["root", "staff"]

pytestmark = pytest.mark.django_db

GOOD = {"reason": "NO_COVERAGE", "notes": "No signal in two towns.", "email": "shop@example.com"}


def ask(client, *esims, **filled_in):
    """Choose the action; with something filled in, send its page."""
    data = {"action": "ask_for_refund", "_selected_action": [esim.pk for esim in esims], **filled_in}
    return client.post(url(Esim), data | ({"confirmed": "yes"} if filled_in else {}))


def text(response):
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_the_page_lists_the_esims_and_asks_for_the_reason(root):
    esims = [EsimFactory(usage_status="active"), EsimFactory()]
    other = EsimFactory()
    page = text(ask(root, *esims))
    for esim in esims:
        assert f"{esim.iccid} – {esim.order.package_id}, {esim.get_usage_status_display()}" in page
    assert other.iccid not in page
    assert page.count('<option value="') == len(RefundReason) + 1
    assert "errorlist" not in page
    assert not Refund.objects.exists()


def test_it_is_asked_for_once_it_is_filled_in(root, airalo, settings, django_capture_on_commit_callbacks):
    settings.AIRALO_REFUND_INTERVAL = 0
    esims = [EsimFactory() for _ in range(6)]
    with django_capture_on_commit_callbacks(execute=True):
        response = ask(root, *esims, **GOOD)
    assert response.status_code == 302
    assert "2 refunds were asked for." in text(root.get(response["Location"]))
    refunds = list(Refund.objects.order_by("pk"))
    assert [set(refund.esims.all()) for refund in refunds] == [set(esims[1:]), {esims[0]}]  # newest first
    for refund in refunds:
        assert (refund.status, refund.reason) == ("requested", "NO_COVERAGE")
        assert (refund.notes, refund.email) == ("No signal in two towns.", "shop@example.com")
    assert len(airalo.refunds) == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reason": ""}, "This field is required."),
        ({"reason": "BAD_WEATHER"}, "BAD_WEATHER is not one of the available choices"),
        ({"reason": "OTHERS", "notes": ""}, "Airalo needs notes for the reason OTHERS."),
        ({"notes": "x" * 256}, "at most 255 characters"),
        ({"email": "nobody"}, "Enter a valid email address."),
    ],
)
def test_what_is_wrong_is_said_on_the_page(root, fields, said):
    esim = EsimFactory()
    page = text(ask(root, esim, **{**GOOD, **fields}))
    assert said in page
    assert esim.iccid in page
    assert not Refund.objects.exists()


def test_an_esim_with_an_open_refund_is_refused(root):
    esim = EsimFactory()
    Refund.objects.create(reason="SLOW_SPEED").esims.set([esim])
    page = text(ask(root, esim, **GOOD))
    assert f"A refund was asked for already: {esim.iccid}" in page
    assert "No signal in two towns." in page  # nothing has to be typed again
    assert Refund.objects.count() == 1


def test_reasons_of_the_settings_can_be_chosen(root, settings):
    settings.AIRALO_REFUND_REASONS = ["DUPLICATE_ORDER"]
    assert '<option value="DUPLICATE_ORDER">DUPLICATE_ORDER</option>' in text(ask(root, EsimFactory()))


@pytest.mark.parametrize(("permission", "allowed"), [("change_esim", False), ("change_refund", True)])
def test_who_may_decide_about_refunds_may_ask_for_them(staff, permission, allowed):
    client, esim = staff("view_esim", permission), EsimFactory()
    assert ('value="ask_for_refund"' in text(client.get(url(Esim)))) == allowed
    ask(client, esim, **GOOD)
    assert Refund.objects.exists() == allowed


def test_a_lost_key_and_more_esims_cost_nothing(root):
    def queries(esims):
        with CaptureQueriesContext(connection) as captured:
            text(ask(root, *esims))
        return len(captured)

    esims = [EsimFactory() for _ in range(12)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_esim SET matching_id = 'f1:x'")
    queries(esims)  # whatever is cached by the first page
    assert queries(esims[:2]) == queries(esims)
