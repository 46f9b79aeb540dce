from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import requests

from django_airalo.emulator import Emulator
from django_airalo.emulator.options import REFUND_REASONS

from .support import Partner


def ask(partner: Partner, *iccids: str, **fields: Any) -> requests.Response:
    fields = {"iccids": list(iccids), "reason": "NO_COVERAGE", **fields}
    return partner.post("refund", json={name: value for name, value in fields.items() if value is not None})


def test_a_refund_is_taken_and_decided_later(emulator: Emulator, partner: Partner, package_id: str) -> None:
    before = emulator.balance
    order = partner.order(package_id, quantity=2).json()["data"]
    iccids = [sim["iccid"] for sim in order["sims"]]
    charged = before - emulator.balance
    answer = ask(partner, iccids[0], notes="nothing to be heard", email="shop@example.com")
    assert answer.status_code == 202
    refund = answer.json()["data"]
    assert isinstance(refund["refund_id"], str)
    assert len(refund["created_at"]) == len("2026-01-05 09:30")
    assert [(row["reason"], row["status"]) for row in emulator.refunds()] == [("NO_COVERAGE", "requested")]
    assert emulator.balance == before - charged

    def status() -> str:
        shown = partner.get(f"orders/{order['id']}", params={"include": "status"}).json()["data"]
        return str(shown["status"]["slug"])

    assert status() == "completed"
    emulator.resolve_refund(refund["refund_id"])
    assert status() == "partially_refunded"
    assert emulator.balance == before - charged / 2
    emulator.resolve_refund(ask(partner, *iccids).json()["data"]["refund_id"])
    assert status() == "refunded"
    assert emulator.balance == before  # the first eSIM is not paid back twice
    listed = partner.get("orders", params={"filter[order_status]": "refunded"}).json()["data"]
    assert [row["id"] for row in listed] == [order["id"]]
    with pytest.raises(ValueError, match="there is no open refund"):
        emulator.resolve_refund(refund["refund_id"])


def test_a_refund_may_be_refused(emulator: Emulator, partner: Partner, package_id: str) -> None:
    iccid = partner.esim(package_id)
    before = emulator.balance
    emulator.resolve_refund(ask(partner, iccid).json()["data"]["refund_id"], approved=False)
    assert emulator.balance == before
    assert [row["status"] for row in emulator.refunds()] == ["refused"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"iccids": None}, "The iccids field is required."),
        ({"iccids": ["1"] * 6}, "The iccids may not have more than 5 items."),
        ({"reason": None}, "The reason field is required."),
        ({"reason": "OTHERS"}, "The notes field is required when reason is OTHERS."),
        ({"notes": "x" * 256}, "The notes may not be greater than 255 characters."),
        ({"email": "nobody"}, "The email must be a valid email address."),
        ({"iccids": ["8900", "8901"]}, "The following ICCIDs do not belong to your company: 8900, 8901"),
    ],
)
def test_what_is_not_allowed_has_no_field_names(
    emulator: Emulator, partner: Partner, package_id: str, fields: dict[str, Any], message: str
) -> None:
    answer = ask(partner, partner.esim(package_id), **fields)
    assert answer.status_code == 422
    assert answer.json() == {"data": [], "meta": {"message": message}}
    assert emulator.refunds() == []


def test_reasons(emulator: Emulator, partner: Partner, package_id: str) -> None:
    iccid = partner.esim(package_id)
    assert len(set(REFUND_REASONS)) == 23
    refused = ask(partner, iccid, reason="BORED")
    assert refused.status_code == 422
    assert refused.json()["data"]["reason"].endswith("QR_ISSUE_PARTNERS, OTHERS")
    assert all(ask(partner, iccid, reason=reason, notes="why").status_code == 202 for reason in REFUND_REASONS)
    emulator.options.change(refund_reasons=None)
    assert ask(partner, iccid, reason="BORED").status_code == 202


def test_a_refund_as_a_form_and_its_limit(package_id: str) -> None:
    with Emulator(limits={"refund": (1, 60.0)}) as emulator:
        partner = Partner.of(emulator)
        fields = {"iccids[]": [partner.esim(package_id)], "reason": "SLOW_SPEED"}
        assert partner.post("refund", data=fields).status_code == 202
        assert partner.post("refund", data=fields).status_code == 429


@pytest.mark.parametrize("endpoint", ["refund", "voucher-esim", "voucher-airmoney"])
@pytest.mark.parametrize(("fault", "kept"), [("close-before", 0), ("close-after", 1), ("500", 0), ("500-bought", 1)])
def test_faults(emulator: Emulator, partner: Partner, package_id: str, endpoint: str, fault: str, kept: int) -> None:
    iccid = partner.esim(package_id)
    emulator.fault(fault, endpoint)
    calls: dict[str, Any] = {
        "refund": lambda: ask(partner, iccid),
        "voucher-esim": lambda: vouchers(partner, {"package_id": package_id, "quantity": 1}),
        "voucher-airmoney": lambda: partner.post("voucher/airmoney", json={"amount": 5, "quantity": 1}),
    }
    if fault.startswith("close"):
        with pytest.raises(requests.ConnectionError):
            calls[endpoint]()
    else:
        assert calls[endpoint]().status_code == 500
    assert len(emulator.refunds() + emulator.vouchers()) == kept


def vouchers(partner: Partner, *items: Any) -> requests.Response:
    return partner.post("voucher/esim", json={"vouchers": list(items)})


