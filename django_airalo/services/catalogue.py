"""Mirror Airalo's catalogue."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django_airalo.client import get_client
from django_airalo.client.payloads import LocationData, OperatorData, PackageData
from django_airalo.exceptions import AiraloRateLimitError, AiraloResponseError
from django_airalo.models import Package

from . import database

logger = logging.getLogger("django_airalo.catalogue")

BATCH = 500
PAGE_SIZE = 50
#: Columns that a sync compares and writes.
MIRRORED = (
    "type", "title", "operator", "reach", "location", "location_slug", "country_code", "data", "amount",
    "is_unlimited", "validity", "voice", "text", "price", "net_price", "withdrawn_at",
)  # fmt: skip


@dataclass
class CatalogueReport:
    """How many packages a sync added, changed, withdrew and left as they were."""

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0


def sync_packages(*, force: bool = False) -> CatalogueReport:
    """Bring :class:`~django_airalo.models.Package` up to date with Airalo's catalogue.

    Writes only what changed. Packages that Airalo no longer lists are withdrawn, not deleted. All pages are read
    before anything is written, so a sync that breaks off changes nothing.

    Args:
        force: also if more than half of the packages on sale would be withdrawn, which looks like a fault.

    Raises:
        AiraloAPIError: a page could not be read, or the catalogue came empty or in part. Nothing was changed.
    """
    now = database.now()
    listed = {package.package_id: package for package in _listed(now)}
    if not listed:
        raise AiraloResponseError("Airalo's catalogue came empty; the packages were left as they are.")
    report = CatalogueReport()
    with database.atomic():
        known = Package.objects.in_bulk(field_name="package_id")
        added = [package for package_id, package in listed.items() if package_id not in known]
        changed = []
        for package_id, package in listed.items():
            old = known.get(package_id)
            if old and any(getattr(old, name) != getattr(package, name) for name in MIRRORED):
                package.pk = old.pk
                changed.append(package)
        missing = [old for old in known.values() if old.package_id not in listed and old.withdrawn_at is None]
        on_sale = sum(old.withdrawn_at is None for old in known.values())
        if len(missing) > on_sale / 2 and not force:
            raise AiraloResponseError(
                f"Airalo lists only {on_sale - len(missing)} of the {on_sale} packages on sale. The packages were left "
                "as they are; if that is right, sync with force."
            )
        for old in missing:
            old.withdrawn_at = old.synced_at = now
        Package.objects.bulk_create(added, batch_size=BATCH)
        Package.objects.bulk_update(changed, [*MIRRORED, "synced_at"], batch_size=BATCH)
        Package.objects.bulk_update(missing, ["withdrawn_at", "synced_at"], batch_size=BATCH)
    report.added, report.changed, report.withdrawn = len(added), len(changed), len(missing)
    report.unchanged = len(listed) - len(added) - len(changed)
    logger.info("Catalogue: %s", report)
    return report


def _listed(now: datetime) -> Iterator[Package]:
    for location in _locations():
        for operator, package in location.packages():
            if package.id and len(package.id) <= 255:
                yield Package(**_fields(location, operator, package), synced_at=now)


def _locations() -> Iterator[LocationData]:
    """All pages, waiting where Airalo's limit for them says so."""
    number, waits, seen = 1, 0, 0
    while True:
        try:
            page = get_client().get_packages(limit=PAGE_SIZE, page=number)
        except AiraloRateLimitError as error:
            waits += 1
            if waits > 20:
                raise
            time.sleep(min(error.retry_after or 15, 60))
            continue
        yield from page.items
        seen += len(page.items)
        if not page.has_next:
            if page.total is not None and seen < page.total:
                raise AiraloResponseError(
                    f"Airalo's catalogue has {page.total} countries and regions, but {seen} came."
                )
            return
        number += 1


def _fields(location: LocationData, operator: OperatorData, package: PackageData) -> dict[str, Any]:
    return {
        "package_id": package.id,
        "type": Package.Type.TOPUP if package.type == "topup" else Package.Type.SIM,
        "title": package.title[:255],
        "operator": operator.title[:255],
        "reach": Package.Reach.LOCAL if operator.type == "local" else Package.Reach.GLOBAL,
        "location": location.title[:255],
        "location_slug": location.slug[:255],
        "country_code": location.country_code if len(location.country_code) == 2 else "",
        "data": package.data[:64],
        "amount": _within(package.amount, 2**31 - 1),
        "is_unlimited": package.is_unlimited,
        "validity": _within(package.day, 2**15 - 1),
        "voice": _within(package.voice, 2**31 - 1),
        "text": _within(package.text, 2**31 - 1),
        "price": _money(package.price),
        "net_price": _money(package.net_price),
        "withdrawn_at": None,
    }


def _within(number: int | None, highest: int) -> int | None:
    return number if number is not None and 0 <= number <= highest else None


def _money(amount: Any) -> Any:
    return round(amount, 2) if amount is not None and abs(amount) < 10**9 else None
