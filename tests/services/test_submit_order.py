from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.core.cache import caches
from django.db import transaction
from requests.adapters import HTTPAdapter

from django_airalo import services
from django_airalo.client import AiraloClient, use_client
from django_airalo.client.transport import RETRY
from django_airalo.models import EsimOrder
from django_airalo.services import database
from django_airalo.testing import FakeAiralo
from django_airalo.testing.api import respond
from django_airalo.testing.fake import _Adapter
from tests.factories import FAR_AHEAD, LONG_AGO, EsimOrderFactory, at_airalo, due_now

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
ACCEPTED_BODY = {"data": {"request_id": "request-1"}, "meta": {"message": "success"}}


@dataclass
class Outcome:
    """What Airalo answers to the POST, and what the order must be afterwards."""

    status: str
    http: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    time_out: bool = False
    code: int | None = None
    reason: str = ""
    due: tuple[float, float] | None = None
    look_up_first: bool = False
    attention: bool = False


DEAD = "The webhook url must answer a HEAD request with 200 OK."


def refused(**fields):
    return {"data": fields, "meta": {"message": "the parameter is invalid"}}


def business(code):
    return {"code": code, "reason": f"Reason {code}."}


AGAIN, LOOKED_UP, MENDED = (5, 6.25), (60, 60), (300, 375)
OUTCOMES = {
    "202": Outcome("accepted", 202, ACCEPTED_BODY, due=LOOKED_UP),
    "202 flat": Outcome("accepted", 202, {"request_id": "request-1"}, due=LOOKED_UP),
    "200": Outcome("accepted", 200, ACCEPTED_BODY, due=LOOKED_UP),
    "422 fields": Outcome(
        "failed",
        422,
        {"data": {"quantity": "SIM quantity is not available. Available quantity: 9."}, "meta": {"message": "no"}},
        reason="quantity: SIM quantity is not available.",
    ),
    "422 reason only": Outcome(
        "pending",
        422,
        {"reason": "User is not opted in and no webhook URL provided."},
        reason="not opted in",
        due=MENDED,
        attention=True,
    ),
    "422 address": Outcome(
        "pending", 422, refused(webhook_url=DEAD), reason=f"webhook_url: {DEAD}", due=MENDED, attention=True
    ),
    "422 address and more": Outcome("failed", 422, refused(webhook_url=DEAD, quantity="Too many."), reason="Too many."),
    "422 reason of the order": Outcome("failed", 422, {"reason": "No such package."}, reason="No such package."),
    "code 34 with a word of webhooks": Outcome(
        "failed", 422, {"code": 34, "reason": "Gone, no webhook."}, code=34, reason="Gone"
    ),
    "400": Outcome("failed", 400, {"message": "Bad."}, reason="Bad."),
    **{
        f"code {code}": Outcome("failed", 422, business(code), code=code, reason=f"Reason {code}.")
        for code in (14, 23, 33, 34, 43, 73, 999)
    },
    "code as text": Outcome("failed", 422, {"code": "34", "reason": "Gone."}, code=34, reason="Gone."),
    "code 13": Outcome("pending", 422, business(13), code=13, reason="Reason 13.", due=(120, 150)),
    "code 53": Outcome("unconfirmed", 422, business(53), code=53, reason="Reason 53.", due=LOOKED_UP),
    "code 89": Outcome("pending", 403, business(89), code=89, reason="allow-list", due=AGAIN),
    "401": Outcome("pending", 401, {"data": [], "meta": {"message": "Unauthenticated."}}, due=AGAIN),
    "403": Outcome("pending", 403, {"message": "Forbidden."}, reason="Forbidden.", due=AGAIN),
    "404": Outcome("pending", 404, {"data": []}, due=AGAIN),
    "429": Outcome("pending", 429, {"message": "Too Many Attempts."}, reason="Too Many Attempts.", due=AGAIN),
    "429 told": Outcome("pending", 429, {}, {"Retry-After": "60"}, due=(60, 75)),
    "429 told less": Outcome("pending", 429, {}, {"Retry-After": "1"}, due=AGAIN),
    "429 told nonsense": Outcome("pending", 429, {}, {"Retry-After": "soon"}, due=AGAIN),
    "429 told forever": Outcome("pending", 429, {}, {"Retry-After": "9" * 30}, due=(24 * 3600, 30 * 3600)),
    "503": Outcome("pending", 503, b"<html>", due=(300, 375), look_up_first=True),
    "503 told less": Outcome("pending", 503, {}, {"Retry-After": "30"}, due=(300, 375), look_up_first=True),
    "503 told more": Outcome("pending", 503, {}, {"Retry-After": "400"}, due=(400, 500), look_up_first=True),
    **{f"{http}": Outcome("unconfirmed", http, b"<html>oops", due=LOOKED_UP) for http in (500, 502, 504, 409, 302)},
    "time-out": Outcome("unconfirmed", time_out=True, due=LOOKED_UP),
    "200 HTML": Outcome("unconfirmed", 200, b"<html>Welcome</html>", due=LOOKED_UP),
    "cut off": Outcome("unconfirmed", 202, b'{"data": {"request_', due=LOOKED_UP),
    "no request_id": Outcome("unconfirmed", 202, {"data": {}, "meta": {"message": "success"}}, due=LOOKED_UP),
    "null": Outcome("unconfirmed", 202, b"null", due=LOOKED_UP),
    "empty": Outcome("unconfirmed", 202, b"", due=LOOKED_UP),
    "204": Outcome("unconfirmed", 204, b"", due=LOOKED_UP),
}
SPECIFIC = {"accepted": "esim_order_accepted", "failed": "esim_order_failed", "unconfirmed": "esim_order_unconfirmed"}


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_an_answer_makes_of_the_order(airalo, heard, name):
    outcome = OUTCOMES[name]
    if outcome.time_out:
        airalo.time_out(bought=True)
    else:
        airalo.answer(outcome.http, outcome.body, **outcome.headers)
    before = database.now()

    order = services.submit_order(EsimOrderFactory())

    after = database.now()
    assert len(airalo.orders) == 1
    assert (order.status, order.error_code, order.look_up_first) == (
        outcome.status,
        outcome.code,
        outcome.look_up_first,
    )
    assert order.attempt == 1
    assert order.submitted_at is not None
    assert before - timedelta(seconds=1) <= order.submitted_at <= after
    if outcome.due is None:
        assert order.due_at is None
    else:
        soonest, latest = (timedelta(seconds=seconds) for seconds in outcome.due)
        tolerance = timedelta(milliseconds=5)  # SQLite's clock counts milliseconds
        assert before + soonest - tolerance <= order.due_at <= after + latest + tolerance
    if outcome.status == "accepted":
        assert (order.request_id, order.error_reason) == ("request-1", "")
    else:
        assert order.request_id is None
        assert order.error_reason
        assert outcome.reason in order.error_reason
    # What was logged is what was signalled.
    changes = order.events.filter(kind="status_changed")
    assert list(changes.values_list("old_status", "new_status", "source", "attempt", "late")) == [
        ("pending", "submitting", "submit", 1, False),
        ("submitting", outcome.status, "submit", 1, False),
    ]
    assert [(k["old_status"], k["new_status"]) for k in heard.of("esim_order_status_changed")] == [
        ("pending", "submitting"),
        ("submitting", outcome.status),
    ]
    expected = [SPECIFIC[outcome.status]] if outcome.status in SPECIFIC else []
    assert [name for name in heard.names() if name != "esim_order_status_changed"] == expected
    assert not changes.filter(signalled_at=None).exists()
    assert bool(order.attention) == outcome.attention


