"""GET /v2/balance."""

from __future__ import annotations

from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.state import EmulatorState


def balance(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return what the partner has left."""
    amount = {"amount": float(state.ledger.balance), "currency": "USD"}
    return success({"balances": {"name": "balance", "availableBalance": amount}})
