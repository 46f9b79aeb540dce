"""Credentials, the client that a process shares, and what it shows of itself."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pytest
from django.core.cache.backends.base import BaseCache
from django.test import override_settings

from django_airalo.client import AiraloClient, get_client, use_client
from django_airalo.client.transport import build_session
from django_airalo.exceptions import (
    AiraloAuthenticationError,
    AiraloConfigurationError,
    AiraloConnectionError,
    AiraloTokenError,
)
from tests.scripted_server import Answer, ScriptedServer

from .support import (
    CLIENT_ID,
    CLIENT_SECRET,
    FAILURES,
    MakeClient,
    assert_no_secret,
)


@pytest.mark.parametrize("name", ["AIRALO_CLIENT_ID", "AIRALO_CLIENT_SECRET"])
def test_missing_credentials_are_named(server: ScriptedServer, name: str) -> None:
    with override_settings(**{name: " \n", "AIRALO_BASE_URL": server.url}):
        client = AiraloClient()
        for call in (client.get_token, client.get_balance, lambda: client.submit_order(package_id="p", quantity=1)):
            with pytest.raises(AiraloConfigurationError, match=f"{name} is empty"):
                call()
    assert server.requests() == []


@pytest.mark.usefixtures("balance")
def test_the_settings_are_the_default(server: ScriptedServer) -> None:
    with override_settings(
        AIRALO_BASE_URL=f"{server.url}/", AIRALO_CLIENT_ID=f" {CLIENT_ID}\n", AIRALO_CLIENT_SECRET=f"{CLIENT_SECRET} "
    ):
        get_client().get_balance()

    form = server.requests("/v2/token")[0].form()
    assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)


def test_the_process_has_one_client_for_given_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_client()
    assert get_client() is first

    for name, value in (("AIRALO_CLIENT_SECRET", "another"), ("AIRALO_RATE_LIMITS", {"usage": "1/s"})):
        before = get_client()
        with override_settings(**{name: value}):
            assert get_client() is not before

    parent = get_client()
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as after a fork
    assert get_client() is not parent


def test_a_substitute_can_take_the_place_of_the_client(client: AiraloClient) -> None:
    previous = use_client(client)
    try:
        assert get_client() is client
    finally:
        assert use_client(previous) is client
    assert get_client() is not client


@pytest.mark.usefixtures("balance")
def test_a_session_of_the_shop_is_used(make_client: MakeClient, server: ScriptedServer) -> None:
    session = build_session()
    session.headers["X-Shop"] = "ours"

    make_client(session=session).get_balance()

    assert {request.headers["x-shop"] for request in server.requests()} == {"ours"}


def test_the_client_shows_no_secret(client: AiraloClient) -> None:
    client.get_token()

    assert CLIENT_SECRET not in repr(client)
    assert CLIENT_ID not in repr(client)
    assert repr(client).startswith("<AiraloClient http://127.0.0.1:")


def test_wrong_answers_to_the_token_request_stay_secret(
    client: AiraloClient, server: ScriptedServer, cache: BaseCache
) -> None:
    """Also the errors of the errors: the whole chain is searched."""
    for answer in FAILURES.values():
        if not answer.delay and not answer.drip:
            cache.clear()  # so that the limit of three a minute does not come first
            server.on("/v2/token", answer)
            with pytest.raises(AiraloTokenError) as caught:
                client.get_token()
            assert_no_secret(caught.value)


def test_what_is_logged(client: AiraloClient, server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    server.on("/v2/balance", Answer(401, {}))
    server.on("/v2/orders-async", Answer(drop="close"))
    with pytest.raises(AiraloAuthenticationError):
        client.get_balance()
    with pytest.raises(AiraloConnectionError):
        client.submit_order_async(package_id="p", quantity=1)

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("django_airalo")]
    host = urlsplit(server.url).netloc
    assert [line.split(" in ")[0] for line in lines] == [
        "POST /v2/token -> 200",
        "GET /v2/balance -> 401",
        f"POST /v2/orders-async: ConnectionError at {host} (the connection was closed), sent, no answer.",
    ]
