"""Map Airalo's catalogue to the columns of packages and operators, and compute digests to notice changes.

Values that Airalo did not send, or that could not be understood, are blank here. ``merge`` replaces them with the known
ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django_airalo.client.payloads import CoverageData, LocationData, OperatorData, PackageData
from django_airalo.models import Operator, Package

#: The slugs of the locations that cover the whole world. Airalo's operator type "global" includes regions.
WORLD = frozenset({"world", "global"})


def digest_of(values: Mapping[str, Any]) -> str:
    """Return a digest of all the values, 32 hex digits."""
    content = json.dumps(values, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def package_values(location: LocationData, operator: OperatorData, package: PackageData) -> dict[str, Any]:
    """Return the columns of a package. ``operator_id`` is Airalo's id of the operator here."""
    code = location.country_code if len(location.country_code) == 2 else ""
    return {
        "package_id": package.id,
        "type": str(Package.Type(package.type)) if package.type in Package.Type else "",
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
        "is_fair_usage_policy": package.is_fair_usage_policy,
        "fair_usage_policy": package.fair_usage_policy[:2000],
        "price": _price(package.price, package.retail_prices) or None,  # no package is free, so 0 is a mistake
        "net_price": _price(package.net_price, package.net_prices),
        "retail_prices": _prices(package.retail_prices),
        "net_prices": _prices(package.net_prices),
        "inferred": list(package.inferred),
    }


def operator_values(operator: OperatorData) -> dict[str, Any]:
    """Return the columns of an operator, without its countries; ``unread`` names the lists that were read in part."""
    return {
        "airalo_id": operator.id,
        "title": operator.title[:255],
        "type": str(Operator.Type(operator.type)) if operator.type in Operator.Type else "",
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
        "coverages": [_coverage(coverage) for coverage in operator.coverages if coverage.code],
        "install_window_days": _within(operator.install_window_days, 2**31 - 1),
        "topup_grace_window_days": _within(operator.topup_grace_window_days, 2**31 - 1),
        "image_url": operator.image_url[:500],
        "unread": list(operator.unread),
    }


def _coverage(coverage: CoverageData) -> dict[str, Any]:
    networks = [{"name": network.name, "types": list(network.types)} for network in coverage.networks if network.name]
    return {"name": coverage.name, "code": coverage.code, "networks": networks}


def covered_countries(location: LocationData, operator: OperatorData) -> dict[str, tuple[str, str]]:
    """Return the countries that an operator covers.

    If Airalo lists no countries, those of its networks are taken, which have no titles.

    Returns:
        A mapping of country codes to title and image address, each of which may be empty.
    """
    countries = {
        country.country_code.upper()[:8]: (country.title[:255], country.image_url[:500])
        for country in operator.countries
        if country.country_code
    }
    if not countries:
        codes = [coverage.code.upper() for coverage in operator.coverages] + [location.country_code]
        countries = {code: ("", "") for code in codes if len(code) == 2}
    return countries


def _reach(location: LocationData, operator: OperatorData, code: str) -> str:
    """Return the reach of a package; empty if Airalo's data does not show it."""
    if operator.type == Operator.Type.LOCAL or (not operator.type and code):
        return str(Package.Reach.LOCAL)
    if operator.type not in Operator.Type or not location.slug:
        return ""
    return str(Package.Reach.GLOBAL if location.slug in WORLD else Package.Reach.REGIONAL)


def _prices(prices: Mapping[str, Decimal]) -> dict[str, str]:
    """Return prices by currency as text, the same for 4.5 and 4.50."""
    return {code: f"{amount.normalize():f}" for code, amount in prices.items() if len(code) == 3}


def _within(number: int | None, highest: int) -> int | None:
    return number if number is not None and 0 <= number <= highest else None


def _price(in_dollars: Decimal | None, by_currency: Mapping[str, Decimal]) -> Decimal | None:
    """Return the price in USD, rounded up to whole cents, since a shop must not ask less than Airalo's minimum."""
    amount = by_currency.get("USD") if in_dollars is None else in_dollars
    return amount.quantize(Decimal("0.01"), ROUND_CEILING) if amount is not None and amount < 10**9 else None