@pytest.mark.parametrize(
    ("then", "status"),
    [
        (lambda airalo: airalo.answer(202, ACCEPTED_BODY), "accepted"),
        (lambda airalo: airalo.time_out(bought=True), "unconfirmed"),
        (lambda airalo: airalo.reject(34), "failed"),
        (lambda airalo: services.cancel_order(EsimOrder.objects.get()), "cancelled"),
        (lambda airalo: airalo.answer(429, {}), "pending"),
    ],
)
def test_a_refused_webhook_address_is_shown_until_it_is_mended(airalo, committed, then, status):
    order = EsimOrderFactory(attention="Something else.")
    for _ in range(2):
        airalo.reject(webhook_url=DEAD)
        due_now(order)
        order = services.submit_order(order)
        assert order.attention.splitlines()[0] == "Something else."
        assert "AIRALO_WEBHOOK_URL" in order.attention
    assert order.events.filter(kind="attention").count() == 1
    due_now(order)
    then(airalo)
    order = services.submit_order(order)
    assert order.status == status
    assert ("AIRALO_WEBHOOK_URL" in order.attention) == (status == "pending")
    assert "Something else." in order.attention


@pytest.mark.parametrize("bought", [True, False])
def test_after_a_time_out_the_order_is_never_sent_again_by_itself(airalo, committed, bought):
    airalo.time_out(bought=bought)
    order = services.submit_order(EsimOrderFactory())
    for _ in range(3):
        due_now(order)
        services.submit_order(order)
        services.submit_soon(order)
        airalo.settle()
    assert len(airalo.orders) == 1
    assert EsimOrder.objects.get().status == "unconfirmed"


