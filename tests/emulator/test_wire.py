"""HTTP as the emulator understands it, below any endpoint."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from django_airalo.emulator import Emulator
from django_airalo.emulator.server import local_address

from .support import Partner


def test_a_body_in_chunks_is_read(emulator: Emulator, partner: Partner, package_id: str) -> None:
    def pieces() -> Iterator[bytes]:
        text = json.dumps({"package_id": package_id, "quantity": 1, "description": "in chunks"}).encode()
        yield text[:10]
        yield text[10:]

    answer = partner.post("orders", data=pieces(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert emulator.purchases()[0]["description"] == "in chunks"


def raw(emulator: Emulator, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=60) as connection:
        connection.sendall(text)
        return connection.recv(4096)


@pytest.mark.parametrize(
    "header", [b"Content-Length: 99999999999", b"Content-Length: -1", b"Transfer-Encoding: chunked\r\n\r\nnonsense"]
)
def test_bodies_that_are_too_large_or_nonsense(emulator: Emulator, header: bytes) -> None:
    answer = raw(emulator, b"POST /v2/token HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_an_address_that_cannot_be_taken_apart(emulator: Emulator) -> None:
    assert raw(emulator, b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("body", [b"not JSON", b"[1]", b'"text"', b'{"description": "\\ud800"}', b"[" * 100_000])
def test_unreadable_json_is_a_body_without_fields(emulator: Emulator, partner: Partner, body: bytes) -> None:
    answer = partner.post("orders", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert set(answer.json()["data"]) == {"package_id", "quantity"}


def test_one_connection_serves_many_calls(emulator: Emulator, partner: Partner) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=60)
    token = str(partner.session.headers["Authorization"])
    connection.request("GET", "/v2/balance", headers={"Authorization": token})
    connection.getresponse().read()
    used = connection.sock
    for _ in range(20):
        connection.request("GET", "/v2/balance", headers={"Authorization": token})
        assert connection.getresponse().read()
    assert connection.sock is used
    connection.close()


def test_a_401_has_the_headers_of_the_rate_limit() -> None:
    with Emulator() as emulator:
        connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=60)
        connection.request("GET", "/v2/packages")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["X-RateLimit-Limit"]) == (401, "80")
        connection.close()


def test_addresses_for_people() -> None:
    assert local_address("http", "0.0.0.0", 1) == "http://127.0.0.1:1"  # noqa: S104  compared, not bound
    assert local_address("https", "::1", 2) == "https://[::1]:2"
    assert local_address("http", "localhost", 3) == "http://localhost:3"
