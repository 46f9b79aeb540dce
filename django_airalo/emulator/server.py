"""The HTTP side: a threading server with keep-alive that can also misbehave on the wire."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .core import EmulatorCore
from .dispatch import Outcome
from .ledger import LedgerClosedError
from .messages import Request, Response

LARGEST_BODY = 10 * 1024 * 1024


class Server(ThreadingHTTPServer):
    """Serves one emulator. Remembers its open connections, so that stopping really ends them."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_port = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], core: EmulatorCore, tls: ssl.SSLContext | None = None) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.scheme = "https" if tls else "http"
        self._tls = tls
        self.core = core
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service for this machine's name, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        if self._tls:
            # The handshake happens in the thread of its connection, so that a slow one holds up nobody.
            self.socket = self._tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a new connection."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End all open connections, kept-alive ones too."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended by itself

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about callers who hang up or are cut off by the end; anything else is printed."""
        if not isinstance(sys.exception(), OSError | LedgerClosedError):
            super().handle_error(request, client_address)


def tls_context(certificate: Path | str | None, key: Path | str | None) -> ssl.SSLContext | None:
    """Return what is needed to speak HTTPS, or None without a certificate. Raises ValueError for unusable files."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise ValueError(f"The certificate {certificate} cannot be used: {error}") from error
    return context


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "airalo-emulator"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 120
    _answered_at: float | None = None  # on the monotonic clock; None before the first answer

    def handle_one_request(self) -> None:
        """Read and answer one request, unless the connection was idle for so long that it counts as lost."""
        if self._is_lost():
            self.close_connection = True
            return
        super().handle_one_request()
        self._answered_at = time.monotonic()

    def _is_lost(self) -> bool:
        """Wait for the next request as long as the option ``idle_limit`` says; afterwards lose what comes."""
        state = self.server.core.state
        limit = state.options.idle_limit
        if limit is None or self._answered_at is None:
            return False
        if self._wait_readable(max(0.0, self._answered_at + limit - time.monotonic())):
            return False
        if state.options.idle_end == "close":
            return True
        self._wait_readable(None)
        if self.server.scheme == "http" and not self.connection.recv(1, socket.MSG_PEEK):
            return True  # the caller closed it in an orderly way
        state.count_lost_connection()
        if state.options.idle_end == "silent":
            self.connection.settimeout(None)
            while self.connection.recv(65_536):
                continue
        else:
            self._reset_connection()
        return True

    def _wait_readable(self, seconds: float | None) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def _handle(self) -> None:
        body = self._read_body()
        if body is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            request = Request(self.command, self.path, headers, body, str(self.client_address[0]), self.server.scheme)
        except ValueError:  # an address that cannot be taken apart
            self._send(Response.of(400, {"message": "Bad Request"}), Outcome(None))
            return
        outcome = self.server.core.dispatch(request)
        if outcome.response is None:
            self._reset_connection()
        else:
            self._send(outcome.response, outcome)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _handle  # noqa: N815  the names that http.server calls

    def _read_body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= LARGEST_BODY:
            self._too_large()
            return None
        return self.rfile.read(length)

    def _read_chunks(self) -> bytes | None:
        body = b""
        while True:
            try:
                size = int(self.rfile.readline(64).partition(b";")[0], 16)
            except ValueError:
                self._too_large()
                return None
            if size < 0 or len(body) + size > LARGEST_BODY:
                self._too_large()
                return None
            body += self.rfile.read(size)
            self.rfile.readline(64)
            if not size:
                return body

    def _too_large(self) -> None:
        self.close_connection = True
        self._send(Response.of(413, {"message": "Payload Too Large"}), Outcome(None))

    def _send(self, response: Response, outcome: Outcome) -> None:
        fault, body = outcome.fault, response.body
        if fault.truncate:
            body = body[: len(body) // 2]
        self.send_response(response.status)
        if response.status != 204:
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD" or response.status == 204:
            return
        if fault.cut:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self._end_connection()
        elif fault.drip:
            self._drip(body, fault.drip)
        else:
            self.wfile.write(body)

    def _drip(self, body: bytes, seconds: float) -> None:
        pieces = 20
        size = max(1, -(-len(body) // pieces))
        for start in range(0, len(body), size):
            self.wfile.write(body[start : start + size])
            self.wfile.flush()
            self.server.core.state.stopping.wait(seconds / pieces)

    def _end_connection(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _reset_connection(self) -> None:
        # Lingering for no time makes the system send a reset, not an orderly end.
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing; calls are logged where their faults are known."""


def local_address(scheme: str, host: str, port: int) -> str:
    """Return the URL of a listening socket; one that listens everywhere is reached on this machine."""
    shown = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104  compared, not bound
    try:
        socket.inet_pton(socket.AF_INET6, shown)
    except OSError:
        return f"{scheme}://{shown}:{port}"
    return f"{scheme}://[{shown}]:{port}"
