"""What Airalo sends, as the values of our columns; and a digest of them, by which a change is seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django_airalo.client.payloads import LocationData, OperatorData, PackageData
from django_airalo.models import Operator, Package

#: Slugs of the locations that are the whole world. Airalo calls the operators there global, as those of regions.
WORLD = frozenset({"world", "global"})


def digest_of(values: Mapping[str, Any]) -> str:
    """32 characters that stand for all the values."""
    content = json.dumps(values, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def package_values(location: LocationData, operator: OperatorData, package: PackageData) -> dict[str, Any]:
    """A package's columns. ``operator_id`` is Airalo's id of the operator here, ``None`` if it has none."""
    code = location.country_code if len(location.country_code) == 2 else ""
    return {
        "package_id": package.id,
        "type": Package.Type.TOPUP if package.type == "topup" else Package.Type.SIM,
        "title": package.title[:255],
        "operator_id": operator.id,
        "reach": _reach(location, operator, code),
        "location": location.title[:255],
        "location_slug": location.slug[:255],
        "country_code": code,
        "data": package.data[:64],
        "amount": _within(package.amount, 2**31 - 1),
        "is_unlimited": package.is_unlimited,
        "validity": _within(package.day, 2**15 - 1),
        "voice": _within(package.voice, 2**31 - 1),
        "text": _within(package.text, 2**31 - 1),
        "short_info": package.short_info[:2000],
        "is_fair_usage_policy": bool(package.is_fair_usage_policy),
        "fair_usage_policy": package.fair_usage_policy[:2000],
        "price": _money(package.price),
        "net_price": _money(package.net_price),
        "retail_prices": _prices(package.retail_prices),
        "net_prices": _prices(package.net_prices),
    }


def operator_values(operator: OperatorData) -> dict[str, Any]:
    """An operator's columns, without its countries."""
    return {
        "airalo_id": operator.id,
        "title": operator.title[:255],
        "type": Operator.Type.LOCAL if operator.type == "local" else Operator.Type.GLOBAL,
        "plan_type": operator.plan_type[:64],
        "activation_policy": operator.activation_policy[:64],
        "is_kyc_verify": operator.is_kyc_verify,
        "rechargeability": operator.rechargeability,
        "is_roaming": operator.is_roaming,
        "apn_type": operator.apn_type[:64],
        "apn_value": operator.apn_value[:255],
        "apn": dict(operator.apn),
        "info": [line for line in operator.info if line],
        "other_info": operator.other_info[:2000],
        "coverages": [
            {
                "name": coverage.name,
                "code": coverage.code,
                "networks": [{"name": network.name, "types": list(network.types)} for network in coverage.networks],
            }
            for coverage in operator.coverages
        ],
        "install_window_days": _within(operator.install_window_days, 2**31 - 1),
        "topup_grace_window_days": _within(operator.topup_grace_window_days, 2**31 - 1),
        "image_url": operator.image_url[:500],
    }


def covered_countries(location: LocationData, operator: OperatorData) -> dict[str, tuple[str, str]]:
    """The countries an operator covers: code -> title and image, empty if it does not tell them.

    Where Airalo lists none, those of its networks, which have no titles.
    """
    countries = {
        country.country_code.upper()[:8]: (country.title[:255], country.image_url[:500])
        for country in operator.countries
        if country.country_code
    }
    if not countries:
        codes = [coverage.code.upper() for coverage in operator.coverages] + [location.country_code]
        titles = {location.country_code: (location.title[:255], location.image_url[:500])}
        countries = {code: titles.get(code, ("", "")) for code in codes if len(code) == 2}
    return countries


def _reach(location: LocationData, operator: OperatorData, code: str) -> Package.Reach:
    if operator.type == "local" or (not operator.type and code):
        return Package.Reach.LOCAL
    return Package.Reach.GLOBAL if location.slug in WORLD else Package.Reach.REGIONAL


def _prices(prices: Mapping[str, Decimal]) -> dict[str, str]:
    return {code: str(amount) for code, amount in prices.items() if len(code) == 3 and abs(amount) < 10**12}


def _within(number: int | None, highest: int) -> int | None:
    return number if number is not None and 0 <= number <= highest else None


def _money(amount: Decimal | None) -> Decimal | None:
    return round(amount, 2) if amount is not None and abs(amount) < 10**9 else None
