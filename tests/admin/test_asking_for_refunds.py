"""Asking for a refund in the admin."""

from __future__ import annotations

import html

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo.models import Esim, Refund, RefundReason
from tests.factories import EsimFactory
from tests.rates import NO_LIMITS

from .support import url

pytestmark = pytest.mark.django_db

GOOD = {"reason": "NO_COVERAGE", "notes": "No signal in two towns.", "email": "shop@example.com"}


def ask(client, *esims, **filled_in):
    """Choose the action; with something filled in, send its page."""
    data = {"action": "ask_for_refund", "_selected_action": [esim.pk for esim in esims], **filled_in}
    return client.post(url(Esim), data | ({"confirmed": "yes"} if filled_in else {}))


def text(response):
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_page_lists_selected_esims_and_reasons(root):
    esims = [EsimFactory(usage_status="active"), EsimFactory()]
    other = EsimFactory()
    page = text(ask(root, *esims))
    for esim in esims:
        assert f"{esim.iccid} – {esim.order.package_id}, {esim.get_usage_status_display()}" in page
    assert other.iccid not in page
    assert page.count('<option value="') == len(RefundReason) + 1
    assert "errorlist" not in page
    assert not Refund.objects.exists()


def test_completed_form_requests_refunds(root, airalo, settings, django_capture_on_commit_callbacks):
    settings.AIRALO_RATE_LIMITS = NO_LIMITS
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
def test_invalid_form_shows_error_on_page(root, fields, said):
    esim = EsimFactory()
    page = text(ask(root, esim, **{**GOOD, **fields}))
    assert said in page
    assert esim.iccid in page
    assert not Refund.objects.exists()


def test_esim_with_open_refund_is_refused(root):
    esim = EsimFactory()
    Refund.objects.create(reason="SLOW_SPEED").esims.set([esim])
    page = text(ask(root, esim, **GOOD))
    assert f"A refund was asked for already: {esim.iccid}" in page
    assert "No signal in two towns." in page  # nothing has to be typed again
    assert Refund.objects.count() == 1


def test_reasons_of_settings_can_be_chosen(root, settings):
    settings.AIRALO_REFUND_REASONS = ["DUPLICATE_ORDER"]
    assert '<option value="DUPLICATE_ORDER">DUPLICATE_ORDER</option>' in text(ask(root, EsimFactory()))


@pytest.mark.parametrize(("permission", "allowed"), [("change_esim", False), ("change_refund", True)])
def test_requesting_refund_needs_change_refund_permission(staff, permission, allowed):
    client, esim = staff("view_esim", permission), EsimFactory()
    assert ('value="ask_for_refund"' in text(client.get(url(Esim)))) == allowed
    ask(client, esim, **GOOD)
    assert Refund.objects.exists() == allowed


def test_page_makes_no_more_queries_for_more_esims_with_lost_key(root):
    def queries(esims):
        with CaptureQueriesContext(connection) as captured:
            text(ask(root, *esims))
        return len(captured)

    esims = [EsimFactory() for _ in range(12)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_esim SET matching_id = 'f1:x'")
    queries(esims)  # fills the caches
    assert queries(esims[:2]) == queries(esims)
