"""What leaves, how often, over which connection; and what may have happened when no answer comes."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.core.cache.backends.locmem import LocMemCache
from urllib3.exceptions import ConnectTimeoutError, ReadTimeoutError

from django_airalo.client import AiraloClient
from django_airalo.client.transport import RETRY, build_session
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloConnectionError,
    AiraloResponseError,
    AiraloTimeoutError,
)
from tests.ports import free_port
from tests.scripted_server import Answer, ScriptedServer

from .support import (
    ACCEPTED,
    FAILURES,
    PATIENT,
    PURCHASES,
    MakeClient,
    assert_no_secret,
    seed_token,
    token,
)


def patience(failure: str, impatient: float = 0.5) -> tuple[float, float]:
    """Time-outs that pass only where the failure is that nothing comes."""
    return (PATIENT[0], impatient) if failure in ("time-out", "body stops") else PATIENT


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("how", ["fresh connection", "used connection"])
def test_failed_purchase_is_sent_once(make_client: MakeClient, server: ScriptedServer, failure: str, how: str) -> None:
    session = build_session()
    client = make_client(session=session, timeout=patience(failure))
    before_it = make_client(session=session)  # with the same connections, and time for an answer
    seed_token(client)
    for path, buy in PURCHASES.items():
        if how == "used connection":
            server.on("/v2/orders-async", Answer(202, ACCEPTED))
            before_it.submit_order_async(package_id="p", quantity=1)
        server.on(path, FAILURES[failure])
        before = len(server.requests())

        with pytest.raises(AiraloAPIError) as caught:
            buy(client)

        assert caught.value.may_have_acted is (failure != "429"), path
        assert_no_secret(caught.value)
        assert [(request.method, request.path) for request in server.wait(before + 1)[before:]] == [("POST", path)]


@pytest.mark.parametrize("path", PURCHASES)
def test_a_purchase_that_airalo_did_not_take_was_not_made(
    make_client: MakeClient, server: ScriptedServer, closed_port: int, path: str
) -> None:
    for status in (400, 403, 404, 422):
        server.on(path, Answer(status, {"data": [], "meta": {"message": "no"}}))
        before = len(server.requests(path))
        with pytest.raises(AiraloAPIError) as caught:
            PURCHASES[path](make_client(cache=LocMemCache(f"{path}{status}", {})))
        assert caught.value.may_have_acted is False, status
        assert len(server.requests(path)) == before + 1

    unreachable = make_client(cache=LocMemCache(path, {}), base_url=f"http://127.0.0.1:{closed_port}")
    seed_token(unreachable)
    with pytest.raises(AiraloConnectionError) as refused:
        PURCHASES[path](unreachable)
    assert refused.value.may_have_acted is False


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        ("closed", AiraloConnectionError, "ConnectionError at {host} (the connection was closed), sent, no answer."),
        ("reset", AiraloConnectionError, "ConnectionError at {host} (Connection reset by peer), sent, no answer."),
        ("time-out", AiraloTimeoutError, "ReadTimeout at {host}, sent, no answer."),
        ("cut-off body", AiraloConnectionError, "ChunkedEncodingError at {host}, sent, no answer."),
        ("bad gzip", AiraloConnectionError, "ContentDecodingError at {host}, sent, no answer."),
        ("502 with HTML", AiraloAPIError, "Airalo answered HTTP 502"),
    ],
)
def test_lost_response_raises_documented_error(
    make_client: MakeClient, server: ScriptedServer, failure: str, kind: type, words: str
) -> None:
    server.on("/v2/orders-async", FAILURES[failure])
    client = make_client(timeout=patience(failure))
    seed_token(client)

    with pytest.raises(kind) as caught:
        client.submit_order_async(package_id="p", quantity=1)

    if kind is not AiraloAPIError:
        words = "POST /v2/orders-async: " + words.format(host=urlsplit(server.url).netloc)
    assert str(caught.value) == words


@pytest.mark.parametrize("error", [ConnectTimeoutError("late"), ReadTimeoutError(None, "", "late"), OSError("odd")])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_urllib3_repeats_nothing_whatever_the_error(error: Exception, method: str) -> None:
    with pytest.raises(Exception, match=r"late|odd"):
        RETRY.increment(method, "/v2/orders", error=error)


def test_exception_being_handled_does_not_affect_outcome(
    client: AiraloClient, server: ScriptedServer, closed_port: int
) -> None:
    """Python makes it the context of our error; that it never connected must not pass for our request."""
    server.on("/v2/orders", Answer(drop="close"))
    try:
        requests.get(f"http://127.0.0.1:{closed_port}", timeout=1)
    except requests.ConnectionError:
        with pytest.raises(AiraloConnectionError, match="sent, no answer") as caught:
            client.submit_order(package_id="p", quantity=1)

    assert caught.value.may_have_acted is True
    assert len(server.requests("/v2/orders")) == 1


# Nothing was sent


@pytest.fixture
def closed_port() -> int:
    return free_port()


def test_refused_connection_names_host_and_reason(make_client: MakeClient, closed_port: int) -> None:
    base_url = f"http://ada:hunter2@127.0.0.1:{closed_port}"
    error = str(refused(make_client, base_url))
    host = f"127.0.0.1:{closed_port}"
    assert error == f"POST /v2/orders-async: ConnectionError at {host} (Connection refused), nothing was sent."


def test_unknown_host_is_named(make_client: MakeClient) -> None:
    error = str(refused(make_client, "http://airalo.invalid"))
    assert "ConnectionError at airalo.invalid (a test looked for airalo.invalid), nothing was sent." in error


def refused(make_client: MakeClient, base_url: str) -> AiraloAPIError:
    client = make_client(base_url=base_url, timeout=(0.2, 30))
    seed_token(client)
    started = time.monotonic()
    with pytest.raises(AiraloConnectionError, match="nothing was sent") as caught:
        client.submit_order_async(package_id="p", quantity=1)
    assert time.monotonic() - started < 20  # by the shorter of the two
    assert_no_secret(caught.value)
    return caught.value


def test_connection_refused(make_client: MakeClient, closed_port: int) -> None:
    assert refused(make_client, f"http://127.0.0.1:{closed_port}").may_have_acted is False


def test_unknown_host(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_host(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)

    assert refused(make_client, "http://partners-api.example.invalid").may_have_acted is False


def test_connect_timeout(make_client: MakeClient) -> None:
    # A listener whose queue is full lets nobody in.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        try:
            for queued in waiting:
                queued.setblocking(False)
                queued.connect_ex(listener.getsockname())
            error = refused(make_client, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            for queued in waiting:
                queued.close()

    assert isinstance(error, AiraloTimeoutError)
    assert error.may_have_acted is False


def test_a_proxy_that_cannot_be_reached(
    make_client: MakeClient, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")

    assert refused(make_client, "http://partners-api.example.invalid").may_have_acted is False


@pytest.mark.parametrize(
    "address", ["partners-api.example.com", "http://", "htp://partners-api.example.com", "http://[::1"]
)
def test_invalid_base_url_raises_configuration_error(make_client: MakeClient, address: str) -> None:
    client = make_client(base_url=address)

    with pytest.raises(AiraloConfigurationError, match="AIRALO_BASE_URL is not a valid URL"):
        client.submit_order_async(package_id="p", quantity=1)


# Connections, threads, cookies, files at home


@pytest.mark.usefixtures("balance")
def test_connections_are_reused(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(202, ACCEPTED))

    for _ in range(3):
        client.get_balance()
        client.submit_order_async(package_id="p", quantity=1)

    assert len(server.requests()) == 7
    assert {request.connection for request in server.requests()} == {1}


@pytest.mark.usefixtures("balance")
def test_a_connection_that_the_server_closed_is_replaced(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(202, ACCEPTED, keep_alive=False))

    for _ in range(3):
        client.submit_order_async(package_id="p", quantity=1)

    connections = [request.connection for request in server.requests("/v2/orders-async")]
    assert connections == [1, 2, 3]


def test_eight_threads_share_a_client(client: AiraloClient, server: ScriptedServer) -> None:
    for number in range(40):
        server.on(f"/v2/orders/{number}", Answer(200, {"data": {"id": number, "description": f"order {number}"}}))
    barrier = threading.Barrier(8)

    def ask(thread: int) -> list[tuple[int | None, str]]:
        barrier.wait()
        orders = [client.get_order(number) for number in range(thread * 5, thread * 5 + 5)]
        return [(order.id, order.description) for order in orders]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for part in pool.map(ask, range(8)) for answer in part]

    assert answers == [(number, f"order {number}") for number in range(40)]
    assert len(server.requests("/v2/token")) == 1
    assert server.connections <= 8


@pytest.mark.usefixtures("balance")
def test_cookies_are_not_kept(client: AiraloClient, server: ScriptedServer) -> None:
    body = server.take("/v2/balance").body
    server.on("/v2/balance", Answer(200, body, {"Set-Cookie": "session=abc; Path=/"}))

    client.get_balance()
    client.get_balance()

    assert all("cookie" not in request.headers for request in server.requests())


@pytest.mark.usefixtures("balance")
def test_a_netrc_file_does_not_overrule_the_token(
    client: AiraloClient, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1\nlogin somebody\npassword something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(server.url) == ("somebody", "something")

    client.get_balance()

    by_path = {request.path: request.headers.get("authorization") for request in server.requests()}
    assert by_path == {"/v2/token": None, "/v2/balance": f"Bearer {token(1)}"}


@pytest.mark.usefixtures("balance")
def test_a_slash_at_the_end_of_the_address_does_no_harm(make_client: MakeClient, server: ScriptedServer) -> None:
    make_client(base_url=f"{server.url}/").get_balance()

    assert [request.path for request in server.requests()] == ["/v2/token", "/v2/balance"]


# Credentials and the process's client


def test_the_adapters_keep_their_rules() -> None:
    session = build_session()
    try:
        for scheme in ("http://", "https://"):
            assert session.get_adapter(scheme).max_retries is RETRY
    finally:
        session.close()


def test_a_body_of_another_kind_is_no_answer(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/balance", Answer(200, '"text"'))

    with pytest.raises(AiraloResponseError, match="GET /v2/balance: HTTP 200 with a body that is not JSON"):
        client.get_balance()
