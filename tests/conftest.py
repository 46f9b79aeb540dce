from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, settings

from django_airalo.client import transport
from django_airalo.emulator import Emulator
from django_airalo.services.webhooks import receive
from tests.emulator.support import Receiver
from tests.fakes import FakeAiralo
from tests.rates import NO_LIMITS
from tests.shop_fixtures import committed, deployed, heard, no_tasks, place, server, short_grace
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport, pytest_runtest_setup

__all__ = [
    "committed",
    "deployed",
    "heard",
    "no_tasks",
    "place",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "server",
    "short_grace",
]

# The same examples in each run, and as long as they take: a red run means the code, not the draw or a busy machine.
# `pytest --hypothesis-profile=random` searches for new ones.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", _UNHURRIED)
settings.register_profile("suite", _UNHURRIED, derandomize=True)
settings.load_profile("suite")

_look_up = socket.getaddrinfo


def _of_this_machine_only(host: Any, *arguments: Any, **named: Any) -> Any:
    """No test waits for a name server to say that there is no shop.example.com."""
    if host in (None, "localhost", "127.0.0.1", "::1"):
        return _look_up(host, *arguments, **named)
    raise socket.gaierror(socket.EAI_NONAME, f"a test looked for {host}")


socket.getaddrinfo = _of_this_machine_only


@pytest.fixture(autouse=True)
def _clear_cache() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def _no_forgeries_before() -> None:
    """No test has less CPU time for signatures because of the forged webhooks of another."""
    receive.verifier.reset()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GET is sent again at once, also by a slow machine."""
    monkeypatch.setattr(transport, "PAUSES", (0, 0, 0))
    monkeypatch.setattr(transport, "QUICK", 600)


@pytest.fixture
def airalo() -> Iterator[FakeAiralo]:
    with FakeAiralo() as fake:
        yield fake


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes webhooks in the shop's stead."""
    running = Receiver()
    yield running
    running.close()


@pytest.fixture
def emulated_airalo(settings, receiver: Receiver) -> Iterator[Emulator]:
    """Airalo over HTTP, with the credentials of the settings; the shop's address is the receiver's."""
    with Emulator(rate_limits=False, webhook_delay=0.0) as running:
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = running.client_id, running.client_secret
        settings.AIRALO_WEBHOOK_URL, settings.AIRALO_WEBHOOK_URL_TOKEN = receiver.url, "s3cret"
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        yield running
