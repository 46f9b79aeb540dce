"""Takes webhooks to their addresses over HTTP, in threads, again and again if need be."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from urllib.parse import urlsplit

from . import future, webhooks
from .ledger import LedgerClosedError, Row
from .state import EmulatorState

logger: logging.Logger = logging.getLogger("django_airalo.emulator")


def call(
    method: str, url: str, timeout: float, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int | None, str | None]:
    """Send one request without following redirects; return (status, None) or (None, what went wrong)."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        try:
            connection.request(method, target, body=body or None, headers=headers or {})
            response = connection.getresponse()
            response.read(65_536)
            return response.status, None
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return None, f"{type(error).__name__}: {error}"


class HttpDeliverer:
    """One background thread that looks for what is due, and one short-lived thread per webhook on its way."""

    MOST_AT_ONCE = 32

    def __init__(self, state: EmulatorState) -> None:
        self._state = state
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._on_the_way: set[int] = set()
        self._threads: set[threading.Thread] = set()
        self._main = threading.Thread(target=self._run, name="airalo-emulator-deliverer", daemon=True)

    def start(self) -> None:
        """Begin; whatever the ledger still has pending is taken up again."""
        self._main.start()

    def stop(self) -> None:
        """Begin nothing more; what is on its way gets a second to arrive."""
        self._woken.set()
        if self._main.is_alive():
            self._main.join(2)
        with self._lock:
            threads = list(self._threads)
        end = time.monotonic() + 1
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def wake(self) -> None:
        """Look for work at once."""
        self._woken.set()

    def is_reachable(self, url: str) -> bool:
        """Return whether the address answers a HEAD request with 200."""
        return call("HEAD", url, self._state.options.webhook_timeout)[0] == http.HTTPStatus.OK

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str | None]:
        """Send one webhook; return (status, None), or (None, what went wrong)."""
        return call("POST", url, self._state.options.webhook_timeout, body, headers)

    def reserve(self, webhook_ids: list[int]) -> None:
        """Leave these webhooks to the caller until they are released."""
        with self._lock:
            self._on_the_way.update(webhook_ids)

    def release(self, webhook_id: int) -> None:
        """Take a webhook into account again."""
        with self._lock:
            self._on_the_way.discard(webhook_id)

    def is_idle(self) -> bool:
        """Return whether every order that is due is fulfilled and every webhook was tried at least once."""
        if future.due(self._state):  # asked first: what is due becomes a pending purchase, never the other way
            return False
        busy = self._state.ledger.row(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM purchases WHERE status = 'pending')"
            " OR EXISTS (SELECT 1 FROM webhooks WHERE state = 'pending' AND tries = 0)"
        )
        with self._lock:
            return busy is None and not self._on_the_way

    def _run(self) -> None:
        while not self._state.stopping.is_set():
            try:
                pause = self._round()
            except LedgerClosedError:
                return
            except Exception:  # one bad order must not end all deliveries of a long run
                logger.exception("a round of deliveries failed")
                pause = 0.5
            self._woken.wait(pause)
            self._woken.clear()

    def _round(self) -> float:
        """Do what is due; return how long to wait, in seconds."""
        for webhook in webhooks.fulfil_due(self._state):
            self._send(webhook)
        following = self._state.ledger.row(
            "SELECT min(due_at) AS at FROM (SELECT due_at FROM purchases WHERE status = 'pending'"
            " UNION ALL SELECT due_at FROM webhooks WHERE state = 'pending')"
        )
        at = following["at"] if following else None
        # What is due already but waits for another webhook is looked at again soon.
        return 0.5 if at is None else min(max(at - time.time(), 0.02), 0.5)

    def _send(self, webhook: Row) -> None:
        with self._lock:
            if webhook["id"] in self._on_the_way or len(self._on_the_way) >= self.MOST_AT_ONCE:
                return
            self._on_the_way.add(webhook["id"])
            thread = threading.Thread(target=self._deliver, args=(webhook,), daemon=True)
            self._threads.add(thread)
        thread.start()

    def _deliver(self, webhook: Row) -> None:
        try:
            # Between being found due and being taken, another thread may have sent it.
            row = self._state.ledger.row(
                "SELECT * FROM webhooks WHERE id = ? AND state = 'pending' AND tries = ?",
                (webhook["id"], webhook["tries"]),
            )
            if row:
                webhooks.attempt(self._state, row)
        except LedgerClosedError:
            pass  # stopped meanwhile; the ledger still has it as pending
        finally:
            with self._lock:
                self._on_the_way.discard(webhook["id"])
                self._threads.discard(threading.current_thread())
            self._woken.set()
