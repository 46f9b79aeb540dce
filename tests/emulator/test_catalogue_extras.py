"""Product information, overrides, exchange rates, devices, and what languages do to packages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from django_airalo.emulator import Emulator

from .support import Partner


def test_product_information(emulator: Emulator, partner: Partner) -> None:
    unlimited = next(item for item in emulator.state.catalogue.packages.values() if item.is_unlimited)
    answer = partner.get(f"packages/{unlimited.id}/product-information", headers={"Accept-Language": "fr"}).json()
    assert set(answer) == {"data"}
    content = answer["data"]
    # German, whatever is asked for: no language can be chosen by the documentation.
    assert content["data_allowance_mb"] == "Unbegrenzt"
    assert content["auto_renewal"].startswith("Das Paket")
    assert content["date_marketed"] is None
    assert content["package_id"] == unlimited.id
    assert content["product_name"] == f"Unbegrenzt - {unlimited.days} Tage"
    assert content["data_allowance_display"] == "Unbegrenzt"
    assert content["throttle_threshold_mb"] == 3072
    assert Decimal(content["retail_price_eur"]) == round(Decimal(str(unlimited.price)) * Decimal("0.87"), 2)
    assert re.fullmatch(r"[0-9a-f]{64}", content["version_hash"])
    limited = next(item for item in emulator.state.catalogue.packages.values() if item.voice)
    content = partner.get(f"packages/{limited.id}/product-information").json()["data"]
    assert (content["service_telephony"], content["voice_minutes"]) == (True, limited.voice)
    assert content["network_providers"]
    for name in ("throttled_download_speed_mbit", "throttled_upload_speed_mbit", "throttle_threshold_mb"):
        assert content[name] is None
    assert content["fair_usage_policy"] is None
    emulator.options.change(product_information_language=None)
    french = partner.get(f"packages/{unlimited.id}/product-information", headers={"Accept-Language": "fr"}).json()
    assert french["data"]["data_allowance_mb"] == "Illimité"
    assert french["data"]["auto_renewal"].startswith("[fr] ")


def test_product_information_that_is_not_to_be_had(emulator: Emulator, partner: Partner, package_id: str) -> None:
    missing = partner.get("packages/no-such-package/product-information")
    assert missing.status_code == 404
    text = "Package not found for slug: no-such-package"
    assert missing.json() == {"data": [], "meta": {"message": text}}
    assert partner.get(f"packages/{'x' * 101}/product-information").status_code == 404
    emulator.options.change(product_information=False)
    forbidden = partner.get(f"packages/{package_id}/product-information")
    assert (forbidden.status_code, forbidden.json()) == (403, {"message": "Unauthenticated."})


def test_product_information_is_limited_per_package(package_id: str) -> None:
    with Emulator(limits={"product-information": (1, 60.0)}) as emulator:
        partner = Partner.of(emulator)
        other = next(name for name in emulator.state.catalogue.packages if name != package_id)
        names = (package_id, package_id, other)
        statuses = [partner.get(f"packages/{name}/product-information").status_code for name in names]
    assert statuses == [200, 429, 200]


def test_overrides_are_what_the_option_says(emulator: Emulator, partner: Partner) -> None:
    content = partner.get("packages/overrides").json()
    assert (content["data"], content["meta"]["last_page"]) == ([], 1)
    emulator.options.change(overrides=tuple({"package_id": f"package-{number}"} for number in range(30)))
    content = partner.get("packages/overrides", params={"page": 2}).json()
    assert [row["package_id"] for row in content["data"]] == [f"package-{number}" for number in range(25, 30)]


def test_exchange_rates(partner: Partner) -> None:
    days = {f"{datetime.now(UTC):%Y-%m-%d}"}
    content = partner.get("finance/exchange-rates").json()["data"]
    today = content["date"]
    assert today in days | {f"{datetime.now(UTC):%Y-%m-%d}"}  # two at midnight
    assert len(content["rates"]) == 17
    assert {row["from"] for row in content["rates"]} == {"USD"}
    assert all(isinstance(row["mid"], str) and Decimal(row["mid"]) > 0 for row in content["rates"])
    two = partner.get("finance/exchange-rates", params={"to": "aud,GBP", "date": today}).json()["data"]["rates"]
    assert [row["to"] for row in two] == ["AUD", "GBP"]
    assert two[0] in content["rates"]
    before = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
    earlier = partner.get("finance/exchange-rates", params={"to": "AUD", "date": before}).json()["data"]
    assert earlier["date"] == before
    assert earlier["rates"][0]["mid"] != two[0]["mid"]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [({"date": "yesterday"}, "date"), ({"date": "2999-01-01"}, "date"), ({"to": "EUR,XXX"}, "to")],
)
def test_bad_parameters_of_exchange_rates(partner: Partner, query: dict[str, str], wrong: str) -> None:
    answer = partner.get("finance/exchange-rates", params=query)
    assert (answer.status_code, list(answer.json()["data"])) == (422, [wrong])


def test_devices(partner: Partner) -> None:
    rows = partner.get("compatible-devices-lite").json()["data"]
    assert {"ios", "android"} == {row["os"] for row in rows}
    assert all(set(row) == {"os", "brand", "name"} for row in rows)
    assert len({row["name"] for row in rows}) == len(rows) > 20


def first(partner: Partner, language: str | None = None) -> dict[str, Any]:
    headers = {"Accept-Language": language} if language else {}
    content = partner.get("packages", params={"filter[country]": "JP", "include": "topup"}, headers=headers).json()
    return dict(content["data"][0])


def test_packages_in_a_language(partner: Partner) -> None:
    english, german = first(partner), first(partner, "de-DE")
    pairs = list(zip(english["operators"][0]["packages"], german["operators"][0]["packages"], strict=True))
    assert pairs
    for one, other in pairs:
        assert one["id"] == other["id"]
        assert one["title"].replace("Days", "Tage").replace("Unlimited", "Unbegrenzt") == other["title"] != one["title"]
        assert other["qr_installation"].startswith("[de] <p>")
    assert first(partner, "zz") == english
    assert first(partner, "sk") != english


def test_a_place_tells_its_lowest_prices(emulator: Emulator, partner: Partner) -> None:
    place = first(partner)
    packages = [item for operator in place["operators"] for item in operator["packages"] if item["type"] == "sim"]
    for kind in ("net_price", "recommended_retail_price"):
        assert place["min_price"][kind]["USD"] == min(item["prices"][kind]["USD"] for item in packages)
        assert len(place["min_price"][kind]) == 18
    emulator.options.change(pricing_model="discount_pricing")
    assert set(first(partner)["min_price"]) == {"recommended_retail_price"}
