"""Mirror Airalo's catalogue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db import connections

from django_airalo.client import get_client
from django_airalo.client.payloads import LocationData, OperatorData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloRateLimitError, AiraloResponseError
from django_airalo.models import CatalogueSync, Country, Operator, Package, PackagePrice

from . import database, syncs
from .catalogue_rows import covered_countries, digest_of, operator_values, package_values

logger = logging.getLogger("django_airalo.catalogue")

BATCH = 500
#: Countries and regions a request. Only one page is in memory at a time; 25 of them are some 2 MB of JSON.
PAGE_SIZE = 25
#: How often the pages are read, from the first on, if the catalogue changes meanwhile.
READS = 3

Progress = Callable[[int, int | None], None]
T = TypeVar("T")


@dataclass
class CatalogueReport:
    """How many packages a sync added, changed, withdrew and left as they were."""

    added: int = 0
    changed: int = 0
    withdrawn: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """What is compared of a package that the database has."""

    pk: int
    digest: str
    type: str
    on_sale: bool


@dataclass
class _Listing:
    """What Airalo lists, as far as it is news: only that is kept while the pages are read."""

    known: dict[str, _Known]
    known_operators: dict[int, str]
    listed: set[str] = field(default_factory=set)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    operators: dict[int, dict[str, Any]] = field(default_factory=dict)
    covered: dict[int, set[str]] = field(default_factory=dict)
    countries: dict[str, tuple[str, str]] = field(default_factory=dict)

    def take(self, location: LocationData) -> None:
        for operator in location.operators:
            self._take_operator(location, operator)
            for package in operator.packages:
                if not package.id or len(package.id) > 255 or package.id in self.listed:
                    continue
                self.listed.add(package.id)
                values = package_values(location, operator, package)
                values["digest"] = digest_of(values)
                known = self.known.get(package.id)
                if known is None or known.digest != values["digest"] or not known.on_sale:
                    self.packages[package.id] = values

    def _take_operator(self, location: LocationData, operator: OperatorData) -> None:
        if operator.id is None:
            return
        covered = covered_countries(location, operator)
        for code, (title, image) in covered.items():
            if title or code not in self.countries:
                self.countries[code] = (title, image)
        values = operator_values(operator)
        values["digest"] = digest_of({**values, "countries": sorted(covered)})
        if self.known_operators.get(operator.id) != values["digest"]:
            self.operators[operator.id] = values
            self.covered[operator.id] = set(covered)

    @property
    def is_news(self) -> bool:
        return bool(self.packages or self.operators)

    def missing(self) -> list[_Known]:
        return [known for name, known in self.known.items() if known.on_sale and name not in self.listed]


class _CatalogueMovedError(Exception):
    """There are more countries and regions, or fewer, than on the page before: the pages are cut elsewhere now."""


def sync_packages(*, force: bool = False, progress: Progress | None = None) -> CatalogueReport:
    """Bring packages, operators and countries up to date with Airalo's catalogue, eSIMs and top-ups.

    Writes only what changed, in one transaction. Packages that Airalo no longer lists are withdrawn, not deleted. All
    pages are read before anything is written, so a sync that breaks off changes nothing. If countries or regions come
    or go while they are read, they are read again from the first page on.

    Args:
        force: also if more than half of the packages on sale would be withdrawn, which looks like a fault.
        progress: called after each page with the number of countries and regions read, and of all (``None`` if
            Airalo does not say).

    Raises:
        SyncRunningError: another process is at it.
        AiraloAPIError: a page could not be read, or the catalogue came empty or in part, or changed each time that it
            was read. Nothing was changed.
    """
    with syncs.running(CatalogueSync.Kind.PACKAGES) as run:
        listing = _read(run, progress or (lambda done, total: None))
        missing = listing.missing()
        if not force:
            _refuse_losses(listing, missing)
        if listing.is_news or missing:
            _write(run, listing, missing)
        run.added = sum(name not in listing.known for name in listing.packages)
        run.changed = len(listing.packages) - run.added
        run.withdrawn = len(missing)
        run.unchanged = len(listing.listed) - len(listing.packages)
    report = CatalogueReport(run.added, run.changed, run.withdrawn, run.unchanged)
    logger.info("Catalogue: %s", report)
    return report


# Reading


def _read(run: CatalogueSync, progress: Progress) -> _Listing:
    packages = Package.objects.values_list("package_id", "pk", "digest", "type", "withdrawn_at")
    known = {name: _Known(pk, digest, type_, gone is None) for name, pk, digest, type_, gone in packages.iterator()}
    known_operators = dict(Operator.objects.values_list("airalo_id", "digest"))
    for _number in range(READS):
        listing = _Listing(known, known_operators)
        try:
            for location in _locations(run, progress):
                listing.take(location)
        except _CatalogueMovedError:
            logger.info("The catalogue changed while it was read")
            continue
        if not listing.listed:
            raise AiraloResponseError("Airalo's catalogue came empty; the packages were left as they are.")
        return listing
    raise AiraloResponseError(
        f"Airalo's catalogue changed while it was read, {READS} times; the packages were left as they are."
    )


def _locations(run: CatalogueSync, progress: Progress) -> Iterator[LocationData]:
    """All pages, waiting where Airalo's limit for them says so.

    A page is so many countries and regions from an offset on. Those that come or go meanwhile move the others, and one
    would be read by no page.
    """
    number, waits, seen, total = 1, 0, 0, None
    while True:
        try:
            page = get_client().get_packages(
                include_topup=True, limit=PAGE_SIZE, page=number, language=conf.CATALOGUE_LANGUAGE or None
            )
        except AiraloRateLimitError as error:
            waits += 1
            if waits > 20:
                raise
            time.sleep(min(error.retry_after or 15, 60))
            continue
        if page.pricing.model:  # only some pages may say it
            run.pricing_model = page.pricing.model[:32]
            run.discount_percentage = page.pricing.discount_percentage
        total = page.total if total is None else total
        if page.total not in (None, total):
            raise _CatalogueMovedError
        yield from page.items
        seen += len(page.items)
        progress(seen, page.total)
        if not page.has_next:
            if page.total is not None and seen < page.total:
                raise AiraloResponseError(
                    f"Airalo's catalogue has {page.total} countries and regions, but {seen} came."
                )
            return
        syncs.keep_lease(run)
        number += 1


def _refuse_losses(listing: _Listing, missing: list[_Known]) -> None:
    """Half of the eSIMs or of the top-ups do not vanish within an hour."""
    for kind in Package.Type.values:
        on_sale = sum(known.on_sale and known.type == kind for known in listing.known.values())
        lost = sum(known.type == kind for known in missing)
        if lost > on_sale / 2:
            raise AiraloResponseError(
                f"Airalo lists only {on_sale - lost} of the {on_sale} packages on sale (type {kind}). The packages "
                "were left as they are; if that is right, sync with force."
            )


# Writing


@database.in_transaction()
def _write(run: CatalogueSync, listing: _Listing, missing: list[_Known]) -> None:
    """All that is news, or none of it. First of all: is this still the one sync that may write?"""
    syncs.keep_lease(run)
    now = database.now()
    _write_countries(listing)
    operator_pks = _write_operators(listing, now)
    for names in _batches(listing.packages):
        rows = [listing.packages[name] for name in names]
        _write_packages(rows, operator_pks, now)
    for gone in _batches(missing):
        Package.objects.filter(pk__in=[known.pk for known in gone]).update(withdrawn_at=now, synced_at=now)


def _write_countries(listing: _Listing) -> None:
    known = {code: (title, image) for code, title, image in Country.objects.values_list("code", "title", "image_url")}
    # Where Airalo tells no title, an earlier one is better than the code.
    told = {
        code: (title, image) if title else known.get(code, (code, ""))
        for code, (title, image) in listing.countries.items()
    }
    changed = [
        Country(code=code, title=title, image_url=image)
        for code, (title, image) in told.items()
        if known.get(code) != (title, image)
    ]
    _upsert(Country, changed, "code", ["title", "image_url"])


def _write_operators(listing: _Listing, now: datetime) -> dict[int, int]:
    """Returns our key of each operator by Airalo's id."""
    operators = [Operator(**values, synced_at=now) for values in listing.operators.values()]
    columns = [name for values in listing.operators.values() for name in values if name != "airalo_id"]
    _upsert(Operator, operators, "airalo_id", [*dict.fromkeys(columns), "synced_at"])
    pks = dict(Operator.objects.values_list("airalo_id", "pk"))
    covers = Operator.countries.through
    wanted = {(pks[airalo_id], code) for airalo_id, codes in listing.covered.items() for code in codes}
    changed = [pks[airalo_id] for airalo_id in listing.covered]
    existing: dict[tuple[int, str], int] = {}
    for some in _batches(changed):
        rows = covers.objects.filter(operator_id__in=some).values_list("operator_id", "country_id", "pk")
        existing |= {(operator, country): pk for operator, country, pk in rows}
    for gone in _batches([pk for pair, pk in existing.items() if pair not in wanted]):
        covers.objects.filter(pk__in=gone).delete()
    new = [covers(operator_id=operator, country_id=country) for operator, country in sorted(wanted - existing.keys())]
    covers.objects.bulk_create(new, batch_size=BATCH)
    return pks


