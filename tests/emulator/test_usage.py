from __future__ import annotations

import json
import re

import pytest

from django_airalo.emulator import Emulator

from .support import Partner, Receiver

Pair = tuple[str, str]


def test_usage_grows_through_the_packages(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])

    def usage() -> dict[str, object]:
        answer = partner.get(f"sims/{iccid}/usage")
        assert answer.status_code == 200
        return dict(answer.json()["data"])

    def packages() -> list[tuple[str, int]]:
        rows = partner.get(f"sims/{iccid}/packages").json()["data"]
        return [(row["status"], row["remaining"]) for row in reversed(rows)]

    assert usage() == {
        "remaining": 1024,
        "total": 1024,
        "expired_at": None,
        "is_unlimited": False,
        "status": "NOT_ACTIVE",
        "remaining_voice": 10,
        "remaining_text": 10,
        "total_voice": 10,
        "total_text": 10,
    }
    emulator.use(iccid, data=1000, voice=3, text=4)
    now = usage()
    assert (now["status"], now["remaining"], now["remaining_voice"], now["remaining_text"]) == ("ACTIVE", 24, 7, 6)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", str(now["expired_at"]))
    partner.topup(pair[1], iccid)
    emulator.use(iccid, data=100)
    assert packages() == [("FINISHED", 0), ("ACTIVE", 948)]
    now = usage()
    assert (now["remaining"], now["total"], now["status"]) == (948, 2048, "ACTIVE")
    emulator.use(iccid, data=5000)
    assert usage()["status"] == "FINISHED"
    assert packages() == [("FINISHED", 0), ("FINISHED", 0)]
    row = partner.get(f"sims/{iccid}/packages").json()["data"][0]
    for name in ("activated_at", "expired_at", "finished_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", row[name])


@pytest.mark.parametrize("amount", [0, 28_672])
def test_the_amounts_of_an_unlimited_package_mean_nothing(emulator: Emulator, partner: Partner, amount: int) -> None:
    packages = emulator.state.catalogue.packages.values()
    package = next(item for item in packages if item.is_unlimited and item.amount == amount)
    iccid = partner.esim(package.id)
    emulator.use(iccid, data=99_999)
    content = partner.get(f"sims/{iccid}/usage").json()["data"]
    assert (content["remaining"], content["total"], content["is_unlimited"]) == (0, amount, True)
    assert content["status"] == "ACTIVE"
    emulator.options.change(sandbox=True)
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["is_unlimited"] is False


