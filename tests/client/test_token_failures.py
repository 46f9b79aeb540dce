"""Whatever the token endpoint answers: nothing is bought without a token, and the error says what to do."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.core.cache.backends.locmem import LocMemCache

from django_airalo.client import AiraloClient
from django_airalo.exceptions import AiraloAPIError, AiraloCacheError, AiraloTokenError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, PATIENT, MakeClient, assert_no_secret, token, token_answer

HOUR = 3600.0
UNAUTHORIZED = Answer(401, {"data": [], "meta": {"message": "This action is unauthorized."}})

pytestmark = pytest.mark.usefixtures("balance")


FAILURES = {
    "unknown id": (
        Answer(422, {"data": {"client_id": "The selected client id is invalid."}, "meta": {"message": "invalid"}}),
        422,
        ["client_id: The selected client id is invalid.", "AIRALO_CLIENT_ID"],
    ),
    "wrong secret": (
        Answer(401, {"data": [], "meta": {"message": "Client authentication failed"}}),
        401,
        ["Client authentication failed", "AIRALO_CLIENT_SECRET"],
    ),
    "limit": (Answer(429, {"message": "Too Many Attempts."}, {"Retry-After": "41"}), 429, ["Too Many Attempts."]),
    "address": (Answer(403, {"code": 89, "reason": "Your IP address is not permitted."}), 403, ["IP allow-list"]),
    "500": (Answer(500, {}), 500, ["HTTP 500"]),
    "html": (Answer(200, "<html>"), 200, ["not JSON"]),
    "empty": (Answer(200, b""), 200, ["not JSON"]),
    "no content": (Answer(204), None, ["access_token"]),
    "no token": (Answer(200, {"data": {"token_type": "Bearer"}}), None, ["access_token"]),
    "empty token": (token_answer(1, access_token="  "), None, ["access_token"]),
    "token is a list": (token_answer(1, access_token=[token(1)]), None, ["access_token"]),
    "token with a line break": (token_answer(1, access_token=f"{token(1)}\r\nX: y"), None, ["access_token"]),
    "token that is not ASCII": (token_answer(1, access_token=f"{token(1)}é"), None, ["access_token"]),
    "closed": (Answer(drop="close"), None, ["no answer"]),
    "time-out": (Answer(200, {}, delay=60), None, ["ReadTimeout"]),
    "redirect": (Answer(302, {}, {"Location": "/v2/balance"}), 302, ["HTTP 302"]),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_without_a_token_nothing_is_bought(make_client: MakeClient, server: ScriptedServer, failure: str) -> None:
    answer, status, words = FAILURES[failure]
    server.on("/v2/token", answer)
    server.on("/v2/orders-async", Answer(202, ACCEPTED))
    client = make_client(timeout=(PATIENT[0], 0.5) if failure == "time-out" else PATIENT)

    with pytest.raises(AiraloTokenError) as caught:
        client.submit_order_async(package_id="p", quantity=1)

    error = caught.value
    assert error.may_have_acted is False
    assert error.status_code == status
    assert error.retry_after == (41 if failure == "limit" else None)
    assert error.code == (89 if failure == "address" else None)
    assert error.field_errors == ({"client_id": "The selected client id is invalid."} if status == 422 else {})
    for word in words:
        assert word in str(error)
    assert [request.path for request in server.wait(1)] == ["/v2/token"]  # asked once
    assert isinstance(error.__cause__, AiraloAPIError)
    assert_no_secret(error)


def test_refused_connection_for_token_buys_nothing(make_client: MakeClient) -> None:
    with pytest.raises(AiraloTokenError, match="nothing was sent") as caught:
        make_client(base_url="http://127.0.0.1:9").submit_order_async(package_id="p", quantity=1)

    assert caught.value.may_have_acted is False


def test_a_warning_shows_no_token(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The autouse fixture searches everything that is logged; this makes sure that there is something to search."""
    client.get_token()
    pass_time(23 * HOUR)
    server.on("/v2/token", Answer(drop="reset"))
    client.get_token()

    assert [record.levelno for record in caplog.records if record.name == "django_airalo.client"][-1] == logging.WARNING


class BrokenCache(LocMemCache):
    """A cache whose server is away."""

    def get(self, *args, **kwargs):
        raise ConnectionError("away")

    add = set = delete = get


def test_a_cache_that_is_away_is_an_error_of_ours_and_nothing_is_sent():
    with ScriptedServer() as server:
        client = AiraloClient("client", "secret", server.url, cache=BrokenCache("broken", {}))
        with pytest.raises(AiraloCacheError, match="ConnectionError") as error:
            client.submit_order_async(package_id="test-mobile-7days-1gb", quantity=1)
        assert error.value.may_have_acted is False
        with pytest.raises(AiraloCacheError):
            client.list_orders()
        assert server.requests() == []


class ForgetfulCache(LocMemCache):
    """A cache that keeps no token."""

    def set(self, *args, **kwargs):
        raise ConnectionError("away")


def test_a_cache_that_goes_away_does_not_claim_that_no_token_was_asked_for(server: ScriptedServer):
    client = AiraloClient("client", "secret", server.url, cache=ForgetfulCache("forgetful", {}))
    client._tokens._keep_below_limit = lambda: None  # it goes away after the token was asked for

    with pytest.raises(AiraloCacheError, match="so the request was not carried out") as error:
        client.submit_order_async(package_id="test-mobile-7days-1gb", quantity=1)

    assert error.value.may_have_acted is False
    assert [request.path for request in server.requests()] == ["/v2/token"]


def test_refused_credentials_are_not_tried_again_for_a_minute(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    server.on("/v2/token", Answer(401, {"data": [], "meta": {"message": "Client authentication failed"}}))
    for _ in range(5):
        with pytest.raises(AiraloTokenError, match="Client authentication failed") as caught:
            make_client().get_balance()
        assert caught.value.status_code == 401
    assert len(server.requests("/v2/token")) == 1

    pass_time(61)
    server.on("/v2/token", token_answer(2))
    make_client().get_balance()
    assert len(server.requests("/v2/token")) == 2
