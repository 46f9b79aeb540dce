"""Buying and fulfilling: what happens to the ledger when somebody orders, and what an order looks like."""

from __future__ import annotations

import json
import secrets
import string
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .catalogue import Package, installation
from .catalogue_data import TEST_PACKAGES
from .errors import business, invalid
from .faults import Fault
from .ledger import Row
from .messages import php_json
from .webhook_bodies import failure_body, success_body
from .world import World

NANOID = string.ascii_letters + string.digits + "-_"
HOST = "rsp.example.com"


def new_request_id() -> str:
    """Return 25 characters like Airalo's ids of async orders."""
    return "".join(secrets.choice(NANOID) for _ in range(25))


def timestamp(at: float) -> str:
    """Return a time (seconds since 1970) as Airalo writes it: UTC, without saying so."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def buy(
    world: World,
    package: Package,
    quantity: int,
    quantity_sent: Any,
    description: str | None,
    brand: str | None,
    fault: Fault,
    request_id: str | None = None,
    webhook_url: str | None = None,
) -> int:
    """Write one purchase into the ledger, take its price from the balance, and return Airalo's order id.

    Raises ApiError, with nothing written, when the package's code, stock or the balance forbid it.
    """
    code = TEST_PACKAGES.get(package.id)
    if code is not None:
        raise business(code, "0" if code in (11, 33) else "")
    if package.id in world.withdrawn:
        raise business(34)
    ledger, options = world.ledger, world.options
    price = Decimal("0") if options.sandbox else Decimal(str(world.unit_price(package))) * quantity
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
        ledger.balance -= price
        last = ledger.row("SELECT max(id) AS id FROM purchases")
        number = (last["id"] if last and last["id"] else int(ledger.value("first_order_id"))) + 1
        plan = {"fault": _plan_of(fault), "quantity_sent": quantity_sent}
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
        )
    return number


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
)


def _plan_of(fault: Fault) -> dict[str, Any]:
    # Kept in the ledger, so that what was scripted for an order still happens after a restart.
    return {name: getattr(fault, name) for name in PLANNED}


def fulfil(world: World, number: int) -> list[int]:
    """Deliver the eSIMs of a pending purchase (or fail it) and queue its webhooks, all in one transaction.

    Returns the ids of the webhooks; nothing happens to a purchase that is no longer pending.
    """
    ledger = world.ledger
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
            _deliver(world, purchase, fault, now)
            delay = world.options.listing_delay if fault.listing_delay is None else fault.listing_delay
            ledger.execute(
                "UPDATE purchases SET status = 'completed', listed_at = ? WHERE id = ?", (now + delay, number)
            )
        return _queue_webhooks(world, purchase, fault, now)


def _queue_webhooks(world: World, purchase: Row, fault: Fault, now: float) -> list[int]:
    if world.options.sandbox or not purchase["webhook_url"] or fault.webhook == "none":
        return []
    queued: list[int] = []
    for kind in fault.webhook.split("-then-"):
        body = webhook_body(world, purchase["id"], kind, fault)
        for copy in range(fault.copies):
            after = queued[-1] if queued and not (fault.parallel and copy) else None
            queued.append(
                world.ledger.insert(
                    "webhooks",
                    purchase_id=purchase["id"],
                    kind=kind,
                    url=purchase["webhook_url"],
                    body=body,
                    due_at=now,
                    state="pending",
                    after_id=after,
                    held=fault.hold_for or None,
                    held_until=now + fault.hold_at_most,
                )
            )
    return queued


def webhook_body(world: World, number: int, kind: str, fault: Fault, shape: str | None = None) -> bytes:
    """Return the bytes of a success or failure webhook of an order, as they will be signed."""
    purchase = world.ledger.row("SELECT * FROM purchases WHERE id = ?", (number,))
    if purchase is None:
        raise KeyError(number)
    options = world.options
    if kind == "success":
        wanted = shape or fault.webhook_shape or options.webhook_shape
        return php_json(success_body(answer(world, purchase), purchase["request_id"], wanted))
    return php_json(failure_body(purchase["request_id"], fault, options))


# --- the eSIMs ---


def _deliver(world: World, purchase: Row, fault: Fault, now: float) -> None:
    previous = world.ledger.row("SELECT iccid FROM esims WHERE iccid IS NOT NULL ORDER BY id DESC LIMIT 1")
    first: str | None = None
    for index in range(max(0, purchase["quantity"] + fault.more_sims)):
        iccid: str | None = _new_iccid(world)
        if fault.repeat_iccid == "order" and first:
            iccid = first
        if fault.repeat_iccid == "previous" and previous and not index:
            iccid = previous["iccid"]
        if fault.no_iccid and not index:
            iccid = None
        first = first or iccid
        _new_esim(world, purchase, iccid, now)


def _new_iccid(world: World) -> str:
    last = world.ledger.row("SELECT coalesce(max(id), 0) AS id FROM esims")
    digits = f"{world.ledger.value('iccid_prefix')}{(last['id'] if last else 0) + 1:06d}"
    return digits + luhn(digits)


def luhn(digits: str) -> str:
    """Return the check digit an ICCID ends with."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def _new_esim(world: World, purchase: Row, iccid: str | None, now: float) -> None:
    package = world.catalogue.packages[purchase["package_id"]]
    groups = ("".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(5)) for _ in range(4))
    matching_id = "-".join(groups)
    qrcode = f"LPA:1${HOST}${matching_id}"
    number = world.ledger.insert("esims", purchase_id=purchase["id"], iccid=iccid, matching_id=matching_id, body="{}")
    expires = int(now) + 365 * 86_400
    apn = {"apn_type": package.apn_type, "apn_value": package.apn_value}
    body = {
        "id": number,
        "created_at": timestamp(now),
        "iccid": iccid,
        "lpa": HOST,
        "imsis": None,
        "matching_id": matching_id,
        "qrcode": qrcode,
        "qrcode_url": f"https://www.example.com/qr?expires={expires}&id={number}&signature={secrets.token_hex(32)}",
        "airalo_code": None,
        **apn,
        "is_roaming": package.is_roaming,
        "confirmation_code": None,
        "apn": {"ios": {"apn_type": "automatic", "apn_value": package.apn_value}, "android": apn},
        "msisdn": None,
        "direct_apple_installation_url": f"https://esimsetup.apple.com/esim_qrcode_provisioning?carddata={qrcode}",
    }
    world.ledger.execute("UPDATE esims SET body = ? WHERE id = ?", (json.dumps(body), number))


