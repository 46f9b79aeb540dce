"""A client that talks to a scripted server over real HTTP. Every test here also proves that no secret is logged."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings

from django_airalo.client import AiraloClient
from django_airalo.client.transport import build_session
from django_airalo.emulator import Emulator
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer, ScriptedServer

from .support import CLIENT_ID, CLIENT_SECRET, PATIENT, TOKEN_MARK, MakeClient, token_answer


@pytest.fixture(autouse=True)
def _no_secrets_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """At DEBUG, over the loggers of this package and of everything it stands on."""
    with caplog.at_level(logging.DEBUG):
        yield
        lines = [logging.Formatter().format(record) for record in caplog.get_records("call")]
    for line in lines:
        assert TOKEN_MARK not in line
        assert CLIENT_SECRET not in line


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Gives out tokens; everything else is for the test to say."""
    with ScriptedServer() as running:
        running.on("/v2/token", *(token_answer(number) for number in range(1, 10)))
        yield running


@pytest.fixture
def cache() -> BaseCache:
    return LocMemCache(f"tests-{uuid.uuid4()}", {})


@pytest.fixture
def make_client(server: ScriptedServer, cache: BaseCache) -> Iterator[MakeClient]:
    """Build clients of the scripted server; keywords are those of ``AiraloClient``."""
    sessions: list[requests.Session] = []

    def make(**keywords: Any) -> AiraloClient:
        session = keywords.pop("session", None) or build_session()
        sessions.append(session)
        arguments: dict[str, Any] = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "base_url": server.url,
            "timeout": PATIENT,
            "cache": cache,
            **keywords,
        }
        return AiraloClient(session=session, **arguments)

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def client(make_client: MakeClient) -> AiraloClient:
    return make_client()


@pytest.fixture
def balance(server: ScriptedServer) -> None:
    """GET /v2/balance succeeds."""
    server.on(
        "/v2/balance",
        Answer(
            200,
            {
                "data": {"balances": {"name": "balance", "availableBalance": {"amount": 12.5, "currency": "USD"}}},
                "meta": {"message": "success"},
            },
        ),
    )


# An emulator for the tests that go against one


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator(rate_limits=False, webhook_delay=0.0, head_probe=False, sandbox=False) as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.clear_faults()
    return running


@pytest.fixture
def make_partner(make_client: MakeClient) -> Callable[[Emulator], AiraloClient]:
    """Build clients of an emulator that keep below no limits."""

    def make(emulator: Emulator) -> AiraloClient:
        with override_settings(AIRALO_RATE_LIMITS=NO_LIMITS):
            return make_client(
                base_url=emulator.url,
                client_id=emulator.client_id,
                client_secret=emulator.client_secret,
                timeout=PATIENT,
            )

    return make


@pytest.fixture
def partner(make_partner: Callable[[Emulator], AiraloClient], emulator: Emulator) -> AiraloClient:
    return make_partner(emulator)


@pytest.fixture
def package_id(emulator: Emulator) -> str:
    return next(iter(emulator.state.catalogue.packages))


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the wall clock, for the token and the cache alike."""
    real, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])

    def forward(seconds: float) -> None:
        offset[0] += seconds

    return forward
