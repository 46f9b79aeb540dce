"""What Airalo, or the way to it, answers instead of a 202."""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

from .conftest import MakeWorld
from .world import World


@pytest.mark.parametrize("failure", ["dns", "refused", "tls"])
def test_row_07_no_connection_at_all(world: World, failure: str) -> None:
    addresses = {
        "dns": "http://airalo.invalid",
        "refused": f"http://127.0.0.1:{free_port()}",
        "tls": world.emulator.url.replace("http:", "https:"),
    }
    world.serve()
    world.set(BASE_URL=addresses[failure])
    (pk,) = world.place()
    order = world.order(pk)
    assert (order.status, order.attempt) == ("pending", 1)
    assert "nothing was sent" in order.error_reason
    assert order.due_at is not None
    world.set(BASE_URL=world.emulator.url)
    world.laws({"completed": 1})
    assert len(world.emulator.requests("orders-async")) == 1


def test_row_07_refused_at_the_post_itself(make_world: MakeWorld, tmp_path: Path) -> None:
    """The token is known from before, so that it is the POST that finds nobody."""
    world = make_world(ledger=tmp_path / "ledger", port=free_port())
    world.serve()
    world.place()
    world.emulator.stop()
    (pk,) = world.place()
    order = world.order(pk)
    assert (order.status, order.attempt) == ("pending", 1)
    assert "orders-async" in order.error_reason
    assert "nothing was sent" in order.error_reason
    world.emulator.start()
    world.laws({"completed": 2})
    assert len(world.emulator.requests("orders-async")) == 2


UNKNOWN_OUTCOMES: dict[str, tuple[Any, bool]] = {
    **{status: (status, False) for status in ("500", "502", "504")},
    **{f"{status}-bought": (f"{status}-bought", True) for status in ("500", "502", "504")},
    "200 with HTML": ("html", True),
    "truncated JSON": ("truncated", True),
    "202 without request_id": ("no-request-id", True),
    "202 with an empty list": ({"status": 202, "body": {"data": [], "meta": {"message": "success"}}}, False),
    "a redirect": ({"status": 302, "headers": {"Location": "https://example.com/"}, "bought": True}, True),
    "a status nobody knows": ({"status": 599, "body": "", "bought": True}, True),
}


@pytest.mark.parametrize("road", ["look-up", "webhook"])
def test_row_08_answers_that_say_nothing_of_the_outcome(world: World, road: str) -> None:
    if road == "webhook":
        world.serve()
    for number, (fault, _) in enumerate(UNKNOWN_OUTCOMES.values(), 1):
        world.emulator.fault(fault, "orders-async", call=number)
    pks = world.place(len(UNKNOWN_OUTCOMES))
    shop = world.laws({"completed": 8, "unconfirmed": 4})
    for pk, (name, (_, bought)) in zip(pks, UNKNOWN_OUTCOMES.items(), strict=True):
        assert (world.order(pk).status == "completed") == bought, name
    if road == "look-up":
        doubted = {event["order__reference"] for event in shop.events if event["new_status"] == "unconfirmed"}
        assert len(doubted) == len(pks)
    assert len(world.emulator.requests("orders-async")) == len(pks)


def _gaps(world: World) -> dict[str, list[float]]:
    """Seconds between one POST and the next, for each order."""
    times = defaultdict(list)
    for request in world.emulator.requests("orders-async"):
        times[json.loads(request["body"])["description"]].append(request["at"])
    return {name: [b - a for a, b in itertools.pairwise(at)] for name, at in times.items()}


@pytest.mark.slow
def test_row_09_no_sooner_than_told(world: World) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=8), usegmt=True)
    asked = time.time()
    waits: list[tuple[Any, float]] = [
        ("429", 2),
        ({"status": 429, "body": {"message": "Too Many Attempts."}, "headers": {"Retry-After": date}}, 0),
        ("429-bare", 0.2),
    ]
    world.serve()
    for number, (fault, _) in enumerate(waits, 1):
        world.emulator.fault(fault, "orders-async", call=number)
    pks = world.place(len(waits))
    world.laws({"completed": len(waits)})
    gaps = _gaps(world)
    for pk, (fault, least) in zip(pks, waits, strict=True):
        (gap,) = gaps[world.order(pk).airalo_description]
        assert gap >= least, fault
    dated = [row for row in world.emulator.requests("orders-async") if pks and _is_of(row, world, pks[1])]
    assert dated[1]["at"] >= asked + 7  # a date has whole seconds


