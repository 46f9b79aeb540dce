"""The token: one for all, got ahead of time, replaced once when refused, never asked for more often than allowed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import TokenData
from django_airalo.client.token import TokenStore
from django_airalo.conf import Rate, conf
from django_airalo.exceptions import AiraloTokenError
from tests.scripted_server import Answer, ScriptedServer

from .support import CLIENT_ID, MakeClient, token, token_answer
from .token_support import HOUR, asked, used

pytestmark = pytest.mark.usefixtures("balance")


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


def test_a_token_is_used_no_longer_than_its_lifetime(
    make_client: MakeClient,
    server: ScriptedServer,
    pass_time: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conf, "TOKEN_LIFETIME", 100)
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


def test_expired_token_is_used_once(client: AiraloClient, server: ScriptedServer) -> None:
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


def test_lock_that_is_never_released_raises_token_error(cache: BaseCache) -> None:
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
    return TokenStore(fetch, cache=cache, identity="x", lifetime=HOUR, limit=Rate(3, 60), patience=patience)


# The limit


def test_the_limit_is_kept_without_asking(
    client: AiraloClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    server.on("/v2/token", Answer(500, {}))
    for _ in range(3):
        with pytest.raises(AiraloTokenError, match="HTTP 500"):
            client.get_balance()
        pass_time(10)

    with pytest.raises(AiraloTokenError, match="3 tokens were asked for within 60 seconds") as caught:
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
    with override_settings(AIRALO_RATE_LIMITS={"tokens": "1/min"}):
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
