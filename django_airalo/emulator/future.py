"""Future orders: kept until they are due, then bought like any other order."""

from __future__ import annotations

import json
import time
from typing import Any

from .catalogue_data import TEST_FUTURE_PACKAGES
from .errors import ApiError
from .faults import Fault
from .ledger import Row
from .messages import php_json
from .orders import buy, new_request_id, plan_of
from .state import EmulatorState
from .times import minute, parsed
from .webhook_bodies import failure_body

DAY = 86_400


def schedule(
    state: EmulatorState,
    *,
    package_id: str,
    quantity: int,
    quantity_sent: Any,
    description: str | None,
    brand: str | None,
    share: dict[str, Any] | None,
    due_at: float,
    webhook_url: str | None,
    fault: Fault,
) -> str:
    """Write a future order into the ledger and return its request id. Nothing is paid before it is due."""
    request_id = new_request_id()
    state.ledger.insert(
        "future_orders",
        request_id=request_id,
        package_id=package_id,
        quantity=quantity,
        description=description,
        due_at=due_at,
        status=TEST_FUTURE_PACKAGES.get(package_id, "pending"),
        webhook_url=webhook_url,
        brand=brand,
        share=json.dumps(share),
        plan=json.dumps({"fault": plan_of(fault), "quantity_sent": quantity_sent}),
    )
    return request_id


def due(state: EmulatorState) -> list[str]:
    """Return the request ids of what must be bought now. The test packages are never bought."""
    rows = state.ledger.rows(
        "SELECT request_id, package_id FROM future_orders WHERE status = 'pending' AND due_at <= ? ORDER BY due_at",
        (time.time(),),
    )
    return [row["request_id"] for row in rows if row["package_id"] not in TEST_FUTURE_PACKAGES]


def process(state: EmulatorState, request_id: str) -> int | None:
    """Buy what a pending future order asks for and return the order's id.

    What cannot be bought any more fails, says so by webhook, and returns None.
    """
    ledger = state.ledger
    with ledger.transaction():
        row = find(state, request_id)
        if row is None or row["status"] != "pending":
            return None
        plan = json.loads(row["plan"])
        fault = Fault(**plan["fault"])
        try:
            number = buy(
                state,
                state.catalogue.packages[row["package_id"]],
                row["quantity"],
                plan["quantity_sent"],
                row["description"],
                row["brand"],
                fault,
                request_id,
                row["webhook_url"],
                share=json.loads(row["share"] or "null"),
            )
        except ApiError as error:
            _fail(state, row, error)
            return None
        status = "failed" if fault.webhook == "failure" else "processed"
        ledger.execute(
            "UPDATE future_orders SET status = ?, purchase_id = ? WHERE request_id = ?", (status, number, request_id)
        )
    return number


def _fail(state: EmulatorState, row: Row, error: ApiError) -> None:
    state.ledger.execute("UPDATE future_orders SET status = 'failed' WHERE request_id = ?", (row["request_id"],))
    if state.options.sandbox or not row["webhook_url"]:
        return
    error_body = json.loads(error.response.body)
    # Without a code it is the quantity that is not there any more.
    fault = Fault(failure_code=error_body.get("code", 33), failure_reason=error_body.get("reason"))
    state.ledger.insert(
        "webhooks",
        purchase_id=None,
        kind="failure",
        url=row["webhook_url"],
        body=php_json(failure_body(row["request_id"], fault, state.options)),
        due_at=time.time(),
        state="pending",
    )


def find(state: EmulatorState, request_id: str) -> Row | None:
    """Return a future order."""
    return state.ledger.row("SELECT * FROM future_orders WHERE request_id = ?", (request_id,))


def dates(due_at: float) -> dict[str, str]:
    """Return when an order is due and until when it may be cancelled, as Airalo writes it."""
    return {"due_date": minute(due_at), "latest_cancellation_date": minute(due_at - DAY)}


def change(state: EmulatorState, request_id: str, fields: dict[str, Any]) -> None:
    """Change ``description``, ``quantity``, ``package_id`` or ``due_date`` of a future order."""
    columns: dict[str, Any] = {
        name: fields[name] for name in ("description", "quantity", "package_id") if name in fields
    }
    if "due_date" in fields:
        columns["due_at"] = parsed(fields["due_date"], "%Y-%m-%d %H:%M")
    for name, value in columns.items():
        state.ledger.execute(f"UPDATE future_orders SET {name} = ? WHERE request_id = ?", (value, request_id))
