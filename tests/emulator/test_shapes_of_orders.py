"""Each documented shape of an order and its eSIMs: in the answer to a POST, and of an eSIM by itself.

The keys and types are those of Airalo's API description of September 2026.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest
import requests

from django_airalo.emulator import Emulator
from django_airalo.emulator.catalogue_parts import Package
from django_airalo.emulator.esims import asks_for_confirmation

from .support import Partner, Receiver

Pair = tuple[str, str]

ORDER: dict[str, Any] = {
    "id": int,
    "code": str,
    "currency": str,
    "package_id": str,
    "quantity": int,
    "type": str,
    "description": str,
    "esim_type": str,
    "validity": int,
    "package": str,
    "data": str,
    "price": float,
    "created_at": str,
    "manual_installation": str,
    "qrcode_installation": str,
    "installation_guides": dict,
    "pricing_model": str,
    "brand_settings_name": type(None),
    "sims": list,
}
SPOKEN: dict[str, Any] = {"text": (int, type(None)), "voice": (int, type(None))}
DISCOUNT: dict[str, Any] = {
    "discount_percentage": int,
    "discount_amount": float,
    "unit_paid_price": float,
    "total_amount_paid": float,
}
SIM: dict[str, Any] = {
    "id": int,
    "created_at": str,
    "iccid": str,
    "lpa": str,
    "imsis": type(None),
    "matching_id": str,
    "qrcode": str,
    "qrcode_url": str,
    "direct_apple_installation_url": str,
    "airalo_code": type(None),
    "apn_type": str,
    "apn_value": (str, type(None)),
    "is_roaming": bool,
    "confirmation_code": type(None),
}


def has_shape(content: dict[str, Any], shape: dict[str, Any]) -> None:
    """Assert that the keys are these and no others, each with its type; PHP writes 9.0 as 9."""
    assert set(content) == set(shape)
    for name, wanted in shape.items():
        kinds = (float, int) if wanted is float else wanted
        assert isinstance(content[name], kinds), (name, content[name])
        assert wanted is bool or not isinstance(content[name], bool), name


def packages_of(emulator: Emulator) -> list[Package]:
    return list(emulator.state.catalogue.packages.values())


# The answer to a POST, and so the webhook


@pytest.mark.parametrize("form", ["always", "null", "absent"])
def test_an_order_under_net_pricing(emulator: Emulator, partner: Partner, package_id: str, form: str) -> None:
    emulator.options.change(answer_net_price=form)
    order = partner.order(package_id, quantity=2, description="a").json()["data"]
    shape = {
        "always": ORDER | SPOKEN | {"net_price": float},
        "null": ORDER | SPOKEN | {"net_price": type(None)},
        "absent": ORDER,
    }[form]
    has_shape(order, shape)
    assert order["pricing_model"] == "net_pricing"


def test_an_order_under_discount_pricing(package_id: str) -> None:
    with Emulator(pricing_model="discount_pricing", discount_percentage=10) as emulator:
        order = Partner.of(emulator).order(package_id, quantity=3, description="a").json()["data"]
        (purchase,) = emulator.purchases()
    has_shape(order, ORDER | SPOKEN | DISCOUNT)
    # The price and its discount are those of one eSIM, the total is that of all.
    assert order["unit_paid_price"] + order["discount_amount"] == pytest.approx(order["price"])
    assert order["total_amount_paid"] == pytest.approx(3 * order["unit_paid_price"])
    assert Decimal(purchase["price"]) == Decimal(str(order["total_amount_paid"]))


def test_some_orders_tell_their_net_price_and_some_do_not(emulator: Emulator, partner: Partner) -> None:
    seen = set()
    for package in packages_of(emulator)[:40]:
        order = partner.order(package.id).json()["data"]
        again = partner.order(package.id).json()["data"]
        assert ("net_price" in order) == ("net_price" in again)  # the same for the same package
        if "net_price" not in order:
            seen.add("absent")
        else:
            seen.add("null" if order["net_price"] is None else "told")
    assert seen == {"absent", "null", "told"}


def test_the_esims_of_an_answer(emulator: Emulator, partner: Partner) -> None:
    seen = set()
    for package in {item.operator: item for item in packages_of(emulator)[:400]}.values():
        (sim,) = partner.order(package.id).json()["data"]["sims"]
        more = {name: kind for name, kind in {"apn": dict, "msisdn": str}.items() if name in sim}
        has_shape(sim, SIM | more)
        assert sim["direct_apple_installation_url"].endswith(f"?carddata={sim['qrcode']}")
        if "msisdn" in sim:
            assert len(sim["msisdn"]) == 15
            assert sim["msisdn"].isdigit()
        if "apn" in sim:
            assert set(sim["apn"]) == {"ios", "android"}
        assert not package.voice or "msisdn" in sim
        seen.add(tuple(more))
    assert seen == {(), ("apn",), ("apn", "msisdn")}


def test_a_webhook_is_as_the_answer(emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str) -> None:
    partner.order_async(package_id, description="a", webhook_url=receiver.url)
    body = json.loads(receiver.wait(1)[0].body)
    answer = partner.order(package_id, description="a").json()["data"]
    assert set(body) == {"data", "meta", "request_id"}
    assert set(body["data"]) == set(answer)
    assert set(body["data"]["sims"][0]) == set(answer["sims"][0])


TOPUP = {name: kind for name, kind in ORDER.items() if name not in ("sims", "brand_settings_name")} | SPOKEN


@pytest.mark.parametrize("model", ["net_pricing", "discount_pricing"])
def test_a_topup(pair: Pair, model: str) -> None:
    with Emulator(pricing_model=model, answer_net_price="always", rate_limits=False) as emulator:
        partner = Partner.of(emulator)
        order = partner.topup(pair[1], partner.esim(pair[0])).json()["data"]
    if model == "net_pricing":
        has_shape(order, TOPUP | {"net_price": float})
    else:
        has_shape(order, TOPUP | DISCOUNT | {"net_price": type(None)})  # null here, where an order leaves it out
        assert order["total_amount_paid"] == order["unit_paid_price"]
    assert (order["quantity"], order["type"]) == (1, "topup")
    assert order["manual_installation"].startswith("<p>")
    assert order["qrcode_installation"].startswith("<p>")


def test_some_topups_have_the_type_of_their_operator(emulator: Emulator, partner: Partner) -> None:
    seen, catalogue = set(), emulator.state.catalogue
    for topup in list(catalogue.topups.values())[:12]:
        iccid = partner.esim(topup.id.removesuffix("-topup"))
        seen.add(partner.topup(topup.id, iccid).json()["data"]["esim_type"])
    assert seen == {"Prepaid", "local"}


# An eSIM by itself

BY_ITSELF = SIM | {
    "voucher_code": type(None),
    "order": type(None),
    "brand_settings_name": (str, type(None)),
    "confirmation_code": (str, type(None)),
}
RECYCLED: dict[str, Any] = {"recycled": bool, "recycled_at": (str, type(None))}
EVERYTHING = {"include": "order,order.status,order.user,share"}


def test_an_esim_by_itself(emulator: Emulator, partner: Partner, package_id: str) -> None:
    iccids = [partner.esim(package_id), partner.esim(package_id, brand_settings_name="Ours")]
    listed = partner.get("sims", params=EVERYTHING).json()["data"][::-1]
    for iccid, row, more in zip(iccids, listed, (RECYCLED, {}), strict=True):
        shown = partner.get(f"sims/{iccid}", params=EVERYTHING).json()["data"]
        assert shown == row
        has_shape(shown, BY_ITSELF | more | {"simable": dict})
        assert set(shown["simable"]["sharing"]) == {"link", "access_code"}
        assert shown["simable"]["status"] == {"name": "Completed", "slug": "completed"}
        assert shown["simable"]["user"]["company"]
    assert [row["brand_settings_name"] for row in listed] == [None, "Ours"]


def test_a_confirmation_code_is_told_of_the_esim_alone(emulator: Emulator, partner: Partner) -> None:
    package = next(item for item in packages_of(emulator) if asks_for_confirmation(item))
    (sim,) = partner.order(package.id).json()["data"]["sims"]
    shown = partner.get(f"sims/{sim['iccid']}").json()["data"]
    assert sim["confirmation_code"] is None
    assert len(shown["confirmation_code"]) == 4
    assert shown["confirmation_code"].isdigit()
    (in_list,) = partner.get("sims").json()["data"]
    assert in_list["confirmation_code"] == shown["confirmation_code"]
    (order,) = partner.get("orders", params={"include": "sims"}).json()["data"]
    assert order["sims"][0]["confirmation_code"] is None
    other = next(item for item in packages_of(emulator) if not asks_for_confirmation(item))
    assert partner.get(f"sims/{partner.esim(other.id)}").json()["data"]["confirmation_code"] is None


# The list of orders, and an order by itself: less than the answer

LISTED: dict[str, Any] = {
    "id": int,
    "created_at": str,
    "code": str,
    "description": (str, type(None)),
    "type": str,
    "package_id": str,
    "quantity": int,
    "package": str,
    "esim_type": str,
    "validity": str,
    "price": str,
    "data": str,
    "currency": str,
    "manual_installation": str,
    "qrcode_installation": str,
    "installation_guides": dict,
    "sims": list,
    "user": dict,
    "status": dict,
}
LISTED_SIM = {name: kind for name, kind in SIM.items() if name != "direct_apple_installation_url"}
PARTS = {"include": "sims,user,status"}


@pytest.mark.parametrize("model", ["net_pricing", "discount_pricing"])
def test_a_listed_order_and_its_esims_are_poor(package_id: str, model: str) -> None:
    with Emulator(pricing_model=model, answer_net_price="always", rate_limits=False) as emulator:
        partner = Partner.of(emulator)
        answer = partner.order(package_id, quantity="2", description="a").json()["data"]
        partner.order(package_id)
        nameless, listed = partner.get("orders", params=PARTS).json()["data"]
        alone = partner.get(f"orders/{answer['id']}", params=PARTS).json()["data"]
    has_shape(listed, LISTED)
    has_shape(alone, LISTED)
    assert nameless["description"] is None
    assert (listed["price"], listed["validity"]) == (f"{answer['price']:.2f}", str(answer["validity"]))
    assert (answer["quantity"], listed["quantity"]) == ("2", 2)
    for sim, by_itself, whole in zip(listed["sims"], alone["sims"], answer["sims"], strict=True):
        has_shape(sim, LISTED_SIM)
        has_shape(by_itself, LISTED_SIM | {"voucher_code": type(None)})
        assert {name: whole[name] for name in LISTED_SIM} == sim


def test_a_listed_topup_has_no_esims_and_no_texts(partner: Partner, pair: Pair) -> None:
    partner.topup(pair[1], partner.esim(pair[0]))
    listed = partner.get("orders", params=PARTS).json()["data"][0]
    has_shape(listed, LISTED)
    assert (listed["type"], listed["sims"]) == ("topup", [])
    assert (listed["manual_installation"], listed["qrcode_installation"]) == ("", "")
    assert re.fullmatch(r"\d+\.\d\d", listed["price"])


def test_an_order_that_failed_is_listed_and_can_be_filtered(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str
) -> None:
    emulator.fault("failure", "orders-async")
    partner.order_async(package_id, description="failed", webhook_url=receiver.url)
    receiver.wait(1)
    partner.order(package_id, description="bought")
    failed = {**PARTS, "filter[order_status]": "failed"}
    (row,) = partner.get("orders", params=failed).json()["data"]
    has_shape(row, LISTED)
    assert (row["description"], row["sims"]) == ("failed", [])
    assert row["status"] == {"name": "Failed", "slug": "failed"}
    assert partner.get(f"orders/{row['id']}", params=PARTS).json()["data"] == row
    assert partner.get("orders").json()["meta"]["total"] == 2
    emulator.options.change(list_failed=False)
    assert partner.get("orders", params=failed).json()["data"] == []


def test_a_refund_that_was_decided_is_seen_in_the_list(emulator: Emulator, partner: Partner, package_id: str) -> None:
    order = partner.order(package_id, quantity=2).json()["data"]

    def refund(iccid: str) -> list[tuple[int, str]]:
        asked = partner.post("refund", json={"iccids": [iccid], "reason": "NO_COVERAGE"}).json()["data"]["refund_id"]
        control = f"{emulator.url}/_emulator/refund"
        assert requests.post(control, json={"refund_id": asked}, timeout=60).status_code == 200
        filters = [{**PARTS, "filter[order_status]": slug} for slug in ("partially_refunded", "refunded")]
        rows = [row for query in filters for row in partner.get("orders", params=query).json()["data"]]
        return [(row["id"], row["status"]["slug"]) for row in rows]

    assert refund(order["sims"][0]["iccid"]) == [(order["id"], "partially_refunded")]
    assert refund(order["sims"][1]["iccid"]) == [(order["id"], "refunded")]


def test_the_order_of_an_esim_is_as_poor(partner: Partner, package_id: str) -> None:
    iccid = partner.esim(package_id)
    simable = partner.get(f"sims/{iccid}", params=EVERYTHING).json()["data"]["simable"]
    has_shape(simable, {name: kind for name, kind in LISTED.items() if name != "sims"} | {"sharing": dict})
