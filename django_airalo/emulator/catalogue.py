"""Catalogues of invented packages. The usual one has more than 3,000, the same for the same seed.

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
    OLD_OPERATORS,
    PLANS,
    REGIONS,
    TEST_PACKAGES,
    UNIVERSAL_COUNTRIES,
    UNLIMITED_DAYS,
)
from .catalogue_parts import Location, Package, cheapest, form_of, image, in_all_currencies, installation, slug_of

# Days in which an eSIM must be installed and in which it can be topped up after its end; many operators tell neither.
WINDOWS: tuple[tuple[int | None, int | None], ...] = ((None, None), (None, 90), (730, 120), (None, None))


class Catalogue:
    """Locations with their operators and packages; none at first.

    Args:
        seed: of what is drawn at random for operators and packages.
        discount: whether the partner's prices are a discount, so that no net price is shown.
    """

    def __init__(self, seed: int, discount: bool) -> None:
        self._random = random.Random(seed)  # noqa: S311  reproducible, not secret
        self._discount = discount
        self._next_operator = 100
        self.packages: dict[str, Package] = {}  # of type sim
        self.topups: dict[str, Package] = {}
        self.topups_of: dict[int, list[Package]] = {}  # by operator
        self.locations: list[Location] = []
        self.test_location: Location = self._location("test", "", "Test", "local", [])
        self.universal: frozenset[str] = frozenset()
        self.universal_location: Location = self._location("universal", "", "Universal", "universal", [])

    def find(self, kind: str, country: str) -> list[Location]:
        """Return the locations of a kind (local, global or empty for both) and country code (or empty)."""
        return [
            location
            for location in self.locations
            if (not kind or location.kind == kind) and (not country or location.country_code == country.upper())
        ]

    def _location(self, slug: str, code: str, title: str, kind: str, operators: list[dict[str, Any]]) -> Location:
        content = {
            "slug": slug,
            "country_code": code,
            "title": title,
            "image": image("flags", slug, 132, 99),
            "min_price": cheapest(operators),
            "operators": operators,
        }
        return Location(slug, code, kind, content)

    def _operator(
        self, location: str, kind: str, covered: list[tuple[str, str]], title: str, plan_type: str
    ) -> dict[str, Any]:
        """Return an operator without packages. Countries are pairs of code and name."""
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
            "plan_type": plan_type,
            "activation_policy": self._random.choice(("first-usage", "first-usage", "installation")),
            "is_kyc_verify": False,
            "rechargeability": self._random.random() < 0.85,
            "other_info": self._random.choice((None, f"This eSIM is for travellers to {location}.")),
            "coverages": [
                {
                    "name": member,
                    "code": member,
                    "networks": [{"name": f"{name} Cell", "types": [generation]}],
                }
                for member, name in covered
            ],
            "install_window_days": WINDOWS[form_of(title, len(WINDOWS))][0],
            "topup_grace_window_days": WINDOWS[form_of(title, len(WINDOWS))][1],
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
        return operator

    def _test_location(self) -> Location:
        operator = self._operator("Test", "local", [("FR", "France")], "Test", "data")
        for slug in TEST_PACKAGES:
            operator["packages"].append(self._package(operator, "France", slug, "sim", 1, 7, 4.5, {}))
        return self._location("test", "", "Test", "local", [operator])

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
        country: str = "",
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
            country=country,
        )
        return self._add(package)

    def _add(self, package: Package) -> dict[str, Any]:
        """Take a package into the catalogue; return it as GET /v2/packages shows it."""
        if package.kind == "sim":
            self.packages[package.id] = package
        else:
            self.topups[package.id] = package
            self.topups_of.setdefault(package.operator_id, []).append(package)
        content: dict[str, Any] = {
            "id": package.id,
            "type": package.kind,
            "price": package.price,
            "amount": package.amount,
            "day": package.days,
            "is_unlimited": package.is_unlimited,
            "title": package.title,
            "short_info": package.short_info,
            "qr_installation": installation(package.operator, package.coverage, package.apn_value, by_qr=True),
            "manual_installation": installation(package.operator, package.coverage, package.apn_value, by_qr=False),
            "is_fair_usage_policy": package.is_unlimited,
            "fair_usage_policy": "Speed may be reduced to 1 Mbps after 3 GB a day." if package.is_unlimited else None,
            "data": package.data,
            "voice": package.voice,
            "text": package.text,
            "prices": {"recommended_retail_price": in_all_currencies(package.price)},
        }
        if not self._discount:
            content["net_price"] = package.net_price
            content["prices"] = {"net_price": in_all_currencies(package.net_price), **content["prices"]}
        return _without_flags(content) if form_of(package.id, 6) == 0 else content


class InventedCatalogue(Catalogue):
    """A catalogue of about Airalo's size: all countries, some regions, test and universal packages."""

    def __init__(self, seed: int, discount: bool) -> None:
        super().__init__(seed, discount)
        self._names: set[str] = set()
        self.locations = [self._country(code, name) for code, name in COUNTRIES]
        self.locations += [self._region(slug) for slug in REGIONS]
        self.test_location: Location = self._test_location()
        for location in self.locations:
            if location.country_code in OLD_OPERATORS:
                operators = location.content["operators"]
                operators.append(self._old(operators[0], location.content["title"]))
        self.universal_location: Location = self._universal_location()

    # --- locations ---

    def _country(self, code: str, name: str) -> Location:
        operators = [self._with_packages(name, "local", [(code, name)], self._operator_name(name), "data")]
        chance = self._random.random()
        if chance < 0.12:  # some countries have a second operator, with minutes and messages
            title = self._operator_name(name)
            operators.append(self._with_packages(name, "local", [(code, name)], title, "data-voice-text"))
        return self._location(slug_of(name), code, name, "local", operators)

    def _region(self, slug: str) -> Location:
        title, operator, codes = REGIONS[slug]
        wanted = set(codes.split())
        covered = [(code, name) for code, name in COUNTRIES if not wanted or code in wanted]
        operators = [
            self._with_packages(title, "global", covered, operator, "data"),
            self._with_packages(title, "global", covered, f"{operator} Plus", "data-voice-text"),
        ]
        return self._location(slug, "", title, "global", operators)

    def _old(self, operator: dict[str, Any], coverage: str) -> dict[str, Any]:
        """Return an operator with the title of another and with top-ups alone."""
        old = {**operator, "id": operator["id"] + 50_000, "packages": []}
        for gigabytes, days in PLANS[:3]:
            name = f"{slug_of(operator['title'])}-{days}days-{gigabytes}gb-topup-old"
            old["packages"].append(self._package(old, coverage, name, "topup", gigabytes, days, 3.5 + gigabytes, {}))
        return old

    def _universal_location(self) -> Location:
        """Return what accounts with universal packages see. Its shape is not documented: assumed like a region's."""
        covered = [(code, name) for code, name in COUNTRIES if code in UNIVERSAL_COUNTRIES]
        operator = self._operator("Universal", "global", covered, "Universal", "data")
        for gigabytes, days in PLANS[:3]:
            name = f"universal-{days}days-{gigabytes}gb"
            operator["packages"].append(self._package(operator, "Universal", name, "sim", gigabytes, days, 5.5, {}))
            for code, country in covered:
                topup = f"universal-{code.lower()}-{days}days-{gigabytes}gb-topup"
                self._package(operator, country, topup, "topup", gigabytes, days, 4.5, {}, code)
        self.universal = frozenset(package["id"] for package in operator["packages"])
        return self._location("universal", "", "Universal", "universal", [operator])

    # --- operators and packages ---

    def _operator_name(self, country: str) -> str:
        letters = re.sub(r"[^A-Za-z]", "", slug_of(country)).capitalize()
        while True:
            name = f"{letters[: self._random.randint(4, 6)]}{self._random.choice('aeio')} "
            name += self._random.choice(NAME_ENDINGS)
            if slug_of(name) not in self._names:
                self._names.add(slug_of(name))
                return name

    def _with_packages(
        self, location: str, kind: str, covered: list[tuple[str, str]], title: str, plan_type: str
    ) -> dict[str, Any]:
        """Return an operator with the usual packages."""
        operator = self._operator(location, kind, covered, title, plan_type)
        coverage = location if kind == "local" else ", ".join(name for _, name in covered[:20])
        operator["packages"] = list(self._packages(operator, coverage))
        return operator

    def _packages(self, operator: dict[str, Any], coverage: str) -> Iterator[dict[str, Any]]:
        slug = slug_of(operator["title"])
        price_factor = 1.0 if operator["type"] == "local" else 1.6
        level = self._random.uniform(0.7, 2.4) * price_factor
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


def _without_flags(content: dict[str, Any]) -> dict[str, Any]:
    """Return an unlimited or a voice package as some rows of the live catalogue are: only their texts say so."""
    if content["is_unlimited"]:
        del content["is_unlimited"]
        content["amount"] = 0
    content["voice"] = content["text"] = None
    return content


_building = threading.Lock()


@lru_cache(maxsize=4)
def _built(seed: int, discount: bool) -> Catalogue:
    return InventedCatalogue(seed, discount)


def invented_catalogue(seed: int, discount: bool) -> Catalogue:
    """Return the invented catalogue of a seed; it is made once per process (several emulators may share it)."""
    with _building:
        return _built(seed, discount)
