"""What all handlers of one running emulator share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .catalogue import Catalogue, Package, catalogue
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
    courier: Courier = field(init=False)

    @property
    def discount(self) -> bool:
        """Whether the partner's prices are a discount on the retail price, so that no net price is told."""
        return self.options.pricing_model == "discount_pricing"

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue in force."""
        return catalogue(self.options.seed, self.discount)

    def package(self, package_id: str) -> Package | None:
        """Return an orderable package, or None."""
        return self.catalogue.packages.get(package_id)

    def unit_price(self, package: Package) -> float:
        """Return what the partner pays for one eSIM, in US dollars."""
        if self.discount:
            return round(package.price * (100 - self.options.discount_percentage) / 100, 2)
        return package.net_price
