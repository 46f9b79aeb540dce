"""What Airalo's API description of September 2026 and its live catalogue have that is easily overlooked."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from django_airalo.emulator import Emulator

from .support import Partner


@pytest.fixture(scope="module")
def answers() -> dict[str, list[dict[str, Any]]]:
    """The whole catalogue, without top-ups and with them."""
    with Emulator(rate_limits=False) as emulator:
        partner = Partner.of(emulator)
        return {
            "plain": partner.get("packages").json()["data"],
            "topup": partner.get("packages", params={"include": "topup"}).json()["data"],
        }


def rows(places: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for place in places for operator in place["operators"] for row in operator["packages"]]


def test_flags_are_numbers_beside_topups(answers: dict[str, Any]) -> None:
    assert {type(row["is_fair_usage_policy"]) for row in rows(answers["plain"])} == {bool}
    with_topups = [row["is_fair_usage_policy"] for row in rows(answers["topup"])]
    assert {type(flag) for flag in with_topups} == {int}
    assert set(with_topups) == {0, 1}


def test_the_dinar_is_beside_topups_and_in_the_lowest_prices_alone(answers: dict[str, Any]) -> None:
    counts = {name: {len(row["prices"]["recommended_retail_price"]) for row in rows(answers[name])} for name in answers}
    assert counts == {"plain": {17}, "topup": {18}}
    dinar = rows(answers["topup"])[0]["prices"]["recommended_retail_price"]["KWD"]
    assert dinar != round(dinar, 2)  # three decimals
    for place in answers["plain"]:
        assert len(place["min_price"]["recommended_retail_price"]) == len(place["min_price"]["net_price"]) == 18


def test_windows_are_told_by_some_operators(answers: dict[str, Any]) -> None:
    operators = [operator for place in answers["plain"] for operator in place["operators"]]
    seen = {(operator["install_window_days"], operator["topup_grace_window_days"]) for operator in operators}
    assert (None, None) in seen
    assert any(install is None and grace for install, grace in seen)
    assert any(install and grace for install, grace in seen)


def test_two_operators_of_one_title_one_of_which_sells_nothing(answers: dict[str, Any]) -> None:
    found = 0
    for plain, whole in zip(answers["plain"], answers["topup"], strict=True):
        titles = Counter(operator["title"] for operator in plain["operators"])
        for operator, same in zip(plain["operators"], whole["operators"], strict=True):
            if titles[operator["title"]] > 1 and not operator["packages"]:
                found += 1
                assert len({other["id"] for other in plain["operators"]}) == len(plain["operators"])
                assert all(row["id"].endswith("-topup-old") for row in same["packages"])
                assert same["packages"]
    assert found == 3


def test_some_unlimited_and_voice_packages_lack_their_flags(answers: dict[str, Any]) -> None:
    unlimited = [row for row in rows(answers["plain"]) if row["data"] == "Unlimited"]
    without = [row for row in unlimited if "is_unlimited" not in row]
    assert 0 < len(without) < len(unlimited)
    assert {row["amount"] for row in without} == {0}
    assert all(row["is_unlimited"] is True for row in unlimited if row not in without)
    spoken = [row for row in rows(answers["plain"]) if " Mins - " in row["title"]]
    bare = [row for row in spoken if row["voice"] is None]
    assert 0 < len(bare) < len(spoken)
    assert all(row["text"] is None for row in bare)
    assert all(isinstance(row["voice"], int) for row in spoken if row not in bare)


def test_a_package_without_its_flags_is_what_its_title_says(emulator: Emulator, partner: Partner) -> None:
    places = partner.get("packages").json()["data"]
    flagless = next(row for row in rows(places) if "is_unlimited" not in row)
    iccid = partner.esim(flagless["id"])
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["is_unlimited"] is True


# Universal packages, for accounts that have them


def test_universal_packages_are_an_option(emulator: Emulator, partner: Partner) -> None:
    query = {"filter[type]": "universal"}
    refused = partner.get("packages", params=query)
    assert (refused.status_code, list(refused.json()["data"])) == (422, ["filter.type"])
    name = next(iter(emulator.state.catalogue.universal))
    assert partner.order(name).status_code == 422

    emulator.options.change(universal=True)

    (place,) = partner.get("packages", params=query).json()["data"]
    assert place["country_code"] == ""
    assert name in {row["id"] for row in place["operators"][0]["packages"]}
    assert "universal" not in {place["slug"] for place in partner.get("packages").json()["data"]}
    assert partner.order(name).status_code == 200


def test_the_topups_of_a_universal_esim_are_by_country(emulator: Emulator, partner: Partner) -> None:
    emulator.options.change(universal=True)
    iccid = partner.esim(next(iter(emulator.state.catalogue.universal)))

    def offered(**query: str) -> list[str]:
        return [row["id"] for row in partner.get(f"sims/{iccid}/topups", params=query).json()["data"]]

    german = offered(**{"filter[country]": "de"})
    assert len(german) == 3
    assert all(name.startswith("universal-de-") for name in german)
    assert set(german) < set(offered())
    assert offered(**{"filter[country]": "FR"}) == []
    assert partner.topup(german[0], iccid).status_code == 200


def test_the_country_says_nothing_about_the_topups_of_others(partner: Partner, pair: tuple[str, str]) -> None:
    iccid = partner.esim(pair[0])
    whole = partner.get(f"sims/{iccid}/topups").json()
    assert partner.get(f"sims/{iccid}/topups", params={"filter[country]": "DE"}).json() == whole
