from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_airalo.emulator import Emulator

from .support import Partner


def packages_in(places: Any) -> Iterator[dict[str, Any]]:
    for place in places.values() if isinstance(places, dict) else places:
        for operator in place["operators"]:
            yield from operator["packages"]


def test_the_whole_catalogue_comes_in_one_answer(partner: Partner) -> None:
    content = partner.get("packages").json()
    packages = list(packages_in(content["data"]))
    assert len({package["id"] for package in packages}) == len(packages) >= 3000
    countries = {place["country_code"] for place in content["data"]} - {""}
    assert len(countries) >= 200
    assert content["meta"]["total"] == len(content["data"])
    assert (content["meta"]["current_page"], content["meta"]["last_page"]) == (1, 1)
    assert content["pricing"]["model"] == "net_pricing"
    assert {package["type"] for package in packages} == {"sim"}
    assert all(len(package["prices"]["net_price"]) == 17 for package in packages)
    assert not any("KWD" in package["prices"]["recommended_retail_price"] for package in packages)
    assert all(package["net_price"] < package["price"] for package in packages)
    unlimited = [package for package in packages if package.get("is_unlimited")]
    assert {package["amount"] == 0 for package in unlimited} == {True, False}
    assert any(package["voice"] and package["text"] for package in packages)


def test_the_catalogue_is_the_same_for_the_same_seed(partner: Partner) -> None:
    with Emulator(seed=1) as same, Emulator(seed=2) as other:
        query = {"filter[country]": "FR"}
        here = partner.get("packages", params=query).json()["data"]
        assert Partner.of(same).get("packages", params=query).json()["data"] == here
        assert Partner.of(other).get("packages", params=query).json()["data"] != here


def test_limit_and_page_count_countries_and_later_pages_are_keyed(emulator: Emulator, partner: Partner) -> None:
    first = partner.get("packages", params={"limit": 10}).json()
    second = partner.get("packages", params={"limit": 10, "page": 2}).json()
    assert isinstance(first["data"], list)
    assert list(second["data"]) == [str(number) for number in range(10, 20)]
    assert second["meta"]["per_page"] == "10"
    assert (second["meta"]["from"], second["meta"]["to"]) == (11, 20)
    assert "page=3" in second["links"]["next"]
    emulator.options.change(keyed_pages=False)
    as_list = partner.get("packages", params={"limit": 10, "page": 2}).json()["data"]
    assert as_list == list(second["data"].values())


def test_paging_through_gives_each_country_once(partner: Partner) -> None:
    whole = partner.get("packages").json()
    slugs, page = [], 1
    while True:
        content = partner.get("packages", params={"limit": 50, "page": page}).json()
        data = content["data"]
        slugs += [place["slug"] for place in (data.values() if isinstance(data, dict) else data)]
        if page == content["meta"]["last_page"]:
            break
        page += 1
    assert slugs == [place["slug"] for place in whole["data"]]


def test_filters(partner: Partner) -> None:
    local = partner.get("packages", params={"filter[type]": "local"}).json()["data"]
    regions = partner.get("packages", params={"filter[type]": "global"}).json()["data"]
    japan = partner.get("packages", params={"filter[country]": "JP"}).json()["data"]
    assert all(place["country_code"] for place in local)
    assert {place["country_code"] for place in regions} == {""}
    assert "world" in {place["slug"] for place in regions}
    assert [place["slug"] for place in japan] == ["japan"]
    assert all(len(place["operators"][0]["countries"]) > 1 for place in regions)


def test_top_ups_come_only_when_asked_for(partner: Partner) -> None:
    with_topups = partner.get("packages", params={"filter[country]": "JP", "include": "topup"}).json()["data"]
    kinds = {package["type"] for package in packages_in(with_topups)}
    without = partner.get("packages", params={"filter[country]": "DE"}).json()["data"]
    assert kinds == {"sim", "topup"}
    assert {package["type"] for package in packages_in(without)} == {"sim"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "many"}, {"limit": "The limit must be an integer."}),
        ({"page": "1.5"}, {"page": "The page must be an integer."}),
        (
            {"filter[country]": "QQ"},
            {
                "filter.country": "The selected country is not supported. Use a valid country code of two characters, "
                "such as DE, TR or JP."
            },
        ),
        ({"limit": "0"}, {"limit": "The limit must be at least 1."}),
        (
            {"filter[type]": "lunar"},
            {"filter.type": "The selected type is not supported. Supported values:local, global."},
        ),
    ],
)
def test_bad_parameters(partner: Partner, query: dict[str, str], message: dict[str, str]) -> None:
    answer = partner.get("packages", params=query)
    assert answer.status_code == 422
    assert answer.json() == {"data": message, "meta": {"message": "the parameter is invalid"}}


def test_under_discount_pricing_no_net_price_is_told() -> None:
    with Emulator(pricing_model="discount_pricing", discount_percentage=15) as emulator:
        content = Partner.of(emulator).get("packages", params={"filter[country]": "IT"}).json()
    assert content["pricing"] == {"model": "discount_pricing", "discount_percentage": 15}
    for package in packages_in(content["data"]):
        assert "net_price" not in package
        assert set(package["prices"]) == {"recommended_retail_price"}


def test_a_withdrawn_package_is_gone_and_refused(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.withdraw(package_id)
    shown = {package["id"] for package in packages_in(partner.get("packages").json()["data"])}
    assert package_id not in shown
    answer = partner.order(package_id)
    assert (answer.status_code, answer.json()["code"]) == (422, 34)
    emulator.withdraw(package_id, False)
    assert partner.order(package_id).status_code == 200


def test_answers_are_written_as_php_writes_json(partner: Partner) -> None:
    raw = partner.get("packages", params={"filter[country]": "CI"}).content
    assert b"https:\\/\\/cdn.example.com" in raw
    assert b"C\\u00f4te d'Ivoire" in raw
    assert b'": ' not in raw


def test_packages_are_limited_per_token() -> None:
    with Emulator(limits={"packages": (2, 60.0)}) as emulator:
        one, other = Partner.of(emulator), Partner.of(emulator)
        query = {"filter[country]": "JP"}
        statuses = [one.get("packages", params=query).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert other.get("packages", params=query).status_code == 200


def test_test_packages_are_shown_only_on_request(emulator: Emulator, partner: Partner) -> None:
    def shown() -> set[str]:
        return {package["id"] for package in packages_in(partner.get("packages").json()["data"])}

    slug = "test-out-of-stock-7days-1gb"
    assert slug not in shown()
    emulator.options.change(list_test_packages=True)
    assert slug in shown()
