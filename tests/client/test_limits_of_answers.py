"""An answer may neither go on for ever nor fill the memory, whatever its form."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from django_airalo.client import AiraloClient, transport
from django_airalo.exceptions import AiraloAPIError, AiraloProxyError, AiraloResponseError, AiraloTimeoutError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, PURCHASES, MakeClient, page, seed_token

HEAD = b"HTTP/1.1 202 Accepted\r\n"
JSON = b"Content-Type: application/json\r\n"
#: How an answer begins and what drips then, for ever.
DRIPS = {
    "body": (HEAD + JSON + b"Content-Length: 1000000\r\n\r\n", b" "),
    "body without a length": (HEAD + JSON + b"\r\n", b" "),
    "chunks": (HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "length of a chunk": (HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "headers": (HEAD, b"X: y\r\n"),
    "a header": (HEAD, b"X"),
    "status": (b"", b"H"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
BUY = PURCHASES["/v2/orders-async"]


@contextmanager
def dripping(start: bytes, drop: bytes) -> Iterator[str]:
    """The address of a server that answers with ``start`` and then a drop every 20 milliseconds."""
    over = threading.Event()

    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(start)
            try:
                while not over.wait(0.02):
                    connection.sendall(drop)
            except OSError:
                over.set()  # the client has hung up

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=[listener])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("what", DRIPS)
def test_an_answer_that_drips_is_not_waited_for(make_client: MakeClient, what: str) -> None:
    with dripping(*DRIPS[what]) as url:
        client = make_client(base_url=url, timeout=(5, 0.5))
        seed_token(client)
        started = time.monotonic()

        with pytest.raises(AiraloTimeoutError, match="sent, no answer") as caught:
            BUY(client)

    assert 0.4 < time.monotonic() - started < 20
    assert caught.value.may_have_acted is True


def test_a_slow_answer_that_ends_in_time_is_read(make_client: MakeClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(202, ACCEPTED, drip=0.005))

    assert BUY(make_client(timeout=(5, 20)))
    assert BUY(make_client(timeout=(5, 20)))


def test_the_catalogue_may_take_four_times_as_long(make_client: MakeClient, server: ScriptedServer) -> None:
    server.on("/v2/packages", Answer(200, page([]), delay=1.5))

    assert make_client(timeout=(5, 1)).get_packages().items == ()


BOMB = gzip.compress(b" " * 3_000_000)
LONG: dict[str, Callable[[int], Answer]] = {
    "plain": lambda status: Answer(status, b" " * 3_000_000),
    "packed": lambda status: Answer(status, BOMB, {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("form", LONG)
def test_an_answer_that_is_too_long_is_not_read(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER", 1_000_000)
    server.on("/v2/orders-async", LONG[form](202))
    server.on("/v2/balance", LONG[form](200))

    for ask, may_have_acted in ((BUY, True), (AiraloClient.get_balance, False)):
        with pytest.raises(AiraloResponseError, match="with a body of more than") as caught:
            ask(client)
        assert caught.value.may_have_acted is may_have_acted
        assert caught.value.status_code == (202 if may_have_acted else 200)


def test_a_refusal_that_is_too_long_to_be_read_is_not_believed(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER", 1_000_000)
    server.on("/v2/orders-async", LONG["plain"](422))

    with pytest.raises(AiraloProxyError) as caught:
        BUY(client)

    assert caught.value.may_have_acted is True


def test_what_is_long_but_not_too_long_is_read(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(202, {**ACCEPTED, "more": "x" * 12_000_000}))

    assert BUY(client).request_id


def test_a_connection_is_used_again_if_its_answer_was_read_to_the_end(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/v2/notifications/opt-out", Answer(204))
    server.on("/v2/orders-async", Answer(202, ACCEPTED), Answer(422, {}), Answer(202, b""), Answer(202, ACCEPTED))
    for _ in range(4):
        client.opt_out("async_orders")
        try:
            BUY(client)
        except AiraloAPIError:
            continue
    assert {request.connection for request in server.requests()} == {1}

    monkeypatch.setattr(transport, "MAX_ANSWER", 1_000_000)
    server.on("/v2/orders-async", LONG["plain"](202), Answer(202, ACCEPTED))
    with pytest.raises(AiraloResponseError):
        BUY(client)
    BUY(client)
    assert server.requests()[-2].connection == 1
    assert server.requests()[-1].connection == 2


def test_the_time_for_one_answer_is_not_taken_from_the_next(make_client: MakeClient, server: ScriptedServer) -> None:
    """On the same connection, whose socket has what was left of the time."""
    client = make_client(timeout=(5, 1))
    server.on("/v2/orders-async", Answer(202, ACCEPTED, delay=0.7))

    for _ in range(3):
        BUY(client)

    assert {request.connection for request in server.requests()} == {1}
