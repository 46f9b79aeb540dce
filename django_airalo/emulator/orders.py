"""Buying and fulfilling: what happens to the ledger when somebody orders."""

from __future__ import annotations

import json
import secrets
import string
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from . import usage
from .catalogue_data import TEST_PACKAGES
from .catalogue_parts import Package
from .errors import business, invalid
from .esims import deliver, sims_of
from .faults import Fault
from .ledger import Row
from .messages import php_json
from .order_bodies import answer, share_of
from .state import EmulatorState
from .webhook_bodies import credit_limit_body, failure_body, success_body

NANOID = string.ascii_letters + string.digits + "-_"


def new_request_id() -> str:
    """Return 25 characters like Airalo's ids of async orders."""
    return "".join(secrets.choice(NANOID) for _ in range(25))


def buy(
    state: EmulatorState,
    package: Package,
    quantity: int,
    quantity_sent: Any,
    description: str | None,
    brand: str | None,
    fault: Fault,
    request_id: str | None = None,
    webhook_url: str | None = None,
    *,
    iccid: str | None = None,
    share: dict[str, Any] | None = None,
) -> int:
    """Write one purchase into the ledger, take its price from the balance, and return Airalo's order id.

    ``iccid`` is the eSIM a top-up is for; ``share`` is how an eSIM is sent on: to_email, sharing_option and
    copy_address. Raises ApiError, with nothing written, when the package's code, stock or the balance forbid it.
    """
    refuse(state, package)
    ledger, options = state.ledger, state.options
    price = Decimal("0") if options.sandbox else Decimal(str(state.unit_price(package))) * quantity
    delay = options.webhook_delay if fault.webhook_delay is None else fault.webhook_delay
    now = time.time()
    with ledger.transaction():
        stock = ledger.row("SELECT quantity FROM stock WHERE package_id = ?", (package.id,))
        if stock is not None and stock["quantity"] < quantity:
            if not stock["quantity"]:
                raise business(34)
            raise invalid({"quantity": f"SIM quantity is not available. Available quantity: {stock['quantity']}."})
        if price > ledger.balance:
            raise business(11, f"{ledger.balance}")
        if stock is not None:
            ledger.execute("UPDATE stock SET quantity = quantity - ? WHERE package_id = ?", (quantity, package.id))
        spend(state, price)
        last = ledger.row("SELECT max(id) AS id FROM purchases")
        number = (last["id"] if last and last["id"] else int(ledger.value("first_order_id"))) + 1
        plan = {"fault": plan_of(fault), "quantity_sent": quantity_sent}
        ledger.insert(
            "purchases",
            id=number,
            code=f"{datetime.fromtimestamp(now, UTC):%Y%m%d}-{number:06d}",
            request_id=request_id,
            description=description,
            package_id=package.id,
            quantity=quantity,
            price=f"{price:.2f}",
            created_at=now,
            due_at=now + delay if request_id else now,
            status="pending",
            webhook_url=webhook_url,
            brand=brand,
            plan=json.dumps(plan),
            type=package.kind,
            iccid=iccid,
            share=json.dumps(share_of(brand, share)) if package.kind == "sim" else None,
        )
    return number


def spend(state: EmulatorState, price: Decimal) -> None:
    """Take a price from the balance, and tell who opted in that so much of the credit is used.

    The credit is what the balance was set to last. Which levels Airalo tells who chose none is not documented: all.
    """
    ledger = state.ledger
    before, after = (_used(state, balance) for balance in (ledger.balance, ledger.balance - price))
    ledger.balance -= price
    opted_in = ledger.row("SELECT * FROM optins WHERE type = 'webhook_credit_limit'")
    if opted_in is None or state.options.sandbox:
        return
    for level in json.loads(opted_in["levels"] or "[50, 70, 80, 90]"):
        if before < level <= after:
            ledger.insert(
                "webhooks",
                purchase_id=None,
                kind="credit_limit_notification",
                url=opted_in["contact_point"],
                body=php_json(credit_limit_body(level, float(ledger.balance))),
                due_at=time.time(),
                state="pending",
            )


def _used(state: EmulatorState, balance: Decimal) -> Decimal:
    credit = Decimal(state.ledger.value("credit"))
    return 100 * (credit - balance) / credit if credit > 0 else Decimal(0)


def refuse(state: EmulatorState, package: Package) -> None:
    """Raise ApiError for a package that cannot be bought: a test package, or one that was withdrawn."""
    code = TEST_PACKAGES.get(package.id)
    if code is not None:
        raise business(code, "0" if code in (11, 33) else "")
    if package.id in state.withdrawn:
        raise business(23 if package.kind == "topup" else 34)


