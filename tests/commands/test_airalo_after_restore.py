from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_airalo import services
from django_airalo.models import Deployment, EsimOrder, ListedPurchase
from django_airalo.services.core import deployment
from tests.factories import EsimOrderFactory, ago, at_airalo

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _settings(airalo, settings):
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2
    settings.AIRALO_LISTING_DELAY = 0


def run(*arguments):
    out = StringIO()
    call_command("airalo_after_restore", *arguments, stdout=out)
    return out.getvalue()


def lost(airalo):
    order = services.place_order(package_id="test", idempotency_key="line-1")
    at_airalo(airalo, order)
    order.delete()
    return order.reference


def test_list_is_read_and_matched_without_sign_of_restore(airalo):
    bought = EsimOrderFactory()
    at_airalo(airalo, bought)
    reference = lost(airalo)
    assert "listed=2 matched=1 unknown=1 is_complete=True" in run("--yes")
    bought.refresh_from_db()
    assert bought.status == "completed"
    assert ListedPurchase.objects.get().reference == reference
    assert deployment.state().behind_since is None


def test_empty_database_reads_list_from_given_day(airalo, django_capture_on_commit_callbacks):
    reference = lost(airalo)
    Deployment.objects.all().delete()
    run("--yes", "--since", f"{ago(86400):%Y-%m-%d}")
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test", idempotency_key="line-1")
    order.refresh_from_db()
    assert (order.reference, order.status, len(airalo.orders)) == (reference, "completed", 1)


def test_unanswered_confirmation_changes_nothing(airalo, monkeypatch):
    EsimOrderFactory()
    monkeypatch.setattr("builtins.input", lambda question: "")
    assert "Nothing was changed" in run()
    assert deployment.state().behind_since is None


def test_orders_stay_held_when_list_cannot_be_read(airalo):
    EsimOrderFactory()
    airalo.override_answer("GET", "/v2/orders", {"code": 1, "reason": "No."}, status=403)
    with pytest.raises(CommandError):
        run("--yes")
    services.sweep()
    assert EsimOrder.objects.get().status == "pending"


def test_missing_orders_are_imported_on_request(airalo):
    lost(airalo)
    assert "imported=1" in run("--yes", "--import", "--since", f"{ago(86400):%Y-%m-%d}")
    assert EsimOrder.objects.get().is_imported


def test_repeated_call_for_imported_order_completes_without_second_purchase(airalo, django_capture_on_commit_callbacks):
    reference = lost(airalo)
    run("--yes", "--import", "--since", f"{ago(86400):%Y-%m-%d}")
    imported = EsimOrder.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test", idempotency_key="line-1")
    order.refresh_from_db()
    imported.refresh_from_db()
    assert (order.reference, order.status, len(airalo.orders)) == (reference, "completed", 1)
    assert "for more than one order" in order.attention
    assert "for more than one order" in imported.attention
