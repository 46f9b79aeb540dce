"""GET /v2/finance/exchange-rates, which only Airalo's SDKs document."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from django_airalo.emulator.catalogue_data import CURRENCIES
from django_airalo.emulator.errors import invalid
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.times import parsed

DAY = 86_400


def exchange_rates(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return units of other currencies for one US dollar, of a day (default: today), as text.

    The rates of another day than today differ a little, always in the same way.
    """
    problems = {}
    now, text = time.time(), request.query.get("date", "")
    at = parsed(text, "%Y-%m-%d") if text else now
    if at is None:
        problems["date"] = "The date does not match the format Y-m-d."
    elif at > now:
        problems["date"] = "The date must be a date before or equal to today."
    asked = request.query.get("to", "").upper()
    wanted = [code.strip() for code in asked.split(",")] if asked else [code for code in CURRENCIES if code != "USD"]
    if not all(code in CURRENCIES for code in wanted):
        problems["to"] = "The selected to is invalid."
    if problems or at is None:
        raise invalid(problems)
    drift = 1 + (int(now // DAY - at // DAY) % 30) / 1000
    rates = [
        {"from": "USD", "mid": _text(CURRENCIES[code][0] * (1 if code == "USD" else drift)), "to": code}
        for code in wanted
    ]
    return success({"date": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}", "rates": rates})


def _text(rate: float) -> str:
    return f"{rate:.8f}".rstrip("0").rstrip(".")
