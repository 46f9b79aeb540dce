from __future__ import annotations

import re

import pytest

from django_airalo.emulator import Emulator

from .support import Partner

Pair = tuple[str, str]


@pytest.mark.parametrize("path", ["", "/usage", "/topups", "/packages", "/instructions"])
def test_an_esim_that_is_not_the_partners_is_not_found(partner: Partner, path: str) -> None:
    answer = partner.get(f"sims/8900000000000000000{path}")
    assert answer.status_code == 404
    assert answer.json() == {"data": [], "meta": {"message": "messages.resource_not_found"}}


def test_the_list_of_esims(partner: Partner, package_id: str) -> None:
    orders = [partner.order(package_id, quantity=2, description=f"order {n}").json()["data"] for n in range(2)]
    iccids = [sim["iccid"] for order in orders for sim in order["sims"]]
    content = partner.get("sims").json()
    assert [row["iccid"] for row in content["data"]] == iccids[::-1]
    assert "simable" not in content["data"][0]
    assert (content["meta"]["total"], content["meta"]["per_page"]) == (4, "25")
    (found,) = partner.get("sims", params={"filter[iccid]": iccids[0][3:]}).json()["data"]
    assert found["iccid"] == iccids[0]
    day = orders[0]["created_at"][:10]
    assert partner.get("sims", params={"filter[created_at]": f"{day} - {day}"}).json()["meta"]["total"] == 4
    assert partner.get("sims", params={"filter[created_at]": "2001-01-01 - 2001-01-02"}).json()["data"] == []
    paged = partner.get("sims", params={"limit": 3, "page": 2}).json()
    assert [row["iccid"] for row in paged["data"]] == iccids[:1]
    bad = partner.get("sims", params={"limit": "many"})
    assert (bad.status_code, bad.json()["data"]) == (422, {"limit": "The limit must be an integer."})


def test_parts_of_an_esim(emulator: Emulator, partner: Partner, package_id: str) -> None:
    iccid = partner.esim(package_id, description="mine", brand_settings_name="Our Brand")
    whole = partner.get(f"sims/{iccid}", params={"include": "order,order.status,order.user,share"}).json()["data"]
    assert whole["brand_settings_name"] == "Our Brand"
    assert whole["simable"]["description"] == "mine"
    assert whole["simable"]["status"]["slug"] == "completed"
    assert whole["simable"]["user"]["email"] == "partner@example.com"
    assert isinstance(whole["simable"]["price"], str)
    assert re.fullmatch(r"https://esims\.example\.com/our-brand/\S+", whole["simable"]["sharing"]["link"])
    assert re.fullmatch(r"\d{4}", whole["simable"]["sharing"]["access_code"])
    again = partner.get(f"sims/{iccid}", params={"include": "order,share"}).json()["data"]["simable"]
    assert again["sharing"] == whole["simable"]["sharing"]
    assert "status" not in again
    assert (whole["recycled"], whole["recycled_at"]) == (False, None)
    second = partner.get(f"sims/{partner.esim(package_id)}").json()["data"]
    assert not {"recycled", "recycled_at"} & set(second)  # some documented rows lack them
    emulator.recycle(iccid)
    recycled = partner.get(f"sims/{iccid}").json()["data"]
    assert recycled["recycled"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", recycled["recycled_at"])


def test_an_esim_appears_when_its_order_is_fulfilled(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.options.change(listing_delay=3600.0)
    iccid = partner.esim(package_id)
    assert partner.get("sims").json()["data"] == []
    assert partner.get(f"sims/{iccid}").status_code == 200


def test_the_brand_of_an_esim(emulator: Emulator, partner: Partner, package_id: str) -> None:
    iccid = partner.esim(package_id)
    emulator.options.change(brands=("ours",))
    answer = partner.put(f"sims/{iccid}/brand", data={"brand_settings_name": "ours"})
    assert (answer.status_code, answer.json()["data"]) == (200, {"brand_settings_name": "ours"})
    assert partner.get(f"sims/{iccid}").json()["data"]["brand_settings_name"] == "ours"
    refused = partner.put(f"sims/{iccid}/brand", json={"brand_settings_name": "theirs"})
    assert refused.json()["data"] == {"brand_settings_name": "Brand settings name doesn't exist."}
    assert partner.put(f"sims/{iccid}/brand", json={}).status_code == 422
    assert partner.put(f"sims/{iccid}/brand", json={"brand_settings_name": None}).status_code == 200
    assert partner.get(f"sims/{iccid}").json()["data"]["brand_settings_name"] is None
    assert partner.put("sims/8900000000000000000/brand", json={"brand_settings_name": "ours"}).status_code == 404


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "EN"),
        ("*", "EN"),
        ("de", "DE"),
        ("de-AT,de;q=0.9", "DE"),
        ("pt-BR", "PT-BR"),
        ("es", "ES-ES"),
        ("xx", "EN"),
    ],
)
def test_instructions_in_a_language(partner: Partner, package_id: str, header: str, language: str) -> None:
    order = partner.order(package_id).json()["data"]["sims"][0]
    content = partner.get(f"sims/{order['iccid']}/instructions", headers={"Accept-Language": header}).json()["data"]
    instructions = content["instructions"]
    assert instructions["language"] == language
    for guide in instructions["ios"] + instructions["android"]:
        assert list(guide["installation_via_qr_code"]["steps"])[:2] == ["1", "2"]
        assert guide["installation_via_qr_code"]["qr_code_data"] == order["qrcode"]
        assert guide["installation_manual"]["smdp_address_and_activation_code"]
        assert set(guide["network_setup"]) == {"steps", "apn_type", "apn_value", "is_roaming"}
        first = guide["installation_manual"]["steps"]["1"]
        assert first.startswith("[") != (language == "EN")
    assert instructions["ios"][0]["installation_via_qr_code"]["direct_apple_installation_url"].endswith(order["qrcode"])
    assert "direct_apple_installation_url" not in instructions["android"][0]["installation_via_qr_code"]


