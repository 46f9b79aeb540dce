"""What the catalogue is made of: a package, a location, and the small things in their JSON."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .catalogue_data import CURRENCIES
from .languages import marked, translated
from .messages import php_json


@dataclass(frozen=True)
class Package:
    """One package as an order needs it. Prices are US dollars for one eSIM."""

    id: str
    operator: str
    title: str  # "1 GB - 7 Days"
    data: str
    days: int
    price: float  # what Airalo charges consumers
    net_price: float  # what the partner pays
    coverage: str
    voice: int | None
    text: int | None
    apn_type: str
    apn_value: str | None
    is_roaming: bool
    kind: str = "sim"  # or "topup"
    operator_id: int = 0
    amount: int = 0  # megabytes
    is_unlimited: bool = False
    short_info: str | None = None
    country: str = ""  # the one country that a top-up of a universal eSIM is for

    @property
    def full_title(self) -> str:
        """The name an order carries."""
        return f"{self.operator}-{self.title}"


@dataclass
class Location:
    """A country or a region with its operators, and its JSON kept ready."""

    slug: str
    country_code: str
    kind: str  # local | global
    content: dict[str, Any]
    _encoded: dict[tuple[bool, str], bytes] = field(default_factory=dict)

    def encoded(self, topups: bool, language: str = "en") -> bytes:
        """Return the location as JSON, with or without the top-up packages, in a language."""
        key = (topups, language)
        if key not in self._encoded:
            self._encoded[key] = php_json({**self.content, "operators": list(self._operators(topups, language))})
        return self._encoded[key]

    def _operators(self, topups: bool, language: str) -> Iterator[dict[str, Any]]:
        for operator in self.content["operators"]:
            packages = [item for item in operator["packages"] if topups or item["type"] == "sim"]
            packages = [_with_flag_as_number(item) if topups else _without_dinar(item) for item in packages]
            if language != "en":
                packages = [_translated(item, language) for item in packages]
            yield {**operator, "packages": packages}


def _with_flag_as_number(package: dict[str, Any]) -> dict[str, Any]:
    # Documented with include=topup; without it the same field is a bool.
    return {**package, "is_fair_usage_policy": int(package["is_fair_usage_policy"])}


def _without_dinar(package: dict[str, Any]) -> dict[str, Any]:
    # Only the lists with top-ups have an 18th currency.
    prices = {
        kind: {code: price for code, price in amounts.items() if code != "KWD"}
        for kind, amounts in package["prices"].items()
    }
    return {**package, "prices": prices}


def _translated(package: dict[str, Any], language: str) -> dict[str, Any]:
    texts = {name: translated(package[name], language) for name in ("title", "data")}
    for name in ("short_info", "qr_installation", "manual_installation", "fair_usage_policy"):
        texts[name] = package[name] and marked(package[name], language)
    return {**package, **texts}


def cheapest(operators: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a location's ``min_price``: the lowest of each kind of price, in all currencies."""
    prices = [item["prices"] for operator in operators for item in operator["packages"] if item["type"] == "sim"]
    kinds = prices[0] if prices else {}
    return {kind: min((price[kind] for price in prices), key=lambda amounts: amounts["USD"]) for kind in kinds}


def form_of(name: str, count: int) -> int:
    """Return which of several documented forms something has: always the same for the same name, from 0 on."""
    return zlib.crc32(name.encode()) % count


def slug_of(name: str) -> str:
    """Return ``name`` as Airalo makes slugs of names: plain letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def in_all_currencies(amount: float) -> dict[str, float]:
    """Return an amount of US dollars in the 18 currencies Airalo lists."""
    return in_currencies(amount, tuple(CURRENCIES))


def in_currencies(amount: float, codes: tuple[str, ...]) -> dict[str, float]:
    """Return an amount of US dollars in some currencies."""
    rates = {code: CURRENCIES[code] for code in codes}
    return {code: round(amount * rate, digits) for code, (rate, digits) in rates.items()}


def installation(operator: str, coverage: str, apn: str | None, *, by_qr: bool) -> str:
    """Return installation instructions in HTML, of about the length Airalo's have."""
    how = (
        "To activate the eSIM by scanning the QR code on your eSIM capable device you need to print or display "
        "this QR code on another device:"
        if by_qr
        else "To manually activate the eSIM on your eSIM capable device:"
    )
    first = "Scan the QR code." if by_qr else "Enter the SM-DP+ address and the activation code by hand."
    access = f'Set the APN to "{apn}" in your settings menu.' if apn else "The APN is set automatically."
    return (
        f"<p><b>eSIM name:</b> {operator}</p><p><b>Coverage: </b>{coverage}</p><p><b>{how}</b></p><ol>"
        f"<li>Open Settings > Cellular/Mobile > Add Cellular/Mobile Plan.</li><li>{first}</li>"
        "<li>Confirm the details of the eSIM plan.</li><li>Give the eSIM a label you will recognise.</li></ol>"
        "<p><b>To make sure that your usual plan is not used abroad:</b></p><ol><li>Choose the eSIM as the line for "
        "cellular/mobile data.</li><li>Switch off data switching between the lines.</li></ol>"
        f"<p><b>To access data:</b></p><ol><li>{access}</li><li>Enable data roaming for this eSIM.</li>"
        "<li>If there is no connection, switch the aeroplane mode on and off again.</li></ol>"
    )


def image(folder: str, name: str, width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height, "url": f"https://cdn.example.com/{folder}/{name}.png"}
