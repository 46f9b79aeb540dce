from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from django_airalo.emulator import Emulator

from .support import Partner, Receiver

SHAPE = "%Y-%m-%d %H:%M"


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime(SHAPE)


def future(partner: Partner, package_id: str, **fields: Any) -> requests.Response:
    fields = {"package_id": package_id, "quantity": 1, "due_date": in_days(5), **fields}
    return partner.post("future-orders", json={name: value for name, value in fields.items() if value is not None})


@pytest.fixture
def opted_in(emulator: Emulator, partner: Partner, receiver: Receiver) -> Receiver:
    partner.post("notifications/opt-in", json={"type": "async_orders", "webhook_url": receiver.url})
    return receiver


@pytest.mark.usefixtures("opted_in")
def test_nothing_is_bought_before_it_is_due(emulator: Emulator, partner: Partner, package_id: str) -> None:
    before, due_date = emulator.balance, in_days(5)
    answer = future(partner, package_id, due_date=due_date, quantity=2, description="later")
    assert answer.status_code == 200
    content = answer.json()["data"]
    assert len(content["request_id"]) == 25
    assert content["due_date"] == due_date
    day_before = datetime.strptime(due_date, SHAPE).replace(tzinfo=UTC) - timedelta(days=1)
    assert content["latest_cancellation_date"] == day_before.strftime(SHAPE)
    assert emulator.purchases() == []
    assert emulator.balance == before
    (listed,) = partner.get("future-orders").json()["data"]
    assert listed == {
        "request_id": content["request_id"],
        "quantity": 2,
        "description": "later",
        "status": "pending",
        "package_id": package_id,
        "due_date": due_date,
        "latest_cancellation_date": content["latest_cancellation_date"],
    }


def test_when_due_it_is_bought_pushed_and_no_longer_listed(
    emulator: Emulator, partner: Partner, package_id: str, opted_in: Receiver
) -> None:
    request_id = future(partner, package_id, quantity=2, description="later").json()["data"]["request_id"]
    assert emulator.make_due(request_id) == 1
    (delivery,) = opted_in.wait(1)
    content = json.loads(delivery.body)
    assert content["request_id"] == request_id
    assert len(content["data"]["sims"]) == 2
    assert emulator.wait_idle(60)
    (purchase,) = emulator.purchases("later")
    assert (purchase["request_id"], purchase["status"]) == (request_id, "completed")
    assert emulator.balance < 10_000
    assert partner.get("future-orders").json()["data"] == []
    assert partner.get("orders").json()["data"][0]["description"] == "later"
    assert [(row["status"], row["purchase_id"]) for row in emulator.future_orders()] == [("processed", purchase["id"])]


def test_its_own_webhook_address_comes_first(
    emulator: Emulator, partner: Partner, package_id: str, opted_in: Receiver
) -> None:
    own = Receiver()
    try:
        future(partner, package_id, webhook_url=own.url)
        emulator.make_due()
        own.wait(1)
        assert opted_in.deliveries == []
    finally:
        own.close()


def test_without_an_address_it_is_refused(emulator: Emulator, partner: Partner, package_id: str) -> None:
    answer = future(partner, package_id)
    assert (answer.status_code, answer.json()) == (
        422,
        {"reason": "User is not opted in and no webhook URL provided."},
    )
    assert emulator.future_orders() == []


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"quantity": 0}, {"quantity": "The quantity must be at least 1."}),
        ({"quantity": 51}, {"quantity": "The quantity may not be greater than 50."}),
        ({"package_id": None}, {"package_id": "The package id field is required."}),
        ({"due_date": None}, {"due_date": "The due date field is required."}),
        ({"due_date": "2030-01-01T10:00"}, {"due_date": "The due date does not match the format Y-m-d H:i."}),
        (
            {"due_date": in_days(1)},
            {"due_date": "Minimum due date must be at least the day after tomorrow in UTC timezone."},
        ),
        ({"due_date": in_days(400)}, {"due_date": "Maximum due date must be at most one year from now."}),
        (
            {"to_email": "buyer@example.com", "sharing_option": ["link", "fax"]},
            {"sharing_option(1)": "Sharing option on position 1 is invalid. Available options are: 'link' and 'pdf'."},
        ),
        ({"to_email": "buyer@example.com"}, {"sharing_option": None}),
    ],
)
@pytest.mark.usefixtures("opted_in")
def test_what_is_not_allowed(
    emulator: Emulator, partner: Partner, package_id: str, fields: dict[str, Any], problems: dict[str, Any]
) -> None:
    answer = future(partner, **{"package_id": package_id, **fields})
    assert answer.status_code == 422
    found = answer.json()["data"]
    assert set(found) == set(problems)
    assert all(text is None or found[name] == text for name, text in problems.items())
    assert emulator.future_orders() == []


@pytest.mark.usefixtures("opted_in")
def test_packages_that_cannot_be_had_have_their_codes(emulator: Emulator, partner: Partner, package_id: str) -> None:
    assert future(partner, "no-such-package").json()["code"] == 34
    assert future(partner, "test-maintenance-mode-7days-1gb").json()["code"] == 13
    emulator.withdraw(package_id)
    assert future(partner, package_id).json()["code"] == 34
    assert emulator.future_orders() == []


