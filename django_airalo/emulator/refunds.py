"""Refunds: asked for by the partner, decided by a person at Airalo, given as credit."""

from __future__ import annotations

import json
import time
from decimal import Decimal

from .ledger import Row
from .world import World


def ask(world: World, iccids: list[str], reason: str, notes: str, email: str) -> int:
    """Write down that a refund is asked for; return its id. Nothing is paid back yet."""
    return world.ledger.insert(
        "refunds",
        iccids=json.dumps(iccids),
        reason=reason,
        notes=notes or None,
        email=email or None,
        at=time.time(),
        status="asked",
    )


def shown_id(world: World, number: int) -> str:
    """Return the id a refund is known by: text, and never the same from two emulators."""
    return str(int(world.ledger.value("first_order_id")) + number)


def settle(world: World, refund_id: str, approved: bool = True) -> None:
    """Decide about a refund. An approved one gives the price of its eSIMs back and marks their orders.

    Raises ValueError if there is no such refund, or it was decided before.
    """
    ledger = world.ledger
    with ledger.transaction():
        rows = [row for row in ledger.table("refunds") if shown_id(world, row["id"]) == str(refund_id)]
        if not rows or rows[0]["status"] != "asked":
            raise ValueError(f"there is no open refund {refund_id}")
        status = "approved" if approved else "refused"
        ledger.execute("UPDATE refunds SET status = ? WHERE id = ?", (status, rows[0]["id"]))
        if approved:
            _pay_back(world, set(json.loads(rows[0]["iccids"])), rows[0]["id"])


def _pay_back(world: World, iccids: set[str], number: int) -> None:
    earlier = [row for row in world.ledger.table("refunds") if row["status"] == "approved" and row["id"] != number]
    paid = {iccid for row in earlier for iccid in json.loads(row["iccids"])}
    for purchase in _purchases(world, iccids - paid):
        esims = {row["iccid"] for row in world.ledger.table("esims") if row["purchase_id"] == purchase["id"]}
        back = esims & (iccids - paid)
        world.ledger.balance += (Decimal(purchase["price"]) * len(back) / len(esims)).quantize(Decimal("0.01"))
        status = "refunded" if esims <= paid | iccids else "partially_refunded"
        world.ledger.execute("UPDATE purchases SET status = ? WHERE id = ?", (status, purchase["id"]))


def _purchases(world: World, iccids: set[str]) -> list[Row]:
    numbers = {row["purchase_id"] for row in world.ledger.table("esims") if row["iccid"] in iccids}
    return [row for row in world.ledger.table("purchases") if row["id"] in numbers]
