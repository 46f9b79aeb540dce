"""Synchronise packages, operators and countries with Airalo's catalogue."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Literal, TypeVar

from django.db import connections

from django_airalo.client import get_client
from django_airalo.client.payloads import LocationData, OperatorData, Page, PricingData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloResponseError
from django_airalo.models import Country, Operator, Package, PackagePrice, SyncRun
from django_airalo.models.managers import primary_rows
from django_airalo.services.core import database
from django_airalo.services.core.pages import read_pages

from . import sync_runs
from .merge import operator_row, package_row
from .rows import covered_countries, digest_of, operator_values, package_values
from .sync_runs import SyncReport

logger: logging.Logger = logging.getLogger("django_airalo.catalogue")

BATCH = 500
#: Countries and regions per page. One page is in memory at a time; 25 of them are about 2 MB of JSON.
PAGE_SIZE = 25
#: Longest wait in seconds for a page when a limit is reached. It is shorter than the lease of a sync.
PATIENCE = 600
#: Airalo's names of the pricing models.
PRICING_MODELS = ("net_pricing", "discount_pricing")
#: How many times the whole catalogue is read if it changes meanwhile.
READS = 3

Progress = Callable[[int, int | None], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Known:
    """The columns of a stored package that are compared."""

    pk: int
    digest: str
    type: str
    on_sale: bool
    operator: int | None
    location: str


@dataclass
class _Listing:
    """The changes in Airalo's list. Only these are kept in memory while the pages are read."""

    known: dict[str, _Known]
    known_operators: dict[int, str]
    #: The pricing model that Airalo named last.
    pricing_model: str
    listed: set[str] = field(default_factory=set)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    operators: dict[int, dict[str, Any]] = field(default_factory=dict)
    covered: dict[int, set[str]] = field(default_factory=dict)
    countries: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Titles and images of locations that are countries, for countries that no operator's list describes.
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    #: Airalo's ids of operators, and slugs of locations, that were not read completely. ``None``: an unknown one.
    unread_operators: set[int | None] = field(default_factory=set)
    unread_locations: set[str | None] = field(default_factory=set)
    #: The operators whose countries were read completely, so that they no longer cover any others.
    covered_whole: set[int] = field(default_factory=set)

    def take(self, location: LocationData) -> None:
        if len(location.country_code) == 2:
            self.places[location.country_code] = (location.title[:255], location.image_url[:500])
        if location.unread:
            self.unread_locations.add(location.slug or None)
        for operator in location.operators:
            self._take_operator(location, operator)
            if "packages" in operator.unread:
                self.unread_operators.add(operator.id)
                if operator.id is None:
                    self.unread_locations.add(location.slug or None)
            for package in operator.packages:
                if not package.id or len(package.id) > 255 or package.id in self.listed:
                    continue
                self.listed.add(package.id)
                values = package_values(location, operator, package)
                # What a missing net price means depends on the pricing model.
                values["digest"] = digest_of({**values, "pricing_model": self.pricing_model})
                known = self.known.get(package.id)
                if known is None or known.digest != values["digest"] or not known.on_sale:
                    self.packages[package.id] = values

    def _take_operator(self, location: LocationData, operator: OperatorData) -> None:
        if operator.id is None:
            return
        covered = covered_countries(location, operator)
        for code, (title, image) in covered.items():
            if title or code not in self.countries:
                self.countries[code] = (title, image or self.countries.get(code, ("", ""))[1])
        values = operator_values(operator)
        values["digest"] = digest_of({**values, "countries": sorted(covered)})
        if self.known_operators.get(operator.id) != values["digest"]:
            self.operators[operator.id] = values
            self.covered[operator.id] = set(covered)
            if operator.countries and "countries" not in operator.unread:
                self.covered_whole.add(operator.id)

    @property
    def has_changes(self) -> bool:
        return bool(self.packages or self.operators)

    def missing(self) -> list[_Known]:
        """Return the packages on sale that Airalo no longer lists, except where the list could only be read in part."""
        if None in self.unread_locations:
            return []
        return [
            known
            for name, known in self.known.items()
            if known.on_sale
            and name not in self.listed
            and (known.operator is None or known.operator not in self.unread_operators)
            and known.location not in self.unread_locations
        ]


class _CatalogueMovedError(Exception):
    """The number of countries and regions changed between two pages, so that some may be missing."""


