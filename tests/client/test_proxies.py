"""Through a proxy: before its tunnel stands nothing is sent, and an answer through it must end in time, too."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from django_airalo.client import AiraloClient
from django_airalo.exceptions import AiraloConfigurationError, AiraloConnectionError, AiraloTimeoutError
from tests.scripted_server import ScriptedServer

from .support import PATIENT, PURCHASES, MakeClient, assert_no_secret, seed_token
from .test_limits_of_answers import dripping
from .test_tls import certificate, make_tls_client, tls_server  # noqa: F401  fixtures

BUY = PURCHASES["/v2/orders-async"]
ELSEWHERE = "partners-api.example.invalid"


@pytest.fixture
def use_proxy(monkeypatch: pytest.MonkeyPatch):
    def use(url: str) -> None:
        for name in ("NO_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "")
            monkeypatch.setenv(name.lower(), "")
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, url)
            monkeypatch.setenv(name.lower(), url)

    return use


@contextmanager
def proxy(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that says each of these after something has come in, then hangs up; and what it was asked.

    Without answers it is silent.
    """
    asked: list[bytes] = []
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            for answer in answers:
                asked.append(connection.recv(65536))
                connection.sendall(answer)
            if not answers:
                over.wait()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            over.set()
            thread.join()


def not_sent(client: AiraloClient) -> AiraloConnectionError:
    seed_token(client)
    with pytest.raises(AiraloConnectionError, match="nothing was sent") as caught:
        BUY(client)
    assert caught.value.may_have_acted is False
    assert_no_secret(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\nno\r\n",
        b"HTTP/1.0 502 Bad Gateway\r\n\r\n",
        b"hello\r\n",
        b"",
    ],
)
def test_a_proxy_that_opens_no_tunnel(make_client: MakeClient, use_proxy, refusal: bytes) -> None:
    with proxy(refusal) as (url, asked):
        use_proxy(url)
        not_sent(make_client(base_url=f"https://{ELSEWHERE}"))

    assert asked[0].startswith(f"CONNECT {ELSEWHERE}:443 HTTP/1".encode())


@pytest.mark.parametrize(
    "behind", [b"no TLS", b"\x15\x03\x03\x00\x02\x02\x28", b""], ids=["no TLS", "alert", "nothing"]
)
def test_a_tunnel_to_what_speaks_no_tls(make_client: MakeClient, use_proxy, behind: bytes) -> None:
    with proxy(b"HTTP/1.1 200 Connection established\r\n\r\n", behind) as (url, _):
        use_proxy(url)
        not_sent(make_client(base_url=f"https://{ELSEWHERE}"))


def test_a_proxy_that_says_nothing(make_client: MakeClient, use_proxy) -> None:
    with proxy() as (url, _):
        use_proxy(url)
        not_sent(make_client(base_url=f"https://{ELSEWHERE}", timeout=(0.3, 30)))


def test_a_proxy_that_drips(make_client: MakeClient, use_proxy) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n") as url:
        use_proxy(url)
        started = time.monotonic()
        not_sent(make_client(base_url=f"https://{ELSEWHERE}", timeout=(0.5, 0.5)))

    assert time.monotonic() - started < 10


def test_an_answer_that_drips_through_a_proxy(make_client: MakeClient, use_proxy) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" ") as url:
        use_proxy(url)
        client = make_client(base_url=f"http://{ELSEWHERE}", timeout=(PATIENT[0], 0.5))
        seed_token(client)
        with pytest.raises(AiraloTimeoutError) as caught:
            BUY(client)

    assert caught.value.may_have_acted is True


@pytest.mark.parametrize("address", ["http://", "ftp://proxy.example.com:8080", "http://user:proxy-password@["])
def test_the_address_of_a_proxy_that_is_none(make_client: MakeClient, use_proxy, address: str) -> None:
    client = make_client(base_url=f"https://{ELSEWHERE}")
    seed_token(client)
    use_proxy(address)

    with pytest.raises(AiraloConfigurationError, match="The environment names a proxy") as caught:
        BUY(client)

    assert "proxy-password" not in str(caught.value)


def test_a_good_proxy_that_forwards(make_client: MakeClient, server: ScriptedServer, use_proxy) -> None:
    """The scripted server takes any address in the request for its own."""
    use_proxy(server.url)

    assert make_client(base_url=f"http://{ELSEWHERE}").get_token()


def test_a_good_proxy_that_tunnels(make_tls_client: MakeClient, tls_server: ScriptedServer, use_proxy) -> None:  # noqa: F811  the fixture
    client = make_tls_client()
    with tunnel(tls_server.port) as (url, asked):
        use_proxy(url)
        for _ in range(2):
            assert BUY(client).request_id

    assert [line.rpartition("/")[0] for line in asked] == [f"CONNECT 127.0.0.1:{tls_server.port} HTTP"]
    assert len(tls_server.requests("/v2/orders-async")) == 2


@contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy that connects one client with a port of this machine; and the first lines it was sent."""
    asked: list[str] = []

    def pipe(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # the other side has hung up
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as client, socket.create_connection(("127.0.0.1", port)) as server:
            asked.append(client.recv(65536).decode().splitlines()[0])
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pipe, args=[server, client], daemon=True)
            back.start()
            pipe(client, server)
            back.join(10)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=[listener], daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
