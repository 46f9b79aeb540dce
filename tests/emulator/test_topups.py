from __future__ import annotations

from decimal import Decimal

import pytest
import requests

from django_airalo.emulator import Emulator

from .support import Partner

Pair = tuple[str, str]


def test_a_topup_is_charged_listed_and_added_to_its_esim(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    before = emulator.balance
    answer = partner.topup(pair[1], iccid, description="more for order 7")
    assert answer.status_code == 200
    order = answer.json()["data"]
    assert (order["type"], order["quantity"], order["description"]) == ("topup", 1, "more for order 7")
    assert not {"sims", "iccid"} & set(order)
    purchase = emulator.purchases()[-1]
    assert (purchase["type"], purchase["iccid"], purchase["status"]) == ("topup", iccid, "completed")
    assert before - emulator.balance == Decimal(purchase["price"]) > 0
    assert len(emulator.esims()) == 1
    (listed,) = partner.get("orders", params={"filter[description]": "more for", "include": "sims"}).json()["data"]
    assert (listed["type"], listed["id"], listed["sims"]) == ("topup", order["id"], [])
    packages = partner.get(f"sims/{iccid}/packages").json()["data"]
    assert [row["package"]["type"] for row in packages] == ["topup", "sim"]
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["total"] == 2048


def test_the_description_has_the_iccid_unless_it_is_given(partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    assert partner.topup(pair[1], iccid).json()["data"]["description"] == f"Topup ({iccid})"


def test_what_is_not_allowed_buys_nothing(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    another = next(name for name in emulator.state.catalogue.topups if not name.startswith(pair[0][:4]))

    def problems(answer: requests.Response) -> object:
        assert answer.status_code == 422
        return answer.json().get("data") or answer.json()["code"]

    assert problems(partner.post("orders/topups", json={})) == {
        "iccid": "The iccid field is required.",
        "package_id": "The package id field is required.",
    }
    assert problems(partner.topup(another, iccid)) == {"package_id": "invalid topup package"}
    assert problems(partner.topup(pair[0], iccid)) == {"package_id": "invalid topup package"}
    assert problems(partner.topup(pair[1], "8900000000000000000")) == {"iccid": "The selected iccid is invalid."}
    assert problems(partner.topup("test-disabled-top-up-7days-1gb", iccid)) == 23
    emulator.withdraw(pair[1])
    assert problems(partner.topup(pair[1], iccid)) == 23
    emulator.withdraw(pair[1], False)
    emulator.recycle(iccid)
    assert problems(partner.topup(pair[1], iccid)) == 73
    emulator.recycle(iccid, False)
    emulator.balance = 0
    assert problems(partner.topup(pair[1], iccid)) == 11
    emulator.balance = 100
    emulator.options.change(topups_per_esim=0)
    assert problems(partner.topup(pair[1], iccid)) == {"package_id": "validation.order_exceed_limit"}
    assert [row["type"] for row in emulator.purchases()] == ["sim"]


def test_topups_of_an_esim(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    content = partner.get(f"sims/{iccid}/topups").json()
    assert content["pricing"] == {"model": "net_pricing", "discount_percentage": 0}
    assert pair[1] in {row["id"] for row in content["data"]}
    assert {row["type"] for row in content["data"]} == {"topup"}
    for row in content["data"]:
        assert set(row["prices"]["net_price"]) == {"USD", "EUR", "GBP", "AED", "JPY"}
        assert row["net_price"] < row["price"]
        assert isinstance(row["voice"], int)
        assert isinstance(row["text"], int)
    emulator.options.change(pricing_model="discount_pricing")
    for row in partner.get(f"sims/{iccid}/topups").json()["data"]:
        assert row["net_price"] is None
        assert set(row["prices"]) == {"recommended_retail_price"}
    emulator.recycle(iccid)
    refused = partner.get(f"sims/{iccid}/topups")
    assert (refused.status_code, refused.json()["code"]) == (422, 73)
    assert iccid in refused.json()["reason"]


def test_an_operator_may_have_no_topups(emulator: Emulator, partner: Partner) -> None:
    catalogue = emulator.state.catalogue
    package = next(item for item in catalogue.packages.values() if item.operator_id not in catalogue.topups_of)
    assert partner.get(f"sims/{partner.esim(package.id)}/topups").json() == {"data": []}  # without pricing


def test_a_topup_under_discount_pricing_costs_less_than_its_price(pair: Pair) -> None:
    with Emulator(pricing_model="discount_pricing", discount_percentage=50) as emulator:
        partner = Partner.of(emulator)
        price = partner.topup(pair[1], partner.esim(pair[0])).json()["data"]["price"]
        assert Decimal(emulator.purchases()[-1]["price"]) * 2 == Decimal(str(price))


@pytest.mark.parametrize(
    ("fault", "bought"),
    [
        ("close-before", 0),
        ("close-after", 1),
        ("500", 0),
        ("500-bought", 1),
        ("html", 1),
        ("truncated", 1),
        ("429", 0),
        ("twin", 2),
    ],
)
def test_faults(emulator: Emulator, partner: Partner, pair: Pair, fault: str, bought: int) -> None:
    iccid = partner.esim(pair[0])
    emulator.fault(fault, "topups")
    if fault.startswith("close"):
        with pytest.raises(requests.ConnectionError):
            partner.topup(pair[1], iccid)
    else:
        partner.topup(pair[1], iccid)
    topups = [row for row in emulator.purchases() if row["type"] == "topup"]
    assert [row["status"] for row in topups] == ["completed"] * bought
    assert len(partner.get(f"sims/{iccid}/packages").json()["data"]) == 1 + bought


def test_a_rule_may_look_at_the_package(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    emulator.fault({"code": 23}, package_id="*-topup")
    assert partner.topup(pair[1], iccid).json()["code"] == 23
    assert partner.topup(pair[1], iccid).status_code == 200


def test_in_the_sandbox_a_topup_costs_nothing(pair: Pair) -> None:
    with Emulator(sandbox=True) as emulator:
        partner = Partner.of(emulator)
        assert partner.topup(pair[1], partner.esim(pair[0])).status_code == 200
        assert emulator.purchases()[-1]["price"] == "0.00"