def sync_packages(*, force: bool = False, progress: Progress | None = None) -> SyncReport:
    """Synchronise packages (eSIMs and top-ups), operators and countries with Airalo's catalogue.

    Writes only what changed, in one transaction. Packages that Airalo no longer lists are withdrawn, not deleted. All
    pages are read before anything is written, so a sync that fails changes nothing. If the number of countries and
    regions changes meanwhile, all pages are read again.

    Args:
        force: write the changes even if more than half of the eSIMs or of the top-ups on sale would be withdrawn, which
            looks like a fault.
        progress: called after each page with two numbers of countries and regions: those read so far, and all of them
            (``None`` if Airalo does not say).

    Returns:
        The numbers of packages that were added, changed, withdrawn and left as they were.

    Raises:
        SyncRunningError: another process is running this sync.
        AiraloAPIError: a page could not be read, the catalogue was empty or incomplete, or it changed each time it was
            read. Nothing was changed.
        AiraloConfigurationError: credentials are missing.
    """
    with sync_runs.running(SyncRun.Kind.PACKAGES) as run:
        listing = _read_catalogue(run, progress or (lambda done, total: None))
        missing = listing.missing()
        if not force:
            _refuse_losses(listing, missing)
        if listing.has_changes or missing:
            _write_catalogue(run, listing, missing)
        run.added = sum(name not in listing.known for name in listing.packages)
        run.changed = len(listing.packages) - run.added
        run.withdrawn = len(missing)
        run.unchanged = len(listing.listed) - len(listing.packages)
    report = SyncReport.of(run)
    logger.info("Catalogue: %s", report)
    return report


# Reading


def _read_catalogue(run: SyncRun, progress: Progress) -> _Listing:
    columns = ("package_id", "pk", "digest", "type", "withdrawn_at", "operator__airalo_id", "location_slug")
    known = {
        name: _Known(pk, digest, type_, gone is None, operator, slug)
        for name, pk, digest, type_, gone, operator, slug in Package.primary.values_list(*columns)
    }
    known_operators = dict(Operator.primary.values_list("airalo_id", "digest"))
    _begin_with_last_pricing(run)
    for _number in range(READS):
        listing = _Listing(known, known_operators, run.pricing_model)
        try:
            # Airalo enables universal packages per account. For other accounts it lists none.
            for type_ in (None, "universal") if conf.UNIVERSAL_PACKAGES else (None,):
                for location in _locations(run, progress, type_):
                    listing.pricing_model = run.pricing_model
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


def _locations(run: SyncRun, progress: Progress, type_: Literal["universal"] | None) -> Iterator[LocationData]:
    """Yield the countries and regions of all pages, and wait if a limit is reached.

    A page begins at an offset. If countries or regions are added or removed meanwhile, the others move, so one of them
    may be on none of the pages that are read.

    Raises:
        _CatalogueMovedError: their number has changed.
    """
    language = conf.CATALOGUE_LANGUAGE or None

    def fetch(number: int) -> Page[LocationData]:
        return get_client().get_packages(
            type=type_, include_topup=True, limit=PAGE_SIZE, page=number, language=language
        )

    seen, total = 0, None
    for page in read_pages(fetch, patience=PATIENCE, between=lambda: sync_runs.keep_lease(run)):
        _keep_pricing(run, page.pricing)
        total = page.total if total is None else total
        if page.total not in (None, total):
            raise _CatalogueMovedError
        yield from page.items
        seen += len(page.items)
        progress(seen, page.total)
        if not page.has_next and page.total is not None and seen < page.total:
            raise AiraloResponseError(f"Airalo's catalogue has {page.total} countries and regions, but {seen} came.")
        del page


def _begin_with_last_pricing(run: SyncRun) -> None:
    """Start with the pricing model of the last successful sync, until Airalo names another."""
    if last := SyncRun.primary.last_success(run.kind):
        run.pricing_model, run.discount_percentage = last.pricing_model, last.discount_percentage


def _keep_pricing(run: SyncRun, pricing: PricingData) -> None:
    """Keep the pricing model, if this page names it."""
    if pricing.model not in PRICING_MODELS:
        return
    discount = pricing.discount_percentage
    if discount is not None and 0 <= discount <= 100:
        # Rounded down, so that the shop's cost is not underestimated.
        run.discount_percentage = discount.quantize(Decimal("0.01"), ROUND_FLOOR)
    elif run.pricing_model != pricing.model:
        run.discount_percentage = None
    run.pricing_model = pricing.model


