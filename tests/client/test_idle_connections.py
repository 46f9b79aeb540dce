"""A connection that a NAT, a firewall or a load balancer forgot while nothing went over it.

Neither side is told: what is sent over it is lost, and nobody knows whether it was carried out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache

from django_airalo.client import AiraloClient, connections
from django_airalo.client.transport import build_session
from django_airalo.exceptions import AiraloConnectionError, AiraloTimeoutError
from tests.forwarder import Forwarder
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, PURCHASES, REFUND, MakeClient, page, seed_token
from .test_proxies import ELSEWHERE, use_proxy  # noqa: F401  fixture
from .test_tls import certificate, make_tls_client, tls_server  # noqa: F401  fixtures

BUY = PURCHASES["/v2/orders-async"]
ORDER = Answer(200, {"data": {"id": 1}})
TAKEN: dict[str, Answer] = {
    "/v2/orders-async": Answer(202, ACCEPTED),
    "/v2/orders": ORDER,
    "/v2/orders/topups": ORDER,
    "/v2/future-orders": Answer(200, ACCEPTED),
    "/v2/voucher/esim": Answer(200, {"data": [{"package_id": "p", "codes": ["A"]}]}),
    "/v2/voucher/airmoney": Answer(200, {"data": {"id": 1, "code": "A"}}),
    "/v2/refund": Answer(202, {"data": REFUND}),
    "/v2/cancel-future-orders": Answer(200, {"data": []}),
    "/v2/notifications/opt-out": Answer(204),
    "/v2/sims/1/brand": Answer(200, {"data": {"brand_settings_name": "Ours"}}),
}
CALLS: dict[str, Callable[[AiraloClient], Any]] = {
    **PURCHASES,
    "/v2/cancel-future-orders": lambda client: client.cancel_future_orders(["r"]),
    "/v2/notifications/opt-out": lambda client: client.opt_out("async_orders"),
    "/v2/sims/1/brand": lambda client: client.set_brand("1", "Ours"),
}
#: What is lost is waited for no longer.
TIMEOUT = (10, 1.5)

Connect = Callable[[], tuple[AiraloClient, Forwarder, ScriptedServer]]


@pytest.fixture(params=["plain", "TLS", "proxy", "tunnel"])
def connect(request: pytest.FixtureRequest, resets: bool) -> Iterator[Connect]:
    """Make a client, what it is connected through, and the server: over each kind of connection."""
    with ExitStack() as stack:

        def make() -> tuple[AiraloClient, Forwarder, ScriptedServer]:
            is_tls = request.param in ("TLS", "tunnel")
            server: ScriptedServer = request.getfixturevalue("tls_server" if is_tls else "server")
            make_client: MakeClient = request.getfixturevalue("make_tls_client" if is_tls else "make_client")
            for path, answer in TAKEN.items():
                server.on(path, answer)
            between = stack.enter_context(Forwarder(server.port, tunnels=request.param == "tunnel", resets=resets))
            if request.param in ("proxy", "tunnel"):
                request.getfixturevalue("use_proxy")(between.url)
            address = {
                "plain": between.url,
                "TLS": f"https://127.0.0.1:{between.port}",
                "proxy": f"http://{ELSEWHERE}",  # the scripted server takes any address for its own
                "tunnel": f"https://127.0.0.1:{server.port}",
            }[request.param]
            client = make_client(base_url=address, timeout=TIMEOUT)
            seed_token(client)
            return client, between, server

        yield make


@pytest.fixture(params=[False, True], ids=["silent", "reset"])
def resets(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection is too old for a purchase after a moment."""
    monkeypatch.setattr(connections, "FRESH_FOR", 0.05)


def wait_until_old() -> None:
    time.sleep(0.1)


def test_ten_seconds_is_what_the_documentation_says() -> None:
    assert connections.FRESH_FOR == 10


