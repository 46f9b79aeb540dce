"""Fixtures of the fault suite: a shop of real processes, a real database and the emulator."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from django_airalo.emulator import Emulator

from .databases import CACHE_OPTIONS, Database, database_for, sqlite_config
from .processes import Zygote
from .world import World, connect, disconnect


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    running = Zygote()
    yield running
    running.close()


@pytest.fixture(scope="session")
def cache_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "template.sqlite3"


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, cache_file: Path) -> Iterator[Database]:
    """The shop's database with its tables, on what ``TEST_DATABASE`` says; one for each worker of pytest-xdist."""
    directory = tmp_path_factory.mktemp("database")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    made = database_for(os.environ.get("TEST_DATABASE", "sqlite"), f"airalo_faults_{worker}_{os.getpid()}", directory)
    made.make()
    config = {"database": made.config(), "cache": sqlite_config(cache_file, CACHE_OPTIONS)}
    process = zygote.start(directory, config, "migrate", "migrate")
    assert process.wait(240) == 0, process.errors()
    made.keep_as_template()
    yield made
    made.drop()


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(
    tmp_path: Path, database: Database, cache_file: Path, zygote: Zygote, django_db_blocker: DjangoDbBlocker
) -> Iterator[MakeWorld]:
    """Makes the world of a test, once. Keywords are options of the emulator."""
    worlds: list[World] = []

    def make(**options: Any) -> World:
        assert not worlds, "one world a test"
        database.empty()
        cache = tmp_path / "cache.sqlite3"
        shutil.copy(cache_file, cache)
        # Webhooks are sent again soon, and for as long as a busy machine may take.
        defaults = {
            "webhook_delay": 0.1,
            "webhook_timeout": 30,
            "retry_interval": 0.3,
            "retries": 1000,
            "head_probe": False,
        }
        emulator = Emulator(**{**defaults, **options}).start()
        made = World(tmp_path, database, cache, emulator, zygote)
        worlds.append(made)
        connect(made.config["database"])
        return made

    with django_db_blocker.unblock():
        yield make
        for made in worlds:
            made.stop_all()
            made.emulator.stop()
            disconnect()


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()
