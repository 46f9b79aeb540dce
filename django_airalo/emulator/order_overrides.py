"""What is answered of an order in place of what the ledger would say: for tests of odd and later answers."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from .ledger import Row
from .state import EmulatorState
from .times import parsed

#: What only the answer to an order and its webhook say of an order.
COSTS = (
    *("net_price", "pricing_model", "discount_percentage", "discount_amount", "unit_paid_price", "total_amount_paid"),
    *("text", "voice", "brand_settings_name"),
)
#: What the list of orders does not show of an eSIM.
NOT_LISTED = ("direct_apple_installation_url", "apn", "msisdn", "sharing")
STATUSES = ("pending", "completed", "failed", "refunded", "partially_refunded")


def in_answer(purchase: Row) -> dict[str, Any]:
    """Return the overrides of the answer to an order, and of its webhook."""
    return json.loads(purchase.get("override") or "{}")  # type: ignore[no-any-return]  # an object, as stored


def in_list(purchase: Row) -> dict[str, Any]:
    """Return the overrides of an order in lists: less of it, and in the types that lists have."""
    fields = {name: value for name, value in in_answer(purchase).items() if name not in COSTS}
    if isinstance(fields.get("price"), int | float):
        fields["price"] = f"{fields['price']:.2f}"
    if fields.get("validity") is not None:
        fields["validity"] = str(fields["validity"])
    if "description" in fields:
        fields["description"] = fields["description"] or None
    if isinstance(fields.get("sims"), list):
        fields["sims"] = [_listed(sim) if isinstance(sim, dict) else sim for sim in fields["sims"]]
    return fields


def _listed(sim: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sim.items() if name not in NOT_LISTED} | {"confirmation_code": None}


def override(state: EmulatorState, purchase: Row, fields: dict[str, Any]) -> int:
    """Override fields of an order and return its id, which may be another one then.

    Lists are searched and filtered by the new values, and new eSIMs can be asked for.
    """
    ledger, number = state.ledger, purchase["id"]
    with ledger.transaction():
        whole = json.dumps(in_answer(purchase) | fields)
        ledger.execute("UPDATE purchases SET override = ? WHERE id = ?", (whole, number))
        if isinstance(fields.get("sims"), list):
            _replace_esims(state, purchase, fields["sims"])
        for name, value in _columns(fields).items():
            try:
                ledger.execute(f"UPDATE purchases SET {name} = ? WHERE id = ?", (value, number))
            except sqlite3.IntegrityError:
                continue  # two orders with the same id or code: only the answers say so
            if name == "id":
                for table in ("esims", "esim_packages", "webhooks", "future_orders"):
                    ledger.execute(f"UPDATE {table} SET purchase_id = ? WHERE purchase_id = ?", (value, number))
                number = value
    return int(number)


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of the ledger that follow from overrides; values of odd types have none."""
    columns = {}
    for name in ("description", "code"):
        if isinstance(fields.get(name, 0), str):
            columns[name] = fields[name]
    if "description" in fields and fields["description"] is None:
        columns["description"] = None
    if isinstance(fields.get("created_at"), str):
        at = parsed(fields["created_at"], "%Y-%m-%d %H:%M:%S")
        if at is not None:
            columns["created_at"] = at
    slug = fields["status"].get("slug") if isinstance(fields.get("status"), dict) else None
    if slug in STATUSES:
        columns["status"] = slug
    if isinstance(fields.get("id"), int) and not isinstance(fields["id"], bool) and fields["id"] > 0:
        columns["id"] = fields["id"]  # last, because the others find the row by its id
    return columns


def _replace_esims(state: EmulatorState, purchase: Row, sims: list[Any]) -> None:
    ledger = state.ledger
    rows = ledger.rows("SELECT * FROM esims WHERE purchase_id = ? ORDER BY id", (purchase["id"],))
    ledger.execute("DELETE FROM esims WHERE purchase_id = ?", (purchase["id"],))
    ledger.execute("DELETE FROM esim_packages WHERE purchase_id = ?", (purchase["id"],))
    apn = {system: {"apn_type": "automatic", "apn_value": None} for system in ("ios", "android")}
    bare = {"apn": apn, "msisdn": None, "qrcode": None, "qrcode_url": None, "lpa": None, "is_roaming": None}
    for sim in sims:
        iccid = sim.get("iccid") if isinstance(sim, dict) else None
        if not isinstance(iccid, str | int) or not iccid:
            continue
        before = next((row for row in rows if row["iccid"] == str(iccid)), {"usage": None, "recycled_at": None})
        ledger.insert(
            "esims",
            purchase_id=purchase["id"],
            iccid=str(iccid),
            matching_id=str(sim.get("matching_id") or ""),
            body=json.dumps({**bare, **sim}),
            shown_at=0.001,
            sims_at=0.001,
            brand=purchase["brand"],
            usage=before["usage"],
            recycled_at=before["recycled_at"],
        )
        ledger.insert("esim_packages", iccid=str(iccid), purchase_id=purchase["id"], package_id=purchase["package_id"])