@pytest.mark.usefixtures("balance", "quick")
def test_a_purchase_does_not_use_a_connection_that_was_forgotten(connect: Connect) -> None:
    client, between, server = connect()
    server.on("/v2/balance", Answer(200, page([])))
    BUY(client)
    between.forget()
    wait_until_old()

    assert BUY(client).request_id

    assert len(server.requests("/v2/orders-async")) == 2
    assert between.lost == 0
    assert between.connections == 2


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("resets", [False], indirect=True)
@pytest.mark.parametrize("path", CALLS)
def test_changing_request_does_not_use_dropped_connection(
    make_client: MakeClient, server: ScriptedServer, path: str, resets: bool
) -> None:
    server.on(path, TAKEN[path])
    with Forwarder(server.port, resets=resets) as between:
        client = make_client(base_url=between.url, timeout=TIMEOUT)
        client.get_token()
        between.forget()
        wait_until_old()

        CALLS[path](client)

        assert (len(server.requests(path)), between.lost, between.connections) == (1, 0, 2)


def test_a_purchase_right_after_an_answer_uses_its_connection(connect: Connect) -> None:
    client, between, server = connect()
    for _ in range(5):
        BUY(client)
        client.get_token()

    assert len(server.requests("/v2/orders-async")) == 5
    assert between.connections == 1


@pytest.mark.usefixtures("quick")
def test_a_question_may_use_an_old_connection(connect: Connect) -> None:
    client, between, server = connect()
    server.on("/v2/sims", Answer(200, page([])))
    for _ in range(4):
        client.list_sims()
        wait_until_old()

    assert len(server.requests("/v2/sims")) == 4
    assert between.connections == 1


@pytest.mark.usefixtures("quick")
def test_after_a_purchase_on_a_new_connection_it_is_that_one_that_is_used(connect: Connect) -> None:
    client, between, server = connect()
    server.on("/v2/sims", Answer(200, page([])))
    BUY(client)
    wait_until_old()
    BUY(client)
    client.list_sims()

    assert between.connections == 2
    assert {request.connection for request in server.requests("/v2/sims")} == {2}


@pytest.mark.parametrize("hours", [1, -1])
def test_connection_is_not_fresh_after_suspend(
    make_client: MakeClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, hours: float
) -> None:
    """The monotonic clock may stand still then, and the other one jumps."""
    server.on("/v2/orders-async", Answer(202, ACCEPTED))
    client = make_client()
    seed_token(client)
    BUY(client)
    clock = SimpleNamespace(monotonic=time.monotonic, time=lambda: time.time() + hours * 3600)
    monkeypatch.setattr(connections, "time", clock)
    BUY(client)

    assert server.connections == 2


def test_a_connection_that_carried_no_answer_is_not_kept(make_client: MakeClient, server: ScriptedServer) -> None:
    server.on("/v2/orders-async", Answer(delay=3), Answer(202, ACCEPTED))
    client = make_client(timeout=(10, 0.3))
    seed_token(client)
    with pytest.raises(AiraloTimeoutError):
        BUY(client)
    BUY(make_client(timeout=TIMEOUT, session=client._transport._session))

    assert server.connections == 2


def test_dropped_connection_loses_purchase_of_plain_session(
    server: ScriptedServer, cache: BaseCache, resets: bool
) -> None:
    """The fault that the rule is for, so that the tests above are known to provoke it."""
    import requests

    server.on("/v2/orders-async", Answer(202, ACCEPTED))
    with Forwarder(server.port, resets=resets) as between, requests.Session() as session:
        client = AiraloClient("id", "secret", between.url, session=session, cache=cache, timeout=TIMEOUT)
        seed_token(client)
        BUY(client)
        between.forget()
        with pytest.raises(AiraloConnectionError) as caught:
            BUY(client)

    assert caught.value.may_have_acted is True
    assert between.lost > 0


def test_many_threads_reuse_their_connections(make_client: MakeClient, server: ScriptedServer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    server.on("/v2/orders-async", Answer(202, ACCEPTED))
    client = make_client(session=build_session())
    seed_token(client)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: BUY(client), range(100)))

    assert len(server.requests("/v2/orders-async")) == 100
    assert server.connections <= 4