def test_shared_esims(emulator: Emulator, partner: Partner, package_id: str) -> None:
    wish = {"to_email": "buyer@example.com", "sharing_option": ["link", "pdf"]}
    plain = partner.order(package_id, **wish).json()["data"]["sims"][0]
    assert "sharing" not in plain  # the document of 2026 has it in the list of eSIMs alone
    page = partner.get(f"sims/{plain['iccid']}", params={"include": "order,share"}).json()["data"]["simable"]
    assert set(page["sharing"]) == {"link", "access_code"}
    emulator.options.change(sharing_in_answers=True)
    sim = partner.order(package_id, **wish).json()["data"]["sims"][0]
    shown = partner.get(f"sims/{sim['iccid']}", params={"include": "order,share"}).json()["data"]["simable"]
    assert sim["sharing"] == shown["sharing"]
    only_pdf = partner.order(package_id, to_email="buyer@example.com", sharing_option='["pdf"]').json()["data"]
    assert "sharing" not in only_pdf["sims"][0]
    form = partner.post(
        "orders",
        data={"package_id": package_id, "quantity": 1, "to_email": "buyer@example.com", "sharing_option[]": ["link"]},
    )
    assert "sharing" in form.json()["data"]["sims"][0]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"to_email": "buyer@example.com"}, "sharing_option"),
        ({"to_email": "nobody", "sharing_option": ["link"]}, "to_email"),
        ({"to_email": "buyer@example.com", "sharing_option": ["link", "fax"]}, "sharing_option(1)"),
        ({"sharing_option": ["link"], "copy_address": ["nobody"]}, "copy_address"),
    ],
)
def test_sharing_that_is_not_allowed(
    emulator: Emulator, partner: Partner, package_id: str, fields: dict[str, object], wrong: str
) -> None:
    answer = partner.order(package_id, **fields)
    assert answer.status_code == 422
    assert set(answer.json()["data"]) == {wrong}
    assert emulator.purchases() == []