def test_nothing_of_a_secret_is_in_the_error(airalo):
    airalo.answer(500, {"message": "x" * 10_000})
    order = services.submit_order(EsimOrderFactory())
    assert "fake-secret" not in order.error_reason
    assert "fake-token" not in order.error_reason
    assert len(order.error_reason) < 1000


def test_a_refused_connection_is_tried_again(settings):
    with FakeAiralo() as fake:
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=RETRY))
        session.mount("http://127.0.0.1:9/v2/token", _Adapter(fake))
        previous = use_client(AiraloClient("id", "secret", "http://127.0.0.1:9", session=session))
        try:
            order = services.submit_order(EsimOrderFactory())
        finally:
            use_client(previous)
    assert (order.status, order.look_up_first) == ("pending", False)
    assert "nothing was sent" in order.error_reason
    assert order.due_at > database.now()


class Unauthorized(FakeAiralo):
    """Gives no token."""

    def _handle(self, request):
        if request.path_url == "/v2/token":
            return respond(401, {"data": [], "meta": {"message": "The client_id is wrong."}})
        return super()._handle(request)


def test_with_wrong_credentials_the_order_waits_and_says_so():
    with Unauthorized() as fake:
        order = services.submit_order(EsimOrderFactory())
        assert fake.orders == []
    assert order.status == "pending"
    assert "The client_id is wrong." in order.error_reason


def test_without_credentials_the_order_waits_and_names_the_setting(settings):
    settings.AIRALO_CLIENT_ID = ""
    order = services.submit_order(EsimOrderFactory())
    assert order.status == "pending"
    assert "AIRALO_CLIENT_ID" in order.error_reason
    assert order.events.filter(new_status="pending").get().detail == order.error_reason


def test_each_failed_try_waits_longer(airalo):
    order = EsimOrderFactory()
    waits = []
    for _ in range(7):
        airalo.answer(429, {})
        due_now(order)
        before = database.now()
        order = services.submit_order(order)
        waits.append([(order.due_at - moment).total_seconds() for moment in (before, database.now())])
    for (since_before, since_after), delay in zip(waits, (5, 15, 60, 300, 900, 900, 900), strict=True):
        assert delay <= since_before
        assert since_after <= delay * 1.25
    assert order.attempt == 7


def test_submitting_twice_sends_once(airalo):
    order = EsimOrderFactory()
    services.submit_order(order)
    again = services.submit_order(order.pk)
    assert again.status == "accepted"
    assert again.attempt == 1
    assert len(airalo.orders) == 1


def test_what_is_not_due_waits_unless_a_person_is_in_a_hurry(airalo, committed):
    order = EsimOrderFactory(due_at=FAR_AHEAD)
    assert services.submit_order(order).status == "pending"
    assert airalo.orders == []
    with committed():
        assert services.submit_soon(order) is True
        assert airalo.orders == []  # not before the commit
    order.refresh_from_db()
    assert order.status == "accepted"


