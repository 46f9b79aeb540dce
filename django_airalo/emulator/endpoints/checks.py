"""Validation that several endpoints share. Texts are those of the documentation where it has them."""

from __future__ import annotations

import re
from typing import Any

from django_airalo.emulator.errors import invalid
from django_airalo.emulator.messages import Request


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
