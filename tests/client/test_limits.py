"""Our own guard that keeps below a limit of Airalo's, for all processes together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache
from django.test import override_settings

from django_airalo.client import AiraloClient
from django_airalo.client.limits import RateLimit
from django_airalo.conf import NO_LIMIT, Rate
from django_airalo.exceptions import AiraloRateLimitError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, ORDER, PRODUCT_INFORMATION, REFUND, USAGE, MakeClient


def take(limit: RateLimit) -> bool:
    try:
        limit.take()
    except AiraloRateLimitError:
        return False
    return True


def test_any_minute_holds_no_more_than_the_limit(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_700_000_003.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    limits = [RateLimit("packages", Rate(80, 60), cache) for _ in range(2)]  # two processes
    taken: list[float] = []
    for _ in range(3000):  # five calls tried a second, for ten minutes
        now[0] += 0.2
        taken += [now[0] for limit in limits if take(limit)]

    assert len(taken) > 500  # and it is not idle
    for moment in taken:
        assert sum(moment <= other < moment + 60 for other in taken) <= 80


def test_refused_request_says_when_limit_allows_next(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_700_000_004.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    limit = RateLimit("packages", Rate(7, 60), cache)
    limit.take()

    with pytest.raises(AiraloRateLimitError, match="limit for packages") as caught:
        limit.take()

    assert caught.value.may_have_acted is False
    assert caught.value.retry_after == 6.0
    RateLimit("orders", Rate(7, 60), cache).take()  # another limit is counted apart
    now[0] += caught.value.retry_after
    limit.take()


@pytest.mark.parametrize(("count", "period"), [(1, 60), (2, 60), (3, 60), (6, 60), (10, 60), (1, 300), (5, 1), (80, 1)])
def test_any_period_holds_no_more_than_the_limit(
    cache: BaseCache, monkeypatch: pytest.MonkeyPatch, count: int, period: float
) -> None:
    now = [1_700_000_003.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    limit = RateLimit("usage", Rate(count, period), cache)
    taken: list[float] = []
    for _ in range(1500):
        now[0] += period / 50
        if take(limit):
            taken.append(now[0])

    # In 30 periods, at least half of what there may be (a single call: the cache is a second late each time).
    assert len(taken) >= (14 if count == 1 else 15 * count - 15)
    for moment in taken:
        assert sum(moment <= other < moment + period for other in taken) <= count


def test_refused_request_of_limit_of_one_says_when_next_is_allowed(
    cache: BaseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_700_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    limit = RateLimit("refunds", Rate(1, 300), cache)
    limit.take()
    now[0] += 100

    with pytest.raises(AiraloRateLimitError) as caught:
        RateLimit("refunds", Rate(1, 300), cache).take()

    assert caught.value.retry_after == 200
    assert caught.value.may_have_acted is False
    now[0] += 201
    limit.take()


def test_without_a_limit_nothing_is_held_back(cache: BaseCache) -> None:
    assert all(take(RateLimit("refunds", NO_LIMIT, cache)) for _ in range(5))


def test_short_wait_for_limit_is_waited_out(cache: BaseCache) -> None:
    limit = RateLimit("usage", Rate(5, 0.5), cache, patience=2)
    started = time.monotonic()
    for _ in range(9):
        limit.take()

    # Nine calls in steps of an eighth of a second touch nine of them.
    assert time.monotonic() - started > 0.8


def test_long_wait_for_limit_is_refused(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waited"))
    limit = RateLimit("usage", Rate(7, 600), cache, patience=2)
    now = time.time() // 100 * 100 + 3
    monkeypatch.setattr(time, "time", lambda: now)
    limit.take()

    assert not take(limit)


def test_threads_together_take_no_more_than_there_is(cache: BaseCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_003.0)
    limit = RateLimit("packages", Rate(80, 60), cache)

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
    with override_settings(AIRALO_RATE_LIMITS={"lookups": "16/min", "packages": "7/min"}):
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


def test_limits_are_counted_per_esim_and_endpoint(
    make_client: MakeClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time() // 10 * 10 + 3
    monkeypatch.setattr(time, "time", lambda: now)
    for iccid in ("1", "2"):
        server.on(f"/v2/sims/{iccid}/usage", Answer(200, {"data": USAGE}))
        server.on(f"/v2/sims/{iccid}/packages", Answer(200, {"data": []}))
        server.on(f"/v2/sims/{iccid}/topups", Answer(200, {"data": []}))
    with override_settings(AIRALO_RATE_LIMITS={"esims": "7/min", "usage": "70/s"}):
        clients = [make_client(), make_client()]
    for ask in (AiraloClient.get_usage, AiraloClient.get_sim_packages, AiraloClient.get_topup_packages):
        for iccid in ("1", "2"):
            ask(clients[0], iccid)

    for ask in (AiraloClient.get_usage, AiraloClient.get_sim_packages, AiraloClient.get_topup_packages):
        for client in clients:
            with pytest.raises(AiraloRateLimitError, match="of one eSIM") as caught:
                ask(client, "1")
            assert caught.value.retry_after == 7.0

    assert len(server.requests()) == 1 + 6


def test_usage_of_all_esims_is_asked_no_faster_than_airalo_allows(
    make_client: MakeClient, server: ScriptedServer
) -> None:
    with override_settings(AIRALO_RATE_LIMITS={"usage": "5/s"}):
        client = make_client()
    times: list[float] = []
    for number in range(9):
        server.on(f"/v2/sims/{number}/usage", Answer(200, {"data": USAGE}))
        client.get_usage(str(number))
        times.append(time.time())

    # By the steps of a quarter of a second in which they were counted.
    steps = [int(moment * 4) for moment in times]
    assert max(steps.count(step) for step in steps) <= 2  # counted in one step, answered in the next
    assert times[-1] - times[0] > 1.5


@pytest.mark.parametrize(
    ("path", "call", "name"),
    [
        (
            "/v2/refund",
            lambda client: client.request_refund(iccids=["1"], reason="OTHERS"),
            "refunds",
        ),
        (
            "/v2/simulator/webhook",
            lambda client: client.simulate_webhook("async_order_notification"),
            "simulator",
        ),
    ],
)
def test_what_may_be_asked_five_times_a_minute(
    make_client: MakeClient,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    call: Any,
    name: str,
) -> None:
    start = now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    server.on(path, Answer(200, {"data": REFUND} if path.endswith("refund") else {"success": "Notification sent"}))
    client, sent, refused = make_client(), [], []
    while now < start + 300:
        try:
            call(client)
        except AiraloRateLimitError as error:
            refused.append(error)
        else:
            sent.append(now)
        now += 1

    assert len(server.requests(path)) == len(sent) >= 15
    assert {error.may_have_acted for error in refused} == {False}
    assert all(0 < (error.retry_after or 0) <= 15 for error in refused)
    assert max(sum(moment <= other < moment + 60 for other in sent) for moment in sent) <= 5
    with override_settings(AIRALO_RATE_LIMITS={name: None}):
        call(make_client())
    assert len(server.requests(path)) == len(sent) + 1


def test_product_information_is_counted_for_each_package(
    make_client: MakeClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time() // 10 * 10 + 3
    monkeypatch.setattr(time, "time", lambda: now)
    with override_settings(AIRALO_RATE_LIMITS={"product_information": "7/min"}):
        client = make_client()
    for slug in ("a", "b"):
        server.on(f"/v2/packages/{slug}/product-information", Answer(200, {"data": PRODUCT_INFORMATION}))
        client.get_product_information(slug)

    with pytest.raises(AiraloRateLimitError):
        client.get_product_information("a", language="de")
