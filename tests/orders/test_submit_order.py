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
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.testing.delivery import Adapter, respond
from tests.factories import FAR_AHEAD, LONG_AGO, EsimOrderFactory, due_now
from tests.fakes import FakeAiralo

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


#: What stands in front of Airalo says so, or a shop's own proxy.
FOREIGN = {
    "Cloudflare": b"<!DOCTYPE html><title>Attention Required! | Cloudflare</title>",
    "nothing": b"",
    "no object": b"[]",
    "an object of no known shape": {"errors": [{"code": 1010}]},
    "a problem": {"title": "Error 1020", "status": 403, "detail": "Access denied"},
    "cut-off JSON": b'{"code": 34, "reas',
}
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
    "404": Outcome("pending", 404, {"data": [], "meta": {"message": "messages.resource_not_found"}}, due=AGAIN),
    **{
        f"{http} of {name}": Outcome("pending", http, body, reason="proxy", due=(60, 75), look_up_first=True)
        for http in (400, 403, 404, 405, 413, 415, 422)
        for name, body in FOREIGN.items()
    },
    "proxy told more": Outcome("pending", 403, b"<html>", {"Retry-After": "400"}, due=(400, 500), look_up_first=True),
    "401 of a proxy": Outcome("pending", 401, b"<html>", reason="proxy", due=(60, 75), look_up_first=True),
    "401 empty": Outcome("pending", 401, b"", due=AGAIN),
    "429 of a proxy": Outcome("pending", 429, b"<html>", due=AGAIN),
    "408 of a proxy": Outcome("unconfirmed", 408, b"<html>", due=LOOKED_UP),
    "429": Outcome("pending", 429, {"message": "Too Many Attempts."}, reason="Too Many Attempts.", due=AGAIN),
    "429 told": Outcome("pending", 429, {}, {"Retry-After": "60"}, due=(60, 75)),
    "429 told less": Outcome("pending", 429, {}, {"Retry-After": "1"}, due=AGAIN),
    "429 told nonsense": Outcome("pending", 429, {}, {"Retry-After": "soon"}, due=AGAIN),
    "429 told forever": Outcome("pending", 429, {}, {"Retry-After": "9" * 30}, due=(24 * 3600, 30 * 3600)),
    **{
        f"{http} {name}": Outcome("unconfirmed", http, body, code=11 if name == "no credit" else None, due=LOOKED_UP)
        for http in (500, 502, 503, 504, 599)
        for name, body in {
            "HTML": b"<html>oops",
            "empty": b"",
            "no credit": business(11),
            "refused": {"reason": "No such package."},
            "of the address": refused(webhook_url=DEAD),
            "not executed": {"message": "Service Unavailable"},
        }.items()
    },
    "503 told less": Outcome("unconfirmed", 503, {}, {"Retry-After": "30"}, due=LOOKED_UP),
    "503 told more": Outcome("unconfirmed", 503, {}, {"Retry-After": "400"}, due=(400, 400)),
    "500 told more": Outcome("unconfirmed", 500, {}, {"Retry-After": "400"}, due=(400, 400)),
    "503 told nonsense": Outcome("unconfirmed", 503, {}, {"Retry-After": "soon"}, due=LOOKED_UP),
    "503 told forever": Outcome("unconfirmed", 503, {}, {"Retry-After": "9" * 30}, due=(900, 900)),
    **{f"{http}": Outcome("unconfirmed", http, b"<html>oops", due=LOOKED_UP) for http in (409, 302)},
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
def test_answer_determines_outcome_of_order(airalo, heard, name):
    outcome = OUTCOMES[name]
    if outcome.time_out:
        airalo.time_out(bought=True)
    else:
        airalo.answer(outcome.http, outcome.body, **outcome.headers)
    before = database.db_now()

    order = services.submit_order(EsimOrderFactory())

    after = database.db_now()
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
def test_refused_webhook_url_is_flagged_while_order_is_pending(airalo, committed, then, status):
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
def test_order_is_not_sent_again_automatically_after_timeout(airalo, committed, bought):
    airalo.time_out(bought=bought)
    order = services.submit_order(EsimOrderFactory())
    for _ in range(3):
        due_now(order)
        services.submit_order(order)
        with pytest.raises(IllegalTransitionError):
            operations.retry_now(order)
        airalo.sweep()
    assert len(airalo.orders) == 1
    assert EsimOrder.objects.get().status == "unconfirmed"


