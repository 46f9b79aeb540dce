"""What all handlers of one running emulator share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .catalogue import Catalogue, catalogue
from .catalogue_parts import Package
from .faults import FaultBook
from .ledger import Ledger
from .limits import RateLimits
from .options import Options

if TYPE_CHECKING:
    from .courier import Courier


@dataclass
class World:
    """Options, ledger, faults, limits and courier of one emulator."""

    options: Options
    ledger: Ledger
    faults: FaultBook
    limits: RateLimits
    stopping: threading.Event = field(default_factory=threading.Event)
    withdrawn: set[str] = field(default_factory=set)  # packages taken out of the catalogue
    usage_cache: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)  # ICCID: until when, what
    courier: Courier = field(init=False)

    @property
    def discount(self) -> bool:
        """Whether the partner's prices are a discount on the retail price, so that no net price is told."""
        return self.options.pricing_model == "discount_pricing"

    @property
    def pricing(self) -> dict[str, Any]:
        """How the partner's prices are made, as answers about packages tell it."""
        percentage = self.options.discount_percentage if self.discount else 0
        return {"model": self.options.pricing_model, "discount_percentage": percentage}

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue in force."""
        return catalogue(self.options.seed, self.discount)

    def package(self, package_id: str) -> Package | None:
        """Return an orderable package, or None."""
        return self.catalogue.packages.get(package_id)

    def any_package(self, package_id: str) -> Package:
        """Return a package of either type. Raises KeyError if there is none."""
        return self.catalogue.packages.get(package_id) or self.catalogue.topups[package_id]

    def unit_price(self, package: Package) -> float:
        """Return what the partner pays for one eSIM, in US dollars."""
        if self.discount:
            return round(package.price * (100 - self.options.discount_percentage) / 100, 2)
        return package.net_price
