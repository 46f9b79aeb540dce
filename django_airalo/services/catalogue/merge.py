"""Merge a row of the catalogue from Airalo's present data and the known values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_airalo.models import Operator, Package
from django_airalo.services.core import blanks

#: The values of a new row where Airalo gives none and the column requires one.
_NEW_PACKAGE = {
    "type": Package.Type.SIM,
    "reach": Package.Reach.REGIONAL,
    "is_unlimited": False,
    "is_fair_usage_policy": False,
}
_NEW_OPERATOR = {"type": Operator.Type.GLOBAL, "is_kyc_verify": False, "rechargeability": False}
#: The pricing model of an account whose packages have no net prices.
DISCOUNT_PRICING = "discount_pricing"


def package_row(said: Mapping[str, Any], old: Mapping[str, Any] | None, pricing_model: str) -> dict[str, Any]:
    """Return the columns of a package.

    Args:
        said: the result of ``package_values()``, with our primary key of the operator.
        old: the existing row; ``None`` if there is none.
        pricing_model: Airalo's name for how the company pays; empty if unknown.
    """
    before = old or {}
    row = blanks.filled(said, {**_NEW_PACKAGE, **before})
    if said["location_slug"] not in ("", before.get("location_slug")):
        row["country_code"] = said["country_code"]  # even if blank: it is another place, and a region has no code
    for price, prices in (("price", "retail_prices"), ("net_price", "net_prices")):
        is_same = said[price] in (None, before.get(price))
        # If the price changed, old prices in other currencies are removed: they may be below the new minimum or cost.
        row[prices] = {**before.get(prices, {}), **said[prices]} if is_same else said[prices]
    # A value that Airalo gave once is better than one that is inferred from texts now.
    kept = [name for name in said["inferred"] if before.get(name) and name not in before.get("inferred", [])]
    row |= {name: before[name] for name in kept}
    blank = [name for name in before.get("inferred", []) if blanks.is_blank(said[name])]
    row["inferred"] = [name for name in dict.fromkeys([*said["inferred"], *blank]) if name not in kept]
    if pricing_model == DISCOUNT_PRICING:  # only here, a missing net price means that there is none
        row |= {"net_price": said["net_price"], "net_prices": said["net_prices"]}
    return row


def operator_row(said: Mapping[str, Any], old: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns of an operator. Arguments as for ``package_row()``."""
    before = old or {}
    unread = said["unread"]
    row = blanks.filled({name: value for name, value in said.items() if name != "unread"}, {**_NEW_OPERATOR, **before})
    if said["apn_type"] not in ("", before.get("apn_type")):
        row["apn_value"] = said["apn_value"]  # even if blank, since another type may need no value
    row["apn"] = _apn(said["apn"], before.get("apn", {}))
    if "info" in unread and before.get("info"):
        row["info"] = before["info"]
    row["coverages"] = _rows(said["coverages"], before.get("coverages", []), "code", whole="coverages" not in unread)
    return row


def _apn(said: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """Merge the access point settings of all systems, or of one. A value is only kept if its type has not changed."""
    merged: dict[str, Any] = {}
    if said.get("apn_type") in (None, old.get("apn_type")):
        merged |= {name: value for name, value in old.items() if isinstance(value, str)}
    merged |= {name: value for name, value in said.items() if isinstance(value, str)}
    systems = [name for name in {**old, **said} if name not in ("apn_type", "apn_value")]
    return merged | {system: _apn(said.get(system, {}), old.get(system, {})) for system in systems}


def _rows(said: list[Any], old: list[Any], key: str, *, whole: bool) -> list[dict[str, Any]]:
    """Merge a list of countries with their networks, or of the networks of one country.

    Args:
        said: the rows that Airalo lists.
        old: the known rows.
        key: the key that identifies a row.
        whole: whether the whole list could be read, so that rows that are not in it are removed.
    """
    if not said:
        return old
    before = {row[key]: row for row in old}
    rows = {} if whole else dict(before)
    for row in said:
        known_row = before.get(row[key], {})
        rows[row[key]] = blanks.filled(row, known_row)
        if "networks" in row:
            networks = _rows(row["networks"], known_row.get("networks", []), "name", whole=whole)
            rows[row[key]]["networks"] = networks
    return list(rows.values())