def test_a_recycled_esim_has_zeros_and_nulls(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    emulator.use(iccid, data=1)
    emulator.recycle(iccid)
    assert partner.get(f"sims/{iccid}/usage").json()["data"] == {
        "remaining": 0,
        "total": 0,
        "expired_at": None,
        "is_unlimited": None,
        "status": "RECYCLED",
        "remaining_voice": 0,
        "remaining_text": 0,
        "total_voice": 0,
        "total_text": 0,
    }


@pytest.mark.parametrize("status", ["NOT_ACTIVE", "ACTIVE", "FINISHED", "UNKNOWN", "EXPIRED", "RECYCLED"])
def test_what_is_told_may_be_set(emulator: Emulator, partner: Partner, pair: Pair, status: str) -> None:
    iccid = partner.esim(pair[0])
    emulator.set_usage(iccid, status=status, remaining=7, expired_at="2001-01-01 00:00:00")
    content = partner.get(f"sims/{iccid}/usage").json()["data"]
    assert content["status"] == status
    assert content["remaining"] == (0 if status == "RECYCLED" else 7)
    assert emulator.set_usage(iccid, override=None)["status"] == "NOT_ACTIVE"
    with pytest.raises(ValueError, match="status must be one of"):
        emulator.set_usage(iccid, status="BROKEN")
    with pytest.raises(ValueError, match="usage has no colour"):
        emulator.set_usage(iccid, colour="red")
    with pytest.raises(ValueError, match="there is no eSIM"):
        emulator.use("1")


def test_usage_may_be_told_from_a_cache(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    emulator.options.change(usage_cache=1200.0)
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["total"] == 1024
    partner.topup(pair[1], iccid)
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["total"] == 1024
    emulator.set_usage(iccid, total=5)  # what a test says counts at once
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["total"] == 5


def test_history_under_both_pricing_models(emulator: Emulator, partner: Partner, pair: Pair) -> None:
    iccid = partner.esim(pair[0])
    content = partner.get(f"sims/{iccid}/packages").json()
    assert content["pricing"] == {"model": "net_pricing", "discount_percentage": 0}
    assert content["data"][0]["package"]["net_price"] > 0
    emulator.options.change(pricing_model="discount_pricing", discount_percentage=10)
    content = partner.get(f"sims/{iccid}/packages").json()
    assert content["pricing"] == {"model": "discount_pricing", "discount_percentage": 10}
    assert content["data"][0]["package"]["net_price"] is None


def test_running_low_is_told_to_who_opted_in(
    emulator: Emulator, partner: Partner, pair: Pair, receiver: Receiver
) -> None:
    iccid = partner.esim(pair[0])
    partner.post("notifications/opt-in", json={"type": "webhook_low_data", "webhook_url": receiver.url})
    emulator.use(iccid, data=700)
    emulator.use(iccid, data=300)  # 97 %: both levels at once
    bodies = [json.loads(delivery.body) for delivery in receiver.wait(2)]
    assert {body["level"] for body in bodies} == {"75%", "90%"}
    assert {(body["iccid"], body["remaining_percentage"], body["package_name"]) for body in bodies} == {
        (iccid, 2, pair[0])
    }
    assert emulator.wait_idle(60)
    emulator.use(iccid, data=10)
    assert emulator.wait_idle(60)
    assert len(receiver.deliveries) == 2


def test_days_pass(emulator: Emulator, partner: Partner, pair: Pair, receiver: Receiver) -> None:
    iccid = partner.esim(pair[0])
    partner.post("notifications/opt-in", json={"type": "webhook_low_data", "webhook_url": receiver.url})
    with pytest.raises(ValueError, match="is not active"):
        emulator.age(iccid, 1)
    emulator.use(iccid)
    assert emulator.age(iccid, 3)["status"] == "ACTIVE"
    assert emulator.wait_idle(60)
    assert receiver.deliveries == []
    emulator.age(iccid, 1.5)  # of seven days two and a half are left
    emulator.age(iccid, 2)
    levels = {json.loads(delivery.body)["level"] for delivery in receiver.wait(2)}
    assert levels == {"3days", "1days"}
    assert emulator.age(iccid, 1)["status"] == "EXPIRED"
    assert partner.get(f"sims/{iccid}/packages").json()["data"][0]["status"] == "EXPIRED"
    partner.topup(pair[1], iccid)
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["status"] == "ACTIVE"


def test_limits_per_iccid_and_of_all_together(pair: Pair) -> None:
    with Emulator(limits={"usage": (2, 60.0), "usage-client": (3, 60.0), "sims-packages": (1, 60.0)}) as emulator:
        partner = Partner.of(emulator)
        one, other = partner.esim(pair[0]), partner.esim(pair[0])
        statuses = [partner.get(f"sims/{iccid}/usage").status_code for iccid in (one, one, one, other, other)]
        assert statuses == [200, 200, 429, 200, 429]
        refused = partner.get(f"sims/{one}/usage")
        assert refused.json() == {"message": "Too Many Attempts."}
        assert int(refused.headers["Retry-After"]) > 0
        statuses = [partner.get(f"sims/{iccid}/packages").status_code for iccid in (one, one, other)]
        assert statuses == [200, 429, 200]


def test_a_limit_of_the_sandbox_counts_each_endpoint() -> None:
    with Emulator(sandbox=True, limits={"sandbox": (2, 60.0)}) as emulator:
        partner = Partner.of(emulator)
        paths = ("balance", "balance", "balance", "orders")
        assert [partner.get(path).status_code for path in paths] == [200, 200, 429, 200]
        emulator.options.change(sandbox=False)
        assert partner.get("balance").status_code == 200


@pytest.mark.parametrize(("before", "status"), [("use", "FINISHED"), ("age", "EXPIRED")])
def test_what_was_at_its_end_is_active_again_after_a_topup_elsewhere(
    emulator: Emulator, partner: Partner, pair: Pair, before: str, status: str
) -> None:
    iccid = partner.esim(pair[0])
    emulator.use(iccid, data=5000 if before == "use" else 1)
    if before == "age":
        emulator.age(iccid, 8)
    assert partner.get(f"sims/{iccid}/usage").json()["data"]["status"] == status
    sold, balance = len(emulator.purchases()), emulator.balance

    assert emulator.topup_elsewhere(iccid, pair[1])["status"] == "ACTIVE"

    assert partner.get(f"sims/{iccid}/usage").json()["data"]["status"] == "ACTIVE"
    assert [row["status"] for row in partner.get(f"sims/{iccid}/packages").json()["data"]] == ["ACTIVE", status]
    assert (len(emulator.purchases()), emulator.balance) == (sold, balance)  # nothing that the partner bought
    assert partner.get("orders", params={"filter[iccid]": iccid}).json()["meta"]["total"] == 1
    with pytest.raises(ValueError, match="is no top-up of the eSIM"):
        emulator.topup_elsewhere(iccid, pair[0])


def test_an_unlimited_package_never_runs_low(emulator: Emulator, partner: Partner, receiver: Receiver) -> None:
    packages = emulator.state.catalogue.packages.values()
    package = next(item for item in packages if item.is_unlimited and item.amount)
    partner.post("notifications/opt-in", json={"type": "webhook_low_data", "webhook_url": receiver.url})
    emulator.use(partner.esim(package.id), data=99_999)
    assert emulator.wait_idle(60)
    assert receiver.deliveries == []
