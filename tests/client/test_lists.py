"""What is a list, and what is none: after a look-up that finds nothing, an order may be sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_airalo.client import AiraloClient
from django_airalo.exceptions import AiraloRefusedError, AiraloResponseError
from tests.scripted_server import Answer, ScriptedServer

from .support import FUTURE_ORDER, META, ORDER

LISTS: dict[str, Callable[[AiraloClient], Any]] = {
    "/v2/orders": lambda client: client.list_orders(description="REF-1"),
    "/v2/future-orders": lambda client: client.list_future_orders(),
    "/v2/sims": lambda client: client.list_sims(),
    "/v2/packages": lambda client: client.get_packages(),
}


REFUSALS: dict[str, Any] = {
    "a message for a field": {"limit": "The limit must be an integer."},
    "messages for a field": {"limit": ["The limit must be an integer."]},
}
NO_LISTS: dict[str, Any] = {
    "a row and a message": {"0": ORDER, "message": "and more"},
    "no objects": [1, "x"],
    "a row and nothing": [ORDER, None],
    "one row": ORDER,
    "text": "",
    "null": None,
}


@pytest.mark.parametrize("what", NO_LISTS)
@pytest.mark.parametrize("path", LISTS)
def test_what_is_no_list_of_objects_is_not_taken_for_an_empty_one(
    client: AiraloClient, server: ScriptedServer, path: str, what: str
) -> None:
    server.on(path, Answer(200, {"data": NO_LISTS[what], "meta": META}))

    with pytest.raises(AiraloResponseError, match="The field data must be a list of objects") as caught:
        LISTS[path](client)

    assert caught.value.may_have_acted is False


@pytest.mark.parametrize("what", REFUSALS)
@pytest.mark.parametrize("path", LISTS)
def test_messages_for_fields_are_a_refusal_and_no_empty_list(
    client: AiraloClient, server: ScriptedServer, path: str, what: str
) -> None:
    server.on(path, Answer(200, {"data": REFUSALS[what], "meta": META}))

    with pytest.raises(AiraloRefusedError, match="The limit must be an integer") as caught:
        LISTS[path](client)

    assert caught.value.may_have_acted is False


@pytest.mark.parametrize("data", [[], {}])
def test_a_list_may_be_empty(client: AiraloClient, server: ScriptedServer, data: Any) -> None:
    for path, ask in LISTS.items():
        server.on(path, Answer(200, {"data": data, "meta": META}))

        assert ask(client).items == ()


def test_a_list_may_be_keyed_by_index(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/future-orders", Answer(200, {"data": {"25": FUTURE_ORDER, "26": FUTURE_ORDER}, "meta": META}))

    assert len(client.list_future_orders().items) == 2


@pytest.mark.parametrize("current", [1, 3])
def test_another_page_than_the_one_asked_for_is_not_taken_for_it(
    client: AiraloClient, server: ScriptedServer, current: int
) -> None:
    """Whoever reads a list to its end would miss rows, or find no end."""
    asks: dict[str, Callable[[], Any]] = {
        "/v2/orders": lambda: client.list_orders(page=2),
        "/v2/future-orders": lambda: client.list_future_orders(page=2),
        "/v2/sims": lambda: client.list_sims(page=2),
        "/v2/packages": lambda: client.get_packages(page=2),
    }
    for path, ask in asks.items():
        server.on(path, Answer(200, {"data": [], "meta": {"current_page": current, "last_page": 9}}))

        with pytest.raises(AiraloResponseError, match=f"Page 2 was requested, but Airalo sent page {current}"):
            ask()
