"""A catalogue of more than 3,000 invented packages, the same for the same seed.

Shapes follow ``GET /v2/packages`` as Airalo documents it: country or region, its operators, their packages.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .catalogue_data import (
    COUNTRIES,
    NAME_ENDINGS,
    PLANS,
    REGIONS,
    TEST_PACKAGES,
    UNLIMITED_DAYS,
)
from .catalogue_parts import Package, Place, cheapest, image, in_all_currencies, installation, slug_of


class Catalogue:
    """All places and packages of one seed and pricing model."""

    def __init__(self, seed: int, discount: bool) -> None:
        self._random = random.Random(seed)  # noqa: S311  reproducible, not secret
        self._discount = discount
        self._names: set[str] = set()
        self._next_operator = 100
        self.packages: dict[str, Package] = {}  # of type sim
        self.topups: dict[str, Package] = {}
        self.topups_of: dict[int, list[Package]] = {}  # by operator
        self.places: list[Place] = [self._country(code, name) for code, name in COUNTRIES]
        self.places += [self._region(slug) for slug in REGIONS]
        self.test_place = self._test_place()

    def find(self, kind: str, country: str) -> list[Place]:
        """Return the places of a kind (local, global or empty for both) and country code (or empty)."""
        return [
            place
            for place in self.places
            if (not kind or place.kind == kind) and (not country or place.country_code == country.upper())
        ]

    # --- places ---

    def _country(self, code: str, name: str) -> Place:
        operators = [self._operator(code, name, "local", [(code, name)], self._operator_name(name), "data")]
        chance = self._random.random()
        if chance < 0.12:  # some countries have a second operator, with minutes and messages
            title = self._operator_name(name)
            operators.append(self._operator(code, name, "local", [(code, name)], title, "data-voice-text"))
        return self._place(slug_of(name), code, name, "local", operators)

    def _region(self, slug: str) -> Place:
        title, operator, codes = REGIONS[slug]
        wanted = set(codes.split())
        covered = [(code, name) for code, name in COUNTRIES if not wanted or code in wanted]
        operators = [
            self._operator("", title, "global", covered, operator, "data"),
            self._operator("", title, "global", covered, f"{operator} Plus", "data-voice-text"),
        ]
        return self._place(slug, "", title, "global", operators)

    def _test_place(self) -> Place:
        operator = self._operator("", "Test", "local", [("FR", "France")], "Test", "none")
        for slug in TEST_PACKAGES:
            operator["packages"].append(self._package(operator, "France", slug, "sim", 1, 7, 4.5, {}))
        return self._place("test", "", "Test", "local", [operator])

    def _place(self, slug: str, code: str, title: str, kind: str, operators: list[dict[str, Any]]) -> Place:
        content = {
            "slug": slug,
            "country_code": code,
            "title": title,
            "image": image("flags", slug, 132, 99),
            "min_price": cheapest(operators),
            "operators": operators,
        }
        return Place(slug, code, kind, content)

    # --- operators ---

    def _operator_name(self, country: str) -> str:
        letters = re.sub(r"[^A-Za-z]", "", slug_of(country)).capitalize()
        while True:
            name = f"{letters[: self._random.randint(4, 6)]}{self._random.choice('aeio')} "
            name += self._random.choice(NAME_ENDINGS)
            if slug_of(name) not in self._names:
                self._names.add(slug_of(name))
                return name

    def _operator(
        self, code: str, place: str, kind: str, covered: list[tuple[str, str]], title: str, plan_type: str
    ) -> dict[str, Any]:
        self._next_operator += 1
        automatic = self._random.random() < 0.5
        apn = None if automatic else self._random.choice(("globaldata", "internet", "travel", "plus"))
        generation = self._random.choice(("4G", "LTE", "5G"))
        operator: dict[str, Any] = {
            "id": self._next_operator,
            "style": self._random.choice(("light", "dark")),
            "gradient_start": f"#{self._random.randrange(1 << 24):06x}",
            "gradient_end": f"#{self._random.randrange(1 << 24):06x}",
            "type": kind,
            "is_prepaid": False,
            "title": title,
            "esim_type": "Prepaid",
            "warning": None,
            "apn_type": "automatic" if automatic else "manual",
            "apn_value": apn,
            "is_roaming": self._random.random() < 0.7,
            "info": [f"{generation} data eSIM for travellers.", "Rechargeable online with no expiry."],
            "image": image("operators", slug_of(title), 1035, 653),
            "plan_type": plan_type if plan_type != "none" else "data",
            "activation_policy": self._random.choice(("first-usage", "first-usage", "installation")),
            "is_kyc_verify": False,
            "rechargeability": self._random.random() < 0.85,
            "other_info": self._random.choice((None, f"This eSIM is for travellers to {place}.")),
            "coverages": [
                {
                    "name": member,
                    "code": member,
                    "networks": [{"name": f"{name} Cell", "types": [generation]}],
                }
                for member, name in covered
            ],
            "install_window_days": None,
            "topup_grace_window_days": None,
            "apn": {
                "ios": {"apn_type": "automatic", "apn_value": apn},
                "android": {"apn_type": "automatic" if automatic else "manual", "apn_value": apn},
            },
            "packages": [],
            "countries": [
                {"country_code": member, "title": name, "image": image("flags", slug_of(name), 132, 99)}
                for member, name in covered
            ],
        }
        if plan_type != "none":
            coverage = place if kind == "local" else ", ".join(name for _, name in covered[:20])
            operator["packages"] = list(self._packages(operator, coverage))
        return operator

    # --- packages ---

    def _packages(self, operator: dict[str, Any], coverage: str) -> Iterator[dict[str, Any]]:
        slug = slug_of(operator["title"])
        dear = 1.0 if operator["type"] == "local" else 1.6
        level = self._random.uniform(0.7, 2.4) * dear
        spoken = operator["plan_type"] == "data-voice-text"
        for gigabytes, days in PLANS:
            price = round((2.5 + 2.1 * gigabytes**0.8 + days * 0.05) * level * 2) / 2
            extra = {"voice": 10 * gigabytes, "text": 10 * gigabytes} if spoken else {}
            name = f"{slug}-{days}days-{gigabytes}gb"
            yield self._package(operator, coverage, name, "sim", gigabytes, days, price, extra)
            if operator["rechargeability"]:
                yield self._package(operator, coverage, f"{name}-topup", "topup", gigabytes, days, price, extra)
        if not spoken:
            for days in UNLIMITED_DAYS:
                price = round((6 + 1.9 * days) * level * 2) / 2
                name = f"{slug}-{days}days-unlimited"
                yield self._package(operator, coverage, name, "sim", 0, days, price, {})

    def _package(
        self,
        operator: dict[str, Any],
        coverage: str,
        name: str,
        kind: str,
        gigabytes: int,
        days: int,
        price: float,
        extra: dict[str, int],
    ) -> dict[str, Any]:
        unlimited = gigabytes == 0
        data = "Unlimited" if unlimited else f"{gigabytes} GB"
        title = f"{data} - {days} Days"
        if extra:
            title = f"{data} - {extra['text']} SMS - {extra['voice']} Mins - {days} Days"
        net_price = round(price * self._random.uniform(0.25, 0.75), 2)
        # Airalo's unlimited packages have an amount of 0, but sometimes another number.
        amount = self._random.choice((0, 0, 0, 28_672)) if unlimited else gigabytes * 1024
        package = Package(
            id=name,
            operator=operator["title"],
            title=title,
            data=data,
            days=days,
            price=price,
            net_price=net_price,
            coverage=coverage,
            voice=extra.get("voice"),
            text=extra.get("text"),
            apn_type=operator["apn_type"],
            apn_value=operator["apn_value"],
            is_roaming=operator["is_roaming"],
            kind=kind,
            operator_id=operator["id"],
            amount=amount,
            is_unlimited=unlimited,
            short_info=None if extra else "This eSIM doesn't come with a phone number.",
        )
        if kind == "sim":
            self.packages[name] = package
        else:
            self.topups[name] = package
            self.topups_of.setdefault(operator["id"], []).append(package)
        content: dict[str, Any] = {
            "id": name,
            "type": kind,
            "price": price,
            "amount": amount,
            "day": days,
            "is_unlimited": unlimited,
            "title": title,
            "short_info": package.short_info,
            "qr_installation": installation(operator["title"], coverage, operator["apn_value"], by_qr=True),
            "manual_installation": installation(operator["title"], coverage, operator["apn_value"], by_qr=False),
            "is_fair_usage_policy": unlimited,
            "fair_usage_policy": "Speed may be reduced to 1 Mbps after 3 GB a day." if unlimited else None,
            "data": data,
            "voice": extra.get("voice"),
            "text": extra.get("text"),
            "prices": {"recommended_retail_price": in_all_currencies(price)},
        }
        if not self._discount:
            content["net_price"] = net_price
            content["prices"] = {"net_price": in_all_currencies(net_price), **content["prices"]}
        return content


_building = threading.Lock()


@lru_cache(maxsize=4)
def _built(seed: int, discount: bool) -> Catalogue:
    return Catalogue(seed, discount)


def catalogue(seed: int, discount: bool) -> Catalogue:
    """Return the catalogue of a seed; it is made once per process (several emulators may share it)."""
    with _building:
        return _built(seed, discount)
