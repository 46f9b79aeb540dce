from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command

from django_airalo import services
from django_airalo.checks import check_settings
from django_airalo.models import EsimOrder
from django_airalo.services.core import deployment
from tests.factories import EsimOrderFactory, VoucherFactory, at_airalo

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("airalo_deployment", *arguments, stdout=out)
    return out.getvalue()


def test_new_prints_value_that_passes_settings_check(settings):
    settings.AIRALO_DEPLOYMENT = "too short"
    new = run("--new").strip()
    assert new != run("--new").strip()
    settings.AIRALO_DEPLOYMENT = new
    assert check_settings() == []


def test_command_prints_stamp_but_not_setting(settings):
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2
    said = run()
    assert deployment.identity().stamp in said
    assert settings.AIRALO_DEPLOYMENT not in said


def test_take_over_sends_orders_of_another_deployment_after_reading_list(airalo, settings):
    settings.AIRALO_DEPLOYMENT = "fedcba9876543210" * 2
    settings.AIRALO_LISTING_DELAY = 0
    bought, waits, voucher = EsimOrderFactory(), EsimOrderFactory(), VoucherFactory()
    at_airalo(airalo, bought)
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2
    assert "orders=2 cancellations=0 requests=1" in run("--take-over", "--yes")
    services.sweep()
    statuses = [EsimOrder.objects.get(pk=order.pk).status for order in (bought, waits)]
    assert statuses == ["completed", "accepted"]
    voucher.refresh_from_db()
    assert voucher.status == "unconfirmed"
    assert airalo.vouchers == []


def test_declined_take_over_changes_nothing(airalo, settings, monkeypatch):
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2
    order = EsimOrderFactory(deployment="another")
    monkeypatch.setattr("builtins.input", lambda question: "n")
    run("--take-over")
    order.refresh_from_db()
    assert order.deployment == "another"
