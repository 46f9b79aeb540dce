"""What all handlers of one running emulator share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .catalogue import Catalogue, invented_catalogue
from .catalogue_parts import Package
from .delivery import Deliverer
from .fault_rules import FaultRules
from .ledger import Ledger
from .limits import RateLimits
from .options import Options


@dataclass
class EmulatorState:
    """Options, ledger, faults, limits and deliverer of one emulator."""

    options: Options
    ledger: Ledger
    faults: FaultRules
    limits: RateLimits
    stopping: threading.Event = field(default_factory=threading.Event)
    withdrawn: set[str] = field(default_factory=set)  # packages taken out of the catalogue
    usage_cache: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)  # ICCID: until when, what
    deliverer: Deliverer = field(init=False)
    catalogue_of: Callable[[int, bool], Catalogue] = invented_catalogue  # by seed, and whether prices are discounts
    lost_connections: int = 0  # that were used again after they had been idle for too long
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count_lost_connection(self) -> None:
        """Count a request that was lost because its connection had been idle for too long."""
        with self._lock:
            self.lost_connections += 1

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
        return self.catalogue_of(self.options.seed, self.discount)

    def package(self, package_id: str) -> Package | None:
        """Return an orderable package, or None. Universal ones are for accounts that have them."""
        if package_id in self.catalogue.universal and not self.options.universal:
            return None
        return self.catalogue.packages.get(package_id)

    def any_package(self, package_id: str) -> Package:
        """Return a package of either type. Raises KeyError if there is none."""
        return self.catalogue.packages.get(package_id) or self.catalogue.topups[package_id]

    def unit_price(self, package: Package) -> float:
        """Return what the partner pays for one eSIM, in US dollars."""
        if self.discount:
            return round(package.price * (100 - self.options.discount_percentage) / 100, 2)
        return package.net_price
