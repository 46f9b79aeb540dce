"""How far an eSIM is used: its packages in the order they were bought, and what is left of them.

Data is used up package by package, the oldest first. Nothing is used and nothing expires until the first use,
which activates all packages bought so far; a top-up of an active eSIM is active at once. How Airalo itself
orders several packages is not documented.
"""

from __future__ import annotations

import json
import time
from typing import Any

from .catalogue_parts import Package
from .ledger import Row
from .messages import php_json
from .state import EmulatorState
from .times import timestamp
from .webhook_bodies import low_data_body

STATUSES = ("NOT_ACTIVE", "ACTIVE", "FINISHED", "UNKNOWN", "EXPIRED", "RECYCLED")
SETTABLE = (
    *("status", "remaining", "total", "remaining_voice", "total_voice", "remaining_text", "total_text"),
    *("is_unlimited", "expired_at"),
)
DAY = 86_400
LOW_DATA = {75: "data_75", 90: "data_90"}
LAST_DAYS = {3: "expire_3", 1: "expire_1"}


def add_package(state: EmulatorState, purchase: Row, now: float) -> None:
    """Give the eSIMs of a purchase their package, or the eSIM of a top-up its further one."""
    if purchase["type"] == "topup":
        iccids = [purchase["iccid"]]
    else:
        rows = state.ledger.rows("SELECT iccid FROM esims WHERE purchase_id = ?", (purchase["id"],))
        iccids = [row["iccid"] for row in rows if row["iccid"]]
    for iccid in iccids:
        _add(state, iccid, purchase["id"], purchase["package_id"], now)


def topup_elsewhere(state: EmulatorState, esim: Row, package_id: str) -> None:
    """Give an eSIM a package that its traveller bought in Airalo's own app: no purchase of the partner's.

    One that was finished or expired is active again afterwards. Raises ValueError for what is no top-up of it.
    """
    sold = state.ledger.row("SELECT package_id FROM purchases WHERE id = ?", (esim["purchase_id"],))
    operator = state.any_package(sold["package_id"]).operator_id if sold else None
    package = state.catalogue.topups.get(package_id)
    if package is None or package.operator_id != operator:
        raise ValueError(f"{package_id} is no top-up of the eSIM {esim['iccid']}")
    with state.ledger.transaction():
        _add(state, esim["iccid"], 0, package_id, time.time())
    state.usage_cache.pop(esim["iccid"], None)


def _add(state: EmulatorState, iccid: str, purchase_id: int, package_id: str, now: float) -> None:
    days = state.any_package(package_id).days
    active = state.ledger.row("SELECT 1 FROM esim_packages WHERE iccid = ? AND activated_at IS NOT NULL", (iccid,))
    state.ledger.insert(
        "esim_packages",
        iccid=iccid,
        purchase_id=purchase_id,
        package_id=package_id,
        activated_at=now if active else None,
        expired_at=now + days * DAY if active else None,
    )


def bought(state: EmulatorState, esim: Row) -> list[dict[str, Any]]:
    """Return the packages of an eSIM, oldest first, each row with its ``package``, ``remaining`` MB and ``status``."""
    now, used = time.time(), esim["data_used"]
    rows = state.ledger.rows("SELECT * FROM esim_packages WHERE iccid = ? ORDER BY id", (esim["iccid"],))
    for row in rows:
        package: Package = state.any_package(row["package_id"])
        size = package.amount  # an unlimited package may have one, too
        taken = min(size, used)
        used -= taken
        row |= {"package": package, "size": size, "remaining": size - taken, "status": "ACTIVE"}
        if row["activated_at"] is None:
            row["status"] = "NOT_ACTIVE"
        elif row["expired_at"] <= now:
            row["status"] = "EXPIRED"
        elif not row["remaining"] and not package.is_unlimited:
            row["status"] = "FINISHED"
    return rows


