"""Refunds and vouchers in the admin."""

from __future__ import annotations

import html
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.urls import reverse

from django_airalo.models import Esim, Refund, Voucher
from tests.factories import EsimFactory, EsimOrderFactory, UserFactory

pytestmark = pytest.mark.django_db


def url(model, page="changelist", *args):
    return reverse(f"admin:django_airalo_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def staff(client):
    def sign_in(*names):
        user = UserFactory(is_staff=True, username="ann")
        user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="django_airalo", codename__in=names)
        )
        client.force_login(user)
        return client

    return sign_in


def act(client, model, action, *rows, **fields):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
    response = client.post(url(model), data, follow=True)
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize(
    ("action", "old", "new"),
    [
        ("approve", "requested", "approved"),
        ("decline", "requested", "declined"),
        ("confirm", "unconfirmed", "requested"),
        ("cancel", "unconfirmed", "cancelled"),
        ("retry_unconfirmed", "unconfirmed", "pending"),
    ],
)
def test_decision_changes_refund_only_where_possible(staff, airalo, action, old, new):
    client = staff("view_refund", "change_refund")
    refund = Refund.objects.create(reason="NO_COVERAGE", status=old, refund_id="4711")
    other = Refund.objects.create(reason="NO_COVERAGE", status="invalid")
    said = act(client, Refund, action, refund, other, confirmed="yes")
    refund.refresh_from_db()
    other.refresh_from_db()
    assert (refund.status, refund.decided_by) == (new, "ann")
    assert other.status == "invalid"
    assert sorted(said) == sorted(
        [f"{refund}: {refund.get_status_display()}", f"{other}: not possible, since its status is: Refused as invalid."]
    )


@pytest.mark.parametrize(("action", "new"), [("cancel", "cancelled"), ("retry_unconfirmed", "pending")])
def test_decision_changes_unconfirmed_voucher(staff, airalo, action, new):
    client = staff("view_voucher", "change_voucher")
    voucher = Voucher.objects.create(kind="esim", status="unconfirmed")
    act(client, Voucher, action, voucher, confirmed="yes")
    voucher.refresh_from_db()
    assert voucher.status == new


def test_each_retry_action_changes_only_vouchers_of_its_status(staff, airalo):
    client = staff("view_voucher", "change_voucher")
    refused, unconfirmed = (Voucher.objects.create(kind="esim", status=name) for name in ("refused", "unconfirmed"))
    said = act(client, Voucher, "retry_unconfirmed", refused, confirmed="yes")
    assert said == [f"{refused}: not possible, since its status is: Refused."]
    said = act(client, Voucher, "retry_refused", refused, unconfirmed)
    assert sorted(said) == sorted(
        [f"{refused}: To be sent", f"{unconfirmed}: not possible, since its status is: Unconfirmed."]
    )
    statuses = dict(Voucher.objects.values_list("pk", "status"))
    assert statuses == {refused.pk: "pending", unconfirmed.pk: "unconfirmed"}


@pytest.mark.parametrize(("model", "warning"), [(Voucher, "may be paid twice"), (Refund, "asked twice")])
def test_retry_of_unconfirmed_shows_warning_before_change(staff, airalo, model, warning):
    name = model._meta.model_name
    client = staff(f"view_{name}", f"change_{name}")
    rows = [model.objects.create(status="unconfirmed") for _ in range(2)]
    page = client.post(url(model), {"action": "retry_unconfirmed", "_selected_action": [row.pk for row in rows]})
    assert set(model.objects.values_list("status", flat=True)) == {"unconfirmed"}
    shown = html.unescape(page.content.decode())
    assert warning in shown
    assert all(f"{row} – Unconfirmed" in shown for row in rows)
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="(.*)">', shown.partition("<ul>")[2])
    data = {key: [value for name, value in fields if name == key] for key, _ in fields}
    client.post(url(model), {key: value for key, value in data.items() if key != "csrfmiddlewaretoken"})
    assert set(model.objects.values_list("status", flat=True)) == {"pending"}


def test_decision_without_change_permission_changes_nothing(staff):
    client = staff("view_voucher")
    voucher = Voucher.objects.create(kind="esim", status="unconfirmed")
    client.post(url(Voucher), {"action": "cancel", "_selected_action": [voucher.pk]})
    voucher.refresh_from_db()
    assert voucher.status == "unconfirmed"


def test_search_finds_refund_by_esim_and_shows_number_of_esims(staff):
    client = staff("view_refund")
    order = EsimOrderFactory(completed=True)
    esims = [EsimFactory(), EsimFactory(order=order), EsimFactory(order=order)]
    refund = Refund.objects.create(reason="NO_COVERAGE")
    refund.esims.set(esims)
    Refund.objects.create(reason="SLOW_SPEED")
    for term in (esims[1].iccid, esims[1].order.reference):
        response = client.get(url(Refund), {"q": term})
        assert [row.pk for row in response.context["cl"].queryset] == [refund.pk]
        assert '<td class="field-number_of_esims">3</td>' in response.content.decode()
    page = client.get(url(Refund)).content.decode()
    assert '<td class="field-number_of_esims">3</td>' in page
    assert esims[0].iccid in client.get(url(Refund, "change", refund.pk)).content.decode()


def test_refund_page_opens_when_esims_cannot_be_decrypted(staff):
    refund = Refund.objects.create(reason="NO_COVERAGE")
    refund.esims.set([EsimFactory(), EsimFactory()])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_esim SET matching_id = 'f1:x'")
    page = staff("view_refund").get(url(Refund, "change", refund.pk)).content.decode()
    for pk, iccid in Esim.objects.values_list("pk", "iccid"):
        assert f'<a href="{url(Esim, "change", pk)}">{iccid}</a>' in page


def test_voucher_codes_are_shown_only_on_voucher_page(staff):
    voucher = Voucher.objects.create(kind="esim", status="created", codes="TESTCODEAAAA\nTESTCODEBBBB")
    with_it = staff("view_voucher", "view_voucher_codes")
    assert "TESTCODEBBBB" in with_it.get(url(Voucher, "change", voucher.pk)).content.decode()
    assert "TESTCODE" not in with_it.get(url(Voucher)).content.decode()


def test_voucher_pages_open_when_codes_cannot_be_decrypted(staff):
    voucher = Voucher.objects.create(kind="esim", status="created", codes="TESTCODEAAAA")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_voucher SET codes = 'f1:x'")
    client = staff("view_voucher", "view_voucher_codes")
    assert client.get(url(Voucher)).status_code == 200
    page = client.get(url(Voucher, "change", voucher.pk)).content.decode()
    assert "Cannot be decrypted with any configured key." in page