PLANNED = (
    "webhook",
    "webhook_shape",
    "copies",
    "parallel",
    "hold_for",
    "hold_at_most",
    "failure_code",
    "failure_reason",
    "failure_has_code",
    "failure_has_request_id",
    "failure_enveloped",
    "more_sims",
    "repeat_iccid",
    "no_iccid",
    "listing_delay",
    "webhook_wait",
    "again_after",
    "again_shape",
    "iccid_form",
    "codes",
    "codes_delay",
    "codes_later_in",
    "first_sims",
    "rest",
    "rest_delay",
    "rest_only",
)


def plan_of(fault: Fault) -> dict[str, Any]:
    """Return what a fault has planned for the time after the answer."""
    # Kept in the ledger, so that what was scripted for an order still happens after a restart.
    return {name: getattr(fault, name) for name in PLANNED}


def fulfil(state: EmulatorState, number: int) -> list[int]:
    """Deliver a pending purchase (or fail it) and queue its webhooks, all in one transaction.

    Returns the ids of the webhooks; nothing happens to a purchase that is no longer pending.
    """
    ledger = state.ledger
    with ledger.transaction():
        purchase = ledger.row("SELECT * FROM purchases WHERE id = ? AND status = 'pending'", (number,))
        if purchase is None:
            return []
        fault = Fault(**json.loads(purchase["plan"])["fault"])
        now = time.time()
        if fault.webhook == "failure":
            ledger.balance += Decimal(purchase["price"])
            ledger.execute("UPDATE purchases SET status = 'failed', price = '0.00' WHERE id = ?", (number,))
        else:
            deliver(state, purchase, fault, now)
            usage.add_package(state, purchase, now)
            delay = state.options.listing_delay if fault.listing_delay is None else fault.listing_delay
            ledger.execute(
                "UPDATE purchases SET status = 'completed', fulfilled_at = ?, listed_at = ? WHERE id = ?",
                (now, now + delay, number),
            )
        return _queue_webhooks(state, purchase, fault, now)


def _queue_webhooks(state: EmulatorState, purchase: Row, fault: Fault, now: float) -> list[int]:
    """Queue the webhooks of an order; return the ids of the first ones, without those that come again later."""
    if state.options.sandbox or not purchase["webhook_url"]:
        return []
    queued: list[int] = []
    kinds = [] if fault.webhook == "none" else fault.webhook.split("-then-")
    due_at = now + fault.webhook_wait
    for kind in kinds:
        body = webhook_body(state, purchase["id"], kind, fault, at=now)
        for copy in range(fault.copies):
            after = queued[-1] if queued and not (fault.parallel and copy) else None
            held = {"after_id": after, "held": fault.hold_for or None, "held_until": now + fault.hold_at_most}
            queued.append(_queue(state, purchase, kind, body, due_at, **held))
        if fault.again_after is not None:
            body = webhook_body(state, purchase["id"], kind, fault, fault.again_shape, at=now)
            _queue(state, purchase, kind, body, due_at + fault.again_after)
    if fault.first_sims is not None and fault.rest == "webhook":
        later = now + max(fault.rest_delay, 0.001)
        body = webhook_body(state, purchase["id"], "success", fault, at=later, after=now if fault.rest_only else 0.0)
        _queue(state, purchase, "success", body, later)
    return queued


def _queue(state: EmulatorState, purchase: Row, kind: str, body: bytes, due_at: float, **held: Any) -> int:
    return state.ledger.insert(
        "webhooks",
        purchase_id=purchase["id"],
        kind=kind,
        url=purchase["webhook_url"],
        body=body,
        due_at=due_at,
        state="pending",
        **held,
    )


def webhook_body(
    state: EmulatorState,
    number: int,
    kind: str,
    fault: Fault,
    shape: str | None = None,
    *,
    at: float | None = None,
    after: float = 0.0,
) -> bytes:
    """Return the bytes of a success or failure webhook of an order, as they will be signed.

    ``at`` is the moment whose eSIMs are told (None: now), ``after`` one after which they must have come.
    """
    purchase = state.ledger.row("SELECT * FROM purchases WHERE id = ?", (number,))
    if purchase is None:
        raise KeyError(number)
    options = state.options
    if kind == "success":
        wanted = shape or fault.webhook_shape or options.webhook_shape
        order = answer(state, purchase, at)
        if after:
            order["sims"] = sims_of(state, purchase, time.time() if at is None else at, after=after)
        return php_json(success_body(order, purchase["request_id"], wanted))
    return php_json(failure_body(purchase["request_id"], fault, options))
