"""The few packages that the fake Airalo sells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django_airalo.emulator.catalogue import Catalogue
from django_airalo.emulator.catalogue_parts import Package


class SmallCatalogue(Catalogue):
    """One operator with the packages given, and Airalo's test packages, which are refused.

    Args:
        discount: whether prices are a discount on the retail price.
        packages: packages as ``package_payload()`` makes them; those of type ``topup`` are for every eSIM.
    """

    def __init__(self, discount: bool, packages: Iterable[dict[str, Any]]) -> None:
        super().__init__(1, discount)
        operator = self._operator("France", "local", [("FR", "France")], "Test Mobile", "data")
        self.test_location = self._test_location()
        for payload in packages:
            operator["packages"].append(self._add(_package_of(payload, operator)))
        self.locations = [self._location("france", "FR", "France", "local", [operator])]


def _package_of(payload: dict[str, Any], operator: dict[str, Any]) -> Package:
    return Package(
        id=str(payload["id"]),
        operator=operator["title"],
        title=payload["title"],
        data=payload["data"],
        days=payload["day"],
        price=float(payload["price"]),
        net_price=float(payload["net_price"] or 0),
        coverage="France",
        voice=payload["voice"],
        text=payload["text"],
        apn_type=operator["apn_type"],
        apn_value=operator["apn_value"],
        is_roaming=operator["is_roaming"],
        kind=payload["type"],
        operator_id=operator["id"],
        amount=payload["amount"],
        is_unlimited=bool(payload["is_unlimited"]),
        short_info=payload["short_info"],
    )
