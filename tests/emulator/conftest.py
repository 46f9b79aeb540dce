"""Fixtures of the emulator's tests. Nothing here knows Django."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from django_airalo.emulator import Emulator

from .certificate import self_signed
from .support import Partner, Receiver


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(webhook_delay=0.0, rate_limits=False) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


@pytest.fixture
def partner(emulator: Emulator) -> Partner:
    return Partner.of(emulator)


@pytest.fixture
def package_id(emulator: Emulator) -> str:
    """An ordinary package with an accent in its operator's name, so that JSON escapes are always exercised."""
    packages = emulator.state.catalogue.packages.values()
    return next(item.id for item in packages if "é" in item.operator and "-1gb" in item.id)


@pytest.fixture
def pair(emulator: Emulator) -> tuple[str, str]:
    """A package of 1 GB for 7 days with minutes and messages, and the top-up like it."""
    catalogue = emulator.state.catalogue
    topup = next(item for item in catalogue.topups.values() if item.voice and item.id.endswith("-7days-1gb-topup"))
    return topup.id.removesuffix("-topup"), topup.id


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path / "certificate.pem")


@pytest.fixture
def secure(certificate: Path) -> Iterator[Emulator]:
    """An emulator that speaks HTTPS."""
    with Emulator(tls_certificate=certificate, webhook_delay=0.0, rate_limits=False) as running:
        yield running
