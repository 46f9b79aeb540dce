"""The eSIMs: their numbers, what is delivered, and who may be asked about.

``Row`` of an eSIM is its line in the ledger; its ``body`` is what Airalo showed of it when it was delivered.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from .catalogue_parts import Package, form_of
from .errors import business, not_found
from .faults import Fault
from .ledger import Row
from .state import EmulatorState
from .times import timestamp

HOST = "rsp.example.com"
APPLE = "https://esimsetup.apple.com/esim_qrcode_provisioning"


def deliver(state: EmulatorState, purchase: Row, fault: Fault, now: float) -> None:
    """Write the eSIMs of a purchase into the ledger; a top-up has none."""
    if purchase["type"] != "sim":
        return
    previous = state.ledger.row("SELECT iccid FROM esims WHERE iccid IS NOT NULL ORDER BY id DESC LIMIT 1")
    first: str | None = None
    for index, (shown_at, sims_at) in enumerate(_moments(purchase["quantity"] + fault.more_sims, fault, now)):
        iccid: str | None = written(_new_iccid(state), fault.iccid_form)
        if fault.repeat_iccid == "order" and first:
            iccid = first
        if fault.repeat_iccid == "previous" and previous and not index:
            iccid = previous["iccid"]
        if fault.no_iccid and not index:
            iccid = None
        first = first or iccid
        number = _new_esim(state, purchase, iccid, now, fault)
        state.ledger.execute("UPDATE esims SET shown_at = ?, sims_at = ? WHERE id = ?", (shown_at, sims_at, number))


def _moments(count: int, fault: Fault, now: float) -> list[tuple[float | None, float]]:
    """Return for each eSIM from when it is in the order's answers and lists (None: never), and in GET /v2/sims."""
    count = max(0, count)
    at_first = count if fault.first_sims is None else min(fault.first_sims, count)
    moments: list[tuple[float | None, float]] = [(now, now)] * at_first
    if fault.rest != "never":
        later = now + max(fault.rest_delay, 0.001)  # later than the answer in any case
        moments += [(None if fault.rest == "sims" else later, later)] * (count - at_first)
    return moments


def _new_iccid(state: EmulatorState) -> str:
    last = state.ledger.row("SELECT coalesce(max(id), 0) AS id FROM esims")
    digits = f"{state.ledger.value('iccid_prefix')}{(last['id'] if last else 0) + 1:06d}"
    return digits + luhn(digits)


def luhn(digits: str) -> str:
    """Return the check digit an ICCID ends with."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if position % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def written(iccid: str, form: str) -> str:
    """Return an ICCID of 19 digits as a fault has it written; each form keeps it different from all others."""
    if form in ("blanks", "dashes"):
        mark = " " if form == "blanks" else "-"
        return mark.join(iccid[start : start + 4] for start in range(0, len(iccid), 4))
    if form == "trailing-f":
        return f"{iccid}F"
    if form == "letters":
        return f"{iccid[:4]}AB{iccid[6:]}"
    if form == "15":
        return iccid[:4] + iccid[-11:]
    return f"{iccid}00000" if form == "24" else iccid


def _new_esim(state: EmulatorState, purchase: Row, iccid: str | None, now: float, fault: Fault) -> int:
    package = state.catalogue.packages[purchase["package_id"]]
    number = state.ledger.insert(
        "esims", purchase_id=purchase["id"], iccid=iccid, matching_id="", body="{}", brand=purchase["brand"]
    )
    codes = new_codes(number, now)
    apn = {"apn_type": package.apn_type, "apn_value": package.apn_value}
    # All that Airalo knows of it. What is shown of that depends on where one looks.
    whole = {
        "id": number,
        "created_at": timestamp(now),
        "iccid": iccid,
        "lpa": None,
        "imsis": None,
        "matching_id": None,
        "qrcode": None,
        "qrcode_url": None,
        "direct_apple_installation_url": None,
        "voucher_code": None,
        "airalo_code": None,
        **apn,
        "is_roaming": package.is_roaming,
        "confirmation_code": f"{secrets.randbelow(10_000):04d}" if asks_for_confirmation(package) else None,
        "apn": {"ios": {"apn_type": "automatic", "apn_value": package.apn_value}, "android": apn},
        "msisdn": f"88319{number:010d}",
    }
    first, later = staged(codes, fault.codes, new_codes(number, now))
    state.ledger.execute(
        "UPDATE esims SET matching_id = ?, body = ?, later = ?, later_at = ?, later_in = ? WHERE id = ?",
        (
            codes["matching_id"],
            json.dumps(whole | first),
            json.dumps(later) if later else None,
            now + fault.codes_delay,
            fault.codes_later_in,
            number,
        ),
    )
    return number


def asks_for_confirmation(package: Package) -> bool:
    """Return whether the operator's eSIMs are installed with a confirmation code beside the activation code."""
    return form_of(f"confirmation {package.operator}", 6) == 0


def new_codes(number: int, now: float) -> dict[str, str | None]:
    """Return the fields with which an eSIM is installed, for an activation code of its own."""
    groups = ("".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(5)) for _ in range(4))
    matching_id = "-".join(groups)
    expires = int(now) + 365 * 86_400
    qrcode = f"LPA:1${HOST}${matching_id}"
    return {
        "lpa": HOST,
        "matching_id": matching_id,
        "qrcode": qrcode,
        "qrcode_url": f"https://www.example.com/qr?expires={expires}&id={number}&signature={secrets.token_hex(32)}",
        "direct_apple_installation_url": f"{APPLE}?carddata={qrcode}",
    }


