"""The token: one for all, got ahead of time, replaced once when refused, never asked for more often than allowed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import TokenData
from django_airalo.client.token import TokenStore
from django_airalo.exceptions import AiraloAPIError, AiraloAuthenticationError, AiraloTokenError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, CLIENT_ID, MakeClient, token, token_answer

HOUR = 3600.0
UNAUTHORIZED = Answer(401, {"data": [], "meta": {"message": "This action is unauthorized."}})

pytestmark = pytest.mark.usefixtures("balance")


def asked(server: ScriptedServer) -> int:
    """How many tokens were asked for."""
    return len(server.requests("/v2/token"))


def used(server: ScriptedServer, path: str = "/v2/balance") -> list[str]:
    """The tokens of the requests of a path."""
    return [request.headers["authorization"].removeprefix("Bearer ") for request in server.requests(path)]


# Shared and kept


def test_two_clients_share_a_token(make_client: MakeClient, server: ScriptedServer) -> None:
    make_client().get_balance()
    make_client().get_balance()

    assert used(server) == [token(1), token(1)]
    assert asked(server) == 1


@pytest.mark.parametrize("other", [{"client_id": "another"}, {"client_secret": "another"}])
def test_other_credentials_get_another_token(
    make_client: MakeClient, server: ScriptedServer, other: dict[str, str]
) -> None:
    make_client().get_balance()
    make_client(**other).get_balance()

    assert used(server) == [token(1), token(2)]


def test_the_cache_keys_show_no_credentials(make_client: MakeClient) -> None:
    keys: list[str] = []

    class Watched(LocMemCache):
        def make_key(self, key: Any, version: int | None = None) -> str:
            keys.append(key)
            return super().make_key(key, version)

    make_client(cache=Watched(str(uuid.uuid4()), {})).get_token()

    assert keys
    assert all(key.startswith("django_airalo:token") and CLIENT_ID not in key for key in keys)


@pytest.mark.parametrize(
    ("expires_in", "refreshed_after"),
    [
        (31622400, 24 * HOUR * 0.9),  # Airalo says 366 days and also: every 24 hours
        (2 * HOUR, 2 * HOUR * 0.9),
        ("7200", 2 * HOUR * 0.9),
        (None, 24 * HOUR * 0.9),
        (0, 24 * HOUR * 0.9),
        ("soon", 24 * HOUR * 0.9),
    ],
)
def test_a_token_is_replaced_ahead_of_its_end(
    client: AiraloClient,
    server: ScriptedServer,
    pass_time: Callable[[float], None],
    expires_in: Any,
    refreshed_after: float,
) -> None:
    server.on("/v2/token", token_answer(1, expires_in=expires_in), token_answer(2))
    client.get_balance()
    pass_time(refreshed_after - 60)
    client.get_balance()
    pass_time(120)
    client.get_balance()

    assert used(server) == [token(1), token(1), token(2)]


def test_the_lifetime_can_be_set(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    with override_settings(AIRALO_TOKEN_LIFETIME=100):
        client = make_client()
    client.get_balance()
    pass_time(89)
    client.get_balance()
    pass_time(2)
    client.get_balance()

    assert used(server) == [token(1), token(1), token(2)]


def test_an_ended_token_is_not_used(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    client.get_balance()
    pass_time(25 * HOUR)
    client.get_balance()

    assert used(server) == [token(1), token(2)]


def test_a_token_that_never_lives_is_used_once(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/token", token_answer(1, expires_in=-5), token_answer(2))

    client.get_balance()
    client.get_balance()

    assert used(server) == [token(1), token(2)]


@pytest.mark.parametrize("state", ["none yet", "about to end"])
def test_sixteen_threads_ask_for_one_token(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None], state: str
) -> None:
    server.on("/v2/token", token_answer(1), token_answer(2))
    if state == "about to end":
        client.get_token()
        pass_time(23 * HOUR)
    before = asked(server)
    server.on("/v2/token", Answer(200, token_answer(2).body, delay=0.1))
    barrier = threading.Barrier(16)

    def ask(_: int) -> str:
        barrier.wait()
        return client.get_token()

    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(ask, range(16)))

    assert asked(server) - before == 1
    # Ahead of the end nobody waits: the old one is still good.
    assert token(2) in tokens
    assert tokens <= ({token(2)} if state == "none yet" else {token(1), token(2)})


def test_a_refresh_that_another_process_has_just_made_is_taken(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    """Between looking at the old token and getting the lock, another process may have done the work."""
    name = str(uuid.uuid4())
    others = make_client(cache=LocMemCache(name, {}))
    others.get_token()
    pass_time(23 * HOUR)

    class Slow(LocMemCache):
        def add(self, key: str, *args: Any, **kwargs: Any) -> bool:
            others.get_token()
            return super().add(key, *args, **kwargs)

    assert make_client(cache=Slow(name, {})).get_token() == token(2)
    assert asked(server) == 2


def test_the_old_token_is_kept_if_a_new_one_cannot_be_had_yet(
    client: AiraloClient,
    server: ScriptedServer,
    pass_time: Callable[[float], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.get_balance()
    pass_time(23 * HOUR)
    server.on("/v2/token", Answer(500, "<html>"))

    client.get_balance()

    assert used(server) == [token(1), token(1)]
    assert "keeping the old one: Airalo gave no token: Airalo answered HTTP 500" in caplog.text
    server.on("/v2/token", token_answer(2))
    client.get_balance()
    assert used(server)[-1] == token(2)


def test_a_lock_that_nobody_gives_back_is_waited_for_and_then_reported(cache: BaseCache) -> None:
    fetched: list[int] = []
    store = make_store(cache, lambda: fetched.append(1) or TokenData(access_token="t", expires_in=9), patience=0.2)
    cache.set(store._lock_key, "somebody", 60)

    started = time.monotonic()
    with pytest.raises(AiraloTokenError, match="for too long"):
        store.get()

    assert time.monotonic() - started >= 0.2
    assert fetched == []
    assert cache.get(store._lock_key) == "somebody"  # not ours to take away


def test_a_token_that_comes_while_waiting_is_taken(make_client: MakeClient, server: ScriptedServer) -> None:
    server.on("/v2/token", Answer(200, token_answer(1).body, delay=0.3))
    clients = [make_client(), make_client()]
    with ThreadPoolExecutor(2) as pool:
        tokens = list(pool.map(AiraloClient.get_token, clients))

    assert tokens == [token(1), token(1)]
    assert asked(server) == 1


def test_a_lock_that_was_lost_is_not_taken_from_its_new_owner(cache: BaseCache) -> None:
    def slow() -> TokenData:
        cache.set(store._lock_key, "the next owner", 60)  # ours ran out meanwhile
        return TokenData(access_token="t", expires_in=9)

    store = make_store(cache, slow)

    assert store.get() == "t"
    assert cache.get(store._lock_key) == "the next owner"


def make_store(cache: BaseCache, fetch: Callable[[], TokenData], patience: float = 1.0) -> TokenStore:
    return TokenStore(fetch, cache=cache, identity="x", lifetime=HOUR, per_minute=3, patience=patience)


# The limit


def test_the_limit_is_kept_without_asking(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    server.on("/v2/token", Answer(500, {}))
    for _ in range(3):
        with pytest.raises(AiraloTokenError, match="HTTP 500"):
            client.get_balance()
        pass_time(10)

    with pytest.raises(AiraloTokenError, match="3 tokens were asked for within a minute") as caught:
        client.get_balance()

    assert asked(server) == 3
    assert caught.value.may_have_acted is False
    assert caught.value.retry_after is not None
    assert 25 < caught.value.retry_after <= 30
    assert server.requests("/v2/balance") == []

    pass_time(caught.value.retry_after + 0.5)
    server.on("/v2/token", token_answer(1))
    client.get_balance()
    assert asked(server) == 4


def test_the_limit_holds_for_all_clients_together(make_client: MakeClient, server: ScriptedServer) -> None:
    server.on("/v2/token", Answer(500, {}))
    for _ in range(5):
        with pytest.raises(AiraloTokenError):
            make_client().get_token()

    assert asked(server) == 3


def test_the_limit_can_be_set(make_client: MakeClient, server: ScriptedServer) -> None:
    server.on("/v2/token", Answer(500, {}))
    with override_settings(AIRALO_TOKEN_REQUESTS_PER_MINUTE=1):
        client = make_client()
    for _ in range(2):
        with pytest.raises(AiraloTokenError):
            client.get_token()

    assert asked(server) == 1


def test_a_clock_that_was_set_back_does_not_lock_out(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    server.on("/v2/token", Answer(500, {}))
    for _ in range(3):
        with pytest.raises(AiraloTokenError):
            client.get_token()
    pass_time(-30)
    server.on("/v2/token", token_answer(1))

    assert client.get_token() == token(1)


# A refused token


def test_a_refused_token_is_replaced_and_the_request_sent_once_more(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    client = make_client()
    client.get_token()
    pass_time(60)
    server.on("/v2/orders-async", UNAUTHORIZED, Answer(202, ACCEPTED))

    client.submit_order_async(package_id="p", quantity=1)

    assert used(server, "/v2/orders-async") == [token(1), token(2)]
    first, second = server.requests("/v2/orders-async")
    assert first.body == second.body
    make_client().get_balance()
    assert used(server) == [token(2)]


def test_if_the_new_token_is_refused_as_well_it_ends(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    client.get_token()
    pass_time(60)
    server.on("/v2/orders-async", UNAUTHORIZED)

    for _ in range(5):
        with pytest.raises(AiraloAuthenticationError) as caught:
            client.submit_order_async(package_id="p", quantity=1)
        assert caught.value.may_have_acted is False

    # One replay for the first; then the token is too young to be the cause.
    assert used(server, "/v2/orders-async") == [token(1)] + [token(2)] * 5
    assert asked(server) == 2


def test_a_request_is_sent_once_more_and_not_again(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if answers take so long that the new token is not young any more."""
    monkeypatch.setattr("django_airalo.client.token.FRESH", 0.0)
    server.on("/v2/orders-async", UNAUTHORIZED)

    with pytest.raises(AiraloAuthenticationError):
        client.submit_order_async(package_id="p", quantity=1)

    assert used(server, "/v2/orders-async") == [token(1), token(2)]
    assert asked(server) == 2


