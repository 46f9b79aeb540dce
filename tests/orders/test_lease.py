"""An order is sent only while its lease lasts, by the database's clock as it is then."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.conf import Settings
from django_airalo.models import EsimOrder
from django_airalo.services.core import database
from tests.factories import EsimOrderFactory
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db


class SlowToken(FakeAiralo):
    """Something happens to the order while a token is fetched."""

    def __init__(self, meanwhile=None):
        super().__init__()
        self.meanwhile = meanwhile

    def __enter__(self):
        meanwhile = self.meanwhile
        super().__enter__()
        self.meanwhile = meanwhile
        return self

    def _handle(self, request):
        if request.path_url == "/v2/token":
            self.meanwhile()
        return super()._handle(request)


def test_expiring_lease_prevents_sending():
    order = EsimOrderFactory()
    ends = timedelta(seconds=10)  # less than a request can take

    def meanwhile():
        EsimOrder.objects.update(due_at=database.db_now() + ends)

    with SlowToken(meanwhile) as airalo:
        order = services.submit_order(order)
        assert airalo.orders == []
    assert (order.status, order.look_up_first) == ("pending", False)
    assert "nothing was sent" in order.error_reason


def test_lease_is_checked_against_clock_right_before_sending(monkeypatch, settings):
    """A token that comes late leaves too little of the lease, though when it was claimed there was enough."""
    settings.AIRALO_CONNECT_TIMEOUT, settings.AIRALO_READ_TIMEOUT = 0.1, 0.1  # so sending takes 0.4 seconds at most
    monkeypatch.setattr(Settings, "submit_lease", 0.9)
    with SlowToken(lambda: time.sleep(0.7)) as airalo:
        order = services.submit_order(EsimOrderFactory())
        assert airalo.orders == []
    assert order.status == "pending"
    assert "nothing was sent" in order.error_reason


@pytest.mark.parametrize("status", ["unconfirmed", "completed", "failed"])
def test_lost_lease_prevents_sending_and_keeps_status(status):
    order = EsimOrderFactory()
    with SlowToken(lambda: EsimOrder.objects.update(status=status, due_at=None)) as airalo:
        order = services.submit_order(order)
        assert airalo.orders == []
    assert (order.status, order.error_reason) == (status, "")
    assert order.events.filter(kind="noted", late=True, detail__startswith="Attempt 1 lost its claim").count() == 1


def test_lease_taken_over_by_next_attempt_prevents_sending():
    order = EsimOrderFactory()
    with SlowToken(lambda: EsimOrder.objects.update(attempt=2)) as airalo:
        order = services.submit_order(order)
        assert airalo.orders == []
    assert (order.status, order.attempt) == ("submitting", 2)
