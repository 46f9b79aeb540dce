"""Faults after which nobody knows whether something was bought: late lists, proxies, outages, lost connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from django_airalo.emulator import Emulator
from django_airalo.emulator.fault_presets import RANDOM, drawn_from
from tests.waiting import wait_until

from .support import Partner, Receiver


def listed(partner: Partner) -> list[Any]:
    return list(partner.get("orders").json()["data"])


@pytest.mark.parametrize("status", [500, 503, 504])
def test_bought_behind_an_error_and_listed_late(
    emulator: Emulator, partner: Partner, receiver: Receiver, package_id: str, status: int
) -> None:
    emulator.fault({"preset": f"{status}-bought-late", "listing_delay": 0.5}, "orders-async")

    assert partner.order_async(package_id, webhook_url=receiver.url).status_code == status

    assert emulator.wait_idle(60)
    assert len(emulator.purchases()) == 1
    assert listed(partner) == []
    assert receiver.deliveries == []
    wait_until(lambda: listed(partner), "the order in the list")


def test_only_the_second_attempt_of_a_description_is_refused(
    emulator: Emulator, partner: Partner, package_id: str
) -> None:
    emulator.fault({"code": 34}, "orders", attempt=2, times=None)

    first = [partner.order(package_id, description=text).status_code for text in ("a", "b", "a", "a", "b")]

    assert first == [200, 200, 422, 200, 422]
    assert partner.order(package_id).status_code == 200  # without a description each call is a first attempt
    assert partner.order(package_id).status_code == 200
    assert [row["description"] for row in emulator.purchases()] == ["a", "b", "a", None, None]


@pytest.mark.parametrize("status", [400, 403, 413, 422, 500, 503])
def test_a_page_of_a_proxy_buys_nothing(emulator: Emulator, partner: Partner, package_id: str, status: int) -> None:
    emulator.fault(f"html-{status}", "orders")
    emulator.fault({"preset": f"html-{status}", "bought": True}, "orders")

    page = partner.order(package_id)

    assert (page.status_code, page.headers["Content-Type"]) == (status, "text/html")
    assert f"<h1>{status} " in page.text
    assert emulator.purchases() == []
    assert partner.order(package_id).status_code == status
    assert len(emulator.purchases()) == 1


@pytest.mark.parametrize("preset", ["html-500-bought", "html-503-bought", "502-bought"])
def test_a_page_of_a_proxy_after_buying(emulator: Emulator, partner: Partner, package_id: str, preset: str) -> None:
    emulator.fault(preset, "orders")

    assert partner.order(package_id).headers["Content-Type"] == "text/html"

    assert len(emulator.purchases()) == 1


def test_a_refusal_under_status_200(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.fault("refusal-200", "orders")

    answer = partner.order(package_id)

    assert (answer.status_code, answer.json()["code"]) == (200, 34)
    assert emulator.purchases() == []


# Hanging and outages


@pytest.mark.parametrize(("preset", "bought"), [("hang", 0), ("hang-bought", 1)])
def test_a_call_that_hangs_is_never_answered(
    emulator: Emulator, partner: Partner, package_id: str, preset: str, bought: int
) -> None:
    emulator.fault({"preset": preset, "hang": 0.3}, "orders")
    emulator.fault(preset, "orders")
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        partner.order(package_id)
    assert time.monotonic() - started >= 0.3
    with pytest.raises(requests.ReadTimeout):
        partner.post("orders", json={"package_id": package_id, "quantity": 1}, timeout=0.2)
    wait_until(lambda: len(emulator.purchases()) == 2 * bought, "the purchases")
    assert partner.get("balance").status_code == 200  # others are answered meanwhile


def in_threads(*calls: Callable[[], Any]) -> list[threading.Thread]:
    def ignore(call: Callable[[], Any]) -> None:
        try:
            call()
        except requests.RequestException:
            return

    threads = [threading.Thread(target=ignore, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def test_airalo_hangs_until_it_is_told_otherwise(emulator: Emulator, partner: Partner, package_id: str) -> None:
    control = f"{emulator.url}/_emulator/outage"
    assert requests.post(control, json={"do": "hang"}, timeout=60).status_code == 200
    others = [Partner.__new__(Partner) for _ in range(2)]
    for other in others:
        other.url, other.session = partner.url, requests.Session()
    calls = in_threads(*(lambda other=other: other.order(package_id) for other in others))
    wait_until(lambda: len(emulator.requests("orders")) == 2, "two calls that hang")
    assert all(thread.is_alive() for thread in calls)

    assert requests.delete(control, timeout=60).status_code == 200

    for thread in calls:
        thread.join(30)
    assert not any(thread.is_alive() for thread in calls)
    assert [row["status"] for row in emulator.requests("orders")] == [None, None]
    assert emulator.purchases() == []
    assert partner.order(package_id).status_code == 200


def test_an_outage_ends_by_itself_and_may_be_of_one_endpoint(
    emulator: Emulator, partner: Partner, package_id: str
) -> None:
    emulator.outage("503-bought", seconds=3, endpoint="orders")
    assert [partner.order(package_id).status_code for _ in range(2)] == [503, 503]
    assert partner.get("balance").status_code == 200
    wait_until(lambda: partner.order(package_id).status_code == 200, "an end of the outage")
    emulator.outage("500")
    assert [partner.get("balance").status_code, partner.order(package_id).status_code] == [500, 500]
    emulator.clear_faults()
    assert partner.get("balance").status_code == 200
    with pytest.raises(ValueError, match="no fault is called"):
        emulator.outage("nonsense")
    for wrong in ({"do": "500", "seconds": "3"}, {"do": "500", "endpoint": 3}, {}):
        assert requests.post(f"{emulator.url}/_emulator/outage", json=wrong, timeout=60).status_code == 400


def test_a_fault_begins_an_outage_of_everything(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.fault({"preset": "outage-503", "outage": 3}, "orders")
    assert partner.get("balance").status_code == 200
    assert partner.order(package_id).status_code == 503
    assert partner.get("balance").status_code == 503
    wait_until(lambda: partner.get("balance").status_code == 200, "an end of the outage")


def test_what_hangs_in_an_outage_is_let_go_at_its_end(emulator: Emulator, partner: Partner, package_id: str) -> None:
    emulator.fault({"preset": "outage-hang-bought", "hang": 0.2, "outage": 0.4}, "orders")
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        partner.order(package_id)
    with pytest.raises(requests.ConnectionError):
        partner.order(package_id)
    assert 0.4 <= time.monotonic() - started < 20
    assert len(emulator.purchases()) == 2
    assert partner.order(package_id).status_code == 200


def test_stopping_does_not_wait_for_calls_that_hang(package_id: str) -> None:
    with Emulator(rate_limits=False) as emulator:
        partner = Partner.of(emulator)
        emulator.outage("hang")
        (call,) = in_threads(lambda: partner.order(package_id))
        wait_until(lambda: emulator.requests("orders"), "a call that hangs")
        started = time.monotonic()
    call.join(10)
    assert not call.is_alive()
    assert time.monotonic() - started < 10


# Connections that are lost while they are idle


@pytest.mark.parametrize(("end", "error"), [("reset", requests.ConnectionError), ("silent", requests.ReadTimeout)])
def test_an_idle_connection_is_lost(package_id: str, end: str, error: type[Exception]) -> None:
    with Emulator(rate_limits=False, idle_limit=0.2, idle_end=end) as emulator:
        partner = Partner.of(emulator)
        assert partner.get("balance").status_code == 200
        assert partner.get("balance").status_code == 200  # soon enough
        time.sleep(0.5)
        with pytest.raises(error):
            partner.post("orders", json={"package_id": package_id, "quantity": 1}, timeout=1)
        assert emulator.requests("orders") == []  # it never arrived
        assert emulator.lost_connections == 1
        assert partner.order(package_id).status_code == 200  # by a new connection
        ledger = requests.get(f"{emulator.url}/_emulator/ledger", timeout=60).json()
        assert ledger["lost_connections"] == 1


def test_an_idle_connection_is_closed_in_an_orderly_way(package_id: str) -> None:
    with Emulator(rate_limits=False, idle_limit=0.2, idle_end="close") as emulator:
        partner = Partner.of(emulator)
        assert partner.get("balance").status_code == 200
        time.sleep(0.6)
        assert partner.order(package_id).status_code == 200  # the session sees the end and takes a new connection
        assert emulator.lost_connections == 0


def test_an_idle_connection_over_tls_is_lost(certificate: Path) -> None:
    with Emulator(tls_certificate=certificate, idle_limit=0.1) as emulator:
        session = requests.Session()
        session.trust_env, session.verify = False, str(certificate)
        assert session.get(f"{emulator.url}/v2/balance", timeout=60).status_code == 401
        time.sleep(0.4)
        with pytest.raises(requests.ConnectionError):
            session.get(f"{emulator.url}/v2/balance", timeout=60)
        assert emulator.lost_connections == 1


@pytest.mark.parametrize("wrong", [{"idle_end": "softly"}, {"random_faults": ("nonsense",)}])
def test_options_that_are_not_understood(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Emulator(**wrong)


# Random faults by group


def test_random_faults_come_from_the_groups_that_are_named(package_id: str) -> None:
    with Emulator(rate_limits=False, random_faults=("proxy",)) as emulator:
        partner = Partner.of(emulator)
        emulator.options.change(fault_rate=1.0)
        pages = {partner.get("balance").headers["Content-Type"] for _ in range(20)}
        assert pages == {"text/html"}
        names = {row["fault"] for row in emulator.requests("balance")}
        assert names <= set(RANDOM["proxy"][0])
        assert len(names) > 2
        emulator.clear_faults()
        assert partner.get("balance").status_code == 200


@pytest.mark.parametrize("group", RANDOM)
def test_a_group_strikes_what_buys(group: str) -> None:
    of_any, of_buying = RANDOM[group]
    assert drawn_from((group,), "orders-async") == [*of_any, *of_buying]
    assert drawn_from((group,), "balance") == list(of_any)
    assert of_buying