def sims_of(world: World, number: int) -> list[dict[str, Any]]:
    """Return the eSIMs of an order as Airalo shows them."""
    rows = world.ledger.rows("SELECT body FROM esims WHERE purchase_id = ? ORDER BY id", (number,))
    return [json.loads(row["body"]) for row in rows]


# --- what an order looks like ---


def answer(world: World, purchase: Row) -> dict[str, Any]:
    """Return an order as the answer to the POST that made it, and so in its webhook."""
    package = world.catalogue.packages[purchase["package_id"]]
    order: dict[str, Any] = {
        "id": purchase["id"],
        "code": purchase["code"],
        "currency": "USD",
        "package_id": package.id,
        # The documentation shows the quantity as it was sent: "1" from a form, 1 from JSON.
        "quantity": json.loads(purchase["plan"])["quantity_sent"],
        "type": "sim",
        "description": purchase["description"],
        "esim_type": "Prepaid",
        "validity": package.days,
        "package": package.full_title,
        "data": package.data,
        "price": package.price,
        "created_at": timestamp(purchase["created_at"]),
        **_texts(package),
        "text": package.text,
        "voice": package.voice,
        "net_price": None if world.discount else package.net_price,
        "brand_settings_name": purchase["brand"],
        "pricing_model": world.options.pricing_model,
        "sims": sims_of(world, purchase["id"]),
    }
    if world.discount:
        paid = world.unit_price(package)
        order |= {
            "discount_percentage": world.options.discount_percentage,
            "discount_amount": round(package.price - paid, 2),
            "unit_paid_price": paid,
            "total_amount_paid": round(paid * purchase["quantity"], 2),
        }
    return order


def listed(world: World, purchase: Row, include: set[str]) -> dict[str, Any]:
    """Return an order as the order list shows it: other types than in the answer, and parts on request."""
    package = world.catalogue.packages[purchase["package_id"]]
    order: dict[str, Any] = {
        "id": purchase["id"],
        "created_at": timestamp(purchase["created_at"]),
        "code": purchase["code"],
        "description": purchase["description"],
        "type": "sim",
        "package_id": package.id,
        "quantity": purchase["quantity"],
        "package": package.full_title,
        "esim_type": "Prepaid",
        "validity": str(package.days),
        "price": f"{package.price:.2f}",
        "data": package.data,
        "currency": "USD",
        **_texts(package),
    }
    if "sims" in include:
        order["sims"] = sims_of(world, purchase["id"])
    if "user" in include:
        order["user"] = {
            "id": 120,
            "created_at": "2024-01-15 09:30:00",
            "name": "Emulated Partner",
            "email": "partner@example.com",
            "mobile": None,
            "address": None,
            "state": None,
            "city": None,
            "postal_code": None,
            "country_id": None,
            "company": "Emulated Partner Ltd",
        }
    if "status" in include:
        order["status"] = {"name": purchase["status"].capitalize(), "slug": purchase["status"]}
    return order


def _texts(package: Package) -> dict[str, Any]:
    return {
        "manual_installation": installation(package.operator, package.coverage, package.apn_value, by_qr=False),
        "qrcode_installation": installation(package.operator, package.coverage, package.apn_value, by_qr=True),
        "installation_guides": {"en": "https://www.example.com/help/getting-started"},
    }