def _refuse_losses(listing: _Listing, missing: list[_Known]) -> None:
    """Raise ``AiraloResponseError`` if more than half of the eSIMs or of the top-ups are missing."""
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
def _write_catalogue(run: SyncRun, listing: _Listing, missing: list[_Known]) -> None:
    """Write all changes or none, if this process still has the lease of the sync."""
    sync_runs.keep_lease(run)
    now = database.db_now()
    _write_countries(listing)
    operator_pks = _write_operators(listing, now)
    for names in _batches(listing.packages):
        rows = [listing.packages[name] for name in names]
        _write_packages(rows, operator_pks, listing.pricing_model, now)
    for gone in _batches(missing):
        Package.primary.filter(pk__in=[known.pk for known in gone]).update(withdrawn_at=now, synced_at=now)


def _write_countries(listing: _Listing) -> None:
    known = {code: (title, image) for code, title, image in Country.primary.values_list("code", "title", "image_url")}
    titled = {}
    for code, (title, image) in listing.countries.items():
        old, place = known.get(code, ("", "")), listing.places.get(code, ("", ""))
        # A stored title is better than the code.
        earlier = old[0] if old[0] != code else ""
        titled[code] = (title or earlier or place[0] or code, image or old[1] or place[1])
    changed = [
        Country(code=code, title=title, image_url=image)
        for code, (title, image) in titled.items()
        if known.get(code) != (title, image)
    ]
    _upsert(Country, changed, "code", ["title", "image_url"])


def _write_operators(listing: _Listing, now: datetime) -> dict[int, int]:
    """Write the operators and their countries. Return the primary key of each operator by Airalo's id."""
    for ids in _batches(listing.operators):
        before = {row["airalo_id"]: row for row in Operator.primary.filter(airalo_id__in=ids).values()}
        merged = [operator_row(listing.operators[airalo_id], before.get(airalo_id)) for airalo_id in ids]
        operators = [Operator(**row, synced_at=now) for row in merged]
        _upsert(Operator, operators, "airalo_id", [*(name for name in merged[0] if name != "airalo_id"), "synced_at"])
    pks = dict(Operator.primary.values_list("airalo_id", "pk"))
    covers = Operator.countries.through
    wanted = {(pks[airalo_id], code) for airalo_id, codes in listing.covered.items() for code in codes}
    changed = [pks[airalo_id] for airalo_id in listing.covered]
    existing: dict[tuple[int, str], int] = {}
    for some in _batches(changed):
        rows = primary_rows(covers).filter(operator_id__in=some).values_list("operator_id", "country_id", "pk")
        existing |= {(operator, country): pk for operator, country, pk in rows}
    whole = {pks[airalo_id] for airalo_id in listing.covered_whole if airalo_id in listing.covered}
    for gone in _batches([pk for pair, pk in existing.items() if pair not in wanted and pair[0] in whole]):
        primary_rows(covers).filter(pk__in=gone).delete()
    new = [covers(operator_id=operator, country_id=country) for operator, country in sorted(wanted - existing.keys())]
    primary_rows(covers).bulk_create(new, batch_size=BATCH)
    return pks


def _write_packages(
    said: list[dict[str, Any]], operator_pks: dict[int, int], pricing_model: str, now: datetime
) -> None:
    names = [values["package_id"] for values in said]
    of_batch = Package.primary.filter(package_id__in=names)
    before = {row["package_id"]: row for row in of_batch.values()}
    rows = [
        package_row(
            {**values, "operator_id": operator_pks.get(values["operator_id"])},
            before.get(values["package_id"]),
            pricing_model,
        )
        for values in said
    ]
    packages = [Package(**row, synced_at=now, withdrawn_at=None) for row in rows]
    columns = [name for name in rows[0] if name not in ("package_id", "operator_id")]
    _upsert(Package, packages, "package_id", [*columns, "operator", "synced_at", "withdrawn_at"])
    pks = dict(of_batch.values_list("package_id", "pk"))
    prices = {name: (row["price"], row["net_price"]) for name, row in before.items()}
    PackagePrice.primary.bulk_create(
        PackagePrice(package_id=pks[row["package_id"]], price=row["price"], net_price=row["net_price"], recorded_at=now)
        for row in rows
        if prices.get(row["package_id"]) != (row["price"], row["net_price"])
    )


def _upsert(model: Any, rows: list[Any], key: str, columns: list[str]) -> None:
    if not rows:
        return
    # On MySQL and MariaDB any unique key can conflict, and Django does not accept the name of one.
    named = connections[database.primary_alias()].features.supports_update_conflicts_with_target
    model.primary.bulk_create(
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
