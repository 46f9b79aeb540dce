"""What must be true of the eSIMs that Airalo delivered, whatever form they came in.

An eSIM is flagged on its order if it cannot be used as it is, a code is kept that Airalo gave and no other, and the
shop saw in a signal what its customer has now.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]

#: How the flags begin that go away when what is missing has come.
PART, NO_CODE, NO_ICCID = "Part delivery:", "Without activation code:", "Without ICCID:"
#: The usual form of an ICCID.
PLAIN = re.compile(r"[0-9]{16,22}")


def wrong_flags(orders: Iterable[Row], esims: Iterable[Row]) -> list[str]:
    """Return the completed orders that are not flagged for what is wrong with their eSIMs, or flagged for nothing."""
    own: dict[int, list[Row]] = defaultdict(list)
    owners: dict[str, set[int]] = defaultdict(set)
    for esim in esims:
        own[esim["order_id"]].append(esim)
        owners[esim["iccid"]].add(esim["order_id"])
    wrong = []
    for order in orders:
        if order["status"] == "completed" and order["type"] == "sim":
            name, flags = order["reference"], order["attention"]
            wrong += [f"{name}: {problem}" for problem in _problems(order, own[order["id"]], owners, flags)]
    return wrong


def _problems(order: Row, esims: list[Row], owners: dict[str, set[int]], flags: str) -> Iterable[str]:
    count = len(esims)
    missing = {
        PART: count < order["quantity"],
        NO_CODE: any(not esim["code_key"] for esim in esims),
        NO_ICCID: any(not esim["iccid"] for esim in esims),
    }
    for flag, is_missing in missing.items():
        if is_missing != (flag in flags):
            yield f"{'not flagged' if is_missing else 'still flagged'} {flag!r}, with {count} of {order['quantity']}"
    if count > order["quantity"] and f"delivered {count} eSIMs" not in flags:
        yield f"{count} eSIMs of {order['quantity']} are not flagged"
    for esim in esims:
        iccid = esim["iccid"]
        if iccid and not PLAIN.fullmatch(iccid) and f"odd ICCID: {iccid!r}" not in flags:
            yield f"the odd ICCID {iccid!r} is not flagged"
        if iccid and len(owners[iccid]) > 1 and f"{iccid} for more than one order" not in flags:
            yield f"the shared ICCID {iccid} is not flagged"


def wrong_codes(esims: Iterable[Row], delivered: Iterable[Row], at: float) -> tuple[list[str], list[str]]:
    """Return the eSIMs without the code that Airalo gave, and those with a code that Airalo did not give.

    Args:
        esims: the shop's, with ``activation_code``.
        delivered: Airalo's, with what it shows of each at first (``body``) and from a moment on (``later``).
        at: the moment of the comparison, seconds since 1970.
    """
    lost, foreign = [], []
    given = {row["id"]: _codes(row, at) for row in delivered if "body" in row}
    for esim in esims:
        now, ever = given.get(esim["airalo_id"], (set(), set()))
        code, name = esim["activation_code"], f"eSIM {esim['iccid'] or esim['airalo_id']} of {esim['order__reference']}"
        if not code and now:
            lost.append(name)
        if code and ever and code not in ever:
            foreign.append(name)
    return lost, foreign


def _codes(row: Row, at: float) -> tuple[set[str], set[str]]:
    """The code that an eSIM has, and all that it ever had."""
    shown = [code for code in (_code(json.loads(row["body"] or "{}")),) if code]
    later = [code for code in (_code(json.loads(row["later"] or "{}")),) if code]
    return set(shown if not later or at < row["later_at"] else later), {*shown, *later}


def _code(body: Row) -> str:
    code = str(body.get("qrcode") or "")
    if not code and body.get("lpa") and body.get("matching_id"):
        code = f"1${body['lpa']}${body['matching_id']}"
    return code if not code or code.startswith("LPA:") else f"LPA:{code}"


def unseen(orders: Iterable[Row], esims: Iterable[Row], received: Iterable[Row]) -> list[str]:
    """Return the eSIMs of completed orders that the shop saw in no signal with the code that they have now."""
    seen = {(pk, key) for row in received for pk, key in row["esims"].items()}
    completed = {order["id"] for order in orders if order["status"] == "completed"}
    return [
        f"eSIM {esim['iccid'] or esim['airalo_id']} of {esim['order__reference']}"
        for esim in esims
        if esim["order_id"] in completed and (str(esim["id"]), esim["code_key"]) not in seen
    ]