@pytest.mark.parametrize("status", [status for status in Status.values if status != "pending"])
def test_only_a_pending_order_is_sent(airalo, committed, status):
    order = EsimOrderFactory(**{status: True, "due_at": LONG_AGO})
    with committed():
        assert services.submit_soon(order) is False
        assert services.submit_order(order).status == status
    assert airalo.orders == []
    order.refresh_from_db()
    assert (order.status, order.due_at) == (status, LONG_AGO)


def test_inside_a_transaction_it_refuses_and_sends_nothing(airalo):
    order = EsimOrderFactory()
    with transaction.atomic(), pytest.raises(RuntimeError):
        services.submit_order(order)
    order.refresh_from_db()
    assert (order.status, order.attempt) == ("pending", 0)
    assert airalo.orders == []


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


def test_a_lease_that_is_about_to_end_sends_nothing():
    order = EsimOrderFactory()
    ends = timedelta(seconds=10)  # less than a request can take

    def meanwhile():
        EsimOrder.objects.update(due_at=database.now() + ends)

    with SlowToken(meanwhile) as airalo:
        order = services.submit_order(order)
        assert airalo.orders == []
    assert (order.status, order.look_up_first) == ("pending", False)
    assert "nothing was sent" in order.error_reason


@pytest.mark.parametrize("status", ["unconfirmed", "completed", "failed"])
def test_a_lost_lease_sends_nothing_and_changes_nothing(status):
    order = EsimOrderFactory()
    with SlowToken(lambda: EsimOrder.objects.update(status=status, due_at=None)) as airalo:
        order = services.submit_order(order)
        assert airalo.orders == []
    assert (order.status, order.error_reason) == (status, "")
    assert order.events.filter(kind="noted", late=True, detail__startswith="Attempt 1 lost its claim").count() == 1


def test_a_lease_taken_over_by_another_attempt_sends_nothing():
    order = EsimOrderFactory()
    with SlowToken(lambda: EsimOrder.objects.update(attempt=2)) as airalo:
        order = services.submit_order(order)
        assert airalo.orders == []
    assert (order.status, order.attempt) == ("submitting", 2)


# Look up first


def test_after_a_503_it_looks_before_it_sends_again(airalo):
    airalo.answer(503, {})
    order = services.submit_order(EsimOrderFactory())
    due_now(order)
    order = services.submit_order(order)
    assert (order.status, order.look_up_first) == ("accepted", False)
    assert len(airalo.orders) == 2


def test_what_the_look_up_finds_is_not_sent_again(airalo, heard, committed):
    airalo.answer(503, {}, bought=True)
    order = services.submit_order(EsimOrderFactory())
    airalo.list(order)
    due_now(order)
    with committed():
        order = services.submit_order(order)
    assert order.status == "completed"
    assert order.esims.count() == 1
    assert len(airalo.orders) == 1
    assert heard.names(order).count("esim_order_completed") == 1


class ListAway(FakeAiralo):
    def _handle(self, request):
        if request.method == "GET" and request.path_url.startswith("/v2/orders"):
            return respond(500, b"")
        return super()._handle(request)


def test_while_nobody_can_tell_it_is_not_sent_again():
    with ListAway() as airalo:
        order = services.submit_order(EsimOrderFactory(look_up_first=True))
        assert airalo.orders == []
    assert (order.status, order.look_up_first) == ("pending", True)
    assert "HTTP 500" in order.error_reason


def test_a_listed_order_without_esims_is_accepted_not_sent(airalo):
    order = EsimOrderFactory(look_up_first=True)
    at_airalo(airalo, order, sims=[])
    order = services.submit_order(order)
    assert (order.status, order.look_up_first) == ("accepted", False)
    assert len(airalo.orders) == 1


def test_two_listed_orders_are_not_sent_but_shown(airalo):
    order = EsimOrderFactory(look_up_first=True)
    first, second = at_airalo(airalo, order), at_airalo(airalo, order)
    order = services.submit_order(order)
    assert order.status == "unconfirmed"
    assert str(first.payload["id"]) in order.attention
    assert str(second.payload["id"]) in order.attention
    assert not order.esims.exists()
    assert len(airalo.orders) == 2


# Lack of credit


def test_the_cache_of_the_fake_is_not_the_shops(airalo):
    services.submit_order(EsimOrderFactory())
    assert not any("token" in key for key in caches["default"]._cache)
