"""GET /v2/balance."""

from __future__ import annotations

from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.world import World


def balance(world: World, request: Request, fault: Fault) -> Response:
    """Return what the partner has left."""
    amount = {"amount": float(world.ledger.balance), "currency": "USD"}
    return success({"balances": {"name": "balance", "availableBalance": amount}})
