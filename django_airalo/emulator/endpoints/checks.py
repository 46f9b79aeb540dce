"""Validation that several endpoints share. Texts are those of the documentation where it has them."""

from __future__ import annotations

import json
import re
from typing import Any

from django_airalo.emulator.errors import invalid
from django_airalo.emulator.messages import Request
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.times import parsed

MOST = 50  # eSIMs in one order
SHARING = ("link", "pdf")


def whole_number(value: Any) -> int | None:
    """Return a JSON integer or a text of digits as a number; None for anything else, as PHP's framework does."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,15}\s*", value):
        return int(value)
    return None


def paging(request: Request, problems: dict[str, str] | None = None) -> tuple[int | None, int]:
    """Return (limit or None, page). Raises 422 for what is no positive integer, along with other problems."""
    problems = dict(problems or {})
    numbers: dict[str, int] = {}
    for name in ("limit", "page"):
        raw = request.query.get(name, "")
        if not raw:
            continue
        number = whole_number(raw)
        if number is None:
            problems[name] = f"The {name} must be an integer."
        elif number < 1:
            problems[name] = f"The {name} must be at least 1."
        else:
            numbers[name] = number
    if problems:
        raise invalid(problems)
    return numbers.get("limit"), numbers.get("page", 1)


def how_many(request: Request) -> tuple[int, dict[str, str]]:
    """Return the quantity of an order and what is wrong with it."""
    sent = request.data.get("quantity")
    quantity = whole_number(sent)
    if sent is None or sent == "":
        return 0, {"quantity": "The quantity field is required."}
    if quantity is None:
        return 0, {"quantity": "The quantity must be an integer."}
    if quantity < 1:
        return 0, {"quantity": "The quantity must be at least 1."}
    if quantity > MOST:
        return 0, {"quantity": f"The quantity may not be greater than {MOST}."}
    return quantity, {}


def sharing(request: Request) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Return how an order's eSIMs are sent on (None: not at all), and what is wrong with that.

    Lists may come as JSON text too, as one of Airalo's own examples has them.
    """
    email, options = request.text("to_email"), listing(request.data.get("sharing_option"))
    copies = listing(request.data.get("copy_address"))
    problems = {
        # Whether Airalo counts positions from 0 or from 1 is not known; its one example does not tell.
        f"sharing_option({position})": (
            f"Sharing option on position {position} is invalid. Available options are: 'link' and 'pdf'."
        )
        for position, option in enumerate(options)
        if option not in SHARING
    }
    if email and not options:
        problems["sharing_option"] = "The sharing option field is required when to email is present."
    for name, addresses in (("to_email", [email] if email else []), ("copy_address", copies)):
        if not all("@" in str(address) for address in addresses):
            problems[name] = f"The {name.replace('_', ' ')} must be a valid email address."
    if not email and not options:
        return None, problems
    return {"to_email": email, "sharing_option": options, "copy_address": copies}, problems


def listing(value: Any) -> list[Any]:
    """Return a list that came as one, as JSON text, or as a single value; nothing is the empty list."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def brand_problems(state: EmulatorState, brand: str) -> dict[str, str]:
    """Return what is wrong with a brand's name: brands exist only if they were made in the Partner Platform."""
    if brand and state.options.brands is not None and brand not in state.options.brands:
        return {"brand_settings_name": "Brand settings name doesn't exist."}
    return {}


def included(request: Request) -> set[str]:
    """Return the names of ``include``."""
    return {name.strip() for name in request.query.get("include", "").split(",")}


def days(value: str) -> list[float]:
    """Return the first and the end second of "2026-01-01 - 2026-01-31"; nothing for no filter."""
    if not value:
        return []
    found = re.fullmatch(r"\s*(\d{4}-\d\d-\d\d)\s+-\s+(\d{4}-\d\d-\d\d)\s*", value)
    ends = [parsed(day, "%Y-%m-%d") for day in found.groups()] if found else [None]
    if None in ends:
        raise invalid({"filter.created_at": "The created at format is invalid."})
    first, last = (end for end in ends if end is not None)
    return [first, last + 86_400]
