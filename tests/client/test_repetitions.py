"""A question that fails is asked again, unless whoever asks has waited long already."""

from __future__ import annotations

import time

import pytest
from django.test import override_settings

from django_airalo.client import AiraloClient, transport
from django_airalo.client.transport import PAUSES
from django_airalo.exceptions import AiraloAPIError, AiraloRateLimitError, AiraloServerError, AiraloTimeoutError
from tests.scripted_server import Answer, ScriptedServer

from .support import PATIENT, PURCHASES, MakeClient, seed_token
from .test_sending import FAILURES

PASSING = ["500", "502 with HTML", "503", "504", "closed", "reset", "no HTTP", "cut-off body", "bad chunks"]

pytestmark = pytest.mark.usefixtures("balance")


@pytest.mark.parametrize("failure", PASSING)
def test_failed_get_is_repeated(client: AiraloClient, server: ScriptedServer, failure: str) -> None:
    server.on("/v2/balance", FAILURES[failure], FAILURES[failure], server.take("/v2/balance"))

    assert client.get_balance().currency == "USD"
    assert len(server.requests("/v2/balance")) == 3


@pytest.mark.parametrize(("failure", "times"), [*((failure, 4) for failure in PASSING), ("429", 1)])
def test_failing_get_is_repeated_limited_times(
    client: AiraloClient, server: ScriptedServer, failure: str, times: int
) -> None:
    server.on("/v2/balance", FAILURES[failure])

    with pytest.raises(AiraloAPIError) as caught:
        client.get_balance()

    assert len(server.requests("/v2/balance")) == times
    assert caught.value.may_have_acted is False


@pytest.mark.parametrize("failure", ["time-out", "body stops"])
def test_an_answer_is_waited_for_once(make_client: MakeClient, server: ScriptedServer, failure: str) -> None:
    server.on("/v2/balance", FAILURES[failure])
    client = make_client(timeout=(PATIENT[0], 0.5))
    seed_token(client)

    with pytest.raises(AiraloTimeoutError) as caught:
        client.get_balance()

    assert len(server.wait(1)) == 1
    assert caught.value.may_have_acted is False


def test_what_fails_slowly_is_not_asked_again(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "QUICK", 0.2)
    server.on("/v2/balance", Answer(504, {}, delay=0.4))

    with pytest.raises(AiraloServerError):
        client.get_balance()

    assert len(server.requests("/v2/balance")) == 1


def test_the_pauses_grow_and_differ(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "PAUSES", PAUSES)
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.on("/v2/balance", Answer(500))
    for _ in range(2):
        with pytest.raises(AiraloServerError):
            client.get_balance()

    assert waits[0] == waits[3] == 0  # often it is only a connection that the server had closed
    assert 0.6 <= waits[1] <= 0.9 <= 1.2 <= waits[2] <= 1.8
    assert waits[:3] != waits[3:]


def test_no_purchase_is_repeated_nor_waited_for(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waited"))
    for path, buy in PURCHASES.items():
        server.on(path, Answer(500))
        with pytest.raises(AiraloServerError):
            buy(client)

        assert len(server.requests(path)) == 1


def test_each_repetition_is_counted(
    make_client: MakeClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is no room for is not sent, and the error says when there will be."""
    now = time.time() // 60 * 60 + 20
    monkeypatch.setattr(time, "time", lambda: now)
    server.on("/v2/orders", Answer(500))
    with override_settings(AIRALO_RATE_LIMITS={"lookups": "2/min"}):
        client = make_client()

    with pytest.raises(AiraloRateLimitError) as caught:
        client.list_orders()

    assert caught.value.retry_after == 40
    assert len(server.requests("/v2/orders")) == 1
