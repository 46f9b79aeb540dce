"""The judge itself: each way to break a law is found, and an honest pair of ledgers is not blamed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .ledgers import AiraloLedger, ShopLedger, judge

NOW = datetime(2026, 1, 2, tzinfo=UTC)
REFERENCE = "a" * 32
CODE = "LPA:1$rsp.example.com$ABC"


def honest() -> tuple[ShopLedger, AiraloLedger]:
    event = uuid.uuid4()
    row = {"reference": REFERENCE, "event_id": event.hex, "committed": True, "old_status": "", "new_status": ""}
    row["esims"] = {}
    shop = ShopLedger(
        orders=[order(id=1)],
        esims=[esim(id=1)],
        events=[
            {"order__reference": REFERENCE, "event_id": event, "old_status": "pending", "new_status": "completed"},
        ],
        webhooks=[],
        received=[
            {**row, "signal": "esim_order_status_changed", "old_status": "pending", "new_status": "completed"},
            {**row, "signal": "esim_order_completed", "esims": {"1": "k" * 64}},
        ],
        at=NOW,
    )
    purchase = {"id": 1, "description": f"{REFERENCE} words", "status": "completed"}
    delivered = {"id": 5, "purchase_id": 1, "iccid": "8900000000000000123", "later": None, "later_at": 0}
    delivered["body"] = json.dumps({"qrcode": CODE})
    return shop, AiraloLedger(purchases=[purchase], esims=[delivered], webhooks=[], requests=[])


def order(**fields: Any) -> dict[str, Any]:
    usual = {"reference": REFERENCE, "status": "completed", "type": "sim", "quantity": 1}
    return {"id": 9, **usual, "due_at": None, "attention": "", **fields}


def esim(**fields: Any) -> dict[str, Any]:
    usual = {"id": 9, "order_id": 1, "iccid": "8900000000000000123", "airalo_id": 5, "order__reference": REFERENCE}
    return {**usual, "code_key": "k" * 64, "activation_code": CODE, **fields}


def test_honest_ledgers_break_no_law() -> None:
    assert judge(*honest()).broken() == {}


BREAKERS: dict[str, Callable[[ShopLedger, AiraloLedger], Any]] = {
    "double_purchases": lambda shop, airalo: airalo.purchases.append({"id": 2, "description": REFERENCE}),
    "missing_purchases": lambda shop, airalo: (airalo.purchases.clear(), airalo.esims.clear(), shop.esims.clear()),
    "unknown_purchases": lambda shop, airalo: airalo.purchases.append({"id": 2, "description": "b" * 32}),
    "unwanted_purchases": lambda shop, airalo: (
        shop.orders.append(order(reference="c" * 32, status="cancelled")),
        airalo.future_orders.append({"description": "c" * 32, "status": "pending"}),
    ),
    "lost_esims": lambda shop, airalo: shop.esims.clear(),
    "foreign_esims": lambda shop, airalo: shop.esims.append(esim(iccid="8900000000000000999")),
    "lost_codes": lambda shop, airalo: shop.esims[0].update(activation_code=""),
    "foreign_codes": lambda shop, airalo: shop.esims[0].update(activation_code="LPA:1$rsp.example.com$OTHER"),
    "wrong_flags": lambda shop, airalo: shop.orders[0].update(attention="Part delivery: none."),
    "unsignalled": lambda shop, airalo: shop.received.pop(),
    "unseen_esims": lambda shop, airalo: shop.received[1].update(esims={}),
    "early_signals": lambda shop, airalo: shop.received[0].update(committed=False),
    "untold_changes": lambda shop, airalo: (
        shop.events[0].update(old_status="accepted") or shop.received[0].update(old_status="accepted")
    ),
    "stuck": lambda shop, airalo: shop.orders[0].update(due_at=NOW - timedelta(minutes=2)),
    "silent_doubts": lambda shop, airalo: shop.orders.append(
        order(reference="c" * 32, status="unconfirmed", attention="why")
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
    shop.orders.append(order(reference="c" * 32, status=status, due_at=due_at, attention="why"))
    since = None if calm_since is None else NOW - timedelta(seconds=calm_since)
    assert bool(judge(shop, airalo, calm_since=since).stuck) is is_stuck


def test_the_busiest_minute_is_counted() -> None:
    _, airalo = honest()
    airalo.requests = [{"endpoint": "token", "at": at} for at in (0, 10, 59, 61, 62, 200)]
    assert airalo.most_requests("token") == 4


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_purchase_for_an_order_that_was_given_up_is_found(status: str) -> None:
    shop, airalo = honest()
    shop.orders[0].update(status=status)
    assert "unwanted_purchases" in judge(shop, airalo).broken()


def test_what_airalo_failed_to_deliver_is_no_purchase_for_a_failed_order() -> None:
    shop, airalo = honest()
    shop.orders[0].update(status="failed")
    airalo.purchases[0].update(status="failed")
    assert "unwanted_purchases" not in judge(shop, airalo).broken()


TWICE = "Airalo fulfilled the order twice: as 1 and as 2."
PAGE = {"endpoint": "orders-async", "description": f"{REFERENCE} words", "fault": "html-403", "at": 0}


@pytest.mark.parametrize(
    ("resubmits", "doubt", "attention", "kept", "is_lawful"),
    [
        (True, "unconfirmed", TWICE, True, True),
        (False, "proxy", TWICE, True, True),
        (False, "unconfirmed", TWICE, True, False),
        (True, "", TWICE, True, False),
        (True, "unconfirmed", "", True, False),
        (True, "unconfirmed", "Airalo fulfilled the order twice: as 1 and as 3.", True, False),
        (True, "unconfirmed", TWICE, False, False),
    ],
)
def test_a_second_purchase_is_lawful_only_after_a_doubt_flagged_and_kept(
    resubmits: bool, doubt: str, attention: str, kept: bool, is_lawful: bool
) -> None:
    shop, airalo = honest()
    airalo.purchases.append({"id": 2, "description": REFERENCE, "status": "completed"})
    airalo.requests += [PAGE] if doubt == "proxy" else []
    shop.orders[0].update(attention=attention)
    shop.duplicates += [{"order__reference": REFERENCE}] if kept else []
    if doubt == "unconfirmed":
        shop.events.append({**shop.events[0], "old_status": "completed", "new_status": "unconfirmed"})
    verdict = judge(shop, airalo, resubmits=resubmits)
    assert bool(verdict.double_purchases) is not is_lawful
    assert bool(verdict.known_duplicates) is is_lawful


PART = "Part delivery: 1 of 2 eSIMs are there."


@pytest.mark.parametrize(
    ("changes", "attention", "is_right"),
    [
        ({"order": {"quantity": 2}}, "", False),
        ({"order": {"quantity": 2}}, PART, True),
        ({}, PART, False),
        ({"esim": {"iccid": ""}}, "", False),
        ({"esim": {"iccid": ""}}, "Without ICCID: 1 of 1 eSIMs.", True),
        ({"esim": {"code_key": ""}}, "", False),
        ({"esim": {"code_key": ""}}, "Without activation code: eSIM 1.", True),
        ({"esim": {"iccid": "8900-0000"}}, "", False),
        ({"esim": {"iccid": "8900-0000"}}, "Airalo delivered an eSIM with an odd ICCID: '8900-0000'.", True),
        ({"other": {"order_id": 2}}, "", False),
        ({"other": {"order_id": 2}}, "Airalo delivered eSIM 8900000000000000123 for more than one order", True),
        ({"other": {"order_id": 1}}, "", False),
        ({"other": {"order_id": 1}}, "Airalo delivered 2 eSIMs, 1 were ordered.", True),
    ],
)
def test_flags_say_what_is_wrong_and_nothing_else(
    changes: dict[str, dict[str, Any]], attention: str, is_right: bool
) -> None:
    shop, airalo = honest()
    shop.orders[0].update(changes.get("order", {}), attention=attention)
    shop.esims[0].update(changes.get("esim", {}))
    shop.esims += [esim(id=8, **changes["other"])] if "other" in changes else []
    assert bool(judge(shop, airalo).wrong_flags) is not is_right


def test_a_code_of_parts_and_one_that_came_later_are_airalos() -> None:
    shop, airalo = honest()
    airalo.esims[0].update(body=json.dumps({"lpa": "rsp.example.com", "matching_id": "ABC"}))
    assert judge(shop, airalo).broken() == {}
    airalo.esims[0].update(body="{}", later=json.dumps({"qrcode": CODE.removeprefix("LPA:")}))
    assert judge(shop, airalo).broken() == {}
    shop.esims[0].update(activation_code="")
    assert judge(shop, airalo).lost_codes
    airalo.esims[0].update(later_at=NOW.timestamp() + 1)
    assert not judge(shop, airalo).lost_codes


def test_an_esim_that_came_later_must_have_been_shown_to_the_shop() -> None:
    shop, airalo = honest()
    later = {"id": 6, "purchase_id": 1, "iccid": "8900000000000000456", "body": "{}", "later": None, "later_at": 0}
    airalo.esims.append(later)
    shop.orders[0].update(quantity=2)
    shop.esims.append(esim(id=2, iccid=later["iccid"], airalo_id=6, activation_code=CODE))
    event = uuid.uuid4()
    shop.changes.append({"order__reference": REFERENCE, "event_id": event})
    assert set(judge(shop, airalo).broken()) == {"unsignalled", "unseen_esims"}
    told = {"signal": "esims_changed", "event_id": event.hex, "esims": {"2": "k" * 64}}
    shop.received.append({**shop.received[0], **told})
    assert judge(shop, airalo).broken() == {}


def test_a_code_that_changed_later_must_have_been_shown_to_the_shop() -> None:
    shop, airalo = honest()
    shop.esims[0].update(code_key="n" * 64)
    assert set(judge(shop, airalo).broken()) == {"unseen_esims"}
