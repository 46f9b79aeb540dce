"""Faults of what is delivered: in parts, with odd numbers, with codes that are missing, incomplete or changed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from django_airalo.emulator import Emulator
from tests.waiting import wait_until

from .support import Partner, Receiver


def in_list(partner: Partner) -> list[str]:
    (order,) = partner.get("orders", params={"include": "sims"}).json()["data"]
    return [sim["iccid"] for sim in order["sims"]]


def at_sims(partner: Partner) -> list[str]:
    return [sim["iccid"] for sim in partner.get("sims").json()["data"]][::-1]


def pushed(receiver: Receiver, count: int) -> list[list[str]]:
    bodies = [json.loads(delivery.body) for delivery in receiver.wait(count)]
    return [[sim["iccid"] for sim in body["data"]["sims"]] for body in bodies]


# Part deliveries


def test_the_rest_comes_by_a_second_webhook(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    emulator.fault({"preset": "part-then-webhook", "rest_delay": 0.5}, "orders-async")
    partner.order_async(package_id, quantity=3, webhook_url=receiver.url)

    ((first,),) = pushed(receiver, 1)
    assert in_list(partner) == at_sims(partner) == [first]
    _, whole = pushed(receiver, 2)
    assert len(whole) == 3
    assert whole[0] == first
    assert in_list(partner) == at_sims(partner) == whole == [row["iccid"] for row in emulator.esims()]


def test_the_second_webhook_may_have_the_rest_alone_and_be_the_only_one(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    part = {"preset": "part-then-webhook", "rest_delay": 0.1}
    emulator.script([{"do": {**part, "rest_only": True}}, {"do": {**part, "webhook": "none"}}])
    partner.order_async(package_id, quantity=3, webhook_url=receiver.url)
    first, rest = pushed(receiver, 2)
    assert (len(first), len(rest)) == (1, 2)
    assert first + rest == in_list(partner)
    partner.order_async(package_id, quantity=3, webhook_url=receiver.url)
    assert len(pushed(receiver, 3)[2]) == 3
    assert emulator.wait_idle(60)
    assert len(receiver.deliveries) == 3


def test_the_rest_is_listed_later_without_a_webhook(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    emulator.fault({"preset": "part-then-list", "rest_delay": 0.6}, "orders-async")
    partner.order_async(package_id, quantity=3, webhook_url=receiver.url)
    ((first,),) = pushed(receiver, 1)
    assert in_list(partner) == [first]
    missing = partner.get(f"sims/{emulator.esims()[2]['iccid']}")
    assert missing.status_code == 404
    assert partner.get("orders", params={"filter[iccid]": emulator.esims()[2]["iccid"]}).json()["data"] == []
    wait_until(lambda: len(in_list(partner)) == 3, "the whole order in the list")
    assert partner.get(f"sims/{emulator.esims()[2]['iccid']}").status_code == 200
    assert emulator.wait_idle(60)
    assert len(receiver.deliveries) == 1


def test_the_rest_is_to_be_seen_among_the_esims_alone(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.fault({"preset": "part-then-sims", "rest_delay": 0.3}, "orders")
    answer = partner.order(package_id, quantity=3).json()["data"]
    assert (len(answer["sims"]), answer["quantity"]) == (1, 3)
    wait_until(lambda: len(at_sims(partner)) == 3, "all eSIMs")
    assert in_list(partner) == [answer["sims"][0]["iccid"]]
    shown = partner.get(f"orders/{answer['id']}", params={"include": "sims"}).json()["data"]
    assert len(shown["sims"]) == 1


@pytest.mark.parametrize(("do", "count"), [("part-for-ever", 1), ({"first_sims": 0}, 0), ({"first_sims": 9}, 3)])
def test_the_rest_never_comes(
    emulator: Emulator, partner: Partner, package_id: str, do: str | dict[str, int], count: int
) -> None:
    emulator.fault(do, "orders")
    before = emulator.balance
    assert len(partner.order(package_id, quantity=3).json()["data"]["sims"]) == count
    assert len(emulator.esims()) == len(in_list(partner)) == count
    whole = emulator.balance
    partner.order(package_id, quantity=3)
    assert before - whole == whole - emulator.balance  # all are paid for


def test_the_answer_has_a_part_and_the_list_all(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.fault({"first_sims": 2, "rest": "list", "rest_delay": 0}, "orders")
    assert len(partner.order(package_id, quantity=3).json()["data"]["sims"]) == 2
    wait_until(lambda: len(in_list(partner)) == 3, "the whole order in the list")


# ICCIDs


@pytest.mark.parametrize(
    ("preset", "pattern"),
    [
        ("iccid-blanks", r"(\d{4} ){4}\d{3}"),
        ("iccid-dashes", r"(\d{4}-){4}\d{3}"),
        ("iccid-trailing-f", r"\d{19}F"),
        ("iccid-letters", r"\d{4}AB\d{13}"),
        ("iccid-15", r"\d{15}"),
        ("iccid-24", r"\d{24}"),
    ],
)
def test_odd_iccids_are_the_names_of_their_esims(
    emulator: Emulator, partner: Partner, pair: tuple[str, str], preset: str, pattern: str
) -> None:
    emulator.fault(preset, "orders")
    sims = partner.order(pair[0], quantity=2).json()["data"]["sims"]
    iccids = [sim["iccid"] for sim in sims]
    assert all(re.fullmatch(pattern, iccid) for iccid in iccids)
    assert len(set(iccids)) == 2
    assert in_list(partner) == iccids
    assert partner.get(f"sims/{iccids[0]}").json()["data"]["qrcode"] == sims[0]["qrcode"]
    assert partner.get(f"sims/{iccids[0]}/usage").json()["data"]["status"] == "NOT_ACTIVE"
    assert partner.topup(pair[1], iccids[0]).status_code == 200
    assert partner.post("refund", json={"iccids": iccids, "reason": "NO_COVERAGE"}).status_code == 202


# Activation codes


def one(emulator: Emulator, partner: Partner, package_id: str, do: Any) -> dict[str, Any]:
    emulator.fault(do, "orders")
    return dict(partner.order(package_id).json()["data"]["sims"][0])


def by_itself(partner: Partner, sim: dict[str, Any]) -> dict[str, Any]:
    return dict(partner.get(f"sims/{sim['iccid']}").json()["data"])


def as_listed(partner: Partner) -> dict[str, Any]:
    (order,) = partner.get("orders", params={"include": "sims"}).json()["data"]
    return dict(order["sims"][0])


CODES = ("lpa", "matching_id", "qrcode", "qrcode_url", "direct_apple_installation_url")


def test_codes_come_late(emulator: Emulator, partner: Partner, package_id: str) -> None:
    sim = one(emulator, partner, package_id, {"preset": "codes-late", "codes_delay": 0.5})
    assert [sim[name] for name in CODES] == [None] * 5
    assert by_itself(partner, sim)["qrcode"] is None
    wait_until(lambda: by_itself(partner, sim)["qrcode"], "the code")
    whole = by_itself(partner, sim)
    assert whole["qrcode"] == f"LPA:1${whole['lpa']}${whole['matching_id']}" == as_listed(partner)["qrcode"]
    assert whole["direct_apple_installation_url"].endswith(whole["qrcode"])
    guide = partner.get(f"sims/{sim['iccid']}/instructions").json()["data"]["instructions"]["ios"][0]
    assert guide["installation_via_qr_code"]["qr_code_data"] == whole["qrcode"]


def test_codes_come_late_to_the_esim_alone(emulator: Emulator, partner: Partner, package_id: str) -> None:
    late = {"preset": "codes-late", "codes_delay": 0.1, "codes_later_in": "sims"}
    sim = one(emulator, partner, package_id, late)
    wait_until(lambda: by_itself(partner, sim)["qrcode"], "the code")
    assert as_listed(partner)["qrcode"] is None


def test_codes_never_come(emulator: Emulator, partner: Partner, package_id: str) -> None:
    sim = one(emulator, partner, package_id, "codes-never")
    assert [by_itself(partner, sim)[name] for name in CODES] == [None] * 5
    assert emulator.esims()[0]["later"] is None


def test_codes_in_parts_and_without_their_prefix(emulator: Emulator, partner: Partner, package_id: str) -> None:
    sim = one(emulator, partner, package_id, "codes-parts")
    assert (sim["qrcode"], sim["direct_apple_installation_url"]) == (None, None)
    assert sim["lpa"]
    assert sim["matching_id"] == emulator.esims()[0]["matching_id"]
    bare = one(emulator, partner, package_id, "codes-no-prefix")
    assert bare["qrcode"] == f"1${bare['lpa']}${bare['matching_id']}"
    assert bare["direct_apple_installation_url"] is None


@pytest.mark.parametrize(("later_in", "listed_changes"), [("everywhere", True), ("sims", False)])
def test_a_code_changes(
    emulator: Emulator, partner: Partner, package_id: str, later_in: str, listed_changes: bool
) -> None:
    changed = {"preset": "codes-changed", "codes_delay": 0.5, "codes_later_in": later_in}
    sim = one(emulator, partner, package_id, changed)
    assert by_itself(partner, sim)["qrcode"] == sim["qrcode"]
    wait_until(lambda: by_itself(partner, sim)["qrcode"] != sim["qrcode"], "another code")
    assert by_itself(partner, sim)["iccid"] == sim["iccid"]
    assert (as_listed(partner)["qrcode"] != sim["qrcode"]) is listed_changes


@pytest.mark.parametrize("preset", ["codes-changed-webhook-late", "codes-changed-webhook-again"])
def test_an_old_webhook_comes_after_the_change(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str, preset: str
) -> None:
    quick = {"codes_delay": 0.3, ("webhook_wait" if preset.endswith("late") else "again_after"): 0.6}
    emulator.fault({"preset": preset, **quick}, "orders-async")
    partner.order_async(package_id, webhook_url=receiver.url)
    old = receiver.wait(1 if preset.endswith("late") else 2)
    (sim,) = json.loads(old[-1].body)["data"]["sims"]
    assert by_itself(partner, sim)["qrcode"] != sim["qrcode"] == json.loads(old[0].body)["data"]["sims"][0]["qrcode"]
    assert len({delivery.body for delivery in old}) == len(old)  # the repeated one has other bytes


def test_a_webhook_is_sent_again_with_the_same_bytes(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    emulator.fault({"again_after": 0.1}, "orders-async")
    partner.order_async(package_id, description="again", webhook_url=receiver.url)
    first, second = receiver.wait(2)
    sim = json.loads(first.body)["data"]["sims"][0]
    changed = emulator.change_code(sim["iccid"])
    assert emulator.push("again", kind="again") == 200
    assert first.body == second.body == receiver.deliveries[2].body
    assert by_itself(partner, sim)["qrcode"] == changed["qrcode"] != sim["qrcode"]
    with pytest.raises(ValueError, match="no webhook of order"):
        emulator.push(partner.order(package_id).json()["data"]["id"], kind="again", url=receiver.url)
    with pytest.raises(ValueError, match="there is no eSIM"):
        emulator.change_code("1")


def test_a_webhook_first_has_no_wait(emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str) -> None:
    emulator.fault({"preset": "webhook-late", "webhook_first": True}, "orders-async")
    partner.order_async(package_id, webhook_url=receiver.url)
    assert len(receiver.deliveries) == 1


# Values of another type


def test_values_are_replaced_by_path(emulator: Emulator, partner: Partner, package_id: str) -> None:
    replaced = {
        "data.price": "9.500000000000002",
        "data.sims.*.iccid": 8900,
        "data.sims.1.lpa": None,
        "data.sims.7.lpa": 1,
        "data.new": [1],
        "data.none.here": 1,
        "meta": {},
    }
    emulator.fault({"replace": replaced}, "orders")
    content = partner.order(package_id, quantity=2).json()
    assert content["meta"] == {}
    assert (content["data"]["price"], content["data"]["new"]) == ("9.500000000000002", [1])
    assert [sim["iccid"] for sim in content["data"]["sims"]] == [8900, 8900]
    assert [sim["lpa"] for sim in content["data"]["sims"]] == ["rsp.example.com", None]
    assert "none" not in content["data"]


@pytest.mark.parametrize("field", ["iccid_form", "codes", "codes_later_in", "rest", "again_shape", "webhook_shape"])
def test_a_form_that_is_not_known_is_refused(emulator: Emulator, field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} must be one of"):
        emulator.fault({field: "nonsense"})
