"""While Airalo leaves purchases in doubt, no more are sent, but one at a time to see whether it answers again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.models import EsimOrder, Heartbeat, Refund, SubmissionPause, UnknownOutcomes, Voucher
from django_airalo.services import operations
from django_airalo.services.account import pauses
from django_airalo.services.core import database
from django_airalo.services.orders import submit
from django_airalo.testing.delivery import respond
from tests.factories import EsimFactory, EsimOrderFactory, at_airalo, due_now

from .breaker_support import (
    BALANCE,
    KNOWN,
    LISTING,
    airalo,
    assert_next_probe,
    next_probe,
    open_breaker,
    statuses,
    submit_orders,
    wait_is_over,
)

__all__ = ["airalo", "open_breaker"]


pytestmark = pytest.mark.django_db


# It is seen whether Airalo answers again


def test_after_wait_balance_is_checked_and_one_order_is_sent(airalo, heard, committed, open_breaker):
    airalo.hangs = False
    waiting = [EsimOrderFactory() for _ in range(3)]
    airalo.sweep()
    assert airalo.purchases() == []
    assert BALANCE not in airalo.asked
    wait_is_over()
    airalo.sweep()
    assert airalo.asked.count(BALANCE) == 1
    assert airalo.asked.index(BALANCE) < airalo.asked.index("POST /v2/orders-async")
    assert len(airalo.purchases()) == 1
    assert not pauses.active_pause()
    assert UnknownOutcomes.objects.get().at == []
    (told,) = heard.of("submission_resumed")
    assert (told["kind"], told["reason"]) == ("unknown_outcomes", open_breaker.reason)
    airalo.sweep()
    assert [EsimOrder.objects.get(pk=order.pk).status for order in waiting] == ["accepted"] * 3


def test_order_placed_after_wait_is_sent_and_ends_pause(airalo, committed, open_breaker):
    airalo.hangs = False
    wait_is_over()
    airalo.sweep()
    assert BALANCE not in airalo.asked  # there is nothing to send
    with committed():
        order = services.place_order(package_id="test")
    order.refresh_from_db()
    assert order.status == "accepted"
    assert airalo.asked == [BALANCE, "POST /v2/orders-async"]
    assert not pauses.active_pause()


def test_no_other_order_is_sent_while_probe_order_is_in_progress(airalo, open_breaker):
    airalo.hangs = False
    wait_is_over()
    others = []

    def meanwhile(order):
        others.extend(submit_orders(2))
        return respond(202, {"data": {"request_id": order.request_id}})

    airalo._answers.append(meanwhile)
    assert submit_orders()[0].status == "accepted"
    assert [(order.status, order.attempt) for order in others] == [("pending", 0)] * 2
    assert len(airalo.purchases()) == 1


def test_wait_increases_while_airalo_does_not_answer(airalo, heard, open_breaker):
    orders = [EsimOrderFactory() for _ in range(3)]
    for number, wait in enumerate([120, 240, 480, 900, 900], start=1):
        due_now(*orders)
        wait_is_over()
        airalo.is_away = number % 2
        airalo.asked.clear()
        before = database.db_now()
        airalo.sweep()
        assert airalo.asked.count(BALANCE) == (4 if airalo.is_away else 1)  # a question is repeated
        assert len(airalo.purchases()) == (0 if airalo.is_away else 1)
        assert_next_probe(open_breaker, wait, since=before)
        airalo.sweep()
        assert len(airalo.purchases()) == (0 if airalo.is_away else 1)
    assert SubmissionPause.objects.get().probes == 5
    assert (len(heard.of("submission_paused")), heard.of("submission_resumed")) == (1, [])


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in ("accepted", "code 34")])
def test_inconclusive_answer_extends_wait(airalo, open_breaker, name):
    airalo.hangs = False
    wait_is_over()
    KNOWN[name](airalo)
    before = database.db_now()
    submit_orders(2)
    assert len(airalo.purchases()) == 1
    assert_next_probe(open_breaker, 120, since=before)


def test_refused_probe_order_lets_next_order_be_sent_at_once(airalo, open_breaker):
    airalo.hangs = False
    wait_is_over()
    airalo.reject(34)
    assert submit_orders()[0].status == "failed"
    assert pauses.active_pause()
    assert submit_orders()[0].status == "accepted"
    assert not pauses.active_pause()
    assert airalo.asked.count(BALANCE) == 2


def test_lack_of_credit_is_separate_pause(airalo, committed, open_breaker):
    airalo.hangs = False
    airalo.balance = 1
    wait_is_over()
    airalo.reject(11)
    with committed():
        submit_orders()
    assert sorted(pause.kind for pause in pauses.active_pauses()) == ["no_credit", "unknown_outcomes"]
    wait_is_over()
    airalo.asked.clear()
    submit_orders(2)
    assert airalo.asked == []
    airalo.balance = 100
    airalo.sweep()  # credit is there again, so an order has its turn
    assert len(airalo.purchases()) == 1
    assert not pauses.active_pause()


def test_order_completed_by_lookup_does_not_end_pause(airalo, open_breaker):
    airalo.hangs = False
    wait_is_over()
    order = EsimOrderFactory(look_up_first=True)
    at_airalo(airalo, order)
    assert services.submit_order(order).status == "completed"
    assert pauses.active_pause()
    assert next_probe(open_breaker) <= database.db_now()
    assert submit_orders()[0].status == "accepted"


@pytest.mark.parametrize("status", ["accepted", "failed", "completed", "unconfirmed"])
def test_order_that_is_not_to_be_sent_does_not_use_probe(airalo, open_breaker, status):
    wait_is_over()
    services.submit_order(EsimOrderFactory(**{status: True}))
    services.submit_order(EsimOrderFactory(due_at=database.db_now() + timedelta(hours=1)))
    assert airalo.asked == []
    assert next_probe(open_breaker) < database.db_now()


@pytest.mark.parametrize("is_away", [False, True])
def test_probe_reads_list_before_sending_when_orders_have_waited_long(airalo, open_breaker, is_away):
    """An outage of minutes leaves many: before the first is sent again, Airalo's list shows whether it was bought."""
    airalo.hangs = False
    long_ago = database.db_now() - timedelta(minutes=3)
    waiting = EsimOrderFactory.create_batch(5, created_at=long_ago)
    airalo.away_from = [LISTING] if is_away else []
    wait_is_over()
    before = database.db_now()
    services.sweep()
    asked = [line for line in airalo.asked if line in (BALANCE, LISTING, "POST /v2/orders-async")]
    if is_away:
        assert asked[:2] == [BALANCE, LISTING]
        assert airalo.purchases() == []
        assert_next_probe(open_breaker, 120, since=before)
        return
    assert asked[:3] == [BALANCE, LISTING, "POST /v2/orders-async"]
    assert asked.count(LISTING) == 1
    assert not pauses.active_pause()
    services.sweep()
    assert [EsimOrder.objects.get(pk=order.pk).status for order in waiting] == ["accepted"] * 5