def _write_packages(rows: list[dict[str, Any]], operator_pks: dict[int, int], now: datetime) -> None:
    names = [row["package_id"] for row in rows]
    of_batch = Package.objects.filter(package_id__in=names)
    before = {name: prices for name, *prices in of_batch.values_list("package_id", "price", "net_price")}
    packages = [
        Package(**{**row, "operator_id": operator_pks.get(row["operator_id"])}, synced_at=now, withdrawn_at=None)
        for row in rows
    ]
    columns = [name for name in rows[0] if name not in ("package_id", "operator_id")]
    _upsert(Package, packages, "package_id", [*columns, "operator", "synced_at", "withdrawn_at"])
    pks = dict(of_batch.values_list("package_id", "pk"))
    PackagePrice.objects.bulk_create(
        PackagePrice(package_id=pks[row["package_id"]], price=row["price"], net_price=row["net_price"], recorded_at=now)
        for row in rows
        if before.get(row["package_id"]) != [row["price"], row["net_price"]]
    )


def _upsert(model: Any, rows: list[Any], key: str, columns: list[str]) -> None:
    if not rows:
        return
    # MySQL and MariaDB take any unique key for the conflict, and refuse to be told which.
    named = connections[database.alias()].features.supports_update_conflicts_with_target
    model.objects.bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        update_fields=columns,
        unique_fields=[key] if named else None,
    )


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    everything = list(items)
    for start in range(0, len(everything), BATCH):
        yield everything[start : start + BATCH]
