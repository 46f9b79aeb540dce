"""The eSIMs: their numbers, what is delivered, and who may be asked about.

``Row`` of an eSIM is its line in the ledger; its ``body`` is what Airalo showed of it when it was delivered.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

from .catalogue_parts import Package
from .errors import business, not_found
from .faults import Fault
from .ledger import Row
from .times import timestamp
from .world import World

HOST = "rsp.example.com"


def deliver(world: World, purchase: Row, fault: Fault, now: float) -> None:
    """Write the eSIMs of a purchase into the ledger; a top-up has none."""
    if purchase["type"] != "sim":
        return
    previous = world.ledger.row("SELECT iccid FROM esims WHERE iccid IS NOT NULL ORDER BY id DESC LIMIT 1")
    first: str | None = None
    for index in range(max(0, purchase["quantity"] + fault.more_sims)):
        iccid: str | None = _new_iccid(world)
        if fault.repeat_iccid == "order" and first:
            iccid = first
        if fault.repeat_iccid == "previous" and previous and not index:
            iccid = previous["iccid"]
        if fault.no_iccid and not index:
            iccid = None
        first = first or iccid
        _new_esim(world, purchase, iccid, now)


def _new_iccid(world: World) -> str:
    last = world.ledger.row("SELECT coalesce(max(id), 0) AS id FROM esims")
    digits = f"{world.ledger.value('iccid_prefix')}{(last['id'] if last else 0) + 1:06d}"
    return digits + luhn(digits)


def luhn(digits: str) -> str:
    """Return the check digit an ICCID ends with."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def _new_esim(world: World, purchase: Row, iccid: str | None, now: float) -> None:
    package = world.catalogue.packages[purchase["package_id"]]
    groups = ("".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(5)) for _ in range(4))
    matching_id = "-".join(groups)
    qrcode = f"LPA:1${HOST}${matching_id}"
    number = world.ledger.insert(
        "esims", purchase_id=purchase["id"], iccid=iccid, matching_id=matching_id, body="{}", brand=purchase["brand"]
    )
    expires = int(now) + 365 * 86_400
    apn = {"apn_type": package.apn_type, "apn_value": package.apn_value}
    body = {
        "id": number,
        "created_at": timestamp(now),
        "iccid": iccid,
        "lpa": HOST,
        "imsis": None,
        "matching_id": matching_id,
        "qrcode": qrcode,
        "qrcode_url": f"https://www.example.com/qr?expires={expires}&id={number}&signature={secrets.token_hex(32)}",
        "airalo_code": None,
        **apn,
        "is_roaming": package.is_roaming,
        "confirmation_code": None,
        "apn": {"ios": {"apn_type": "automatic", "apn_value": package.apn_value}, "android": apn},
        "msisdn": None,
        "direct_apple_installation_url": f"https://esimsetup.apple.com/esim_qrcode_provisioning?carddata={qrcode}",
    }
    world.ledger.execute("UPDATE esims SET body = ? WHERE id = ?", (json.dumps(body), number))


def sims_of(world: World, purchase: Row) -> list[dict[str, Any]]:
    """Return the eSIMs of an order as Airalo shows them there."""
    rows = world.ledger.rows("SELECT body FROM esims WHERE purchase_id = ? ORDER BY id", (purchase["id"],))
    share = json.loads(purchase.get("share") or "{}")
    shared = {"sharing": share["sharing"]} if "link" in share.get("sharing_option", ()) else {}
    return [json.loads(row["body"]) | shared for row in rows]


def find_esim(world: World, iccid: str) -> Row:
    """Return an eSIM of the partner's by its ICCID. Raises the 404 of the documentation if there is none."""
    row = world.ledger.row(
        "SELECT e.* FROM esims e JOIN purchases p ON p.id = e.purchase_id"
        " WHERE e.iccid = ? AND p.status != 'pending' ORDER BY e.id DESC LIMIT 1",
        (iccid,),
    )
    if row is None:
        raise not_found()
    return row


def package_of(world: World, esim: Row) -> Package:
    """Return the package an eSIM was sold with."""
    row = world.ledger.row("SELECT package_id FROM purchases WHERE id = ?", (esim["purchase_id"],))
    if row is None:
        raise KeyError(esim["purchase_id"])
    return world.catalogue.packages[row["package_id"]]


def topups_for(world: World, esim: Row) -> list[Package]:
    """Return the top-up packages on sale for an eSIM. Raises ApiError (code 73) if it was recycled."""
    refuse_recycled(esim)
    sold = world.catalogue.topups_of.get(package_of(world, esim).operator_id, [])
    return [package for package in sold if package.id not in world.withdrawn]


def refuse_recycled(esim: Row) -> None:
    """Raise ApiError (code 73) for an eSIM that was recycled."""
    if esim["recycled_at"] is not None:
        raise business(73, esim["iccid"])
