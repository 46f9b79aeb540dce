"""Our own guard that keeps below a limit of Airalo's, for all processes together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache.backends.base import BaseCache
from django.test import override_settings

from django_airalo.client.limits import RateLimit
from django_airalo.exceptions import AiraloRateLimitError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, ORDER, MakeClient


def take(limit: RateLimit) -> bool:
    try:
        limit.take()
    except AiraloRateLimitError:
        return False
    return True


def test_any_minute_holds_no_more_than_the_limit(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_700_000_003.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    limits = [RateLimit("packages", 70, cache) for _ in range(2)]  # two processes
    taken: list[float] = []
    for _ in range(3000):  # five calls tried a second, for ten minutes
        now[0] += 0.2
        taken += [now[0] for limit in limits if take(limit)]

    assert len(taken) > 500  # and it is not idle
    for moment in taken:
        assert sum(moment <= other < moment + 60 for other in taken) <= 70


def test_a_refusal_says_when_there_is_room_again(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_700_000_004.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    limit = RateLimit("packages", 7, cache)
    limit.take()

    with pytest.raises(AiraloRateLimitError, match="limit for packages") as caught:
        limit.take()

    assert caught.value.may_have_acted is False
    assert caught.value.retry_after == 6.0
    RateLimit("orders", 7, cache).take()  # another limit is counted apart
    now[0] += caught.value.retry_after
    limit.take()


def test_a_limit_below_the_number_of_windows_still_lets_something_through(cache: BaseCache) -> None:
    RateLimit("simulator", 1, cache).take()


def test_threads_together_take_no_more_than_there_is(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_003.0)
    limit = RateLimit("packages", 70, cache)

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: take(limit), range(64)))

    assert sum(results) == 10


def test_the_client_keeps_below_the_limits_of_lists_and_never_holds_back_a_purchase(
    make_client: MakeClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time() // 10 * 10 + 3
    monkeypatch.setattr(time, "time", lambda: now)
    server.on("/v2/orders", Answer(200, {"data": []}))
    server.on("/v2/packages", Answer(200, {"data": []}))
    server.on("/v2/orders-async", Answer(202, ACCEPTED))
    server.on("/v2/orders/9001", Answer(200, {"data": ORDER}))
    with override_settings(AIRALO_LOOKUPS_PER_MINUTE=14, AIRALO_PACKAGE_REQUESTS_PER_MINUTE=7):
        clients = [make_client(), make_client()]
    for client in clients:
        client.list_orders()
    clients[0].get_packages()

    for refused in (clients[0].list_orders, clients[1].list_orders, clients[1].get_packages):
        with pytest.raises(AiraloRateLimitError) as caught:
            refused()
        assert caught.value.retry_after == 7.0
    server.on("/v2/orders", Answer(200, {"data": ORDER}))
    for client in clients:
        client.submit_order_async(package_id="p", quantity=1)
        client.submit_order(package_id="p", quantity=1)
        client.get_order(9001)

    gets = [request.path for request in server.requests() if request.method == "GET"]
    assert gets == ["/v2/orders", "/v2/orders", "/v2/packages", "/v2/orders/9001", "/v2/orders/9001"]
    assert sum(request.method == "POST" for request in server.requests()) == 1 + 4
