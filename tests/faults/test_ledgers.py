"""The judge itself: each way to break a law is found, and an honest pair of ledgers is not blamed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .ledgers import AiraloLedger, ShopLedger, judge

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REFERENCE = "a" * 32


def honest() -> tuple[ShopLedger, AiraloLedger]:
    event = uuid.uuid4()
    row = {"reference": REFERENCE, "event_id": event.hex, "committed": True, "old_status": "", "new_status": ""}
    shop = ShopLedger(
        orders=[{"reference": REFERENCE, "status": "completed", "due_at": None, "attention": ""}],
        esims=[{"iccid": "8900000000000000123", "order__reference": REFERENCE}],
        events=[
            {"order__reference": REFERENCE, "event_id": event, "old_status": "pending", "new_status": "completed"},
        ],
        webhooks=[],
        received=[
            {**row, "signal": "esim_order_status_changed", "old_status": "pending", "new_status": "completed"},
            {**row, "signal": "esim_order_completed"},
        ],
        at=NOW,
    )
    purchase = {"id": 1, "description": f"{REFERENCE} words"}
    esim = {"purchase_id": 1, "iccid": "8900000000000000123"}
    return shop, AiraloLedger(purchases=[purchase], esims=[esim], webhooks=[], requests=[])


def test_honest_ledgers_break_no_law() -> None:
    assert judge(*honest()).broken() == {}


BREAKERS: dict[str, Callable[[ShopLedger, AiraloLedger], Any]] = {
    "double_purchases": lambda shop, airalo: airalo.purchases.append({"id": 2, "description": REFERENCE}),
    "missing_purchases": lambda shop, airalo: (airalo.purchases.clear(), airalo.esims.clear(), shop.esims.clear()),
    "unknown_purchases": lambda shop, airalo: airalo.purchases.append({"id": 2, "description": "b" * 32}),
    "unwanted_purchases": lambda shop, airalo: (
        shop.orders.append({"reference": "c" * 32, "status": "cancelled", "due_at": None, "attention": ""}),
        airalo.future_orders.append({"description": "c" * 32, "status": "pending"}),
    ),
    "lost_esims": lambda shop, airalo: shop.esims.clear(),
    "foreign_esims": lambda shop, airalo: shop.esims.append({"iccid": "8900000000000000999", "order__reference": "b"}),
    "unsignalled": lambda shop, airalo: shop.received.pop(),
    "early_signals": lambda shop, airalo: shop.received[0].update(committed=False),
    "untold_changes": lambda shop, airalo: (
        shop.events[0].update(old_status="accepted") or shop.received[0].update(old_status="accepted")
    ),
    "stuck": lambda shop, airalo: shop.orders[0].update(due_at=NOW - timedelta(minutes=1)),
    "silent_doubts": lambda shop, airalo: shop.orders.append(
        {"reference": "c" * 32, "status": "unconfirmed", "due_at": None, "attention": "why"}
    ),
    "unsigned": lambda shop, airalo: shop.webhooks.append({"id": 1, "digest": "d" * 64}),
}


@pytest.mark.parametrize("law", BREAKERS)
def test_each_breach_is_found(law: str) -> None:
    shop, airalo = honest()
    BREAKERS[law](shop, airalo)
    assert law in judge(shop, airalo).broken()


@pytest.mark.parametrize("status", ["unconfirmed", "failed", "cancelled"])
@pytest.mark.parametrize(
    ("due", "calm_since", "is_stuck"),
    [(80, None, False), (100, None, True), (590, 600, False), (610, 600, True), (60, 50, True)],
)
def test_what_is_at_rest_must_be_looked_at_once_it_is_calm(
    status: str, due: int, calm_since: int | None, is_stuck: bool
) -> None:
    shop, airalo = honest()
    due_at = NOW - timedelta(seconds=due)
    shop.orders.append({"reference": "c" * 32, "status": status, "due_at": due_at, "attention": "why"})
    since = None if calm_since is None else NOW - timedelta(seconds=calm_since)
    assert bool(judge(shop, airalo, calm_since=since).stuck) is is_stuck


def test_the_busiest_minute_is_counted() -> None:
    _, airalo = honest()
    airalo.requests = [{"endpoint": "token", "at": at} for at in (0, 10, 59, 61, 62, 200)]
    assert airalo.most_requests("token") == 4