def staged(
    codes: dict[str, str | None], how: str, others: dict[str, str | None]
) -> tuple[dict[str, str | None], dict[str, str | None] | None]:
    """Return the fields of the code as a fault shows them first, and those that take their place later (or None)."""
    if how in ("late", "never"):
        return dict.fromkeys(codes), codes if how == "late" else None
    if how == "parts":
        kept = ("lpa", "matching_id")
        return {name: value if name in kept else None for name, value in codes.items()}, None
    if how == "no-prefix":
        bare = str(codes["qrcode"]).removeprefix("LPA:")
        return codes | {"qrcode": bare, "direct_apple_installation_url": None}, None
    return codes, others if how == "changed" else None


def change_code(state: EmulatorState, esim: Row) -> dict[str, Any]:
    """Give an eSIM another activation code, as Airalo does when an installation failed; return the whole eSIM."""
    codes = new_codes(esim["id"], time.time())
    body: dict[str, Any] = json.loads(esim["body"]) | codes
    state.ledger.execute(
        "UPDATE esims SET matching_id = ?, body = ?, later = NULL WHERE id = ?",
        (codes["matching_id"], json.dumps(body), esim["id"]),
    )
    return body


def body_of(esim: Row, at: float, *, by_itself: bool = False) -> dict[str, Any]:
    """Return an eSIM as it is at a moment (seconds since 1970): in an order, or ``by_itself`` in GET /v2/sims."""
    content: dict[str, Any] = json.loads(esim["body"])
    if esim["later"] and at >= esim["later_at"] and (by_itself or esim["later_in"] == "everywhere"):
        content |= json.loads(esim["later"])
    return content


def sims_of(state: EmulatorState, purchase: Row, at: float, *, after: float = 0.0) -> list[dict[str, Any]]:
    """Return the eSIMs of the answer to an order, or of its webhook, at a moment (seconds since 1970).

    With ``after`` only those that were not shown before. Some documented examples have the APN by system and a phone
    number, others have neither; no example has a confirmation code.
    """
    package = state.catalogue.packages[purchase["package_id"]]
    left_out = {"voucher_code", *(("apn", "msisdn"), ("msisdn",), ())[2 if package.voice else form_of(package.id, 3)]}
    share = json.loads(purchase.get("share") or "{}")
    wanted = state.options.sharing_in_answers and "link" in share.get("sharing_option", ())
    shared = {"sharing": share["sharing"]} if wanted else {}
    return [_without(body, left_out) | shared for body in _shown(state, purchase, at, after)]


def listed_sims_of(state: EmulatorState, purchase: Row, at: float, *, alone: bool) -> list[dict[str, Any]]:
    """Return the eSIMs of an order in the list of orders, or in an order that is asked for ``alone``, at a moment.

    They are poorer than those of the answer: no link for iPhones, no APN by system, no phone number.
    """
    left_out = {"direct_apple_installation_url", "apn", "msisdn"} | (set() if alone else {"voucher_code"})
    return [_without(body, left_out) for body in _shown(state, purchase, at)]


def by_itself(state: EmulatorState, esim: Row, at: float) -> dict[str, Any]:
    """Return an eSIM as GET /v2/sims shows it at a moment: the only place with its confirmation code."""
    content = body_of(esim, at, by_itself=True)
    del content["apn"], content["msisdn"]
    content |= {"order": None, "brand_settings_name": esim["brand"]}
    if state.options.confirmation_code is not None:
        content["confirmation_code"] = state.options.confirmation_code
    if esim["recycled_at"] is not None:
        return content | {"recycled": True, "recycled_at": timestamp(esim["recycled_at"])}
    # The schema requires both fields; some documented examples lack them.
    return content | {"recycled": False, "recycled_at": None} if esim["id"] % 2 else content


def _shown(state: EmulatorState, purchase: Row, at: float, after: float = 0.0) -> list[dict[str, Any]]:
    rows = state.ledger.rows(
        "SELECT * FROM esims WHERE purchase_id = ? AND shown_at <= ? AND shown_at > ? ORDER BY id",
        (purchase["id"], at, after),
    )
    return [body_of(row, at) for row in rows]


def _without(body: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names} | {"confirmation_code": None}


def find_esim(state: EmulatorState, iccid: str) -> Row:
    """Return an eSIM of the partner's by its ICCID. Raises the 404 of the documentation if there is none."""
    row = state.ledger.row(
        "SELECT e.* FROM esims e JOIN purchases p ON p.id = e.purchase_id"
        " WHERE e.iccid = ? AND e.sims_at <= ? AND p.status != 'pending' ORDER BY e.id DESC LIMIT 1",
        (iccid, time.time()),
    )
    if row is None:
        raise not_found()
    return row


def package_of(state: EmulatorState, esim: Row) -> Package:
    """Return the package an eSIM was sold with."""
    row = state.ledger.row("SELECT package_id FROM purchases WHERE id = ?", (esim["purchase_id"],))
    if row is None:
        raise KeyError(esim["purchase_id"])
    return state.catalogue.packages[row["package_id"]]


def topups_for(state: EmulatorState, esim: Row, country: str = "") -> list[Package]:
    """Return the top-up packages on sale for an eSIM. Raises ApiError (code 73) if it was recycled.

    ``country`` chooses among those of a universal eSIM; of others it says nothing.
    """
    refuse_recycled(esim)
    sold = state.catalogue.topups_of.get(package_of(state, esim).operator_id, [])
    on_sale = [package for package in sold if package.id not in state.withdrawn]
    return [package for package in on_sale if not country or package.country in ("", country.upper())]


def refuse_recycled(esim: Row) -> None:
    """Raise ApiError (code 73) for an eSIM that was recycled."""
    if esim["recycled_at"] is not None:
        raise business(73, esim["iccid"])
