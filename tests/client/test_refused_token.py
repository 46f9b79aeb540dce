"""A token that is refused is replaced once, and what was asked for is sent once more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from django_airalo.client import AiraloClient
from django_airalo.exceptions import AiraloAPIError, AiraloAuthenticationError, AiraloPermissionError, AiraloTokenError
from tests.scripted_server import Answer, ScriptedServer

from .support import ACCEPTED, MakeClient, token
from .token_support import UNAUTHORIZED, asked, used

pytestmark = pytest.mark.usefixtures("balance")


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


def test_second_401_after_new_token_is_raised(
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


def test_purchase_with_401_and_no_new_token_did_not_act(
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


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_refused_token_is_replaced_though_the_clock_was_set(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None], ahead: float
) -> None:
    """The token was stored by a machine whose clock is an hour ahead of this one's, or behind it."""
    pass_time(ahead)
    make_client().get_token()
    pass_time(-ahead)
    server.on("/v2/orders-async", UNAUTHORIZED, Answer(202, ACCEPTED))

    make_client().submit_order_async(package_id="p", quantity=1)

    assert used(server, "/v2/orders-async") == [token(1), token(2)]


def test_403_unauthenticated_replaces_the_token(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    make_client().get_token()
    pass_time(60)
    server.on("/v2/orders-async", Answer(403, {"message": "Unauthenticated."}), Answer(202, ACCEPTED))

    make_client().submit_order_async(package_id="p", quantity=1)

    assert used(server, "/v2/orders-async") == [token(1), token(2)]


def test_403_unauthenticated_with_a_new_token_is_a_missing_permission(
    make_client: MakeClient, server: ScriptedServer, pass_time: Callable[[float], None]
) -> None:
    make_client().get_token()
    pass_time(60)
    refusal = Answer(403, {"message": "Unauthenticated."})
    server.on("/v2/packages/p/product-information", refusal, refusal)

    with pytest.raises(AiraloPermissionError, match="Unauthenticated"):
        make_client().get_product_information("p")

    assert used(server, "/v2/packages/p/product-information") == [token(1), token(2)]