def report(state: EmulatorState, esim: Row) -> dict[str, Any]:
    """Return what ``GET /v2/sims/{iccid}/usage`` tells: megabytes, minutes and messages."""
    rows = bought(state, esim)
    unlimited = any(row["package"].is_unlimited and row["status"] in ("ACTIVE", "NOT_ACTIVE") for row in rows)
    counted = [row for row in rows if row["status"] != "EXPIRED"] or rows
    ends = [row["expired_at"] for row in rows if row["expired_at"]]
    voice, text = (sum(getattr(row["package"], name) or 0 for row in counted) for name in ("voice", "text"))
    content = {
        # Of an unlimited plan both are usually 0, but a documented example has others; they mean nothing.
        "remaining": sum(row["remaining"] for row in counted),
        "total": sum(row["size"] for row in counted),
        "expired_at": timestamp(max(ends)) if ends else None,
        # Airalo warns that its sandbox may say false of an unlimited package.
        "is_unlimited": unlimited and not state.options.sandbox,
        "status": _status({row["status"] for row in rows}),
        "remaining_voice": max(0, voice - esim["voice_used"]),
        "remaining_text": max(0, text - esim["text_used"]),
        "total_voice": voice,
        "total_text": text,
    }
    content |= json.loads(esim["usage"] or "{}")
    if esim["recycled_at"] is not None or content["status"] == "RECYCLED":
        content |= {name: 0 for name in content if name.startswith(("remaining", "total"))}
        content |= {"expired_at": None, "is_unlimited": None, "status": "RECYCLED"}
    return content


def _status(statuses: set[str]) -> str:
    for status in ("ACTIVE", "NOT_ACTIVE", "FINISHED", "EXPIRED"):
        if status in statuses:
            return status
    return "UNKNOWN"


def use(state: EmulatorState, esim: Row, data: int = 0, voice: int = 0, text: int = 0) -> None:
    """Use so many megabytes, minutes and messages; the first use of all activates the eSIM, even one of nothing.

    Going over 75 or 90 % of the data sends the low data webhook to who opted in (not in the sandbox).
    """
    ledger, now = state.ledger, time.time()
    with ledger.transaction():
        rows = bought(state, esim)
        before = _percent(rows)
        if not any(row["package"].is_unlimited for row in rows):  # no more than there is
            data = min(data, sum(row["remaining"] for row in rows))
        ledger.execute(
            "UPDATE esims SET data_used = data_used + ?, voice_used = voice_used + ?, text_used = text_used + ?"
            " WHERE id = ?",
            (data, voice, text, esim["id"]),
        )
        for row in bought(state, esim):
            if row["activated_at"] is None:
                ledger.execute(
                    "UPDATE esim_packages SET activated_at = ?, expired_at = ? WHERE id = ?",
                    (now, now + row["package"].days * DAY, row["id"]),
                )
        esim = ledger.row("SELECT * FROM esims WHERE id = ?", (esim["id"],)) or esim
        rows = bought(state, esim)
        for row in rows:
            if row["status"] == "FINISHED" and row["finished_at"] is None:
                ledger.execute("UPDATE esim_packages SET finished_at = ? WHERE id = ?", (now, row["id"]))
        after = _percent(rows)
        for level, kind in LOW_DATA.items():
            if before < level <= after:
                _warn(state, esim, kind, round(100 - after), now)


def age(state: EmulatorState, esim: Row, days: float) -> None:
    """Let days pass for an active eSIM. Three days and one day before its end who opted in is told."""
    ledger, now = state.ledger, time.time()
    with ledger.transaction():
        ends = [row["expired_at"] for row in bought(state, esim) if row["expired_at"]]
        if not ends:
            raise ValueError(f"the eSIM {esim['iccid']} is not active")
        ledger.execute(
            "UPDATE esim_packages SET activated_at = activated_at - ?, expired_at = expired_at - ? WHERE iccid = ?",
            (days * DAY, days * DAY, esim["iccid"]),
        )
        before = (max(ends) - now) / DAY
        left = round(100 - _percent(bought(state, esim)))
        for level, kind in LAST_DAYS.items():
            if before > level >= before - days > 0:
                _warn(state, esim, kind, left, now)


def _percent(rows: list[dict[str, Any]]) -> float:
    counted = [row for row in rows if row["status"] != "EXPIRED"]
    if any(row["package"].is_unlimited for row in counted):
        return 0.0  # it never runs low
    total = sum(row["size"] for row in counted)
    return 100 * (1 - sum(row["remaining"] for row in counted) / total) if total else 0.0


def _warn(state: EmulatorState, esim: Row, kind: str, left: int, now: float) -> None:
    opted_in = state.ledger.row("SELECT contact_point FROM optins WHERE type = 'webhook_low_data'")
    if opted_in is None or state.options.sandbox:
        return
    package = state.ledger.row("SELECT package_id FROM purchases WHERE id = ?", (esim["purchase_id"],))
    body = low_data_body(kind, esim["iccid"], package["package_id"] if package else "")
    state.ledger.insert(
        "webhooks",
        purchase_id=None,
        kind="low_data_notification",
        url=opted_in["contact_point"],
        body=php_json({**body, "remaining_percentage": left}),
        due_at=now,
        state="pending",
    )
