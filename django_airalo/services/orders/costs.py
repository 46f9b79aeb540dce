"""Estimate what an order costs the shop, until Airalo's answer has the cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django_airalo.models import Package, SyncRun

from .airalo_fields import FIGURES

#: The estimates are in US dollars. The catalogue has other currencies, too, but does not say in which one a shop pays.
CATALOGUE_CURRENCY = "USD"


class Estimates:
    """Estimates from the catalogue for orders of some packages.

    Takes a query if one of the packages has no net price.

    Args:
        packages: the packages to be ordered.
    """

    def __init__(self, packages: Sequence[Package]) -> None:
        self._packages = {package.package_id: package for package in packages}
        self._discount: Decimal | None = None
        if any(package.net_price is None and package.price is not None for package in packages):
            self._discount = SyncRun.primary.discount()

    def of(self, package_id: str, quantity: int) -> dict[str, Any]:
        """Return the columns of an order's cost; none if the catalogue does not say what the shop pays.

        Args:
            package_id: one of the packages.
            quantity: the number of eSIMs.
        """
        package = self._packages.get(package_id)
        if package is None:
            return {}
        estimated = {"cost_currency": CATALOGUE_CURRENCY, "is_cost_estimated": True}
        if package.net_price is not None:
            return {**estimated, "net_price": package.net_price}
        if package.price is None or self._discount is None:
            return {}
        off = round(package.price * self._discount / 100, FIGURES["discount_amount"])
        return {
            **estimated,
            "unit_paid_price": package.price - off,
            "total_amount_paid": (package.price - off) * quantity,
            "discount_percentage": self._discount,
            "discount_amount": off,
        }
