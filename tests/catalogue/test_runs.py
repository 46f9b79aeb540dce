"""One sync at a time, each with a record; and how old the catalogue is."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from django_airalo import services
from django_airalo.exceptions import AiraloResponseError, SyncRunningError
from django_airalo.models import CompatibleDevice, ExchangeRate, Package, SyncRun
from django_airalo.services import operations
from django_airalo.services.catalogue import sync_runs
from tests.factories import LONG_AGO, PackageFactory, SyncRunFactory

from .conftest import location, operator, package

pytestmark = pytest.mark.django_db

COMMANDS = {
    "packages": "airalo_sync_packages",
    "exchange_rates": "airalo_sync_exchange_rates",
    "devices": "airalo_sync_devices",
}


def run(command, *arguments, stream=None):
    out = stream or StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def running(kind, **fields):
    fields = {"lease_until": timezone.now() + timedelta(minutes=5), **fields}
    return SyncRunFactory(kind=kind, lease=kind, finished_at=None, **fields)


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_second_run_says_so_and_ends_well(kind, server):
    other = running(kind)
    before = SyncRun.objects.values().get()
    assert run(COMMANDS[kind]) == f"A sync ({kind}) is already running, so this one was not started.\n"
    assert not server.requests()
    assert SyncRun.objects.values().get() == before
    assert other.succeeded is None


@pytest.mark.parametrize("kind", COMMANDS)
def test_syncs_of_other_kinds_do_not_wait(kind, emulator):
    for other in set(COMMANDS) - {kind}:
        running(other)
    if kind == "packages":
        return  # it takes long, and its way is the same
    assert "added=" in run(COMMANDS[kind])


def test_a_dead_run_is_followed_by_the_next(listed):
    dead = running("packages", lease_until=LONG_AGO)
    listed(location("FR", operator(7, package("fr-1"))))
    assert run("airalo_sync_packages") == "added=1 changed=0 withdrawn=0 unchanged=0\n"
    dead.refresh_from_db()
    assert dead.succeeded is False
    assert dead.error == "The process died or hangs."
    last = SyncRun.objects.first()
    assert (last.succeeded, last.added, last.lease, last.lease_until) == (True, 1, None, None)


def test_a_run_that_lost_its_lease_writes_nothing(listed):
    """It hung while it read, another has taken its place, and now it wants to go on."""
    PackageFactory(package_id="old")
    listed(location("FR", operator(7, package("fr-1"))))

    def hang(done, total):
        SyncRun.objects.update(lease_until=LONG_AGO)
        sync_runs._begin(SyncRun.Kind.PACKAGES)

    with pytest.raises(SyncRunningError, match="has replaced this one"):
        services.sync_packages(force=True, progress=hang)
    assert list(Package.objects.on_sale().values_list("package_id", flat=True)) == ["old"]
    newer, older = SyncRun.objects.all()
    assert older.error == "The process died or hangs."
    assert newer.succeeded is None


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one(listed):
    """Two real connections where the database has them; each tells what came of it."""
    listed(location("FR", operator(7, package("fr-1"))))
    outcomes, reading, go_on = [], threading.Event(), threading.Event()

    def first():
        def wait(done, total):
            reading.set()
            go_on.wait(10)

        try:
            outcomes.append(services.sync_packages(progress=wait).added)
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert reading.wait(10)
        with pytest.raises(SyncRunningError):
            services.sync_packages()
    finally:
        go_on.set()
        thread.join(20)
    assert outcomes == [1]
    assert SyncRun.objects.get().succeeded


def test_a_failure_is_kept_and_frees_the_lease(listed):
    listed()
    with pytest.raises(AiraloResponseError):
        services.sync_packages()
    failed = SyncRun.objects.get()
    assert failed.succeeded is False
    assert failed.error.startswith("AiraloResponseError: Airalo's catalogue came empty")
    listed(location("FR", operator(7, package("fr-1"))))
    assert services.sync_packages().added == 1


def test_old_records_go(listed):
    SyncRunFactory(started_at=LONG_AGO)
    SyncRunFactory(started_at=LONG_AGO, kind="devices")
    recent = SyncRunFactory()
    listed(location("FR", operator(7, package("fr-1"))))
    services.sync_packages()
    assert set(SyncRun.objects.filter(kind="packages")) == {recent, SyncRun.objects.first()}
    assert SyncRun.objects.filter(kind="devices").exists()


def test_is_the_catalogue_stale(settings):
    assert operations.catalogue_is_stale()
    hour_ago = timezone.now() - timedelta(hours=1)
    SyncRunFactory(finished_at=hour_ago)
    assert not operations.catalogue_is_stale()
    settings.AIRALO_CATALOGUE_MAX_AGE = 1800
    assert operations.catalogue_is_stale()
    SyncRunFactory(error="AiraloTimeoutError")  # a failure makes nothing fresh
    SyncRunFactory(kind="devices")
    SyncRunFactory(lease="packages", finished_at=None)
    assert operations.catalogue_is_stale()
    SyncRunFactory()
    assert not operations.catalogue_is_stale()


# The bar of airalo_sync_packages


class Terminal(StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal_only(listed):
    listed(*[location(code, operator(ord(code[0]), package(f"{code}-1"))) for code in "ABCD"])
    terminal = Terminal()
    shown = run("airalo_sync_packages", stream=terminal)
    assert f"[{'#' * 30}] 4 of 4 countries and regions" in shown
    assert shown.endswith("\r\x1b[Kadded=4 changed=0 withdrawn=0 unchanged=0\n")
    assert run("airalo_sync_packages") == "added=0 changed=0 withdrawn=0 unchanged=4\n"


def test_no_bar_without_a_total(listed):
    listed(location("FR", operator(7, package("fr-1"))), meta={"current_page": 1, "last_page": 1})
    assert "#" not in run("airalo_sync_packages", stream=Terminal())


def test_all_three_against_the_emulator(emulator):
    assert run("airalo_sync_exchange_rates").startswith("added=")
    assert run("airalo_sync_devices").startswith("added=")
    assert ExchangeRate.objects.exists()
    assert CompatibleDevice.objects.exists()