def test_probe_taken_by_another_process_while_list_is_read_is_lost(airalo, open_breaker):
    airalo.hangs = False
    order, *_ = EsimOrderFactory.create_batch(5, created_at=database.db_now() - timedelta(minutes=3))
    wait_is_over()
    taken_until = database.db_now() + timedelta(seconds=100)
    airalo.meanwhile = lambda: SubmissionPause.objects.update(due_at=taken_until)
    assert services.submit_order(order).status == "pending"
    assert airalo.purchases() == []
    assert SubmissionPause.objects.get().due_at == taken_until


def test_probe_of_dead_process_is_taken_by_another_after_its_lease(airalo, open_breaker):
    class Died(BaseException):
        pass

    def die(order):
        SubmissionPause.objects.update(due_at=lease)  # what it would have done, had it not been killed
        raise Died

    wait_is_over()
    airalo.hangs = False
    lease = database.db_now() + timedelta(seconds=360)
    airalo._answers.append(die)
    with pytest.raises(Died):
        submit_orders()
    assert submit_orders()[0].attempt == 0
    wait_is_over()
    assert submit_orders()[0].status == "accepted"


def test_probe_whose_answer_cannot_be_recorded_extends_wait(airalo, open_breaker, monkeypatch):
    def fail(*args):
        raise RuntimeError("no")

    wait_is_over()
    airalo.hangs = False
    monkeypatch.setattr(submit, "_record_answer", fail)
    before = database.db_now()
    with pytest.raises(RuntimeError):
        submit_orders()
    assert_next_probe(open_breaker, 120, since=before)


# What goes on meanwhile


def test_lookups_and_webhooks_continue_during_pause(airalo, open_breaker):
    first, second, third = EsimOrder.objects.filter(status="unconfirmed").order_by("pk")
    airalo.fulfil(first)
    due_now(first)
    airalo.sweep()
    assert airalo.deliver(second).status_code == 200
    assert statuses() == ["completed", "completed", "unconfirmed"]
    assert pauses.active_pause()
    assert Heartbeat.objects.filter(name="sweep").exists()
    assert third.status == "unconfirmed"


def test_operator_ends_pause(airalo, heard, committed, open_breaker):
    airalo.hangs = False
    with committed():
        assert operations.resume_submission(resumed_by="Ada")
    assert UnknownOutcomes.objects.get().at == []
    assert len(heard.of("submission_resumed")) == 1
    assert [order.status for order in submit_orders(2)] == ["accepted"] * 2
    assert operations.resume_submission() is False


# Vouchers, which cost money, and refunds, which do not


def test_voucher_waits_during_pause_and_is_sent_as_probe(airalo, committed, open_breaker):
    airalo.hangs = False
    with committed():
        voucher = services.create_esim_vouchers(package_id="test")
    voucher.refresh_from_db()
    assert (voucher.status, voucher.attempt, airalo.asked) == ("pending", 0, [])
    wait_is_over()
    airalo.sweep()
    voucher.refresh_from_db()
    assert voucher.status == "created"
    assert airalo.asked == [BALANCE, "POST /v2/voucher/esim"]
    assert not pauses.active_pause()


def test_three_vouchers_of_unknown_outcome_start_pause(airalo, committed):
    airalo.override_answer("POST", "/v2/voucher/esim", {}, status=500)
    for _ in range(4):
        with committed():
            services.create_esim_vouchers(package_id="test")
    assert list(Voucher.objects.order_by("pk").values_list("status", flat=True)) == ["unconfirmed"] * 3 + ["pending"]
    assert SubmissionPause.objects.get().order is None


def test_pause_for_lack_of_credit_does_not_hold_vouchers(airalo, committed):
    pauses.pause_submission(EsimOrderFactory(), reason="No credit.")
    with committed():
        voucher = services.create_esim_vouchers(package_id="test")
    voucher.refresh_from_db()
    assert voucher.status == "created"


def test_refunds_neither_start_pause_nor_wait_for_it(airalo, committed, open_breaker):
    airalo.hangs = False
    with committed():
        services.request_refund([EsimFactory()], reason="NO_COVERAGE")
    assert Refund.objects.get().status == "requested"
    operations.resume_submission()
    airalo.override_answer("POST", "/v2/refund", {}, status=500)
    for _ in range(4):
        with committed():
            services.request_refund([EsimFactory()], reason="NO_COVERAGE")
    assert Refund.objects.filter(status="unconfirmed").count() == 4
    assert not pauses.active_pause()
