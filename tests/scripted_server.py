"""A small HTTP/1.1 server that answers as told and remembers what it was asked. Standard library only.

>>> with ScriptedServer() as server:
...     server.on("/v2/balance", Answer(500), Answer(200, {"data": {}}))
...     ...  # the first request gets the 500, every later one the 200
...     assert [request.method for request in server.requests("/v2/balance")] == ["GET", "GET"]
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Answer:
    """What one request gets.

    Attributes:
        body: bytes as they are, text as UTF-8, anything else as JSON; ``None`` for no body.
        headers: sent besides Content-Length, and Content-Type: application/json unless named here.
        delay: seconds before the answer starts.
        drop: no answer: ``"close"`` closes the connection once the request is read, ``"reset"`` resets it then,
            ``"unread"`` resets it before the body is read.
        cut: send so many bytes of the body, then close, although Content-Length promised more.
        drip: seconds between two bytes of the body.
        garbage: put these bytes on the wire instead of an answer, beneath TLS if there is any, then close.
        keep_alive: whether the connection stays open.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: str = ""
    cut: int | None = None
    drip: float = 0.0
    garbage: bytes = b""
    keep_alive: bool = True

    def payload(self) -> bytes:
        """The body as bytes."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Request:
    """A request as it arrived. ``headers`` have lower-case names; ``connection`` counts connections from 1."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int

    def json(self) -> Any:
        """The body as JSON."""
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """The body as a form."""
        assert self.headers["content-type"] == "application/x-www-form-urlencoded"
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


class ScriptedServer:
    """Listens on a free port of 127.0.0.1 while the ``with`` block runs. With ``tls``, speaks https."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._scripts: dict[str, list[Answer]] = {}
        self._lock = threading.Condition()
        self._log: list[Request] = []
        self._connections = 0
        self._hung_up = threading.Event()
        self._server = _Server(self, tls)
        self.port: int = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hung_up.set()
        self._server.shutdown()
        self._server.server_close()

    def on(self, path: str, *answers: Answer) -> None:
        """Answer requests of ``path`` with these, in turn; the last one stays. Replaces what was told before."""
        with self._lock:
            self._scripts[path] = list(answers)

    def requests(self, path: str | None = None) -> list[Request]:
        """The requests that have arrived so far, of one path or of all."""
        with self._lock:
            return [request for request in self._log if path in (None, request.path)]

    def wait(self, count: int, path: str | None = None, timeout: float = 30) -> list[Request]:
        """The requests, once so many have arrived: whoever gave up on an answer may be ahead of the server."""
        with self._lock:
            enough = self._lock.wait_for(lambda: len(self.requests(path)) >= count, timeout)
        assert enough, f"{len(self.requests(path))} of {count} requests arrived"
        return self.requests(path)

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        with self._lock:
            return self._connections

    def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than the server lives."""
        self._hung_up.wait(seconds)

    def next_connection(self) -> int:
        """Count a connection."""
        with self._lock:
            self._connections += 1
            return self._connections

    def take(self, path: str) -> Answer:
        """The next answer for ``path``."""
        with self._lock:
            script = self._scripts.get(path)
            if not script:
                return Answer(404, {"data": [], "meta": {"message": "not in the script"}})
            return script.pop(0) if len(script) > 1 else script[0]

    def note(self, request: Request) -> None:
        """Remember a request."""
        with self._lock:
            self._log.append(request)
            self._lock.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, script: ScriptedServer, tls: ssl.SSLContext | None) -> None:
        self.script = script
        self.tls = tls
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up on purpose here: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.number = self.server.script.next_connection()

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # under TLS it is another socket than the server's own

    def handle_any(self) -> None:
        script = self.server.script
        parts = urlsplit(self.path)
        answer = script.take(parts.path)
        unread = answer.drop == "unread"
        body = b"" if unread else self.rfile.read(int(self.headers.get("Content-Length", 0)))
        script.note(
            Request(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
                connection=self.number,
            )
        )
        script.sleep(answer.delay)
        if answer.drop:
            self.hang_up(reset=answer.drop != "close")
        elif answer.garbage:
            os.write(self.connection.fileno(), answer.garbage)
            self.hang_up(reset=False)
        else:
            self.answer(answer)

    def answer(self, answer: Answer) -> None:
        payload = answer.payload()
        # Without a date of its own, if the script has one.
        (self.send_response_only if "Date" in answer.headers else self.send_response)(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(payload)))
        if not answer.keep_alive:
            self.send_header("Connection", "close")
        self.end_headers()
        if answer.drip:
            for byte in payload:
                self.wfile.write(bytes([byte]))
                self.server.script.sleep(answer.drip)
        else:
            self.wfile.write(payload[: answer.cut])
        if answer.cut is not None:
            self.hang_up(reset=False)

    def hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:  # a lingering time of 0 makes close() send RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        else:
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""

    do_GET = do_POST = do_PUT = do_HEAD = handle_any  # noqa: N815  the names that http.server calls
