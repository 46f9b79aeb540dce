"""A proxy's URL that is not valid is found before anything is sent, so nothing is in doubt."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.client import get_client
from django_airalo.emulator import Emulator
from django_airalo.models import SubmissionPause
from django_airalo.services import operations
from tests.factories import EsimFactory, EsimOrderFactory, RefundFactory, VoucherFactory
from tests.rates import NO_LIMITS

pytestmark = pytest.mark.django_db


@pytest.fixture
def emulator(settings, monkeypatch):
    """An Airalo that has issued a token already, so that the next request is the one that buys."""
    with Emulator(webhook_delay=0, rate_limits=False, head_probe=False) as running:
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = running.client_id, running.client_secret
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        get_client().get_token()
        monkeypatch.setenv("HTTP_PROXY", "http://")
        yield running


def refund():
    row = RefundFactory()
    row.esims.add(EsimFactory())
    return row


@pytest.mark.parametrize(
    ("make", "send"),
    [
        (EsimOrderFactory, services.submit_order),
        (refund, operations.send_refund),
        (VoucherFactory, operations.send_voucher),
    ],
    ids=["order", "refund", "voucher"],
)
def test_row_stays_pending_and_says_why(emulator, make, send):
    row = send(make())
    assert row.status == "pending"
    error = row.error_reason if hasattr(row, "error_reason") else row.error
    assert error == "The environment names a proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) whose URL is not valid."
    assert not SubmissionPause.objects.exists()
    assert emulator.purchases() == []
