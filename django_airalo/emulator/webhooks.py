"""What is due, and each attempt to deliver a webhook: signed, sent once, written into the ledger."""

from __future__ import annotations

import hashlib
import hmac
import http
import logging
import time
from urllib.parse import urlsplit

from . import future
from .ledger import Row
from .orders import fulfil
from .state import EmulatorState

logger: logging.Logger = logging.getLogger("django_airalo.emulator")

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


def valid_url(url: str) -> bool:
    """Return whether this is an address a webhook can be sent to."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False


def fulfil_due(state: EmulatorState) -> list[Row]:
    """Buy the future orders and fulfil the orders that are due; return the webhooks that are due then."""
    for request_id in future.due(state):
        future.process(state, request_id)
    due = state.ledger.rows("SELECT id FROM purchases WHERE status = 'pending' AND due_at <= ?", (time.time(),))
    for purchase in due:
        fulfil(state, purchase["id"])
    return state.ledger.rows(DUE, (time.time(), time.time()))


def fulfil_and_send(state: EmulatorState, purchase_id: int) -> None:
    """Fulfil an order and send its webhooks, one after the other, before returning."""
    with state.ledger.transaction():  # the deliverer must not see them before they are reserved
        queued = fulfil(state, purchase_id)
        state.deliverer.reserve(queued)
    for number in queued:
        row = state.ledger.row("SELECT * FROM webhooks WHERE id = ?", (number,))
        try:
            if row:
                attempt(state, row)
        finally:
            state.deliverer.release(number)


def attempt(state: EmulatorState, webhook: Row) -> None:
    """Send a queued webhook once, and write down whether it arrived, is tried again, or is given up."""
    options = state.options
    status = send(state, webhook["url"], webhook["body"], webhook["kind"], webhook["purchase_id"], webhook["id"])
    tries = webhook["tries"] + 1
    # Only 200 is success: Airalo's documentation calls anything from 204 on a failure.
    outcome = "delivered" if status == http.HTTPStatus.OK else "pending"
    if outcome == "pending" and tries > options.retries:
        outcome = "given up"
    state.ledger.execute(
        "UPDATE webhooks SET tries = ?, state = ?, due_at = ? WHERE id = ?",
        (tries, outcome, time.time() + options.retry_interval, webhook["id"]),
    )


def send(
    state: EmulatorState,
    url: str,
    body: bytes,
    kind: str,
    purchase_id: int | None = None,
    webhook_id: int | None = None,
    secret: str | None = None,
) -> int | None:
    """Send a signed body once, write the attempt down, and return the status, or None without an answer.

    ``secret`` signs with another key than the client secret; an empty one leaves the signature out.
    """
    key = state.options.client_secret if secret is None else secret
    headers = {"Content-Type": "application/json", "User-Agent": "airalo-emulator"}
    if key:
        headers["airalo-signature"] = signature(key, body)
    status, error = state.deliverer.post(url, body, headers)
    state.ledger.insert(
        "delivery_attempts",
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
