"""Check new orders against the catalogue, the clock and the eSIM to top up, and estimate what they cost."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from django_airalo.models import Esim, EsimOrder, Operator, Package, SyncRun, UsageStatus

from .airalo_fields import FIGURES
from .validate import shown, wrong

Type = EsimOrder.Type

#: Airalo's limits for the date of a future order. Its documentation has two for the earliest, "two days from the
#: current time" and "the day after tomorrow in UTC". A date 48 hours ahead satisfies both.
EARLIEST, LATEST = timedelta(hours=48), timedelta(days=365)
#: The estimates are in US dollars. The catalogue has other currencies, too, but does not say in which one a shop pays.
CATALOGUE_CURRENCY = "USD"
#: The number of values in one ``IN (…)``. Some databases accept no more than a thousand.
CHUNK = 500


def chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the values in parts that fit into one ``IN (…)``."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def validate_new(content: Mapping[str, Any], catalogue: Catalogue, now: datetime) -> None:
    """Raise ``ValidationError`` if an order with this content cannot be placed.

    Args:
        content: the columns that the shop's call sets.
        catalogue: the catalogue, with at least this order's package.
        now: the database's present time.
    """
    catalogue.validate(content["package_id"], content["type"])
    _validate_date(content.get("requested_due_date"), now)
    if content["type"] == Type.TOPUP:
        catalogue.validate_topup(content["package_id"], _esim_to_top_up(content["esim_id"]))


class Catalogue:
    """The packages of some new orders, as far as the catalogue has them.

    Takes one more query if one of them has no net price.

    Args:
        package_ids: their ids.
    """

    def __init__(self, package_ids: Collection[str]) -> None:
        ids = sorted(set(package_ids))
        columns = ("package_id", "type", "withdrawn_at", "price", "net_price", "operator_id")
        self._packages = {
            package.package_id: package
            for chunk in chunks(ids)
            for package in Package.primary.filter(package_id__in=chunk).only(*columns)
        }
        self._discount: Decimal | None = None
        if any(package.net_price is None and package.price is not None for package in self._packages.values()):
            self._discount = SyncRun.primary.discount()
        # The collation may find other packages, too, so a package is known by its exact id only.
        sims = Package.primary.filter(type=Type.SIM)
        self._is_known = bool(set(ids) <= set(self._packages)) or sims.exists()

    def cost_of(self, package_id: str, quantity: int) -> dict[str, Any]:
        """Return the columns of an order's estimated cost; none if the catalogue does not say what the shop pays.

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

    def validate(self, package_id: str, type: str) -> None:
        """Raise ``ValidationError`` unless a package is on sale and has the order's type.

        A top-up need not be in the catalogue.
        """
        package = self._packages.get(package_id)
        if package is None:
            if self._is_known and type == Type.SIM:
                message = _("There is no package %(value)s in the catalogue. Run airalo_sync_packages if it is new.")
                raise wrong("package_id", message, value=shown(package_id))
        elif package.type != type:
            is_topup = _("%(value)s is a top-up. Use place_topup(), or choose the package of an eSIM.")
            is_none = _("%(value)s is not a top-up. Use place_order(), or choose one of list_topup_packages().")
            raise wrong("package_id", is_topup if type == Type.SIM else is_none, value=shown(package_id))
        elif package.withdrawn_at:
            message = _("Airalo has withdrawn the package %(value)s. Choose another.")
            raise wrong("package_id", message, value=shown(package_id))

    def validate_topup(self, package_id: str, esim: Esim) -> None:
        """Raise ``ValidationError`` if a top-up certainly belongs to another operator than the eSIM.

        It is accepted if the catalogue does not show that: an operator may have only top-ups, for eSIMs that another
        one sold, and a universal eSIM is topped up by country.
        """
        topup = self._packages.get(package_id)
        sims = Package.primary.filter(type=Type.SIM)
        bought = sims.filter(package_id=esim.order.package_id).values("operator_id", "operator__type").first()
        if topup is None or topup.operator_id is None or bought is None or bought["operator_id"] is None:
            return
        if bought["operator_id"] == topup.operator_id or bought["operator__type"] == Operator.Type.UNIVERSAL:
            return
        if sims.filter(operator_id=topup.operator_id, withdrawn_at=None).exists():
            message = _("%(value)s is a top-up for eSIMs of another operator. Choose one of list_topup_packages().")
            raise wrong("package_id", message, value=shown(package_id))


def _validate_date(due_date: datetime | None, now: datetime) -> None:
    if due_date is None:
        return
    earliest, latest = now + EARLIEST, now + LATEST
    if due_date < earliest:
        # Airalo's dates have no seconds, so the time in the message is a whole minute.
        minute = (earliest + timedelta(minutes=1)).replace(second=0, microsecond=0)
        message = _("%(value)s is too early. Airalo takes dates that are 48 hours ahead: give %(limit)s or later.")
        raise wrong("due_date", message, value=_as_shown(due_date), limit=_as_shown(minute))
    if due_date > latest:
        message = _("%(value)s is too late. Airalo takes dates within a year: give %(limit)s or earlier.")
        raise wrong("due_date", message, value=_as_shown(due_date), limit=_as_shown(latest))


def _as_shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _esim_to_top_up(esim_id: int) -> Esim:
    """Return an eSIM with its order. Raise ``ValidationError`` if it can no longer be topped up."""
    esims = Esim.primary.select_related("order")
    esim = esims.only("iccid", "recycled_at", "usage_status", "order__package_id").filter(pk=esim_id).first()
    if esim is None or esim.recycled_at or esim.usage_status == UsageStatus.RECYCLED:
        message = _("Airalo has recycled the eSIM %(value)s: it can never be used again. Sell a new one.")
        raise wrong("esim", message, value=esim.iccid if esim else esim_id)
    if not esim.has_iccid:
        raise wrong("esim", _("Airalo gave the eSIM %(value)s no ICCID, so it cannot be topped up."), value=str(esim))
    return esim
