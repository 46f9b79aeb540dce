"""An Airalo that hangs or is unavailable, and the requests it received."""

from __future__ import annotations

import pytest
import requests
from urllib3.exceptions import ConnectTimeoutError

from django_airalo import services
from django_airalo.models import EsimOrder, SubmissionPause
from django_airalo.testing.delivery import respond
from tests.factories import LONG_AGO, EsimOrderFactory
from tests.fakes import FakeAiralo
from tests.moments import assert_due

Kind = SubmissionPause.Kind
BALANCE, LISTING = "GET /v2/balance", "GET /v2/orders"


class Airalo(FakeAiralo):
    """Notes what it is asked. While it ``hangs`` purchases are in doubt; while it ``is_away`` no question is answered,
    or those alone that are in ``away_from``. ``meanwhile`` happens when its list is read."""

    def __init__(self):
        super().__init__()
        self.asked, self.hangs, self.is_away, self.away_from = [], False, False, ()
        self.meanwhile = lambda: None

    def _handle(self, request):
        path = request.path_url.partition("?")[0]
        self.asked.append(f"{request.method} {path}")
        if self.asked[-1] == LISTING:
            self.meanwhile()
        if (self.is_away and request.method == "GET") or self.asked[-1] in self.away_from:
            return respond(502, b"<html>")
        return super()._handle(request)

    def _purchase(self, order):
        if self.hangs and not self._answers:
            self.time_out()
        return super()._purchase(order)

    def purchases(self):
        return [asked for asked in self.asked if asked.startswith("POST /v2/orders")]


@pytest.fixture
def airalo(settings):
    settings.AIRALO_BALANCE_CHECK_INTERVAL = 0
    with Airalo() as fake:
        services.submit_order(EsimOrderFactory())  # fetches the token
        fake.asked.clear()
        yield fake


def submit_orders(count=1, **content):
    return [services.submit_order(EsimOrderFactory(**content)) for _ in range(count)]


def statuses():
    return [order.status for order in EsimOrder.objects.order_by("pk")][1:]


@pytest.fixture
def open_breaker(airalo, committed):
    """Three purchases were left in doubt."""
    airalo.hangs = True
    with committed():
        submit_orders(3)
    airalo.asked.clear()
    return SubmissionPause.objects.get()


def wait_is_over():
    assert SubmissionPause.objects.filter(is_active=True).update(due_at=LONG_AGO)


def next_probe(pause):
    """When Airalo is tried again."""
    return SubmissionPause.objects.get(pk=pause.pk).due_at


def assert_next_probe(pause, seconds, since):
    """Airalo is tried again so many seconds after what was done between ``since`` and now."""
    assert_due(next_probe(pause), seconds, since)


UNKNOWN = {
    "time-out": lambda airalo: airalo.time_out(bought=True),
    "500": lambda airalo: airalo.answer(500, b""),
    "503": lambda airalo: airalo.answer(503, {"message": "Service Unavailable"}),
    "200 HTML": lambda airalo: airalo.answer(200, b"<html>"),
    "no request_id": lambda airalo: airalo.answer(202, {"data": {}}),
    "409": lambda airalo: airalo.answer(409, {}),
    "code 53": lambda airalo: airalo.reject(53),
    "a proxy": lambda airalo: airalo.answer(403, b"<html>"),
}


KNOWN = {
    "accepted": lambda airalo: None,
    "code 34": lambda airalo: airalo.reject(34),
    "429": lambda airalo: airalo.answer(429, {}),
    "401": lambda airalo: airalo.answer(401, {}),
    "403": lambda airalo: airalo.reject(89, status=403),
    "not sent": lambda airalo: airalo._answers.append(not_sent),
}


def not_sent(order):
    raise requests.ConnectTimeout(ConnectTimeoutError("connect timed out"))
