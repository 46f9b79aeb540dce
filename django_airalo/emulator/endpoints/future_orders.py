"""Orders for later: POST and GET /v2/future-orders, POST /v2/cancel-future-orders."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from django_airalo.emulator import future
from django_airalo.emulator.catalogue_data import TEST_FUTURE_PACKAGES
from django_airalo.emulator.errors import business, invalid
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, php_json, success
from django_airalo.emulator.orders import fulfil, refuse
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.times import parsed

from .checks import brand_problems, how_many, paging, sharing
from .orders import webhook_address
from .pages import links_and_meta

SHAPE = "%Y-%m-%d %H:%M"
STATUSES = ("pending", "failed", "retry")
MOST = 10  # cancelled with one call
LENGTH = 25  # of a request id


def create(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Keep an order until it is due; in the sandbox it is carried out at once (but for the test packages)."""
    quantity, problems = how_many(request)
    due_at, wrong = _due(state, request.text("due_date"))
    share, not_shared = sharing(request)
    problems |= wrong | not_shared | brand_problems(state, request.text("brand_settings_name"))
    package_id = request.text("package_id")
    if not package_id:
        problems["package_id"] = "The package id field is required."
    if problems:
        raise invalid(problems)
    if package_id not in TEST_FUTURE_PACKAGES:
        package = state.package(package_id)
        if package is None:
            raise business(34)  # here an unknown package is documented with its code, unlike in an order
        refuse(state, package)
    order: dict[str, Any] = {
        "package_id": package_id,
        "quantity": quantity,
        "quantity_sent": request.data["quantity"],
        "description": request.text("description") or None,
        "brand": request.text("brand_settings_name") or None,
        "share": share,
        "due_at": due_at,
        "webhook_url": webhook_address(state, request),
    }
    with state.ledger.transaction():
        request_id = future.schedule(state, **order, fault=fault)
        if fault.twin:
            future.schedule(state, **order | {"webhook_url": None}, fault=replace(fault, webhook="none"))
        if state.options.sandbox and package_id not in TEST_FUTURE_PACKAGES:
            number = future.process(state, request_id)
            if number is not None:
                fulfil(state, number)
    state.deliverer.wake()
    return success({"request_id": request_id, **future.dates(due_at)})


def _due(state: EmulatorState, text: str) -> tuple[float, dict[str, str]]:
    if not text:
        return 0.0, {"due_date": "The due date field is required."}
    due_at = parsed(text, SHAPE)
    if due_at is None:
        return 0.0, {"due_date": "The due date does not match the format Y-m-d H:i."}
    now = time.time()
    # Airalo's page contradicts itself: the error text names the day after tomorrow, the field's text 48 hours.
    by_the_hour = state.options.future_earliest == "48-hours"
    if due_at < (now + 2 * future.DAY if by_the_hour else (now // future.DAY + 2) * future.DAY):
        return 0.0, {"due_date": "Minimum due date must be at least the day after tomorrow in UTC timezone."}
    if due_at > now + 366 * future.DAY:
        return 0.0, {"due_date": "Maximum due date must be at most one year from now."}  # not a documented text
    return due_at, {}


def index(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return future orders of one status, the last due first. Those carried out or cancelled are never listed."""
    status = request.query.get("status", "") or "pending"
    problems = {} if status in STATUSES else {"status": "The selected status is invalid."}
    conditions = "status = ?"
    values: list[Any] = [status]
    for name, sign in (("from_due_date", ">="), ("to_due_date", "<=")):
        text = request.query.get(name, "")
        at = parsed(text, SHAPE)
        if text and at is None:
            problems[name] = f"The {name.replace('_', ' ')} is not a valid date."
        elif at is not None:
            conditions, values = f"{conditions} AND due_at {sign} ?", [*values, at]
    limit, page = paging(request, problems)
    limit = limit or 25
    counted = state.ledger.row(f"SELECT count(*) AS n FROM future_orders WHERE {conditions}", tuple(values))
    rows = state.ledger.rows(
        f"SELECT * FROM future_orders WHERE {conditions} ORDER BY due_at DESC, rowid DESC LIMIT ? OFFSET ?",
        (*values, limit, (page - 1) * limit),
    )
    shown = [
        {
            "request_id": row["request_id"],
            "quantity": row["quantity"],
            "description": (row["description"] or "") if state.options.future_descriptions else "",
            "status": row["status"],
            "package_id": row["package_id"],
            **future.dates(row["due_at"]),
        }
        for row in rows
    ]
    total = counted["n"] if counted else 0
    return Response(200, php_json({"data": shown, **links_and_meta(request, total, limit, page, len(rows))}))


def cancel(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Cancel up to ten future orders, all or none (how Airalo treats a list that is partly wrong is not known)."""
    wanted = request.data.get("request_ids")
    if not wanted:
        raise invalid({"request_ids": "The request ids field is required."})
    if not isinstance(wanted, list):
        raise invalid({"request_ids": "The request ids must be an array."})
    if len(wanted) > MOST:
        raise invalid({"request_ids": f"The request ids may not have more than {MOST} items."})
    with state.ledger.transaction():
        answers = {f"request_ids.{position}": _refusal(state, wanted, item) for position, item in enumerate(wanted)}
        problems = {name: text for name, text in answers.items() if text}
        if problems:
            raise invalid(problems)
        for request_id in wanted:
            state.ledger.execute("UPDATE future_orders SET status = 'cancelled' WHERE request_id = ?", (request_id,))
    return Response.of(200, {"data": [], "meta": {"message": "Future orders cancelled successfully"}})


def _refusal(state: EmulatorState, wanted: list[Any], request_id: Any) -> str:
    if not isinstance(request_id, str) or len(request_id) != LENGTH:
        return f"Each request ID must be exactly {LENGTH} characters long."
    if wanted.count(request_id) > 1:
        return "Request IDs must be unique."  # documented as a rule, without its text
    row = future.find(state, request_id)
    if row is None:
        return f"Request ID: {request_id} does not exist."
    # A failed one of the test packages can be cancelled, too, as documented.
    is_open = row["status"] in ("pending", "retry", *(("failed",) if row["package_id"] in TEST_FUTURE_PACKAGES else ()))
    if not is_open:
        return f"Request ID: {request_id} is already processed and can not be cancelled."
    if time.time() > row["due_at"] - future.DAY:
        return f"Request ID: {request_id} can not be cancelled later than 24 hours before it is due."
    return ""
