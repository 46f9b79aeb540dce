"""The control plane over HTTP, as another process or a shell uses it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from django_airalo.emulator import Emulator

from .support import Partner, Receiver
from .test_async_orders import signed


@pytest.fixture
def control(emulator: Emulator) -> Any:
    def send(method: str, path: str, content: Any = None) -> requests.Response:
        return requests.request(method, f"{emulator.url}/_emulator/{path}", json=content, timeout=60)

    return send


def test_the_ledger_as_json(emulator: Emulator, partner: Partner, receiver: Receiver, control: Any) -> None:
    package_id = next(iter(emulator.state.catalogue.packages))
    partner.order_async(package_id, description="seen", webhook_url=receiver.url)
    assert emulator.wait_idle(60)
    ledger = control("GET", "ledger").json()
    assert [row["description"] for row in ledger["purchases"]] == ["seen"]
    assert [row["endpoint"] for row in ledger["requests"]] == ["token", "orders-async"]
    assert json.loads(ledger["delivery_attempts"][0]["body"])["data"]["description"] == "seen"
    assert ledger["balance"] == str(emulator.balance)
    assert ledger["tokens"] == 1  # counted, not shown
    assert "eyJ" not in json.dumps(ledger)


def test_faults_by_route(partner: Partner, package_id: str, control: Any) -> None:
    assert control("POST", "faults", {"do": "500", "endpoint": "orders"}).json() == {"added": 1}
    assert control("POST", "faults", {"rules": [{"do": "502", "endpoint": "orders"}]}).json() == {"added": 1}
    assert control("POST", "faults", [{"do": "503", "endpoint": "orders", "times": None}]).json() == {"added": 1}
    assert [partner.order(package_id).status_code for _ in range(4)] == [500, 502, 503, 503]
    control("DELETE", "faults")
    assert partner.order(package_id).status_code == 200
    bad = control("POST", "faults", {"do": "nonsense"})
    assert bad.status_code == 400
    assert "no fault is called 'nonsense'" in bad.json()["error"]


def test_json_is_read_whatever_the_header_says(emulator: Emulator) -> None:
    # as `curl -d` sends it
    answer = requests.post(
        f"{emulator.url}/_emulator/balance",
        data='{"amount": "7.50"}',
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        timeout=60,
    )
    assert answer.json() == {"balance": "7.50"}
    for wrong in ("not JSON", "3"):
        assert requests.post(f"{emulator.url}/_emulator/balance", data=wrong, timeout=60).status_code == 400


def test_tokens_balance_stock_and_packages_by_route(
    emulator: Emulator, partner: Partner, package_id: str, control: Any
) -> None:
    assert control("POST", "balance", {"amount": "0.01"}).json() == {"balance": "0.01"}
    assert partner.order(package_id).json()["code"] == 11
    control("POST", "balance", {"amount": 500})
    control("POST", "stock", {"package_id": package_id, "quantity": 0})
    assert partner.order(package_id).json()["code"] == 34
    control("POST", "stock", {"package_id": package_id, "quantity": None})
    control("POST", "package", {"package_id": package_id, "withdrawn": True})
    assert partner.order(package_id).json()["code"] == 34
    control("POST", "package", {"package_id": package_id, "withdrawn": False})
    assert partner.order(package_id).status_code == 200
    control("POST", "revoke-tokens")
    assert partner.order(package_id).status_code == 401


def test_a_webhook_on_demand(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str, control: Any
) -> None:
    emulator.options.change(sandbox=True, webhook_delay=60.0)
    request_id = partner.order_async(package_id, webhook_url=receiver.url).json()["data"]["request_id"]
    assert control("POST", "push", {"order": request_id}).json() == {"status": 200}
    assert control("POST", "push", {"order": request_id, "shape": "flat"}).json() == {"status": 200}
    failure = {"order": request_id, "kind": "failure", "failure_code": 33}
    assert control("POST", "push", failure).json() == {"status": 200}
    assert control("POST", "push", {"order": request_id, "secret": "other"}).json() == {"status": 200}
    assert control("POST", "push", {"order": request_id, "secret": ""}).json() == {"status": 200}
    first, flat, failed, forged, unsigned = receiver.deliveries
    assert signed(first)
    assert json.loads(first.body)["data"]["sims"] == json.loads(flat.body)["sims"]
    assert json.loads(failed.body)["code"] == 33
    assert forged.headers["airalo-signature"] == hmac.new(b"other", forged.body, hashlib.sha512).hexdigest()
    assert "airalo-signature" not in unsigned.headers
    assert len(emulator.esims()) == 1
    assert control("POST", "push", {"order": "unknown"}).json() == {"error": "there is no order unknown"}


def test_options_by_route(partner: Partner, package_id: str, control: Any) -> None:
    assert control("POST", "options", {"rate_limits": True, "limits": {"orders": [1, 60]}}).status_code == 200
    assert [partner.order(package_id).status_code for _ in range(2)] == [200, 429]
    for wrong in ({"port": 1}, {"nonsense": 1}, {"webhook_shape": "round"}):
        assert control("POST", "options", wrong).status_code == 400


def test_reset_forgets_orders_but_never_gives_a_number_out_again(
    emulator: Emulator, partner: Partner, package_id: str, control: Any
) -> None:
    before = partner.order(package_id).json()["data"]
    emulator.fault("500", times=None)
    control("POST", "reset")
    assert emulator.purchases() == []
    assert emulator.balance == 10_000
    after = partner.order(package_id).json()["data"]
    assert after["id"] > before["id"]
    assert after["sims"][0]["iccid"] != before["sims"][0]["iccid"]


def test_unknown_control_routes(control: Any) -> None:
    assert control("GET", "nothing").status_code == 404
    assert control("POST", "balance", {}).status_code == 400


def test_control_calls_are_not_in_the_ledger(emulator: Emulator, control: Any) -> None:
    control("GET", "ledger")
    assert emulator.requests() == []


def test_esims_future_orders_and_refunds_by_route(
    partner: Partner, pair: tuple[str, str], receiver: Receiver, control: Any
) -> None:
    iccid = partner.esim(pair[0])
    assert control("POST", "usage", {"iccid": iccid, "use": 24, "use_voice": 1}).json()["remaining"] == 1000
    assert control("POST", "usage", {"iccid": iccid, "age": 8}).json()["status"] == "EXPIRED"
    assert control("POST", "usage", {"iccid": iccid, "status": "UNKNOWN"}).json()["status"] == "UNKNOWN"
    assert control("POST", "usage", {"iccid": iccid, "override": None}).json()["status"] == "EXPIRED"
    for wrong in ({"iccid": "1"}, {"iccid": iccid, "colour": "red"}, {"iccid": iccid, "use": "much"}):
        assert control("POST", "usage", wrong).status_code == 400
    assert control("POST", "recycle", {"iccid": iccid}).status_code == 200
    assert partner.topup(pair[1], iccid).json()["code"] == 73

    due = (datetime.now(UTC) + timedelta(days=9)).strftime("%Y-%m-%d %H:%M")
    fields = {"package_id": pair[0], "quantity": 1, "due_date": due, "webhook_url": receiver.url}
    request_id = partner.post("future-orders", json=fields).json()["data"]["request_id"]
    assert control("POST", "due", {"request_id": request_id}).json() == {"due": 1}
    receiver.wait(1)
    assert control("POST", "due", {"request_id": request_id}).status_code == 400

    refund = partner.post("refund", json={"iccids": [iccid], "reason": "EARLY_EXPIRY"}).json()["data"]["refund_id"]
    before = partner.get("balance").json()["data"]["balances"]["availableBalance"]["amount"]
    assert float(control("POST", "refund", {"refund_id": refund}).json()["balance"]) > before
    assert control("POST", "refund", {"refund_id": refund}).status_code == 400
    assert len(control("GET", "ledger").json()["refunds"]) == 1
    control("POST", "reset")
    assert control("GET", "ledger").json()["future_orders"] == []
