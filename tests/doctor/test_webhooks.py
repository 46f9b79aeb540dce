"""The doctor on webhooks: those that came to nothing, those that did not come, and its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
import requests

from django_airalo.models import WebhookEvent
from django_airalo.services.core import database
from django_airalo.services.doctor import airalo as airalo_checks
from django_airalo.services.doctor import webhooks as checks
from django_airalo.services.webhooks import refusals
from tests.factories import LONG_AGO, EsimOrderFactory, WebhookEventFactory

from .test_doctor import level, look

pytestmark = pytest.mark.django_db


def hours_ago(hours):
    return database.db_now() - timedelta(hours=hours)


def test_webhooks_set_aside_or_waiting_long_warn():
    WebhookEventFactory(status="processed", kind="async_order")
    WebhookEventFactory(status="set_aside", received_at=LONG_AGO)
    WebhookEventFactory(status="waiting", kind="async_order")
    assert level(checks.webhooks) == "pass"
    WebhookEventFactory(status="set_aside")
    for _ in range(2):
        WebhookEventFactory(status="waiting", kind="async_order", received_at=hours_ago(2))
    result = look(checks.webhooks)
    assert result.level == "warn"
    assert "1 webhook was set aside. 2 webhooks wait for more than an hour" in result.message


def test_missing_webhooks_of_asynchronous_orders_warn(settings):
    assert level(checks.webhooks_missing) == "skip"
    for fields in ({"mode": "sync"}, {"is_imported": True}, {"created_at": LONG_AGO}, {"created_at": hours_ago(0.1)}):
        EsimOrderFactory(completed=True, **{"created_at": hours_ago(2), **fields})
    assert level(checks.webhooks_missing) == "skip"
    orders = [EsimOrderFactory(completed=True, created_at=hours_ago(hours)) for hours in (2, 100)]
    result = look(checks.webhooks_missing)
    assert (result.level, result.message.startswith("2 asynchronous orders")) == ("warn", True)
    settings.AIRALO_SANDBOX = True
    assert level(checks.webhooks_missing) == "skip"
    settings.AIRALO_SANDBOX = False
    WebhookEventFactory(order=orders[0], status="processed", kind="async_order")
    assert level(checks.webhooks_missing) == "pass"


def test_recent_signature_of_other_encoding_warns():
    assert level(checks.signature) == "skip"
    WebhookEventFactory(signature_encoding="php", last_received_at=LONG_AGO)
    assert "in the last 7 days" in look(checks.signature).message
    WebhookEventFactory()
    assert level(checks.signature) == "pass"
    WebhookEventFactory(signature_encoding="php")
    result = look(checks.signature)
    assert (result.level, "php: 1" in result.message) == ("warn", True)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"kind": "async_order", "status": "processed"}, "fail"),
        ({"body": '{"reason": "Out of stock.", "request_id": "a"}'}, "fail"),
        ({"kind": "low_data", "status": "processed"}, "pass"),
        ({"body": '{"level": "75%", "iccid": "8900000000000000123"}'}, "pass"),  # no worker has looked at it yet
    ],
)
def test_only_low_data_webhook_counts_as_test_webhook(emulated_airalo, fields, expected):
    ahead = database.db_now() + timedelta(minutes=1)
    WebhookEventFactory(last_received_at=ahead, **fields)
    assert WebhookEvent.objects.count() == 1  # Airalo's own goes to the receiver
    assert level(airalo_checks.webhook_delivery, simulate=True, wait=0) == expected


# Webhooks that were refused


def test_refused_webhooks_are_shown_with_remedies(live_server, settings):
    refusals.reset()
    settings.AIRALO_WEBHOOK_URL = f"{live_server.url}/airalo/webhook/"
    assert level(airalo_checks.webhook_url) == "pass"  # its unsigned POST is not counted
    assert level(checks.refused) == "pass"
    for headers in ({}, {"airalo-signature": "0" * 128}):
        requests.post(settings.AIRALO_WEBHOOK_URL, data=b"{}", headers=headers, timeout=60)
    refusals.count(refusals.Reason.CHUNKED)
    result = look(checks.refused)
    assert result.level == "warn"
    assert "signature: 2, chunked: 1" in result.message
    assert "AIRALO_WEBHOOK_SECRETS" in result.remedy
    assert "decode chunked bodies" in result.remedy


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", ""])
def test_refused_webhooks_are_unknown_if_no_web_process_answers(settings, address):
    settings.AIRALO_WEBHOOK_URL = address
    assert level(checks.refused) == "skip"


def test_every_reason_to_refuse_has_a_remedy():
    assert set(checks.REMEDIES) == set(refusals.Reason)
