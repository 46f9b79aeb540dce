"""What becomes of a request that Airalo answers with 401, when a new token is long in coming or costs something."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import override_settings

from django_airalo.client import AiraloClient, transport
from django_airalo.client.payloads import TokenData
from django_airalo.exceptions import AiraloAuthenticationError, AiraloProxyError, AiraloRateLimitError
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, PURCHASES, REFUND, MakeClient, page

UNAUTHORIZED = Answer(401, {"data": [], "meta": {"message": "This action is unauthorized."}})
BUY = PURCHASES["/v2/orders-async"]


@pytest.mark.parametrize(("seconds", "requests"), [(39, 2), (41, 1)])
def test_purchase_is_not_repeated_after_timeouts_of_one_request(
    make_client: MakeClient,
    server: ScriptedServer,
    pass_time: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    requests: int,
) -> None:
    """The lease of its order has room for two requests, each with both time-outs."""
    client = make_client(timeout=(10, 30))
    client.get_token()
    pass_time(60)
    now = [0.0]
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    fetch = client._tokens._fetch

    def fetch_slowly() -> TokenData:
        now[0] += seconds
        return fetch()

    client._tokens._fetch = fetch_slowly
    server.on("/v2/orders-async", UNAUTHORIZED, Answer(202, ACCEPTED))

    if requests == 2:
        BUY(client)
    else:
        with pytest.raises(AiraloAuthenticationError) as caught:
            BUY(client)
        assert caught.value.may_have_acted is False

    assert len(server.requests("/v2/orders-async")) == requests
    assert len(server.requests("/v2/token")) == 2


def test_limit_allows_second_request_after_401(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    """One refund in a quarter of a minute may be asked for: this one, once more with another token."""
    client = make_client()
    client.get_token()
    pass_time(60)
    server.on("/v2/refund", UNAUTHORIZED, Answer(202, {"data": REFUND}))

    assert client.request_refund(iccids=["1"], reason="OTHERS", notes="n").refund_id == "12345"

    assert len(server.requests("/v2/refund")) == 2
    with pytest.raises(AiraloRateLimitError, match="Not sent"):
        client.request_refund(iccids=["2"], reason="OTHERS", notes="n")


def test_what_is_sent_once_more_is_counted(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    server.on("/v2/orders", UNAUTHORIZED, Answer(200, page([])))
    with override_settings(AIRALO_RATE_LIMITS={"lookups": "16/min"}):  # two within ten seconds
        client = make_client()
    client.get_token()
    pass_time(70 - time.time() % 10)

    client.list_orders()

    with pytest.raises(AiraloRateLimitError, match="Not sent"):
        client.list_orders()
    assert len(server.requests("/v2/orders")) == 2


def test_a_foreign_order_is_always_answered_alike(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    """Also when so many were asked for that there is no token left for this minute."""
    client.get_token()
    pass_time(60)
    server.on("/v2/orders/77", UNAUTHORIZED)
    for _ in range(5):
        pass_time(6)  # or the token would be too young to be replaced
        with pytest.raises(AiraloAuthenticationError, match="This action is unauthorized") as caught:
            client.get_order(77)

    assert 0 < (caught.value.retry_after or 0) <= 60  # when there may be a token again
    assert len(server.requests("/v2/token")) <= 1 + 3
    assert len(server.requests("/v2/orders/77")) == 5 + 3


@pytest.mark.parametrize("path", PURCHASES)
def test_proxy_401_does_not_replace_token_or_repeat(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None], path: str
) -> None:
    client = make_client()
    client.get_token()
    pass_time(60)
    server.on(path, Answer(401, "<html><h1>401 Authorization Required</h1></html>"))

    with override_settings(AIRALO_RATE_LIMITS=NO_LIMITS), pytest.raises(AiraloProxyError) as caught:
        PURCHASES[path](client)

    assert (caught.value.status_code, caught.value.may_have_acted) == (401, True)
    assert len(server.requests(path)) == 1
    assert len(server.requests("/v2/token")) == 1


def test_an_empty_401_is_taken_for_airalos(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    """Or a revoked token would be used until its end."""
    client = make_client()
    client.get_token()
    pass_time(60)
    server.on("/v2/orders-async", Answer(401), Answer(202, ACCEPTED))

    BUY(client)

    assert len(server.requests("/v2/token")) == 2
