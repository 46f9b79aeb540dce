"""Everything that buys, from several threads at once and with random faults: the ledger must add up."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import requests

from django_airalo.emulator import Emulator

from .support import Partner, Receiver

THREADS, CALLS = 6, 40


def test_the_ledger_adds_up(receiver: Receiver) -> None:
    with Emulator(webhook_delay=0.02, rate_limits=False, fault_rate=0.4, seed=1) as emulator:
        partner = Partner.__new__(Partner)  # without its call for a token, which may be struck too
        partner.url, partner.session = emulator.url, requests.Session()
        partner.session.trust_env = False
        emulator.ledger.insert("tokens", token="storm", issued_at=0, expires_at=1e12)
        partner.session.headers["Authorization"] = "Bearer storm"
        topup = next(item for item in emulator.state.catalogue.topups.values() if item.voice)
        sim = topup.id.removesuffix("-topup")
        emulator.fault("none", "orders", times=4)
        iccids = [partner.esim(sim) for _ in range(4)]
        sold, credit = len(emulator.purchases()), emulator.balance

        def storm(number: int) -> None:
            draw = random.Random(number)
            for _ in range(CALLS):
                try:
                    draw.choice(calls(emulator, partner, receiver, sim, topup.id, draw.choice(iccids)))()
                except requests.RequestException:
                    continue

        threads = [threading.Thread(target=storm, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        emulator.make_due()
        assert emulator.wait_idle(120)

        purchases, vouchers = emulator.purchases()[sold:], emulator.vouchers()
        assert credit - emulator.balance == sum(Decimal(row["price"]) for row in purchases + vouchers) > 0
        assert {row["status"] for row in purchases} == {"completed"}
        assert {row["status"] for row in emulator.future_orders()} == {"processed"}
        topups = [row for row in purchases if row["type"] == "topup"]
        added = [row for row in emulator.ledger.table("esim_packages") if row["package_id"] == topup.id]
        assert sorted(row["purchase_id"] for row in added) == [row["id"] for row in topups] != []
        broken = [row for row in emulator.requests() if row["status"] == 500 and "500" not in (row["fault"] or "")]
        assert broken == []


def calls(
    emulator: Emulator, partner: Partner, receiver: Receiver, sim: str, topup: str, iccid: str
) -> list[Callable[[], Any]]:
    due_date = (datetime.now(UTC) + timedelta(days=4)).strftime("%Y-%m-%d %H:%M")
    order = {"package_id": sim, "quantity": 1, "webhook_url": receiver.url}
    return [
        lambda: partner.order(sim),
        lambda: partner.post("orders-async", json=order),
        lambda: partner.topup(topup, iccid),
        lambda: partner.post("future-orders", json={**order, "due_date": due_date}) and emulator.make_due(),
        lambda: partner.post("voucher/esim", json={"vouchers": [{"package_id": sim, "quantity": 2}]}),
        lambda: partner.post("refund", json={"iccids": [iccid], "reason": "NO_COVERAGE"}),
        lambda: emulator.use(iccid, data=10),
    ]