def test_esim_vouchers(emulator: Emulator, partner: Partner, package_id: str) -> None:
    before = emulator.balance
    other = next(iter(emulator.state.catalogue.packages))
    answer = vouchers(
        partner,
        {"package_id": package_id, "quantity": 2, "booking_reference": "trip 1"},
        {"package_id": other, "quantity": "1"},
    )
    assert answer.status_code == 200
    first, second = answer.json()["data"]
    assert (first["package_id"], first["booking_reference"], len(first["codes"])) == (package_id, "trip 1", 2)
    assert (second["package_id"], second["booking_reference"], len(second["codes"])) == (other, None, 1)
    kept = emulator.vouchers()
    assert [row["code"] for row in kept] == first["codes"] + second["codes"]
    assert before - emulator.balance == sum(Decimal(row["price"]) for row in kept) > 0
    assert emulator.purchases() == []


def test_esim_vouchers_that_are_not_allowed(emulator: Emulator, partner: Partner, package_id: str) -> None:
    answer = vouchers(partner, {"package_id": "no-such-package", "quantity": 1}, {"package_id": package_id}, "what")
    assert answer.status_code == 422
    assert answer.json()["data"] == {
        "vouchers.0.package_id": "The selected vouchers.0.package_id is invalid",
        "vouchers.1.quantity": "The vouchers.1.quantity must be between 1 and 100.",
        "vouchers.2.package_id": "The selected vouchers.2.package_id is invalid",
        "vouchers.2.quantity": "The vouchers.2.quantity must be between 1 and 100.",
    }
    assert list(vouchers(partner).json()["data"]) == ["vouchers"]
    assert vouchers(partner, {"package_id": "test-out-of-stock-7days-1gb", "quantity": 1}).json()["code"] == 34
    emulator.balance = 0
    assert vouchers(partner, {"package_id": package_id, "quantity": 1}).json()["code"] == 11
    assert emulator.vouchers() == []
    emulator.options.change(charge_vouchers=False)
    assert vouchers(partner, {"package_id": package_id, "quantity": 1}).status_code == 200


def test_airmoney_vouchers(emulator: Emulator, partner: Partner) -> None:
    fields = {"amount": 22, "quantity": 1, "usage_limit": 40, "voucher_code": "ABC111", "is_paid": False}
    answer = partner.post("voucher/airmoney", json=fields)
    assert answer.status_code == 200
    content = answer.json()["data"]
    assert content | {"id": 0, "created_at": ""} == {
        "id": 0,
        "code": "ABC111",
        "usage_limit": 40,
        "amount": 22,
        "is_paid": False,
        "created_at": "",
    }
    again = partner.post("voucher/airmoney", json=fields)
    assert again.json()["data"] == {"voucher_code": "The voucher code has already been taken."}
    assert partner.post("voucher/airmoney", json={"amount": "2.5", "quantity": 3}).status_code == 200
    assert len(emulator.vouchers()) == 4


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"amount": None}, "amount"),
        ({"amount": "much"}, "amount"),
        ({"amount": 100_001}, "amount"),
        ({"quantity": 101}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"usage_limit": 100_001}, "usage_limit"),
        ({"voucher_code": "x" * 256}, "voucher_code"),
        ({"voucher_code": "mine", "quantity": 2}, "quantity"),
    ],
)
def test_airmoney_that_is_not_allowed(partner: Partner, fields: dict[str, Any], wrong: str) -> None:
    answer = partner.post("voucher/airmoney", json={"amount": 5, "quantity": 1, **fields})
    assert (answer.status_code, list(answer.json()["data"])) == (422, [wrong])


def test_no_largest_number_of_vouchers_is_documented(emulator: Emulator, partner: Partner, package_id: str) -> None:
    assert vouchers(partner, {"package_id": package_id, "quantity": 101}).status_code == 422
    emulator.options.change(most_vouchers=None)
    (made,) = vouchers(partner, {"package_id": package_id, "quantity": 101}).json()["data"]
    assert len(made["codes"]) == 101
    refused = vouchers(partner, {"package_id": package_id, "quantity": 0}).json()["data"]
    assert refused == {"vouchers.0.quantity": "The vouchers.0.quantity must be at least 1."}


def test_a_refund_whose_list_is_json_text_in_one_field(emulator: Emulator, partner: Partner, package_id: str) -> None:
    iccid = partner.esim(package_id)
    fields = {"iccids": (None, f'["{iccid}"]'), "reason": (None, "NO_COVERAGE")}
    assert partner.post("refund", files=fields).status_code == 202
    assert json.loads(emulator.refunds()[0]["iccids"]) == [iccid]


def test_refusals_may_come_under_status_200(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.options.change(refusals_under_200=True)
    iccid = partner.esim(package_id)
    refused = {
        "fields": vouchers(partner, {"package_id": "no-such-package", "quantity": 1}),
        "code": partner.order("test-out-of-stock-7days-1gb"),
        "message": ask(partner, iccid, reason=None),
        "not found": partner.get("sims/8900000000000000000/topups"),
        "reason": partner.order_async(package_id),
        "cancelling": partner.post("cancel-future-orders", json={"request_ids": ["x" * 25]}),
    }
    assert {name: answer.status_code for name, answer in refused.items()} == dict.fromkeys(refused, 200)
    assert set(refused["code"].json()) == {"code", "reason"}
    assert set(refused["reason"].json()) == {"reason"}
    assert refused["not found"].json()["meta"]["message"] == "messages.resource_not_found"
    assert len(emulator.purchases()) == 1
    assert emulator.vouchers() == emulator.refunds() == []
    assert partner.get("orders/42").status_code == 401