def _is_of(request: dict[str, Any], world: World, pk: int) -> bool:
    return world.order(pk).reference in request["body"]


@pytest.mark.slow
def test_row_08_a_retry_after_of_a_503_moves_the_look_up_only(world: World) -> None:
    world.emulator.fault("503-retry-after", "orders-async", call=1)
    (pk,) = world.place(1)
    world.laws({"unconfirmed": 1})
    (post,) = world.emulator.requests("orders-async")
    assert world.order(pk).reference in post["body"]
    assert min(request["at"] for request in world.emulator.requests("orders-list")) >= post["at"] + 2


@pytest.mark.slow
def test_row_08_a_503_that_is_not_true_does_not_buy_twice(world: World) -> None:
    """Airalo took the order behind it, sends no webhook and lists it later."""
    world.set(UNCONFIRMED_GRACE=4)
    world.emulator.fault({"preset": "503-bought", "webhook": "none", "listing_delay": 2}, "orders-async", times=3)
    pks = world.place(3)
    world.laws({"completed": 3})
    assert [world.order(pk).attempt for pk in pks] == [1, 1, 1]
    assert len(world.emulator.requests("orders-async")) == 3


def test_row_09_back_off_is_spread(world: World) -> None:
    world.set_constants(RETRY_DELAYS=[1])
    world.serve()
    world.emulator.fault("429-bare", "orders-async", times=8)
    world.place(8)
    world.laws({"completed": 8})
    gaps = [gap for order in _gaps(world).values() for gap in order]
    assert min(gaps) >= 1
    assert len(gaps) == 8
    assert max(gaps) - min(gaps) > 0.02


def test_row_10_eight_workers_without_a_token_ask_once(world: World) -> None:
    world.serve()
    pks = world.place_only(8)
    world.emulator.fault({"delay": 0.3}, "token")
    world.at_once(*[("submit_order", pk) for pk in pks])
    world.laws({"completed": 8})
    assert len(world.emulator.requests("token")) == 1
    assert len(world.emulator.requests("orders-async")) == 8


@pytest.mark.slow
def test_row_10_eight_workers_with_a_revoked_token(world: World) -> None:
    """One new token for all, and one more try for each."""
    world.serve()
    world.place()
    pks = world.place_only(8)
    time.sleep(5.2)  # a 401 with a younger token is not about the token
    world.emulator.revoke_tokens()
    world.at_once(*[("submit_order", pk) for pk in pks])
    world.laws({"completed": 9})
    assert len(world.emulator.requests("token")) == 2
    refused = [row for row in world.emulator.requests("orders-async") if row["status"] == 401]
    assert 1 <= len(refused) <= 8
    assert len(world.emulator.requests("orders-async")) == 9 + len(refused)


@pytest.mark.slow
def test_row_10_a_token_ends_sooner_than_airalo_said(world: World) -> None:
    """Nobody replaces it ahead of its end, so a purchase is refused: one new token, and once more."""
    world.serve()
    world.place()
    time.sleep(5.2)  # a 401 with a younger token is not about the token
    world.emulator.ledger.execute("UPDATE tokens SET expires_at = ?", (time.time(),))
    (pk,) = world.place()
    assert world.order(pk).attempt == 1
    world.laws({"completed": 2})
    assert [row["status"] for row in world.emulator.requests("orders-async")] == [202, 401, 202]
    assert [row["status"] for row in world.emulator.requests("token")] == [200, 200]


def test_row_10_an_expired_token_is_replaced_ahead_of_its_end(make_world: MakeWorld) -> None:
    world = make_world(token_lifetime=3)
    world.serve()
    world.place()
    time.sleep(3.1)
    world.place()
    world.laws({"completed": 2})
    assert {row["status"] for row in world.emulator.requests("orders-async")} == {202}


def test_row_10_the_token_endpoint_is_at_its_limit(make_world: MakeWorld) -> None:
    """Others of the same company have used it up. Orders wait at least as long as told; eight workers do not hammer."""
    world = make_world(limits={"token": (1, 60.0)})
    world.set_constants(RETRY_DELAYS=[20])  # nothing is sent while the sweeper of the laws is killed
    world.serve()
    pks = world.place_only(8)
    world.emulator.state.limits.check("token", world.emulator.client_id)
    world.at_once(*[("submit_order", pk) for pk in pks])
    world.laws({"pending": 8}, waiting={"pending"})
    assert 1 <= len(world.emulator.requests("token")) <= 3
    assert world.emulator.requests("orders-async") == []
    # Told by Airalo, or by our own count of what was asked for: nearly a minute either way, or the usual back-off
    # for those who only saw that others were asking.
    waits = [order["due_at"] - order["submitted_at"] for order in world.read().orders]
    assert sum(wait > timedelta(seconds=30) for wait in waits) >= 3


