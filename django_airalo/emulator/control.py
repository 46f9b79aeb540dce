"""The control routes under ``/_emulator/``: what tests and demonstrations use, and Airalo does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import InvalidOperation
from typing import Any

from .errors import ApiError, control_error
from .ledger import TABLES, Row
from .messages import Request, Response
from .operations import Operations

PREFIX = "/_emulator/"


def dispatch(emulator: Operations, request: Request) -> Response:
    """Carry out a control request. Bad input is 400 with ``{"error": "…"}``."""
    handler = ROUTES.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
    if handler is None:
        return control_error("no such control route", 404).response
    try:
        answer = handler(emulator, _data(request))
        return Response.of(200, {"ok": True} if answer is None else answer)
    except ApiError as error:
        return error.response
    except (ValueError, KeyError, TypeError, InvalidOperation) as error:
        return control_error(error).response


def _data(request: Request) -> dict[str, Any]:
    # Read as JSON whatever the header says: curl calls everything a form.
    content = json.loads(request.body) if request.body else {}
    if isinstance(content, list):  # a script, as it stands in its file
        return {"rules": content}
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    return content


def _ledger(emulator: Operations, data: dict[str, Any]) -> dict[str, Any]:
    """Return the whole ledger, without tokens, as plain data."""
    content: dict[str, Any] = {
        name: [_readable(row) for row in emulator.ledger.table(name)] for name in TABLES if name != "tokens"
    }
    content["tokens"] = len(emulator.ledger.table("tokens"))
    content["lost_connections"] = emulator.state.lost_connections
    content["balance"] = str(emulator.balance)
    return content


def _readable(row: Row) -> Row:
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}


def _faults(emulator: Operations, data: dict[str, Any]) -> dict[str, int]:
    rules = data.get("rules", [data])
    emulator.state.faults.add(rules)
    return {"added": len(rules)}


def _clear(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.state.faults.clear()


def _outage(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.state.faults.begin_outage(data["do"], data.get("seconds"), data.get("endpoint"))


def _outage_end(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.state.faults.end_outage()


def _code(emulator: Operations, data: dict[str, Any]) -> Row:
    return emulator.change_code(data["iccid"])


def _revoke(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.revoke_tokens()


def _balance(emulator: Operations, data: dict[str, Any]) -> dict[str, str]:
    emulator.balance = data["amount"]
    return {"balance": str(emulator.balance)}


def _stock(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.set_stock(data["package_id"], data["quantity"])


def _package(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.withdraw(data["package_id"], bool(data.get("withdrawn", True)))


def _usage(emulator: Operations, data: dict[str, Any]) -> Row:
    return emulator.set_usage(**data)


def _topup(emulator: Operations, data: dict[str, Any]) -> Row:
    return emulator.topup_elsewhere(data["iccid"], data["package_id"])


def _recycle(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.recycle(data["iccid"], bool(data.get("recycled", True)))


def _due(emulator: Operations, data: dict[str, Any]) -> dict[str, int]:
    return {"due": emulator.make_due(data.get("request_id"))}


def _refund(emulator: Operations, data: dict[str, Any]) -> dict[str, str]:
    emulator.resolve_refund(str(data["refund_id"]), bool(data.get("approved", True)))
    return {"balance": str(emulator.balance)}


def _push(emulator: Operations, data: dict[str, Any]) -> dict[str, int | None]:
    return {"status": emulator.push(**data)}


def _options(emulator: Operations, data: dict[str, Any]) -> None:
    if "limits" in data:
        data = {**data, "limits": {name: (int(n), float(s)) for name, (n, s) in data["limits"].items()}}
    emulator.state.options.change(**data)


def _reset(emulator: Operations, data: dict[str, Any]) -> None:
    emulator.reset(data.get("balance"))


ROUTES: dict[tuple[str, str], Callable[[Operations, dict[str, Any]], Any]] = {
    ("GET", "ledger"): _ledger,
    ("POST", "faults"): _faults,
    ("DELETE", "faults"): _clear,
    ("POST", "outage"): _outage,
    ("DELETE", "outage"): _outage_end,
    ("POST", "revoke-tokens"): _revoke,
    ("POST", "balance"): _balance,
    ("POST", "stock"): _stock,
    ("POST", "package"): _package,
    ("POST", "due"): _due,
    ("POST", "refund"): _refund,
    ("POST", "usage"): _usage,
    ("POST", "topup"): _topup,
    ("POST", "recycle"): _recycle,
    ("POST", "code"): _code,
    ("POST", "push"): _push,
    ("POST", "options"): _options,
    ("POST", "reset"): _reset,
}
