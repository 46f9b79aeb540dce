"""Fulfils orders when they are due and carries webhooks to their addresses, again and again if need be."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import logging
import socket
import threading
import time
from urllib.parse import urlsplit

from . import future
from .ledger import LedgerClosedError, Row
from .orders import fulfil
from .world import World

logger = logging.getLogger("django_airalo.emulator")

# A webhook is due when its time has come, the one it must follow was tried, and, if it is held back for
# reordering, enough webhooks of later orders were tried or it was held long enough.
DUE = """
SELECT w.* FROM webhooks w LEFT JOIN webhooks a ON a.id = w.after_id
WHERE w.state = 'pending' AND w.due_at <= ?
AND (w.after_id IS NULL OR a.id IS NULL OR a.tries > 0)
AND (w.held IS NULL OR w.held_until <= ? OR w.held <= (
    SELECT count(*) FROM webhooks o WHERE o.purchase_id > w.purchase_id AND o.tries > 0))
ORDER BY w.due_at, w.id LIMIT 64
"""


def signature(secret: str, body: bytes) -> str:
    """Return what Airalo sends as ``airalo-signature``: HMAC-SHA512 of the very bytes sent, as lower-case hex."""
    return hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()


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


def reachable(url: str, timeout: float) -> bool:
    """Whether the address answers a HEAD request with 200, which Airalo asks of webhook addresses."""
    return call("HEAD", url, timeout)[0] == http.client.OK


def valid_url(url: str) -> bool:
    """Whether this is an address a webhook can be sent to."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False


class Courier:
    """One background thread that looks for what is due, and one short-lived thread per webhook on its way."""

    MOST_AT_ONCE = 32

    def __init__(self, world: World) -> None:
        self._world = world
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._on_the_way: set[int] = set()
        self._threads: set[threading.Thread] = set()
        self._main = threading.Thread(target=self._run, name="airalo-emulator-courier", daemon=True)

    def start(self) -> None:
        """Begin; whatever the ledger still has pending is taken up again."""
        self._main.start()

    def stop(self) -> None:
        """Begin nothing more; what is on its way gets a second to arrive."""
        self._wake.set()
        if self._main.is_alive():
            self._main.join(2)
        with self._lock:
            threads = list(self._threads)
        end = time.monotonic() + 1
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def nudge(self) -> None:
        """Look for work at once."""
        self._wake.set()

    def idle(self) -> bool:
        """Whether every order that is due is fulfilled and every webhook was tried at least once."""
        if future.due(self._world):  # asked first: what is due becomes a pending purchase, never the other way
            return False
        busy = self._world.ledger.row(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM purchases WHERE status = 'pending')"
            " OR EXISTS (SELECT 1 FROM webhooks WHERE state = 'pending' AND tries = 0)"
        )

        with self._lock:
            return busy is None and not self._on_the_way

    def _run(self) -> None:
        while not self._world.stopping.is_set():
            try:
                pause = self._round()
            except LedgerClosedError:
                return
            except Exception:  # one bad order must not end all deliveries of a long run
                logger.exception("the courier stumbled")
                pause = 0.5
            self._wake.wait(pause)
            self._wake.clear()

    def _round(self) -> float:
        """Do what is due; return how long to wait, in seconds."""
        ledger, now = self._world.ledger, time.time()
        for request_id in future.due(self._world):
            future.process(self._world, request_id)
        for purchase in ledger.rows("SELECT id FROM purchases WHERE status = 'pending' AND due_at <= ?", (now,)):
            fulfil(self._world, purchase["id"])
        for webhook in ledger.rows(DUE, (time.time(), time.time())):
            self._send(webhook)
        following = ledger.row(
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
            thread = threading.Thread(target=self._carry, args=(webhook,), daemon=True)
            self._threads.add(thread)
        thread.start()

    def _carry(self, webhook: Row) -> None:
        try:
            self._try_if_still_due(webhook)
        except LedgerClosedError:
            pass  # stopped meanwhile; the ledger still has it as pending
        finally:
            with self._lock:
                self._on_the_way.discard(webhook["id"])
                self._threads.discard(threading.current_thread())
            self._wake.set()

    def fulfil_and_push(self, purchase_id: int) -> None:
        """Fulfil an order and send its webhooks, one after the other, before returning."""
        ledger = self._world.ledger
        with ledger.transaction():  # the courier's own thread must not see them before they are taken
            queued = fulfil(self._world, purchase_id)
            with self._lock:
                self._on_the_way.update(queued)
        for number in queued:
            row = ledger.row("SELECT * FROM webhooks WHERE id = ?", (number,))
            try:
                if row:
                    self._try_once(row)
            finally:
                with self._lock:
                    self._on_the_way.discard(number)

    def _try_if_still_due(self, webhook: Row) -> None:
        # Between being found due and being taken, another thread may have sent it.
        row = self._world.ledger.row(
            "SELECT * FROM webhooks WHERE id = ? AND state = 'pending' AND tries = ?",
            (webhook["id"], webhook["tries"]),
        )
        if row:
            self._try_once(row)

    def _try_once(self, webhook: Row) -> None:
        options = self._world.options
        status = self.push(webhook["url"], webhook["body"], webhook["kind"], webhook["purchase_id"], webhook["id"])
        tries = webhook["tries"] + 1
        # Only 200 is success: Airalo's documentation calls anything from 204 on a failure.
        state = "delivered" if status == http.client.OK else "pending"
        if state == "pending" and tries > options.retries:
            state = "given up"
        self._world.ledger.execute(
            "UPDATE webhooks SET tries = ?, state = ?, due_at = ? WHERE id = ?",
            (tries, state, time.time() + options.retry_interval, webhook["id"]),
        )

    def push(
        self,
        url: str,
        body: bytes,
        kind: str,
        purchase_id: int | None = None,
        webhook_id: int | None = None,
        secret: str | None = None,
    ) -> int | None:
        """Send a signed body once, write the try down, and return the status, or None without an answer.

        ``secret`` signs with another key than the client secret; an empty one leaves the signature out.
        """
        options = self._world.options
        key = options.client_secret if secret is None else secret
        headers = {"Content-Type": "application/json", "User-Agent": "airalo-emulator"}
        if key:
            headers["airalo-signature"] = signature(key, body)
        status, error = call("POST", url, options.webhook_timeout, body, headers)
        self._world.ledger.insert(
            "pushes",
            webhook_id=webhook_id,
            purchase_id=purchase_id,
            at=time.time(),
            kind=kind,
            url=url,
            body=body,
            status=status,
            error=error,
        )
        logger.info("webhook %s to %s: %s", kind, urlsplit(url).netloc, status or error)
        return status


def local_address(scheme: str, host: str, port: int) -> str:
    """Return the URL of a listening socket; one that listens everywhere is reached on this machine."""
    shown = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104  compared, not bound
    try:
        socket.inet_pton(socket.AF_INET6, shown)
    except OSError:
        return f"{scheme}://{shown}:{port}"
    return f"{scheme}://[{shown}]:{port}"
