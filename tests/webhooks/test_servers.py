"""Webhooks over real web servers: chunked, cut short, reset, and read again by a middleware."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from django_airalo.testing import low_data_payload, sign_webhook
from tests.ports import free_port
from tests.waiting import wait_until

from .support import URL

ROOT = Path(__file__).parents[2]
WSGI, ASGI = "tests.webhooks.server_shop:wsgi", "tests.webhooks.server_shop:asgi"
SERVERS = {
    "gunicorn": ["gunicorn", "--workers=1", "--bind=127.0.0.1:{port}", WSGI],
    "gunicorn with threads": ["gunicorn", "--workers=1", "--threads=4", "--bind=127.0.0.1:{port}", WSGI],
    "waitress": ["waitress", "--listen=127.0.0.1:{port}", WSGI],
    "uvicorn": ["uvicorn", "--lifespan=off", "--port={port}", ASGI],
}


def environment(database: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.webhooks.server_shop",
        "TEST_DATABASE": "sqlite",
        "TEST_DATABASE_FILE": str(database),
    }


class Server:
    """A web server in a process of its own, with a database of its own."""

    #: Whether it calls Django only after it has read the whole body.
    reads_ahead: bool

    def __init__(self, folder: Path, empty: Path, command: list[str]) -> None:
        self.port = free_port()
        self.database, self.log = folder / "db.sqlite3", folder / "log"
        shutil.copy(empty, self.database)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *(part.format(port=self.port) for part in command)],
                cwd=ROOT,
                env=environment(self.database),
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, self.log.read_text)

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            return requests.head(self.address, timeout=60).status_code == 200
        except requests.ConnectionError:
            return False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{URL}"

    def post(self, body: Any, signed: bytes) -> requests.Response:
        headers = {"airalo-signature": sign_webhook(signed)}
        return requests.post(self.address, data=body, headers=headers, timeout=60)

    def send(self, request: bytes, *, then: str) -> bytes:
        """Return the answer to these bytes, after which the client closes its side or resets the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            if then == "reset":
                time.sleep(0.2)  # the server begins to read
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return b""
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while more := connection.recv(65536):
                answer += more
            return answer

    def stored(self) -> int:
        with sqlite3.connect(self.database) as connection:
            return connection.execute("SELECT count(*) FROM django_airalo_webhookevent").fetchone()[0]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without rows."""
    database = tmp_path_factory.mktemp("empty") / "db.sqlite3"
    migrate = [sys.executable, "-m", "django", "migrate", "--verbosity=0"]
    subprocess.run(migrate, cwd=ROOT, env=environment(database), check=True)
    return database


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty: Path) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"), empty, SERVERS[request.param])
    running.reads_ahead = request.param not in ("gunicorn", "gunicorn with threads")
    yield running
    running.stop()


def new_body() -> bytes:
    return json.dumps(low_data_payload("8900000000000000123") | {"note": os.urandom(8).hex() * 4000}).encode()


def head(body: bytes, *headers: str) -> bytes:
    lines = [f"POST {URL} HTTP/1.1", "Host: localhost", f"airalo-signature: {sign_webhook(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 5000):
        yield body[start : start + 5000]


@pytest.mark.parametrize("is_chunked", [False, True])
def test_webhook_is_stored_and_middleware_reads_its_body_after_view(server: Server, is_chunked: bool) -> None:
    before = server.stored()
    body = new_body()
    response = server.post(pieces(body) if is_chunked else body, signed=body)
    assert response.status_code == 200, server.log.read_text()
    assert response.headers["X-Body-Length"] == str(len(body))
    assert server.stored() == before + 1


def test_chunked_body_of_other_content_is_401(server: Server) -> None:
    before = server.stored()
    assert server.post(pieces(new_body()), signed=new_body()).status_code == 401
    assert server.stored() == before


def is_refused(server: Server, answer: bytes) -> bool:
    """A server that reads the whole body before it calls Django may close the connection without an answer."""
    return (server.reads_ahead and not answer) or answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("kind", ["length", "chunked"])
def test_body_cut_short_is_4xx_without_traceback(server: Server, kind: str, then: str) -> None:
    before = server.stored()
    body = new_body()
    half = body[: len(body) // 2]
    if kind == "length":
        request = head(body, f"Content-Length: {len(body)}") + half
    else:
        request = head(body, "Transfer-Encoding: chunked") + b"%x\r\n" % len(body) + half
    answer = server.send(request, then=then)
    assert then == "reset" or is_refused(server, answer)
    assert server.post(body, signed=body).status_code == 200
    assert server.stored() == before + 1
    assert "Traceback" not in server.log.read_text()


def test_malformed_chunk_is_4xx_without_traceback(server: Server) -> None:
    body = new_body()
    answer = server.send(head(body, "Transfer-Encoding: chunked") + b"5\r\nabcde\r\nnonsense\r\nx\r\n", then="close")
    assert is_refused(server, answer)
    assert "Traceback" not in server.log.read_text()
