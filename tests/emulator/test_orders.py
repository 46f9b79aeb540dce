from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_airalo.emulator import Emulator
from tests.waiting import wait_until

from .support import Partner


def luhn_valid(digits: str) -> bool:
    doubled = [sum(divmod(int(d) * 2, 10)) if i % 2 else int(d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def test_an_order_is_delivered_charged_and_remembered(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.options.change(answer_net_price="always")
    before = emulator.balance
    answer = partner.order(package_id, quantity=3, description="shop order 7")
    assert answer.status_code == 200
    order = answer.json()["data"]
    (purchase,) = emulator.purchases()
    assert (order["id"], order["code"]) == (purchase["id"], purchase["code"])
    assert order["description"] == "shop order 7"
    assert order["currency"] == "USD"
    assert Decimal(purchase["price"]) == Decimal(str(order["net_price"])) * 3
    assert emulator.balance == before - Decimal(purchase["price"])
    iccids = [sim["iccid"] for sim in order["sims"]]
    assert len(set(iccids)) == 3
    assert all(luhn_valid(iccid) for iccid in iccids)
    assert iccids == [esim["iccid"] for esim in emulator.esims(purchase["id"])]
    for sim in order["sims"]:
        assert sim["qrcode"] == f"LPA:1${sim['lpa']}${sim['matching_id']}"
    shown = partner.get("balance").json()["data"]["balances"]["availableBalance"]
    assert Decimal(str(shown["amount"])) == emulator.balance


@pytest.mark.parametrize(
    "how", [lambda f: {"json": f}, lambda f: {"data": f}, lambda f: {"files": {k: (None, v) for k, v in f.items()}}]
)
def test_the_quantity_is_answered_as_it_was_sent(partner: Partner, package_id: str, how: Any) -> None:
    fields = {"package_id": package_id, "quantity": "2"}
    order = partner.post("orders", **how(fields)).json()["data"]
    assert order["quantity"] == "2"
    assert len(order["sims"]) == 2


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"quantity": 0}, {"quantity": "The quantity must be at least 1."}),
        ({"quantity": 51}, {"quantity": "The quantity may not be greater than 50."}),
        ({"quantity": "two"}, {"quantity": "The quantity must be an integer."}),
        ({"quantity": 1.5}, {"quantity": "The quantity must be an integer."}),
        ({"quantity": None}, {"quantity": "The quantity field is required."}),
        ({"package_id": "no-such-package"}, {"package_id": "The selected package is invalid."}),
        ({"type": "boat"}, {"type": "The selected type is invalid."}),
    ],
)
@pytest.mark.parametrize("path", ["orders", "orders-async"])
def test_what_is_not_allowed_buys_nothing(
    emulator: Emulator, partner: Partner, package_id: str, path: str, fields: dict[str, Any], problems: dict[str, str]
) -> None:
    answer = partner.post(path, json={"package_id": package_id, "quantity": 1, **fields})
    assert answer.status_code == 422
    assert answer.json() == {"data": problems, "meta": {"message": "the parameter is invalid"}}
    assert emulator.purchases() == []


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("test-insufficient-balance-7days-1gb", 11),
        ("test-maintenance-mode-7days-1gb", 13),
        ("test-disabled-top-up-7days-1gb", 23),
        ("test-not-enough-7days-1gb", 33),
        ("test-out-of-stock-7days-1gb", 34),
    ],
)
def test_the_sandbox_packages_fail_with_their_codes(emulator: Emulator, partner: Partner, slug: str, code: int) -> None:
    emulator.options.change(head_probe=False)
    for answer in (partner.order(slug), partner.order_async(slug, webhook_url="http://127.0.0.1:1/")):
        assert answer.status_code == 422
        assert answer.json()["code"] == code
        assert answer.json()["reason"]
    assert emulator.purchases() == []


def test_without_credit_nothing_is_bought(emulator: Emulator, partner: Partner, package_id: str) -> None:
    price = emulator.state.catalogue.packages[package_id].net_price
    emulator.balance = Decimal(str(price)) * 2
    assert partner.order(package_id, quantity=2).status_code == 200
    answer = partner.order(package_id)
    assert (answer.status_code, answer.json()["code"]) == (422, 11)
    assert answer.json()["reason"].startswith("Insufficient Airalo Credit: ")
    assert emulator.balance == 0
    assert len(emulator.purchases()) == 1