def test_row_10_a_token_is_had_when_the_limit_is_over(make_world: MakeWorld) -> None:
    world = make_world(limits={"token": (1, 15.0)})
    world.serve()
    world.emulator.state.limits.check("token", world.emulator.client_id)
    used_up_at = time.time()
    world.place()
    world.laws({"completed": 1})
    *refused, had = world.emulator.requests("token")
    # Mostly one; two when a second process had asked before the first one's 429 was known to it.
    assert [request["status"] for request in refused] in ([429], [429, 429])
    assert had["status"] == 200
    assert had["at"] >= used_up_at + 14.9


CODES: dict[int, str] = {
    89: "pending",
    13: "pending",
    14: "failed",
    33: "failed",
    34: "failed",
    43: "failed",
    73: "failed",
    53: "unconfirmed",
}
SHAPES: dict[str, Any] = {
    "The package is invalid.": {"data": {"package_id": "The package is invalid."}, "meta": {"message": "wrong"}},
    "Not allowed.": {"data": [], "meta": {"message": "Not allowed."}},
    "Sold out.": {"code": 34, "reason": "Sold out."},
    "No address.": {"reason": "No address."},
    "Wrong input.": {"message": "Wrong input."},
    "Unknown.": {"error": "Unknown."},
}


def test_row_11_each_code_to_its_class(world: World) -> None:
    world.set_constants(RETRY_DELAYS=[60])
    world.serve()
    for number, code in enumerate(CODES, 1):
        world.emulator.fault({"code": code}, "orders-async", call=number)
    pks = world.place(len(CODES))
    world.laws({"pending": 2, "failed": 5, "unconfirmed": 1}, waiting={"pending"})
    for pk, (code, status) in zip(pks, CODES.items(), strict=True):
        order = world.order(pk)
        assert (order.status, order.error_code) == (status, code)
    assert world.emulator.purchases() == []


def test_row_11_each_shape_of_an_error_is_understood(world: World) -> None:
    world.serve()
    for number, body in enumerate(SHAPES.values(), 1):
        world.emulator.fault({"status": 422, "body": body}, "orders-async", call=number)
    pks = world.place(len(SHAPES))
    world.laws({"failed": len(SHAPES)})
    for pk, words in zip(pks, SHAPES, strict=True):
        assert words in world.order(pk).error_reason


@pytest.mark.parametrize("end", ["balance", "operator"])
def test_row_11_no_credit_pauses_the_queue(make_world: MakeWorld, end: str) -> None:
    world = make_world(balance="0.00")
    if end == "operator":
        world.set_constants(BALANCE_INTERVAL=3600)
    world.serve()
    pks = world.place_only(4)
    world.at_once(*[("submit_order", pk) for pk in pks])
    refused = len(world.emulator.requests("orders-async"))
    assert 1 <= refused <= 4
    later = world.place(3)
    sweeper = world.sweeper()
    time.sleep(1.5)
    assert len(world.emulator.requests("orders-async")) == refused
    shop = world.read()
    assert shop.statuses() == {"pending": 7}
    assert len({row["event_id"] for row in shop.received if row["signal"] == "submission_paused"}) == 1
    sweeper.kill()  # before there is anything to send: killed while it sends, it would leave an order in doubt
    world.emulator.balance = 1000
    if end == "operator":
        assert world.run("resume").strip() == "True"
    shop = world.laws({"completed": 7})
    assert {world.order(pk).attempt for pk in later} == {1}
    assert "submission_resumed" in {row["signal"] for row in shop.received}


def test_row_11_a_shop_that_is_being_restarted_is_not_refused_for_good(make_world: MakeWorld) -> None:
    """Airalo asks the webhook address with HEAD, and takes no order for one that does not answer."""
    world = make_world(head_probe=True)
    (pk,) = world.place()
    order = world.order(pk)
    assert (order.status, order.attempt) == ("pending", 1)
    assert "webhook" in order.attention
    assert world.emulator.purchases() == []
    world.serve()
    world.hurry("pending")
    world.laws({"completed": 1})
    assert (world.order(pk).attempt, world.order(pk).attention) == (2, "")
