"""The doctor says which deployment this is, whether its database may send, and whether a failover would be noticed."""

from __future__ import annotations

import pytest
from django.urls import reverse

from django_airalo.models import Deployment
from django_airalo.services.core import deployment, restore_check, servers
from django_airalo.services.doctor import deployment as checks
from django_airalo.services.doctor import shop as shop_checks
from tests.factories import LONG_AGO, EsimOrderFactory, RefundFactory, VoucherFactory, ago

from .test_doctor import level, look

pytestmark = pytest.mark.django_db


def test_database_that_may_not_be_newest_fails():
    assert level(checks.newest) == "pass"
    restore_check.beat()
    assert level(checks.newest) == "pass"
    Deployment.objects.update(alive_at=ago(301))
    restore_check.beat()
    result = look(checks.newest)
    assert result.level == "fail"
    assert "five minutes" in result.message


def test_hidden_or_unchecked_server_identity_warns(settings, monkeypatch):
    assert level(checks.database_server) == "pass"
    monkeypatch.setattr(servers, "hidden", lambda: ("timeline",))
    assert "timeline" in look(checks.database_server).message
    assert level(checks.database_server) == "warn"
    monkeypatch.undo()
    settings.AIRALO_CHECK_SERVER = False
    assert level(checks.database_server) == "warn"


@pytest.mark.parametrize(
    "make",
    [
        EsimOrderFactory,
        RefundFactory,
        VoucherFactory,
        lambda **fields: EsimOrderFactory(scheduled=True, cancel_requested_at=LONG_AGO, **fields),
    ],
)
def test_rows_of_another_deployment_are_counted_and_not_late(make):
    make(created_at=ago(30), due_at=ago(30))
    assert level(checks.other_deployments) == "pass"
    make(deployment="another", created_at=LONG_AGO)
    result = look(checks.other_deployments)
    assert result.level == "warn"
    assert result.message.startswith("1 order, refund, voucher or cancellation")
    assert deployment.identity().stamp in result.message
    assert level(shop_checks.requests_late) == "pass"


def test_order_of_another_deployment_is_not_late():
    EsimOrderFactory(deployment="another", created_at=LONG_AGO)
    assert level(shop_checks.orders_late) == "pass"


def test_submit_switch_fails_check_and_is_shown_in_admin(settings, admin_client):
    settings.AIRALO_SUBMIT = False
    EsimOrderFactory(created_at=LONG_AGO)
    assert level(shop_checks.submission) == "fail"
    assert level(shop_checks.orders_late) == "pass"
    page = admin_client.get(reverse("admin:django_airalo_esimorder_changelist")).content.decode()
    assert "AIRALO_SUBMIT is False" in page


def test_admin_shows_that_list_must_be_read(admin_client):
    EsimOrderFactory()
    page = reverse("admin:django_airalo_esimorder_changelist")
    assert "until its list has been read" not in admin_client.get(page).content.decode()
    Deployment.objects.update(alive_at=ago(301))
    restore_check.beat()
    assert "until its list has been read" in admin_client.get(page).content.decode()


def test_admin_does_not_show_key_of_deployment(admin_client):
    key = deployment.state().key
    pages = [
        reverse("admin:django_airalo_deployment_changelist"),
        reverse("admin:django_airalo_deployment_change", args=[deployment.ROW]),
    ]
    for page in pages:
        assert key not in admin_client.get(page).content.decode()
