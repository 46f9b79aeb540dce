"""What a storm comes to: the rows of its table, and what breaks a law, by the two ledgers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .ledgers import AiraloLedger, ShopLedger, Verdict, judge
from .shop.models import ShopOrder
from .storm_airalo import LOOKUPS_PER_MINUTE, Airalo

#: Requests of an endpoint that Airalo allows in a minute.
LIMITS = {"token": 20, "orders-list": LOOKUPS_PER_MINUTE}


def judged(
    airalo: Airalo, orders: int, *, calm_since: datetime | None, resubmits: bool
) -> tuple[dict[str, Any], Verdict, dict[str, list[str]]]:
    """Compare the ledgers of a storm of so many orders.

    Returns:
        The rows of the table, the verdict, and what breaks a law.
    """
    shop = ShopLedger.read()
    ledger = AiraloLedger.read(lambda name: airalo.rows(f"SELECT * FROM {name}"))
    found = judge(shop, ledger, calm_since=calm_since, resubmits=resubmits)
    broken = found.broken()
    if ShopOrder.objects.count() != orders or len(shop.orders) != orders:
        broken["orders"] = [f"{ShopOrder.objects.count()} of the shop, {len(shop.orders)} of ours"]
    rolled_back = [row for row in ledger.requests if "rolled back" in row["body"]]
    if rolled_back:
        broken["rolled_back"] = [f"{len(rolled_back)} requests for orders that were rolled back"]
    for endpoint, most in LIMITS.items():
        if ledger.most_requests(endpoint) > most:
            broken["limits"] = [f"{ledger.most_requests(endpoint)} requests of {endpoint} within a minute"]
    return _rows(shop, ledger, found, airalo), found, broken


def _rows(shop: ShopLedger, ledger: AiraloLedger, found: Verdict, airalo: Airalo) -> dict[str, Any]:
    statuses = shop.statuses()
    doubted = {event["order__reference"] for event in shop.events if event["new_status"] == "unconfirmed"}
    return {
        "orders": len(shop.orders),
        "purchases": len(ledger.purchases),
        "double purchases": len(found.double_purchases),
        "lost eSIMs": len(found.lost_esims) + len(found.lost_codes) + len(found.foreign_codes),
        "wrong or missing flags": len(found.wrong_flags),
        "unsignalled changes": sum(
            map(len, (found.unsignalled, found.untold_changes, found.early_signals, found.unseen_esims))
        ),
        "stuck orders": len(found.stuck) + len(found.silent_doubts),
        "completed": statuses["completed"],
        "failed": statuses["failed"],
        "unconfirmed on hold": statuses["unconfirmed"],
        "once in doubt": len(doubted),
        "bought twice, flagged": len(found.known_duplicates),
        "in part for ever, flagged": sum("Part delivery:" in order["attention"] for order in shop.orders),
        "flagged": sum(bool(order["attention"]) for order in shop.orders),
        "eSIMs": len(shop.esims),
        "changes of state": len(shop.events),
        "changes of eSIMs": len(shop.changes),
        "signals heard": len(shop.received),
        "webhooks sent": airalo.count("delivery_attempts"),
        "requests to Airalo": len(ledger.requests),
        "most look-ups in a minute": f"{ledger.most_requests('orders-list')} of {LOOKUPS_PER_MINUTE}",
    }