def test_error_reason_contains_no_secrets(airalo):
    airalo.answer(500, {"message": "x" * 10_000})
    order = services.submit_order(EsimOrderFactory())
    assert "fake-secret" not in order.error_reason
    assert "fake-token" not in order.error_reason
    assert len(order.error_reason) < 1000


def test_refused_connection_leaves_order_pending_for_retry(settings):
    with FakeAiralo() as fake:
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=RETRY))
        session.mount("http://127.0.0.1:9/v2/token", Adapter(fake._handle))
        previous = use_client(AiraloClient("fake-client", "fake-secret", "http://127.0.0.1:9", session=session))
        try:
            order = services.submit_order(EsimOrderFactory())
        finally:
            use_client(previous)
    assert (order.status, order.look_up_first) == ("pending", False)
    assert "nothing was sent" in order.error_reason
    assert order.due_at > database.db_now()


class Unauthorized(FakeAiralo):
    """Gives no token."""

    def _handle(self, request):
        if request.path_url == "/v2/token":
            return respond(401, {"data": [], "meta": {"message": "The client_id is wrong."}})
        return super()._handle(request)


def test_invalid_credentials_leave_order_pending_with_reason():
    with Unauthorized() as fake:
        order = services.submit_order(EsimOrderFactory())
        assert fake.orders == []
    assert order.status == "pending"
    assert "The client_id is wrong." in order.error_reason


def test_missing_credentials_leave_order_pending_and_name_setting(settings):
    settings.AIRALO_CLIENT_ID = ""
    order = services.submit_order(EsimOrderFactory())
    assert order.status == "pending"
    assert "AIRALO_CLIENT_ID" in order.error_reason
    assert order.events.filter(new_status="pending").get().detail == order.error_reason


def test_retry_delay_grows_with_failed_attempts_up_to_limit(airalo):
    order = EsimOrderFactory()
    waits = []
    for _ in range(7):
        airalo.answer(429, {})
        due_now(order)
        before = database.db_now()
        order = services.submit_order(order)
        waits.append([(order.due_at - moment).total_seconds() for moment in (before, database.db_now())])
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


def test_order_not_due_is_sent_only_by_retry_now(airalo, committed):
    order = EsimOrderFactory(due_at=FAR_AHEAD)
    assert services.submit_order(order).status == "pending"
    assert airalo.orders == []
    with committed():
        assert operations.retry_now(order).due_at < FAR_AHEAD
        assert airalo.orders == []  # not before the commit
    order.refresh_from_db()
    assert order.status == "accepted"


@pytest.mark.parametrize("status", [status for status in Status.values if status != "pending"])
def test_only_pending_order_is_sent(airalo, committed, status):
    order = EsimOrderFactory(**{status: True, "due_at": LONG_AGO})
    with committed():
        with pytest.raises(IllegalTransitionError, match=f"is {status}, so retry_now"):
            operations.retry_now(order)
        assert services.submit_order(order).status == status
    assert airalo.orders == []
    order.refresh_from_db()
    assert (order.status, order.due_at) == (status, LONG_AGO)


def test_submit_inside_transaction_raises_and_sends_nothing(airalo):
    order = EsimOrderFactory()
    with transaction.atomic(), pytest.raises(RuntimeError):
        services.submit_order(order)
    order.refresh_from_db()
    assert (order.status, order.attempt) == ("pending", 0)
    assert airalo.orders == []


def test_fake_does_not_use_default_cache(airalo):
    services.submit_order(EsimOrderFactory())
    assert not any("token" in key for key in caches["default"]._cache)
