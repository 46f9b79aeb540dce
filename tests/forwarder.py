"""What stands between a shop and Airalo, such as a NAT or a firewall, and silently forgets connections.

>>> with Forwarder(server.port) as between:
...     ...  # requests to between.url reach the server
...     between.forget()  # what the connections of now carry is lost from now on, and neither side is told
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Forwarder:
    """Forwards connections to a port of this machine, byte by byte, so also TLS.

    Args:
        port: where to.
        tunnels: whether it is a proxy that is asked for each connection with CONNECT.
        resets: whether a forgotten connection is reset as soon as something comes over it; else nothing happens.
    """

    def __init__(self, port: int, *, tunnels: bool = False, resets: bool = False) -> None:
        self._target = port
        self._tunnels = tunnels
        self._resets = resets
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[_Pair] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for pair in self._pairs:
            pair.close()

    @property
    def connections(self) -> int:
        """How many connections were opened so far."""
        return len(self._pairs)

    @property
    def lost(self) -> int:
        """How many bytes came over forgotten connections."""
        return sum(pair.lost for pair in self._pairs)

    def forget(self) -> None:
        """Forget all connections of now."""
        for pair in self._pairs:
            pair.is_forgotten = True

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:  # closed
                return
            if self._tunnels:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            pair = _Pair(client, socket.create_connection(("127.0.0.1", self._target)), self._resets)
            self._pairs.append(pair)  # before it carries anything: whoever has its answer may count it
            pair.start()


class _Pair:
    """One connection and its continuation."""

    def __init__(self, client: socket.socket, server: socket.socket, resets: bool) -> None:
        self.is_forgotten = False
        self.lost = 0
        self._client, self._server, self._resets = client, server, resets

    def start(self) -> None:
        for source, target in ((self._client, self._server), (self._server, self._client)):
            threading.Thread(target=self._forward, args=[source, target], daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):  # one side has hung up
            while data := source.recv(65536):
                if not self.is_forgotten:
                    target.sendall(data)
                elif source is self._client:
                    self.lost += len(data)
                    if self._resets:  # a lingering time of 0 makes close() send RST
                        source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        source.close()
                        return
            if not self.is_forgotten:
                target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for end in (self._client, self._server):
            with suppress(OSError):  # it is closed already
                end.shutdown(socket.SHUT_RDWR)
            end.close()