def test_a_young_token_is_not_replaced(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/orders/77", UNAUTHORIZED)  # the documented answer for another company's order

    with pytest.raises(AiraloAuthenticationError, match="This action is unauthorized"):
        client.get_order(77)

    assert used(server, "/v2/orders/77") == [token(1)]
    assert asked(server) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 422, 429, 500])
def test_another_refusal_does_not_cost_a_token(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None], status: int
) -> None:
    client.get_token()
    pass_time(60)
    server.on("/v2/orders-async", Answer(status, {"code": 89, "reason": "no"}))

    with pytest.raises(AiraloAPIError):
        client.submit_order_async(package_id="p", quantity=1)

    assert used(server, "/v2/orders-async") == [token(1)]
    assert asked(server) == 1


def test_eight_threads_with_a_revoked_token_replace_it_once(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    client.get_token()
    pass_time(60)
    barrier = threading.Barrier(8)
    for number in range(8):
        # The refusal comes late, so that on a busy machine, too, all threads have started with the old token.
        refusal = replace(UNAUTHORIZED, delay=3)
        server.on(f"/v2/orders/{number}", refusal, Answer(200, {"data": {"id": number}}))

    def ask(number: int) -> int | None:
        barrier.wait()
        return client.get_order(number).id

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == list(range(8))

    assert asked(server) == 2
    for number in range(8):
        assert used(server, f"/v2/orders/{number}") == [token(1), token(2)]


def test_a_token_that_another_process_has_replaced_is_taken(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    mine, other = make_client(), make_client()
    mine.get_token()
    pass_time(60)

    assert other._tokens.replace(token(1)) == token(2)
    assert mine._tokens.replace(token(1)) == token(2)
    assert asked(server) == 2


def test_if_no_new_token_can_be_had_a_purchase_has_surely_not_happened(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    client.get_token()
    pass_time(60)
    server.on("/v2/orders-async", UNAUTHORIZED)
    server.on("/v2/token", Answer(500, {}))

    with pytest.raises(AiraloAuthenticationError, match="This action is unauthorized") as caught:
        client.submit_order_async(package_id="p", quantity=1)

    assert caught.value.may_have_acted is False
    assert isinstance(caught.value.__cause__, AiraloTokenError)
    assert len(server.requests("/v2/orders-async")) == 1