def test_stock_runs_out(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.set_stock(package_id, 9)
    answer = partner.order(package_id, quantity=10)
    assert answer.json()["data"] == {"quantity": "SIM quantity is not available. Available quantity: 9."}
    assert partner.order(package_id, quantity=9).status_code == 200
    assert partner.order(package_id).json()["code"] == 34


def test_a_brand_that_does_not_exist(emulator: Emulator, partner: Partner, package_id: str) -> None:
    assert partner.order(package_id, brand_settings_name="any").json()["data"]["brand_settings_name"] == "any"
    emulator.options.change(brands=("ours",))
    refused = partner.order(package_id, brand_settings_name="any")
    assert (refused.status_code, refused.json()["data"]) == (
        422,
        {"brand_settings_name": "Brand settings name doesn't exist."},
    )
    assert partner.order(package_id, brand_settings_name="ours").status_code == 200


def test_the_order_list_has_other_types_and_parts_on_request(partner: Partner, package_id: str) -> None:
    partner.order(package_id)
    (bare,) = partner.get("orders").json()["data"]
    assert not {"sims", "user", "status"} & set(bare)
    assert isinstance(bare["price"], str)
    assert isinstance(bare["validity"], str)
    assert isinstance(bare["quantity"], int)
    (full,) = partner.get("orders", params={"include": "sims,user,status"}).json()["data"]
    assert full["status"] == {"name": "Completed", "slug": "completed"}
    assert len(full["sims"]) == 1
    assert full["user"]["email"] == "partner@example.com"


def test_the_order_list_is_searched_with_like(partner: Partner, package_id: str) -> None:
    orders = [partner.order(package_id, description=text).json()["data"] for text in ("AbC 1", "abc 12", "other")]

    def found(**filters: str) -> list[int]:
        query = {f"filter[{name}]": value for name, value in filters.items()}
        return [row["id"] for row in partner.get("orders", params=query).json()["data"]]

    ids = [order["id"] for order in orders]
    assert found(description="ABC 1") == [ids[1], ids[0]]  # newest first, part of the text, any case
    assert found(description="ABC  1") == []
    assert found(description="a_c 12") == [ids[1]]  # the wildcards of LIKE are not escaped
    assert found(code=orders[2]["code"]) == [ids[2]]
    assert found(iccid=orders[1]["sims"][0]["iccid"][4:]) == [ids[1]]
    assert found(order_status="completed") == ids[::-1]
    assert found(order_status="refunded") == []
    first, last = orders[0]["created_at"][:10], orders[2]["created_at"][:10]  # two days at midnight
    assert found(created_at=f"{first} - {last}") == ids[::-1]
    assert found(created_at="2001-01-01 - 2001-01-31") == []


def test_the_order_list_has_pages(partner: Partner, package_id: str) -> None:
    for _ in range(5):
        partner.order(package_id)
    content = partner.get("orders", params={"limit": 2, "page": 3}).json()
    assert len(content["data"]) == 1
    assert content["meta"] | {"path": ""} == {
        "message": "success",
        "current_page": 3,
        "from": 5,
        "last_page": 3,
        "path": "",
        "per_page": "2",
        "to": 5,
        "total": 5,
    }
    bad = partner.get("orders", params={"limit": "x", "page": "y"})
    assert bad.status_code == 422
    assert set(bad.json()["data"]) == {"limit", "page"}


def test_a_single_order_and_one_of_somebody_else(partner: Partner, package_id: str) -> None:
    order = partner.order(package_id).json()["data"]
    shown = partner.get(f"orders/{order['id']}", params={"include": "sims"}).json()["data"]
    assert (shown["code"], shown["sims"][0]["iccid"]) == (order["code"], order["sims"][0]["iccid"])
    foreign = partner.get("orders/42")
    assert foreign.status_code == 401
    assert foreign.json() == {"data": [], "meta": {"message": "This action is unauthorized."}}


def test_an_order_is_listed_only_after_the_listing_delay(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.options.change(listing_delay=3.0)
    order = partner.order(package_id).json()["data"]
    assert partner.get("orders").json()["data"] == []
    assert partner.get(f"orders/{order['id']}").status_code == 401
    (row,) = wait_until(lambda: partner.get("orders").json()["data"], "the order in the list")
    assert row["id"] == order["id"]
    assert partner.get(f"orders/{order['id']}").status_code == 200


def test_discount_pricing_in_an_order(package_id: str) -> None:
    with Emulator(pricing_model="discount_pricing", discount_percentage=10) as emulator:
        order = Partner.of(emulator).order(package_id, quantity=2).json()["data"]
        (purchase,) = emulator.purchases()
    assert "net_price" not in order
    assert (order["pricing_model"], order["discount_percentage"]) == ("discount_pricing", 10)
    assert order["discount_amount"] == pytest.approx(order["price"] - order["unit_paid_price"])
    assert order["unit_paid_price"] == round(order["price"] * 0.9, 2)
    assert order["total_amount_paid"] == pytest.approx(order["unit_paid_price"] * 2)
    assert Decimal(purchase["price"]) == Decimal(str(order["total_amount_paid"]))


def test_in_the_sandbox_nothing_is_deducted(package_id: str) -> None:
    with Emulator(sandbox=True) as emulator:
        assert Partner.of(emulator).order(package_id).status_code == 200
        assert emulator.balance == Decimal("10000.00")
        assert emulator.purchases()[0]["price"] == "0.00"


def test_unknown_paths_and_methods(partner: Partner) -> None:
    assert partner.get("nothing-here").status_code == 404
    assert partner.post("balance").status_code == 405
