"""What a sync of the catalogue costs, beside what a shop would write by itself. In the root of the repository:

    python benchmarks/catalogue_sync.py [rounds]
    TEST_DATABASE=postgres python benchmarks/catalogue_sync.py   (see tests/settings.py for the address)

All three read the emulator's whole catalogue over HTTP and write it to the same database, one after the other:

- ``sync_packages()`` compares first, and writes what changed;
- *upsert* writes every row with ``bulk_create(update_conflicts=True)``;
- *row by row* calls ``update_or_create()`` for each.

The two others do less: they know no withdrawn packages, no history of prices and no lease. A round empties the tables
before each of them; the best of all rounds counts. For "all changed" every package and operator in the database is
made to differ from what Airalo lists. "reading" is the pages alone, which is part of each of the other figures. SQLite
also says how many rows were written (with those of the history, of the countries of operators and of the run).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ.setdefault("TEST_DATABASE_NAME", "benchmark")
FOLDER = tempfile.TemporaryDirectory()
os.environ.setdefault("TEST_DATABASE_FILE", f"{FOLDER.name}/benchmark.sqlite3")
django.setup()

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from django_airalo.client import get_client
from django_airalo.client.payloads import LocationData
from django_airalo.emulator import Emulator
from django_airalo.models import Country, Operator, Package, SyncRun
from django_airalo.services import sync_packages
from django_airalo.services.catalogue.packages import BATCH, PAGE_SIZE
from django_airalo.services.catalogue.rows import covered_countries, operator_values, package_values

RUNS = ("first", "nothing changed", "all changed")


def pages() -> Iterator[LocationData]:
    """The whole catalogue, in pages of the size that ``sync_packages()`` asks for."""
    number = 1
    while True:
        page = get_client().get_packages(include_topup=True, limit=PAGE_SIZE, page=number)
        yield from page.items
        if not page.has_next:
            return
        number += 1


def reading() -> None:
    """The pages alone."""
    for _ in pages():
        pass


def upsert() -> None:
    """Every row, many at a time."""
    now = timezone.now()
    countries: dict[str, Country] = {}
    operators: dict[Any, Operator] = {}
    packages: dict[str, dict[str, Any]] = {}
    covered: set[tuple[Any, str]] = set()
    for location in pages():
        for operator in location.operators:
            operators[operator.id] = Operator(**operator_values(operator), synced_at=now)
            for code, (title, image) in covered_countries(location, operator).items():
                countries[code] = Country(code=code, title=title, image_url=image)
                covered.add((operator.id, code))
            packages.update({package.id: package_values(location, operator, package) for package in operator.packages})
    with transaction.atomic():
        write(Country, list(countries.values()), "code")
        write(Operator, list(operators.values()), "airalo_id")
        pks = dict(Operator.objects.values_list("airalo_id", "pk"))
        through = Operator.countries.through
        links = [through(operator_id=pks[number], country_id=code) for number, code in sorted(covered)]
        through.objects.bulk_create(links, batch_size=BATCH, ignore_conflicts=True)
        rows = [Package(**{**row, "operator_id": pks[row["operator_id"]]}, synced_at=now) for row in packages.values()]
        write(Package, rows, "package_id")


def write(model: Any, rows: list[Any], key: str) -> None:
    """``bulk_create()`` which updates the rows that are there."""
    fields = [field.name for field in model._meta.concrete_fields if field.name != key and not field.primary_key]
    named = connection.features.supports_update_conflicts_with_target
    model.objects.bulk_create(
        rows, batch_size=BATCH, update_conflicts=True, update_fields=fields, unique_fields=[key] if named else None
    )


def row_by_row() -> None:
    """Every row by itself, in one transaction."""
    now = timezone.now()
    with transaction.atomic():
        for location in pages():
            for data in location.operators:
                values = operator_values(data)
                number = values.pop("airalo_id")
                operator, _ = Operator.objects.update_or_create(airalo_id=number, defaults={**values, "synced_at": now})
                covered = covered_countries(location, data)
                for code, (title, image) in covered.items():
                    Country.objects.update_or_create(code=code, defaults={"title": title, "image_url": image})
                operator.countries.set(covered)
                for package in data.packages:
                    row = {**package_values(location, data, package), "operator_id": operator.pk, "synced_at": now}
                    Package.objects.update_or_create(package_id=row.pop("package_id"), defaults=row)


def make_all_differ() -> None:
    """As if Airalo had changed each operator and each package since."""
    Package.objects.update(price=1, title="before", digest="")
    Operator.objects.update(title="before", digest="")


def empty() -> None:
    """As before the first sync."""
    for model in (Package, Operator, Country, SyncRun):
        model.objects.all().delete()


def rows_written() -> int:
    """By this connection so far, if the database says so (SQLite)."""
    return int(getattr(connection.connection, "total_changes", 0))


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def measure(rounds: int) -> tuple[float, dict[str, list[float]], dict[str, list[int]]]:
    """The best of all rounds: of reading alone, and of each way for each run; and the rows that each wrote."""
    rows: dict[str, list[int]] = {}
    ways: dict[str, Callable[[], object]] = {"sync_packages": sync_packages, "upsert": upsert, "row by row": row_by_row}
    best = {name: [float("inf")] * len(RUNS) for name in ways}
    alone = seconds(reading)  # the first one also has the emulator invent its catalogue
    for _ in range(rounds):
        alone = min(alone, seconds(reading))
        for name, act in ways.items():
            empty()
            took, rows[name] = [], []
            for run in RUNS:
                if run == "all changed":
                    make_all_differ()
                before = rows_written()
                took.append(seconds(act))
                rows[name].append(rows_written() - before)
            best[name] = [min(pair) for pair in zip(best[name], took, strict=True)]
            if Package.objects.filter(title="before").exists():
                raise SystemExit(f"{name} left packages as they were")
    return alone, best, rows


def main(rounds: int) -> None:
    """Measure and print."""
    connection.creation.create_test_db(verbosity=0, serialize=False)
    try:
        with Emulator(port=0, rate_limits=False) as airalo:
            settings.AIRALO_BASE_URL = airalo.url
            settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = airalo.client_id, airalo.client_secret
            settings.AIRALO_RATE_LIMITS = {"packages": None}
            alone, best, rows = measure(rounds)
        print(
            f"{connection.vendor}, {Package.objects.count()} packages, {Operator.objects.count()} operators, ", end=""
        )
        print(f"best of {rounds}; reading alone {alone:.2f} s")
        print(f"{'':<16}" + "".join(f"{name:>24}" for name in RUNS))
        for name, took in best.items():
            cells = [f"{one:.2f} s ({one / ours:.1f} x)" for one, ours in zip(took, best["sync_packages"], strict=True)]
            print(f"{name:<16}" + "".join(f"{cell:>24}" for cell in cells))
        if connection.vendor == "sqlite":
            print("rows written")
            for name, counts in rows.items():
                print(f"{name:<16}" + "".join(f"{count:>24}" for count in counts))
    finally:
        connection.creation.destroy_test_db(settings.DATABASES["default"]["NAME"], verbosity=0)
        FOLDER.cleanup()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