@pytest.mark.usefixtures("opted_in")
def test_the_list_has_filters_and_pages(partner: Partner, package_id: str) -> None:
    ids = [future(partner, package_id, due_date=in_days(day)).json()["data"]["request_id"] for day in (3, 9, 6)]

    def found(**query: Any) -> list[str]:
        return [row["request_id"] for row in partner.get("future-orders", params=query).json()["data"]]

    assert found() == [ids[1], ids[2], ids[0]]
    assert found(from_due_date=in_days(5), to_due_date=in_days(7)) == [ids[2]]
    assert found(limit=2, page=2) == [ids[0]]
    assert found(status="failed") == []
    meta = partner.get("future-orders").json()["meta"]
    assert (meta["per_page"], meta["total"]) == ("25", 3)
    bad = partner.get("future-orders", params={"from_due_date": "soon", "status": "lost", "limit": "x"})
    assert bad.status_code == 422
    assert bad.json()["data"] == {
        "from_due_date": "The from due date is not a valid date.",
        "status": "The selected status is invalid.",
        "limit": "The limit must be an integer.",
    }


@pytest.mark.usefixtures("opted_in")
def test_cancelling(emulator: Emulator, partner: Partner, package_id: str) -> None:
    ids = [future(partner, package_id).json()["data"]["request_id"] for _ in range(3)]
    answer = partner.post("cancel-future-orders", json={"request_ids": ids[:2]})
    assert answer.status_code == 200
    assert answer.json() == {"data": [], "meta": {"message": "Future orders cancelled successfully"}}
    assert [row["request_id"] for row in partner.get("future-orders").json()["data"]] == ids[2:]
    emulator.make_due()
    assert emulator.wait_idle(60)
    assert len(emulator.purchases()) == 1
    refused = partner.post("cancel-future-orders", json={"request_ids": [ids[2], "x" * 25, "short"]})
    assert refused.status_code == 422
    assert refused.json()["data"] == {
        "request_ids.0": f"Request ID: {ids[2]} is already processed and can not be cancelled.",
        "request_ids.1": f"Request ID: {'x' * 25} does not exist.",
        "request_ids.2": "Each request ID must be exactly 25 characters long.",
    }


@pytest.mark.usefixtures("opted_in")
@pytest.mark.parametrize("wrong", [None, [], "x" * 25, ["x" * 25] * 11])
def test_lists_that_cannot_be_cancelled(partner: Partner, wrong: Any) -> None:
    answer = partner.post("cancel-future-orders", json={"request_ids": wrong})
    assert (answer.status_code, list(answer.json()["data"])) == (422, ["request_ids"])


@pytest.mark.usefixtures("opted_in")
def test_a_day_before_it_is_due_it_cannot_be_cancelled(emulator: Emulator, partner: Partner, package_id: str) -> None:
    one, other = (future(partner, package_id).json()["data"]["request_id"] for _ in range(2))
    soon = datetime.now(UTC).timestamp() + 86_000
    emulator.ledger.execute("UPDATE future_orders SET due_at = ? WHERE request_id = ?", (soon, one))
    refused = partner.post("cancel-future-orders", json={"request_ids": [other, one]})
    assert list(refused.json()["data"]) == ["request_ids.1"]
    assert [row["status"] for row in emulator.future_orders()] == ["pending", "pending"]  # all or none


def test_what_can_no_longer_be_bought_fails_and_says_so(
    emulator: Emulator, partner: Partner, package_id: str, opted_in: Receiver
) -> None:
    request_id = future(partner, package_id).json()["data"]["request_id"]
    emulator.balance = 0
    emulator.make_due()
    (delivery,) = opted_in.wait(1)
    content = json.loads(delivery.body)
    assert (content["code"], content["request_id"]) == (11, request_id)
    assert emulator.purchases() == []
    (failed,) = partner.get("future-orders", params={"status": "failed"}).json()["data"]
    assert failed["request_id"] == request_id


@pytest.mark.parametrize("status", ["pending", "failed", "retry"])
@pytest.mark.parametrize("sandbox", [True, False])
def test_test_packages_keep_their_status(receiver: Receiver, status: str, sandbox: bool) -> None:
    with Emulator(sandbox=sandbox, rate_limits=False) as emulator:
        partner = Partner.of(emulator)
        slug = f"test-create-{status}-future-order-7days-1gb"
        assert future(partner, slug, webhook_url=receiver.url).status_code == 200
        emulator.make_due()
        assert emulator.wait_idle(60)
        (row,) = partner.get("future-orders", params={"status": status}).json()["data"]
        assert (row["status"], row["package_id"]) == (status, slug)
        assert emulator.purchases() == []


def test_in_the_sandbox_others_are_carried_out_at_once(receiver: Receiver, package_id: str) -> None:
    with Emulator(sandbox=True, rate_limits=False) as emulator:
        partner = Partner.of(emulator)
        future(partner, package_id, description="at once", webhook_url=receiver.url)
        assert len(partner.get("orders", params={"filter[description]": "at once"}).json()["data"]) == 1
        assert partner.get("future-orders").json()["data"] == []
        assert receiver.deliveries == []


