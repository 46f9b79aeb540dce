"""Connections to Airalo that distinguish failures before sending and limit the time for a whole response.

A request that changes something is not sent over an idle connection, which may have been dropped.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from http.client import HTTPException, HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

#: For how many seconds after a response its connection is used for a request that changes something. NATs, firewalls
#: and load balancers drop idle connections, some without closing them. A request sent over such a connection is lost,
#: and it is unknown whether it was carried out.
FRESH_FOR = 10.0
#: The methods that may use any connection, since a lost request can be repeated.
_READS = frozenset({"GET", "HEAD"})


class _StreamWithEnd(io.RawIOBase):
    """A socket's stream that must be read to its end within the socket's timeout.

    A socket restarts its own timeout with each byte, so a very slow response would block a worker indefinitely.
    """

    def __init__(self, stream: io.RawIOBase, sock: socket.socket) -> None:
        self._stream = stream
        self._sock = sock
        timeout = sock.gettimeout()
        self._end = None if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("The response did not end in time.")
            self._sock.settimeout(left)
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Response(HTTPResponse):
    """A response whose body must be complete in time. When it is made, the socket has the timeout for reading."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_StreamWithEnd(self.fp.detach(), sock))


class _HTTPConnection(HTTPConnection):
    response_class = _Response


class _HTTPSConnection(HTTPSConnection):
    """A connection on which a failed CONNECT or TLS handshake counts as a failure to connect: nothing was sent."""

    response_class = _Response

    def connect(self) -> None:
        try:
            super().connect()
        except (OSError, HTTPException) as error:  # HTTPException: the proxy's response is not HTTP
            raise NewConnectionError(self, f"{type(error).__name__}: {error}") from error


class _CarefulPool(HTTPConnectionPool):
    """A pool that sends a request that changes something over a fresh or a new connection only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calling = threading.local()  # whether this thread's request changes something

    def urlopen(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        self._calling.changes = method.upper() not in _READS
        return super().urlopen(method, url, *args, **kwargs)

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)
        if getattr(self._calling, "changes", True) and not connection.is_closed and not _is_fresh(connection):
            connection.close()  # urllib3 connects again before it sends
        return connection

    def _make_request(self, conn: Any, *args: Any, **kwargs: Any) -> Any:
        response = super()._make_request(conn, *args, **kwargs)
        conn.answered_at = _clocks()
        return response


def _is_fresh(connection: Any) -> bool:
    answered_at = getattr(connection, "answered_at", None)
    if answered_at is None:
        return False
    return all(abs(now - then) <= FRESH_FOR for now, then in zip(_clocks(), answered_at, strict=True))


def _clocks() -> tuple[float, float]:
    """Return both clocks, since the monotonic clock may stop while the machine is suspended."""
    return time.monotonic(), time.time()


class _HTTPConnectionPool(_CarefulPool):
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802
        """Our connections, unless a tool such as vcrpy has replaced urllib3's: then no request may pass it by."""
        theirs = HTTPConnectionPool.ConnectionCls
        return _HTTPConnection if theirs is HTTPConnection else theirs


class _HTTPSConnectionPool(_CarefulPool, HTTPSConnectionPool):
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802
        """Our connections, unless a tool such as vcrpy has replaced urllib3's: then no request may pass it by."""
        theirs = HTTPSConnectionPool.ConnectionCls
        return _HTTPSConnection if theirs is HTTPSConnection else theirs


_POOLS = {"http": _HTTPConnectionPool, "https": _HTTPSConnectionPool}


class Adapter(HTTPAdapter):
    """An adapter that uses these pools, also through a proxy. SOCKS connections are urllib3's own."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        elif is_new:
            pools = manager.pool_classes_by_scheme.items()
            manager.pool_classes_by_scheme = {
                scheme: type(pool.__name__, (_CarefulPool, pool), {}) for scheme, pool in pools
            }
        return manager
