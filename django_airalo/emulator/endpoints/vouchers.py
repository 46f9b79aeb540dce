"""POST /v2/voucher/esim and /v2/voucher/airmoney (the second one only in Airalo's SDKs)."""

from __future__ import annotations

import secrets
import time
from decimal import Decimal, InvalidOperation
from typing import Any

from django_airalo.emulator.catalogue_parts import Package
from django_airalo.emulator.errors import business, invalid
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.orders import refuse, spend
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.times import timestamp

from .checks import whole_number

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
LARGEST = 100_000  # amount, and uses of one voucher
LONGEST_CODE = 255


def esim(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Make voucher codes for eSIMs, which travellers redeem in Airalo's app; all of them or none.

    Whether Airalo bills them when they are made or when they are redeemed is not documented; see the option
    ``charge_vouchers``.
    """
    wanted = request.data.get("vouchers")
    if not wanted:
        raise invalid({"vouchers": "The vouchers field is required."})
    if not isinstance(wanted, list):
        raise invalid({"vouchers": "The vouchers must be an array."})
    problems: dict[str, str] = {}
    items = [_item(state, position, item, problems) for position, item in enumerate(wanted)]
    if problems:
        raise invalid(problems)
    for package, _, _ in items:
        refuse(state, package)
    free = state.options.sandbox or not state.options.charge_vouchers
    prices = [Decimal(0) if free else Decimal(str(state.unit_price(package))) for package, _, _ in items]
    total = sum((price * item[1] for price, item in zip(prices, items, strict=True)), Decimal(0))
    with state.ledger.transaction():
        if total > state.ledger.balance:
            raise business(11, f"{state.ledger.balance}")
        spend(state, total)
        answers = []
        for price, (package, quantity, reference) in zip(prices, items, strict=True):
            codes = [_code() for _ in range(quantity)]
            for code in codes:
                _keep(state, "esim", code, price, package_id=package.id, booking_reference=reference)
            answers.append({"package_id": package.id, "codes": codes, "booking_reference": reference})
    return success(answers)


def _item(state: EmulatorState, position: int, item: Any, problems: dict[str, str]) -> tuple[Package, int, str | None]:
    """Return package, quantity and reference; what is wrong is added to ``problems`` (then they mean nothing)."""
    fields = item if isinstance(item, dict) else {}
    package = state.package(str(fields.get("package_id") or ""))
    quantity = whole_number(fields.get("quantity"))
    if package is None:
        name = f"vouchers.{position}.package_id"
        problems[name] = f"The selected {name} is invalid"
        package = next(iter(state.catalogue.packages.values()))
    most = state.options.most_vouchers
    if quantity is None or quantity < 1 or (most is not None and quantity > most):
        name = f"vouchers.{position}.quantity"
        problems[name] = (
            f"The {name} must be at least 1." if most is None else f"The {name} must be between 1 and {most}."
        )
    reference = fields.get("booking_reference")
    return package, quantity or 0, None if reference is None else str(reference)


def airmoney(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Make vouchers for credit in Airalo's app. However many are made, one is answered: no more is documented."""
    amount, problems = _amount(request)
    numbers = {"quantity": request.data.get("quantity"), "usage_limit": request.data.get("usage_limit") or 1}
    for name, most in (("quantity", state.options.most_vouchers or LARGEST), ("usage_limit", LARGEST)):
        number = whole_number(numbers[name])
        if number is None or not 1 <= number <= most:
            problems[name] = f"The {name.replace('_', ' ')} must be between 1 and {most}."
        numbers[name] = number
    code = request.text("voucher_code")
    if len(code) > LONGEST_CODE:
        problems["voucher_code"] = f"The voucher code may not be greater than {LONGEST_CODE} characters."
    elif code and numbers["quantity"] != 1:
        problems["quantity"] = "The selected voucher code allows a maximum quantity of 1."
    elif code and state.ledger.row("SELECT 1 FROM vouchers WHERE code = ?", (code,)):
        problems["voucher_code"] = "The voucher code has already been taken."
    if problems or amount is None:
        raise invalid(problems)
    is_paid = str(request.data.get("is_paid", False)).lower() in ("1", "true")
    kept = {"amount": str(amount), "usage_limit": numbers["usage_limit"], "is_paid": is_paid}
    now = time.time()
    with state.ledger.transaction():
        made = [
            (_keep(state, "airmoney", each, Decimal(0), **kept), each) for each in _codes(code, numbers["quantity"])
        ]
    number, first = made[0]
    return success(
        {
            "id": number,
            "code": first,
            "usage_limit": numbers["usage_limit"],
            "amount": float(amount),
            "is_paid": is_paid,
            "created_at": timestamp(now),
        }
    )


def _amount(request: Request) -> tuple[Decimal | None, dict[str, str]]:
    sent = request.data.get("amount")
    if sent is None or sent == "":
        return None, {"amount": "The amount field is required."}
    try:
        amount = Decimal(str(sent))
    except InvalidOperation:
        return None, {"amount": "The amount must be a number."}
    if not 1 <= amount <= LARGEST:
        return None, {"amount": f"The amount must be between 1 and {LARGEST}."}
    return amount, {}


def _codes(code: str, quantity: Any) -> list[str]:
    return [code] if code else [_code() for _ in range(quantity)]


def _code() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(8))


def _keep(state: EmulatorState, kind: str, code: str, price: Decimal, **more: Any) -> int:
    return state.ledger.insert("vouchers", kind=kind, code=code, price=f"{price:.2f}", at=time.time(), **more)
