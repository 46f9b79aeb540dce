"""Refunds: asked for by the partner, decided by Airalo's staff, given as credit."""

from __future__ import annotations

import json
import time
from decimal import Decimal

from .ledger import Row
from .state import EmulatorState


def create(state: EmulatorState, iccids: list[str], reason: str, notes: str, email: str) -> int:
    """Write down that a refund is asked for; return its id. Nothing is paid back yet."""
    return state.ledger.insert(
        "refunds",
        iccids=json.dumps(iccids),
        reason=reason,
        notes=notes or None,
        email=email or None,
        at=time.time(),
        status="requested",
    )


def shown_id(state: EmulatorState, number: int) -> str:
    """Return the id a refund is known by: text, and never the same from two emulators."""
    return str(int(state.ledger.value("first_order_id")) + number)


def resolve(state: EmulatorState, refund_id: str, approved: bool = True) -> None:
    """Decide about a refund. An approved one gives the price of its eSIMs back and marks their orders.

    Raises ValueError if there is no such refund, or it was decided before.
    """
    ledger = state.ledger
    with ledger.transaction():
        rows = [row for row in ledger.table("refunds") if shown_id(state, row["id"]) == str(refund_id)]
        if not rows or rows[0]["status"] != "requested":
            raise ValueError(f"there is no open refund {refund_id}")
        status = "approved" if approved else "refused"
        ledger.execute("UPDATE refunds SET status = ? WHERE id = ?", (status, rows[0]["id"]))
        if approved:
            _pay_back(state, set(json.loads(rows[0]["iccids"])), rows[0]["id"])


def _pay_back(state: EmulatorState, iccids: set[str], number: int) -> None:
    earlier = [row for row in state.ledger.table("refunds") if row["status"] == "approved" and row["id"] != number]
    paid = {iccid for row in earlier for iccid in json.loads(row["iccids"])}
    for purchase in _purchases(state, iccids - paid):
        esims = {row["iccid"] for row in state.ledger.table("esims") if row["purchase_id"] == purchase["id"]}
        back = esims & (iccids - paid)
        state.ledger.balance += (Decimal(purchase["price"]) * len(back) / len(esims)).quantize(Decimal("0.01"))
        status = "refunded" if esims <= paid | iccids else "partially_refunded"
        state.ledger.execute("UPDATE purchases SET status = ? WHERE id = ?", (status, purchase["id"]))


def _purchases(state: EmulatorState, iccids: set[str]) -> list[Row]:
    numbers = {row["purchase_id"] for row in state.ledger.table("esims") if row["iccid"] in iccids}
    return [row for row in state.ledger.table("purchases") if row["id"] in numbers]
