"""Faults by name, and which of them a fault rate draws from."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any


def html(status: int) -> dict[str, Any]:
    """Return the page of a proxy that stands before Airalo, with its own status."""
    title = f"{status} {HTTPStatus(status).phrase}"
    body = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return {"status": status, "body": body, "content_type": "text/html"}


BUSY: dict[str, Any] = {"status": 503, "body": {"message": "Service Unavailable"}}
BROKEN: dict[str, Any] = {"status": 500, "body": {"message": "Server Error"}}
LIMITED: dict[str, Any] = {"status": 429, "body": {"message": "Too Many Attempts."}}
#: Bought, but no webhook comes and the order list knows nothing of it for a while.
UNSEEN: dict[str, Any] = {"bought": True, "webhook": "none", "listing_delay": 5.0}
#: Of the eSIMs of an order one comes at once.
PART: dict[str, Any] = {"first_sims": 1, "rest_delay": 2.0}

PRESETS: dict[str, dict[str, Any]] = {
    "none": {},
    "slow": {"delay": 2.0},
    "hang": {"hang": 30.0},
    "hang-bought": {"hang": 30.0, "bought": True},
    "close-before": {"close": "before"},
    "close-after": {"close": "after"},
    "500": BROKEN,
    "500-bought": {**BROKEN, "bought": True},
    "500-bought-late": {**BROKEN, **UNSEEN},
    "502": html(502),
    "502-bought": {**html(502), "bought": True},
    "503": BUSY,
    "503-bought": {**BUSY, "bought": True},
    "503-bought-late": {**BUSY, **UNSEEN},
    "503-retry-after": {**BUSY, "headers": {"Retry-After": "2"}},
    "504": html(504),
    "504-bought": {**html(504), "bought": True},
    "504-bought-late": {**html(504), **UNSEEN},
    "429": {**LIMITED, "headers": {"Retry-After": "2"}},
    "429-bare": LIMITED,
    "401": {"status": 401, "body": {"data": [], "meta": {"message": "This action is unauthorized."}}},
    "403-allowlist": {"code": 89},
    "html": {**html(502), "status": 200, "bought": True},
    "html-400": html(400),
    "html-403": html(403),
    "html-413": html(413),
    "html-422": html(422),
    "html-500": html(500),
    "html-500-bought": {**html(500), "bought": True},
    "html-503": html(503),
    "html-503-bought": {**html(503), "bought": True},
    "refusal-200": {"status": 200, "code": 34},
    "truncated": {"truncate": True},
    "cut": {"cut": True},
    "drip": {"drip": 3.0},
    "no-request-id": {"omit": ("request_id",)},
    "outage-503": {**BUSY, "outage": 3.0},
    "outage-503-bought": {**BUSY, "bought": True, "outage": 3.0},
    "outage-hang": {"hang": 3.0, "outage": 3.0},
    "outage-hang-bought": {"hang": 3.0, "bought": True, "outage": 3.0},
    "no-webhook": {"webhook": "none"},
    "duplicate": {"copies": 2},
    "twenty-at-once": {"copies": 20, "parallel": True},
    "webhook-first": {"webhook_first": True},
    "webhook-late": {"webhook_wait": 5.0},
    "webhook-again": {"again_after": 5.0},
    "reorder": {"hold_for": 1},
    "failure": {"webhook": "failure"},
    "failure-then-success": {"webhook": "failure-then-success"},
    "success-then-failure": {"webhook": "success-then-failure"},
    "fewer-sims": {"more_sims": -1},
    "more-sims": {"more_sims": 1},
    "part-then-webhook": {**PART, "rest": "webhook"},
    "part-then-list": {**PART, "rest": "list"},
    "part-then-sims": {**PART, "rest": "sims"},
    "part-for-ever": {**PART, "rest": "never"},
    "no-sims-then-list": {**PART, "first_sims": 0, "rest": "list"},
    "repeat-iccid": {"repeat_iccid": "previous"},
    "no-iccid": {"no_iccid": True},
    "iccid-blanks": {"iccid_form": "blanks"},
    "iccid-dashes": {"iccid_form": "dashes"},
    "iccid-trailing-f": {"iccid_form": "trailing-f"},
    "iccid-letters": {"iccid_form": "letters"},
    "iccid-15": {"iccid_form": "15"},
    "iccid-24": {"iccid_form": "24"},
    "codes-late": {"codes": "late", "codes_delay": 2.0},
    "codes-never": {"codes": "never"},
    "codes-parts": {"codes": "parts"},
    "codes-no-prefix": {"codes": "no-prefix"},
    "codes-changed": {"codes": "changed", "codes_delay": 2.0},
    "codes-changed-webhook-late": {"codes": "changed", "codes_delay": 2.0, "webhook_wait": 5.0},
    "codes-changed-webhook-again": {
        "codes": "changed",
        "codes_delay": 2.0,
        "again_after": 5.0,
        "again_shape": "nested",
    },
    "twin": {"twin": True},
}

#: The endpoints whose faults may come after something was bought.
BUYING = ("orders", "orders-async", "topups", "future-orders", "voucher-esim", "voucher-airmoney", "refund")
#: What a fault rate draws from, by group: (for any call, and in addition for one that buys). The group "usual" is drawn
#: from unless the option ``random_faults`` names others.
RANDOM: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "usual": (
        ("close-before", "500", "502", "503", "503-retry-after", "504", "429", "cut"),
        (
            "close-after",
            "500-bought",
            "502-bought",
            "503-bought",
            "504-bought",
            "html",
            "truncated",
            "no-webhook",
            "duplicate",
            "twenty-at-once",
            "webhook-first",
            "reorder",
        ),
    ),
    "doubt": ((), ("500-bought-late", "503-bought-late", "504-bought-late", "hang-bought")),
    "webhooks": ((), ("webhook-late", "webhook-again")),
    "proxy": (
        ("html-400", "html-403", "html-413", "html-422", "html-500", "html-503"),
        ("html-500-bought", "html-503-bought", "502-bought"),
    ),
    "parts": (
        (),
        ("part-then-webhook", "part-then-list", "part-then-sims", "part-for-ever", "no-sims-then-list"),
    ),
    "iccids": (
        (),
        (
            "iccid-blanks",
            "iccid-dashes",
            "iccid-trailing-f",
            "iccid-letters",
            "iccid-15",
            "iccid-24",
            "no-iccid",
            "repeat-iccid",
        ),
    ),
    "codes": (
        (),
        (
            "codes-late",
            "codes-never",
            "codes-parts",
            "codes-no-prefix",
            "codes-changed",
            "codes-changed-webhook-late",
            "codes-changed-webhook-again",
        ),
    ),
    "outages": (("outage-503", "outage-hang"), ("outage-503-bought", "outage-hang-bought")),
}


def drawn_from(groups: tuple[str, ...], endpoint: str) -> list[str]:
    """Return the names of the faults that may be drawn for a call of an endpoint."""
    names: list[str] = []
    for group in groups:
        of_any, of_buying = RANDOM[group]
        names += of_any + (of_buying if endpoint in BUYING else ())
    return names
