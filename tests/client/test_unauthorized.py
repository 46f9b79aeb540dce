"""What becomes of a request that Airalo answers with 401, when a new token is long in coming or costs something."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from django_airalo.client import transport
from django_airalo.client.payloads import TokenData
from django_airalo.exceptions import AiraloAuthenticationError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, PURCHASES, MakeClient

UNAUTHORIZED = Answer(401, {"data": [], "meta": {"message": "This action is unauthorized."}})
BUY = PURCHASES["/v2/orders-async"]


@pytest.mark.parametrize(("seconds", "requests"), [(39, 2), (41, 1)])
def test_a_purchase_does_not_leave_late(
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