@pytest.mark.parametrize(
    ("fault", "kept", "pushed"),
    [
        ("close-before", 0, 0),
        ("close-after", 1, 1),
        ("500", 0, 0),
        ("500-bought", 1, 1),
        ("no-webhook", 1, 0),
        ("duplicate", 1, 2),
        ("failure", 1, 1),
        ("twin", 2, 1),
    ],
)
def test_faults(
    emulator: Emulator, partner: Partner, package_id: str, opted_in: Receiver, fault: str, kept: int, pushed: int
) -> None:
    emulator.fault(fault, "future-orders")
    if fault.startswith("close"):
        with pytest.raises(requests.ConnectionError):
            future(partner, package_id)
    else:
        future(partner, package_id)
    assert len(emulator.future_orders()) == kept
    emulator.make_due()
    assert emulator.wait_idle(60)
    assert len(opted_in.deliveries) == pushed
    assert len(emulator.purchases()) == kept
    if fault == "failure":
        assert emulator.purchases()[0]["price"] == "0.00"
        assert [row["status"] for row in emulator.future_orders()] == ["failed"]


def test_future_orders_survive_a_restart(tmp_path: Any, receiver: Receiver, package_id: str) -> None:
    ledger = tmp_path / "ledger.sqlite3"
    with Emulator(ledger=ledger, webhook_delay=0.0) as emulator:
        future(Partner.of(emulator), package_id, webhook_url=receiver.url)
    with Emulator(ledger=ledger, webhook_delay=0.0) as emulator:
        assert emulator.make_due() == 1
        receiver.wait(1)
        assert emulator.wait_idle(60)
        assert len(emulator.purchases()) == 1


@pytest.mark.usefixtures("opted_in")
@pytest.mark.parametrize(("earliest", "taken"), [("day-after-tomorrow", True), ("48-hours", False)])
def test_the_two_documented_earliest_dates(
    emulator: Emulator, partner: Partner, package_id: str, earliest: str, taken: bool
) -> None:
    emulator.options.change(future_earliest=earliest)
    now = datetime.now(UTC)
    at_midnight = (now + timedelta(days=2)).replace(hour=0, minute=0).strftime(SHAPE)
    if now.hour or now.minute:  # else both dates are the same
        answer = future(partner, package_id, due_date=at_midnight)
        assert (answer.status_code == 200) is taken
        assert taken or "day after tomorrow" in answer.json()["data"]["due_date"]
    assert future(partner, package_id, due_date=in_days(2.01)).status_code == 200
    with pytest.raises(ValueError, match="future_earliest must be one of"):
        emulator.options.change(future_earliest="next week")


@pytest.mark.usefixtures("opted_in")
def test_the_same_id_twice_cannot_be_cancelled(emulator: Emulator, partner: Partner, package_id: str) -> None:
    request_id = future(partner, package_id).json()["data"]["request_id"]
    refused = partner.post("cancel-future-orders", json={"request_ids": [request_id, request_id]})
    assert set(refused.json()["data"]) == {"request_ids.0", "request_ids.1"}
    assert emulator.future_orders()[0]["status"] == "pending"


@pytest.mark.usefixtures("opted_in")
@pytest.mark.parametrize("status", ["pending", "failed", "retry"])
def test_orders_of_the_test_packages_can_be_cancelled_once(partner: Partner, status: str) -> None:
    request_id = future(partner, f"test-create-{status}-future-order-7days-1gb").json()["data"]["request_id"]
    cancelled = [partner.post("cancel-future-orders", json={"request_ids": [request_id]}) for _ in range(2)]
    assert [answer.status_code for answer in cancelled] == [200, 422]


@pytest.mark.usefixtures("opted_in")
def test_addresses_may_come_as_json_text(emulator: Emulator, partner: Partner, package_id: str) -> None:
    shared = {
        "to_email": "guest@example.com",
        "sharing_option": ["link", "pdf"],
        "copy_address": '["copy@example.com"]',
    }
    assert future(partner, package_id, **shared).status_code == 200
    kept = json.loads(emulator.future_orders()[0]["share"])
    assert kept == shared | {"copy_address": ["copy@example.com"]}


@pytest.mark.usefixtures("opted_in")
def test_descriptions_may_be_missing_from_the_list(emulator: Emulator, partner: Partner, package_id: str) -> None:
    future(partner, package_id, description="mine")
    future(partner, package_id)
    shown = [row["description"] for row in partner.get("future-orders").json()["data"]]
    assert sorted(shown) == ["", "mine"]  # text where there is none, not null
    emulator.options.change(future_descriptions=False)
    assert [row["description"] for row in partner.get("future-orders").json()["data"]] == ["", ""]
    emulator.make_due()
    assert emulator.wait_idle(60)
    assert len(partner.get("orders", params={"filter[description]": "mine"}).json()["data"]) == 1
