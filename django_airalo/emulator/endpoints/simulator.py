"""POST /v2/simulator/webhook: the only webhooks that Airalo's sandbox can send."""

from __future__ import annotations

import time
from typing import Any

from django_airalo.emulator import webhooks
from django_airalo.emulator.errors import error_only, invalid
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, php_json
from django_airalo.emulator.order_bodies import answer
from django_airalo.emulator.orders import new_request_id
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.webhook_bodies import LOW_DATA_LEVELS, credit_limit_body, low_data_body, success_body

from .checks import whole_number

# Event: the opt-in it goes to, and the one that shows that the partner wants e-mail instead.
EVENTS = {
    "low_data_notification": ("webhook_low_data", "email_low_data"),
    "credit_limit_notification": ("webhook_credit_limit", "email_credit_limit"),
    "async_order_notification": ("async_orders", ""),
}


def webhook(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Send a made-up notification, to ``webhook_url`` or to the opted-in address, before answering."""
    event = request.text("event")
    if event not in EVENTS:
        raise invalid({"event": f"Event must be one of: {', '.join(EVENTS)}"})
    body = _body(state, request, event)
    url = request.text("webhook_url") or _opted_in(state, event)
    status = webhooks.send(state, url, php_json(body), event) if webhooks.valid_url(url) else None
    if status != 200:
        raise error_only(400, f"Could not push data to {url}")
    return Response.of(200, {"success": "Notification sent"})


def _opted_in(state: EmulatorState, event: str) -> str:
    by_webhook, by_email = EVENTS[event]
    row = state.ledger.row("SELECT contact_point FROM optins WHERE type = ?", (by_webhook,))
    if row:
        return str(row["contact_point"])
    if by_email and state.ledger.row("SELECT 1 FROM optins WHERE type = ?", (by_email,)):
        raise error_only(400, "User is not configured for webhook push")
    raise error_only(400, "User is not opted in")


def _body(state: EmulatorState, request: Request, event: str) -> dict[str, Any]:
    iccid = request.text("iccid") or "8900000000000000123"
    if event == "low_data_notification":
        kind = request.text("type")
        if kind not in LOW_DATA_LEVELS:
            raise invalid({"type": f"Type must be one of: {', '.join(LOW_DATA_LEVELS)}"})
        bought = state.ledger.row(
            "SELECT package_id FROM purchases JOIN esims ON purchases.id = esims.purchase_id WHERE esims.iccid = ?",
            (iccid,),
        )
        return low_data_body(kind, iccid, bought["package_id"] if bought else "test-7days-1gb")
    if event == "credit_limit_notification":
        level = whole_number(request.data.get("level"))
        if level not in (50, 70, 80, 90):
            raise invalid({"level": "Level must be one of: 50, 70, 80, 90"})
        return credit_limit_body(level, 225.35)
    purchase = state.ledger.row(
        "SELECT purchases.* FROM purchases JOIN esims ON purchases.id = esims.purchase_id WHERE esims.iccid = ?",
        (iccid,),
    )
    if purchase is None:
        package = next(iter(state.catalogue.packages))
        purchase = {
            "id": 1,
            "code": "20260101-000001",
            "package_id": package,
            "quantity": 1,
            "description": "Simulated order",
            "created_at": time.time(),
            "brand": None,
            "plan": '{"quantity_sent": 1}',
            "request_id": new_request_id(),
        }
        order = answer(state, purchase)
        order["sims"] = [{"id": 1, "iccid": iccid, "lpa": "rsp.example.com", "matching_id": "TEST"}]
    else:
        order = answer(state, purchase)
    return success_body(order, purchase["request_id"], state.options.webhook_shape)
