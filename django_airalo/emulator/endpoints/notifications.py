"""POST and GET /v2/notifications/opt-in, POST /v2/notifications/opt-out."""

from __future__ import annotations

import json
import time
from typing import Any

from django_airalo.emulator import webhooks
from django_airalo.emulator.errors import invalid
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.ledger import Row
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.state import EmulatorState

from .checks import whole_number

TYPES = (
    "async_orders",
    "webhook_low_data",
    "email_low_data",
    "webhook_credit_limit",
    "email_credit_limit",
)
LEVELS = (50, 70, 80, 90)


def opt_in(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Remember where notifications of one type go; one address per type."""
    kind = _kind(request)
    by_email = kind.startswith("email_")
    contact = request.text("email" if by_email else "webhook_url")
    levels = request.data.get("levels")
    problems = {}
    if by_email and "@" not in contact:
        problems["email"] = "The email must be a valid email address."
    if not by_email and not webhooks.valid_url(contact):
        problems["webhook_url"] = "The webhook url format is invalid."
    if kind.endswith("credit_limit") and levels is None and state.options.levels_required:
        problems["levels"] = "The levels field is required."
    if kind.endswith("credit_limit") and levels is not None:
        numbers = [whole_number(level) for level in levels] if isinstance(levels, list) else []
        if not numbers or any(number not in LEVELS for number in numbers):
            problems["levels"] = "The selected levels is invalid."
        levels = numbers
    if problems:
        raise invalid(problems)
    if not by_email and state.options.head_probe and not state.deliverer.is_reachable(contact):
        raise invalid({"webhook_url": "The webhook url must answer a HEAD request with 200 OK."})
    with state.ledger.transaction():
        state.ledger.execute("DELETE FROM optins WHERE type = ?", (kind,))
        state.ledger.insert(
            "optins",
            type=kind,
            contact_point=contact,
            levels=json.dumps(levels) if kind.endswith("credit_limit") and levels else None,
            language=(request.text("language") or "en") if by_email else None,
            at=time.time(),
        )
    return show(state, request, fault)


def _kind(request: Request) -> str:
    kind = request.text("type")
    if not kind:
        raise invalid({"type": "The type field is required."})
    if kind not in TYPES:
        raise invalid({"type": "The selected type is invalid."})
    return kind


def show(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return the newest opt-in. How Airalo answers for several is not known; it documents a single object."""
    row = state.ledger.row("SELECT * FROM optins ORDER BY rowid DESC LIMIT 1")
    return success({"notification": _content(row)} if row else [])


def _content(row: Row) -> dict[str, Any]:
    content: dict[str, Any] = {"type": row["type"], "contact_point": row["contact_point"]}
    if row["language"]:
        content["language"] = row["language"]
    if row["levels"]:
        content["levels"] = json.loads(row["levels"])
    return content


def opt_out(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Forget an opt-in; 204 without a body."""
    state.ledger.execute("DELETE FROM optins WHERE type = ?", (_kind(request),))
    return Response(204)
