"""Each fault on real sockets: what the caller sees, and what was bought."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from django_airalo.emulator import Emulator, Options
from django_airalo.emulator.fault_presets import BUYING, PRESETS, RANDOM
from django_airalo.emulator.fault_rules import Call, FaultRules
from django_airalo.emulator.faults import Fault
from tests.waiting import wait_until

from .support import Partner, Receiver


@pytest.fixture
def order(partner: Partner, receiver: Receiver, package_id: str) -> Any:
    def send(**fields: Any) -> requests.Response:
        return partner.order_async(package_id, webhook_url=receiver.url, **fields)

    return send


@pytest.mark.parametrize(("preset", "bought"), [("close-before", 0), ("close-after", 1)])
def test_the_connection_is_closed_before_or_after_buying(
    emulator: Emulator, receiver: Receiver, order: Any, preset: str, bought: int
) -> None:
    emulator.fault(preset, "orders-async")
    with pytest.raises(requests.ConnectionError):
        order()
    assert len(emulator.purchases()) == bought
    assert emulator.requests("orders-async")[0]["status"] is None
    if bought:
        assert len(receiver.wait(1)) == 1
    assert order().status_code == 202


@pytest.mark.parametrize(
    ("do", "status", "bought"),
    [
        ("500", 500, 0),
        ("500-bought", 500, 1),
        ("502", 502, 0),
        ("502-bought", 502, 1),
        ("503", 503, 0),
        ("503-bought", 503, 1),
        ("504-bought", 504, 1),
        ("429", 429, 0),
        ("401", 401, 0),
        ("403-allowlist", 403, 0),
        ({"code": 53}, 422, 0),
        ({"code": 53, "bought": True}, 422, 1),
        ("html", 200, 1),
        ({"status": 418, "body": {"any": "thing"}, "bought": True}, 418, 1),
    ],
)
def test_any_answer_with_and_without_having_bought(
    emulator: Emulator, order: Any, do: Any, status: int, bought: int
) -> None:
    emulator.fault(do, "orders-async")
    assert order().status_code == status
    assert len(emulator.purchases()) == bought


def test_answers_look_like_airalos(emulator: Emulator, order: Any) -> None:
    emulator.script([{"do": preset} for preset in ("403-allowlist", "429", "429-bare", "html", "503-retry-after")])
    # The address probe of the order itself is not a call to the emulator, so these are five calls of ours.
    allowlist, limited, bare, page, busy = (order() for _ in range(5))
    assert allowlist.json()["code"] == 89
    assert limited.json() == {"message": "Too Many Attempts."}
    assert limited.headers["Retry-After"] == "2"
    assert "Retry-After" not in bare.headers
    assert page.headers["Content-Type"] == "text/html"
    assert busy.headers["Retry-After"] == "2"


def test_broken_bodies(emulator: Emulator, order: Any) -> None:
    emulator.script([{"do": "truncated"}, {"do": "cut"}, {"do": "no-request-id"}])
    truncated = order()
    assert truncated.status_code == 202
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        truncated.json()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        order()
    bare = order()
    assert bare.status_code == 202
    assert set(bare.json()["data"]) == {"accepted_at"}
    assert len(emulator.purchases()) == 3


def test_slow_answers(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.script([{"do": {"delay": 0.3}}, {"do": {"drip": 0.5}}, {"do": {"delay_after": 60.0}}])
    started = time.monotonic()
    partner.order(package_id)
    assert time.monotonic() - started >= 0.3
    started = time.monotonic()
    assert partner.order(package_id).status_code == 200
    assert time.monotonic() - started >= 0.4
    with pytest.raises(requests.ReadTimeout):
        partner.post("orders", json={"package_id": package_id, "quantity": 1}, timeout=0.2)
    wait_until(lambda: len(emulator.purchases()) >= 3, "the purchase whose answer was not waited for")
    assert len(emulator.purchases()) == 3


def test_no_webhook(emulator: Emulator, partner: Partner, receiver: Receiver, order: Any) -> None:
    emulator.fault("no-webhook", "orders-async")
    order()
    assert emulator.wait_idle(60)
    assert emulator.webhooks() == []
    assert len(partner.get("orders").json()["data"]) == 1
    order()
    assert len(receiver.wait(1)) == 1


def test_duplicates_one_after_the_other_and_all_at_once(emulator: Emulator, receiver: Receiver, order: Any) -> None:
    emulator.script([{"do": {"copies": 3}}, {"do": "twenty-at-once"}])
    order()
    assert len({delivery.body for delivery in receiver.wait(3)}) == 1
    order()
    receiver.wait(23)
    assert emulator.wait_idle(60)
    assert len(receiver.deliveries) == len(emulator.delivery_attempts()) == 23
    assert len(emulator.purchases()) == 2


def test_the_webhook_overtakes_its_own_202(emulator: Emulator, receiver: Receiver, order: Any) -> None:
    emulator.options.change(webhook_delay=30.0)
    emulator.fault("webhook-first", "orders-async")
    answer = order()
    assert json.loads(receiver.deliveries[0].body)["request_id"] == answer.json()["data"]["request_id"]


def test_webhooks_change_their_order(emulator: Emulator, receiver: Receiver, order: Any) -> None:
    emulator.fault("reorder", "orders-async")
    order(description="first")
    time.sleep(0.1)
    assert receiver.deliveries == []
    order(description="second")
    bodies = [json.loads(delivery.body) for delivery in receiver.wait(2)]
    assert [body["data"]["description"] for body in bodies] == ["second", "first"]


def test_a_webhook_held_back_in_vain_is_sent_in_the_end(emulator: Emulator, receiver: Receiver, order: Any) -> None:
    emulator.fault({"hold_for": 3, "hold_at_most": 0.2}, "orders-async")
    order()
    assert len(receiver.wait(1)) == 1


def test_a_failure_webhook_costs_nothing(emulator: Emulator, partner: Partner, receiver: Receiver, order: Any) -> None:
    before = emulator.balance
    emulator.fault("failure", "orders-async")
    request_id = order().json()["data"]["request_id"]
    body = json.loads(receiver.wait(1)[0].body)
    assert body["request_id"] == request_id
    assert body["code"] == 34
    assert body["reason"].startswith("The requested eSIM package is invalid")
    (purchase,) = emulator.purchases()
    assert (purchase["status"], purchase["price"]) == ("failed", "0.00")
    assert emulator.balance == before
    assert emulator.esims() == []
    failed = partner.get("orders", params={"filter[order_status]": "failed", "include": "status"}).json()["data"]
    assert failed[0]["status"]["slug"] == "failed"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"failure_has_code": False}, {"reason", "request_id"}),
        ({"failure_has_request_id": False}, {"reason", "code"}),
        ({"failure_enveloped": True}, {"data", "meta", "request_id"}),
    ],
)
def test_parts_of_the_failure_can_be_left_out(
    emulator: Emulator, receiver: Receiver, order: Any, more: dict[str, bool], expected: set[str]
) -> None:
    emulator.fault({"preset": "failure", "failure_code": 33, **more}, "orders-async")
    order()
    assert set(json.loads(receiver.wait(1)[0].body)) == expected


@pytest.mark.parametrize(
    ("preset", "kinds"),
    [("failure-then-success", ["failure", "success"]), ("success-then-failure", ["success", "failure"])],
)
def test_contradicting_webhooks(
    emulator: Emulator, receiver: Receiver, order: Any, preset: str, kinds: list[str]
) -> None:
    emulator.fault(preset, "orders-async")
    order()
    bodies = [json.loads(delivery.body) for delivery in receiver.wait(2)]
    assert ["success" if "data" in body else "failure" for body in bodies] == kinds
    assert emulator.purchases()[0]["status"] == "completed"
    assert len(emulator.esims()) == 1


@pytest.mark.parametrize(("preset", "count"), [("fewer-sims", 2), ("more-sims", 4)])
def test_another_number_of_sims_than_ordered(
    emulator: Emulator, receiver: Receiver, order: Any, preset: str, count: int
) -> None:
    emulator.fault(preset, "orders-async")
    order(quantity=3)
    assert len(json.loads(receiver.wait(1)[0].body)["data"]["sims"]) == count


def test_iccids_repeated_and_missing(emulator: Emulator, receiver: Receiver, order: Any) -> None:
    emulator.script(
        [
            {"do": "none"},
            {"do": {"repeat_iccid": "previous"}},
            {"do": {"repeat_iccid": "order"}},
            {"do": "no-iccid"},
        ]
    )
    found = []
    for number in range(1, 5):
        order(quantity=2)
        content = json.loads(receiver.wait(number)[-1].body)
        found.append([sim["iccid"] for sim in content["data"]["sims"]])
    assert found[1][0] == found[0][1]
    assert found[2][0] == found[2][1]
    assert found[3][0] is None
    assert found[3][1]


def test_two_orders_with_one_description(emulator: Emulator, partner: Partner, receiver: Receiver, order: Any) -> None:
    emulator.fault("twin", "orders-async")
    order(description="only one")
    assert emulator.wait_idle(60)
    found = partner.get("orders", params={"filter[description]": "only one"}).json()["data"]
    assert len(found) == 2
    assert len(receiver.deliveries) == 1


def test_a_listing_delay_for_one_order(emulator: Emulator, partner: Partner, order: Any) -> None:
    emulator.fault({"listing_delay": 60}, "orders-async")
    order()
    order(description="next")
    assert emulator.wait_idle(60)
    assert [row["description"] for row in partner.get("orders").json()["data"]] == ["next"]


def test_rules_choose_calls(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.script(
        [
            {"do": "500", "endpoint": "orders", "call": 2},
            {"do": "502", "description": "vip-*", "times": 2},
            {"do": "503", "package_id": package_id[:4] + "*", "endpoint": "orders-async", "times": None},
        ]
    )
    statuses = [partner.order(package_id).status_code for _ in range(3)]
    assert statuses == [200, 500, 200]
    statuses = [partner.order(package_id, description="vip-1").status_code for _ in range(3)]
    assert statuses == [502, 502, 200]
    statuses = [partner.order_async(package_id).status_code for _ in range(3)]
    assert statuses == [503, 503, 503]
    assert emulator.requests("orders")[1]["fault"] == "500"
    emulator.clear_faults()
    assert partner.order_async(package_id).status_code == 422


@pytest.mark.parametrize(
    "rule",
    [
        {"do": "no-such-fault"},
        {"do": {"delays": 3}},
        {"do": {"delay": "3"}},
        {"do": {"copies": True}},
        {"do": {"close": "sometimes"}},
        {"do": {"webhook": "maybe"}},
        {"do": {"repeat_iccid": "always"}},
        {"do": "500", "call": "2"},
        {"do": "500", "nth": 2},
        {"endpoint": "orders"},
        "500",
    ],
)
def test_a_rule_that_is_not_understood_is_refused(emulator: Emulator, rule: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        emulator.script([{"do": "500"}, rule])
    assert emulator.state.faults.choose(Call("orders")) == Fault()


def test_every_preset_is_understood() -> None:
    for preset in PRESETS:
        assert Fault.parse(preset).name == preset
    drawn = {name for group in RANDOM.values() for names in group for name in names}
    assert drawn <= set(PRESETS)


def test_random_faults_can_be_repeated_and_strike_as_often_as_asked() -> None:
    def drawn(seed: int) -> list[str]:
        book = FaultRules(Options(fault_rate=0.25, seed=seed))
        return [book.choose(Call(BUYING[1], call)).name for call in range(1, 401)]

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)
    struck = sum(bool(name) for name in drawn(7))
    assert 60 <= struck <= 140


def test_a_script_file(tmp_path: Any, package_id: str) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"endpoint": "orders", "do": "500"}]')
    with Emulator(script=script) as emulator:
        assert Partner.of(emulator).order(package_id).status_code == 500
    script.write_text("not JSON")
    with pytest.raises(ValueError, match=r"script\.json cannot be read"):
        Emulator(script=script)
