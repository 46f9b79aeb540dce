"""The control plane under ``/_emulator/``: what tests and demonstrations use, and Airalo does not have."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from . import usage
from .errors import ApiError, control_error
from .esims import find_esim
from .faults import Fault
from .ledger import TABLES, Row
from .messages import Request, Response
from .orders import fulfil, webhook_body
from .refunds import settle
from .world import World

PREFIX = "/_emulator/"


def dispatch(world: World, request: Request) -> Response:
    """Carry out a control request. Bad input is 400 with ``{"error": "…"}``."""
    handler = ROUTES.get((request.method, request.path.removeprefix(PREFIX).rstrip("/")))
    if handler is None:
        return control_error("no such control route", 404).response
    try:
        return Response.of(200, handler(world, _data(request)))
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


def snapshot(world: World) -> dict[str, Any]:
    """Return the whole ledger, without tokens, as plain data."""
    content: dict[str, Any] = {
        name: [readable(row) for row in world.ledger.table(name)] for name in TABLES if name != "tokens"
    }
    content["tokens"] = len(world.ledger.table("tokens"))
    content["balance"] = str(world.ledger.balance)
    return content


def readable(row: Row) -> Row:
    """Return a row with bytes as text."""
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in row.items()}


def push(
    world: World,
    *,
    order: int | str,
    kind: str = "success",
    shape: str | None = None,
    url: str | None = None,
    secret: str | None = None,
    **failure: Any,
) -> int | None:
    """Send the webhook of an order now, once, and return the status it was answered with (None: no answer).

    ``order`` is Airalo's order id, code, request_id, or the description. A pending order is fulfilled first.
    """
    if kind not in ("success", "failure"):
        raise ValueError("kind must be success or failure")
    ledger = world.ledger
    row = ledger.row(
        "SELECT * FROM purchases WHERE id = ? OR code = ? OR request_id = ? OR description = ?",
        (order, order, order, order),
    )
    if row is None:
        raise ValueError(f"there is no order {order}")
    if kind == "success":
        fulfil(world, row["id"])
    address = url or row["webhook_url"]
    if not address:
        raise ValueError("the order has no webhook_url; give one as url")
    body = webhook_body(world, row["id"], kind, Fault.parse(failure), shape)
    return world.courier.push(address, body, kind, row["id"], secret=secret)


def set_balance(world: World, amount: Any) -> None:
    """Set what the partner has left, in US dollars; levels of used credit count from there."""
    world.ledger.balance = Decimal(str(amount))
    world.ledger.set_value("credit", str(world.ledger.balance))


def set_stock(world: World, package_id: str, quantity: int | None) -> None:
    """Limit how many eSIMs of a package are left; None lifts the limit."""
    with world.ledger.transaction():
        world.ledger.execute("DELETE FROM stock WHERE package_id = ?", (package_id,))
        if quantity is not None:
            world.ledger.insert("stock", package_id=package_id, quantity=int(quantity))


def withdraw(world: World, package_id: str, withdrawn: bool = True) -> None:
    """Take a package out of the catalogue (an order is refused with code 34, a top-up with 23), or put it back."""
    if package_id not in world.catalogue.packages and package_id not in world.catalogue.topups:
        raise ValueError(f"there is no package {package_id}")
    (world.withdrawn.add if withdrawn else world.withdrawn.discard)(package_id)


def set_usage(world: World, iccid: str, **changes: Any) -> dict[str, Any]:
    """Use an eSIM (``use``: MB, ``use_voice``, ``use_text``), let it ``age`` by days, or say what is told; return it.

    What is told is one or more of the fields of the answer, such as status or remaining; None takes all that
    was told back.
    """
    esim = _esim(world, iccid)
    steps = {name: int(changes.pop(f"use{suffix}", 0)) for name, suffix in USE.items()}
    used = changes.pop("activate", False) or any(steps.values())
    days = float(changes.pop("age", 0))
    unknown = set(changes) - {*usage.SETTABLE, "told"}
    if unknown:
        raise ValueError(f"usage has no {', '.join(sorted(unknown))}")
    if changes.get("status") not in (None, *usage.STATUSES):
        raise ValueError(f"status must be one of {', '.join(usage.STATUSES)}")
    with world.ledger.transaction():
        if used:
            usage.use(world, esim, **steps)
        if days:
            usage.age(world, esim, days)
        told = {} if changes.pop("told", "") is None else json.loads(esim["usage"] or "{}")
        world.ledger.execute("UPDATE esims SET usage = ? WHERE id = ?", (json.dumps(told | changes), esim["id"]))
    world.usage_cache.pop(iccid, None)
    world.courier.nudge()
    return usage.report(world, _esim(world, iccid))


USE = {"data": "", "voice": "_voice", "text": "_text"}


def _esim(world: World, iccid: str) -> Row:
    try:
        return find_esim(world, iccid)
    except ApiError:
        raise ValueError(f"there is no eSIM {iccid}") from None


def recycle(world: World, iccid: str, recycled: bool = True) -> None:
    """Recycle an eSIM, as Airalo does with those long unused, or take that back."""
    at = time.time() if recycled else None
    world.ledger.execute("UPDATE esims SET recycled_at = ? WHERE id = ?", (at, _esim(world, iccid)["id"]))
    world.usage_cache.pop(iccid, None)


def make_due(world: World, request_id: str | None = None) -> int:
    """Let a pending future order (or all of them) be due now; return how many that were."""
    now, found = time.time(), "status = 'pending' AND due_at > ? AND (? = '' OR request_id = ?)"
    values = (now, request_id or "", request_id or "")
    with world.ledger.transaction():
        rows = world.ledger.rows(f"SELECT request_id FROM future_orders WHERE {found}", values)
        world.ledger.execute(f"UPDATE future_orders SET due_at = ? WHERE {found}", (now, *values))
    if request_id and not rows:
        raise ValueError(f"there is no pending future order {request_id}")
    world.courier.nudge()
    return len(rows)


def reset(world: World, balance: Any = None) -> None:
    """Forget orders, pushes, requests, opt-ins, stock, faults and counted calls. Tokens stay valid."""
    world.ledger.reset()
    world.faults.clear()
    world.limits.reset()
    world.withdrawn.clear()
    world.usage_cache.clear()
    set_balance(world, world.options.balance if balance is None else balance)


Control = Callable[[World, dict[str, Any]], Any]
DONE = {"ok": True}


def _ledger(world: World, data: dict[str, Any]) -> Any:
    return snapshot(world)


def _faults(world: World, data: dict[str, Any]) -> Any:
    rules = data.get("rules", [data])
    world.faults.add(rules)
    return {"added": len(rules)}


def _clear(world: World, data: dict[str, Any]) -> Any:
    world.faults.clear()
    return DONE


def _revoke(world: World, data: dict[str, Any]) -> Any:
    world.ledger.revoke_tokens()
    return DONE


def _balance(world: World, data: dict[str, Any]) -> Any:
    set_balance(world, data["amount"])
    return {"balance": str(world.ledger.balance)}


def _stock(world: World, data: dict[str, Any]) -> Any:
    set_stock(world, data["package_id"], data["quantity"])
    return DONE


def _package(world: World, data: dict[str, Any]) -> Any:
    withdraw(world, data["package_id"], bool(data.get("withdrawn", True)))
    return DONE


def _usage(world: World, data: dict[str, Any]) -> Any:
    return set_usage(world, **data)


def _recycle(world: World, data: dict[str, Any]) -> Any:
    recycle(world, data["iccid"], bool(data.get("recycled", True)))
    return DONE


def _due(world: World, data: dict[str, Any]) -> Any:
    return {"due": make_due(world, data.get("request_id"))}


def _refund(world: World, data: dict[str, Any]) -> Any:
    settle(world, str(data["refund_id"]), bool(data.get("approved", True)))
    return {"balance": str(world.ledger.balance)}


def _push(world: World, data: dict[str, Any]) -> Any:
    return {"status": push(world, **data)}


def _options(world: World, data: dict[str, Any]) -> Any:
    if "limits" in data:
        data = {**data, "limits": {name: (int(n), float(s)) for name, (n, s) in data["limits"].items()}}
    world.options.change(**data)
    return DONE


def _reset(world: World, data: dict[str, Any]) -> Any:
    reset(world, data.get("balance"))
    return DONE


ROUTES: dict[tuple[str, str], Control] = {
    ("GET", "ledger"): _ledger,
    ("POST", "faults"): _faults,
    ("DELETE", "faults"): _clear,
    ("POST", "revoke-tokens"): _revoke,
    ("POST", "balance"): _balance,
    ("POST", "stock"): _stock,
    ("POST", "package"): _package,
    ("POST", "due"): _due,
    ("POST", "refund"): _refund,
    ("POST", "usage"): _usage,
    ("POST", "recycle"): _recycle,
    ("POST", "push"): _push,
    ("POST", "options"): _options,
    ("POST", "reset"): _reset,
}
