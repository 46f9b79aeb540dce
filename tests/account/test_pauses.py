"""No order is sent while the balance does not cover one, and every pause ends."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction

from django_airalo import services, signals
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, SubmissionPause
from django_airalo.services import operations
from django_airalo.services.account import pauses
from tests.factories import LONG_AGO, EsimOrderFactory, ago, due_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def paused(airalo, committed):
    """The balance did not cover this order."""
    airalo.balance = 3.5
    airalo.reject(11, reason="Insufficient Airalo Credit: 3.50")
    with committed():
        return services.submit_order(EsimOrderFactory())


def check(airalo, balance):
    """The sweep looks at the balance. Returns whether orders are sent again."""
    if balance is None:
        airalo.say_no_balance()
    else:
        airalo.balance = balance
    SubmissionPause.objects.update(due_at=LONG_AGO)
    airalo.sweep()
    return pauses.active_pause() is None


def test_lack_of_credit_pauses_all_orders(airalo, heard, committed):
    airalo.balance = 3.5
    airalo.reject(11, reason="Insufficient Airalo Credit: 3.50")
    with committed():
        order = services.submit_order(EsimOrderFactory())
    assert (order.status, order.error_code) == ("pending", 11)
    pause = SubmissionPause.objects.get()
    assert (pause.is_active, str(pause.balance), pause.order) == (True, "3.50", order)
    assert len(heard.of("submission_paused")) == 1
    # No other order is sent.
    other = EsimOrderFactory()
    assert (services.submit_order(other).status, services.submit_order(other).attempt) == ("pending", 0)
    with committed(), pytest.raises(IllegalTransitionError):
        operations.retry_now(other)
    services.sweep()
    assert len(airalo.orders) == 1


@pytest.mark.parametrize("wrong", ["no balance", "no threshold"])
def test_pause_begins_though_balance_cannot_be_recorded(airalo, heard, committed, settings, wrong):
    if wrong == "no balance":
        airalo.say_no_balance()
    else:
        settings.AIRALO_LOW_BALANCE = "a lot"
    airalo.reject(11, reason="Insufficient Airalo Credit: 3.50")
    with committed():
        assert services.submit_order(EsimOrderFactory()).status == "pending"
    assert (pauses.active_pause().balance, len(heard.of("submission_paused"))) == (None, 1)


def test_pause_holds_while_its_balance_is_looked_up(airalo, committed, monkeypatch):
    """The look-up can take a minute, in which other processes must not send orders."""
    meanwhile = []

    def look_up(**arguments):
        meanwhile.append(pauses.active_pause())
        return sync_balance(**arguments)

    sync_balance = pauses.sync_balance
    monkeypatch.setattr(pauses, "sync_balance", look_up)
    airalo.reject(11, reason="Insufficient Airalo Credit: 3.50")
    with committed():
        services.submit_order(EsimOrderFactory())
    assert meanwhile == [pauses.active_pause()]


def test_pause_ends_when_balance_has_grown(airalo, heard, paused):
    due_now(paused)
    assert not check(airalo, 3.5)
    assert EsimOrder.objects.get().status == "pending"
    assert check(airalo, 100)
    assert EsimOrder.objects.get().status == "accepted"
    assert len(heard.of("submission_resumed")) == 1
    assert heard.of("submission_resumed")[0]["event_id"] != heard.of("submission_paused")[0]["event_id"]


def test_balance_above_lowest_seen_ends_pause(airalo, heard, paused):
    """Orders whose acceptance was on its way were charged after the balance had been looked at."""
    assert not check(airalo, 1)
    assert SubmissionPause.objects.get().balance == Decimal(1)
    assert check(airalo, 3)
    assert heard.of("submission_resumed")[0]["balance"] == Decimal(1)


def test_negative_balance_that_grows_ends_pause(airalo, paused):
    SubmissionPause.objects.update(balance=None)
    assert not check(airalo, -50)
    assert check(airalo, -20)


@pytest.mark.parametrize("balance", [100, None])
def test_pause_ends_after_one_hour_without_seen_growth(airalo, heard, paused, balance):
    """It had been topped up before it was first looked at, or Airalo returns none."""
    due_now(paused)
    SubmissionPause.objects.update(balance=100, paused_at=ago(3500))
    assert not check(airalo, balance)
    SubmissionPause.objects.update(paused_at=ago(3700))
    assert check(airalo, balance)
    assert EsimOrder.objects.get().status == "accepted"
    assert SubmissionPause.objects.get().resumed_by == "tried again after 1:00:00"


def test_refusal_after_pause_ended_starts_another_pause(airalo, heard, paused):
    due_now(paused)
    SubmissionPause.objects.update(paused_at=ago(3700))
    airalo.reject(11)
    assert not check(airalo, 3.5)
    assert len(airalo.orders) == 2
    assert [pause.is_active for pause in SubmissionPause.objects.order_by("id")] == [None, True]
    assert (len(heard.of("submission_paused")), len(heard.of("submission_resumed"))) == (2, 1)


# Its signals


def test_failed_pause_signal_is_sent_again_after_pause_ended(airalo, heard, committed):
    def receiver(**kwargs):
        raise LookupError("no")

    signals.submission_paused.connect(receiver)
    try:
        with committed():
            pauses.pause_submission(EsimOrderFactory(), reason="No credit.")
        with committed():
            operations.resume_submission(resumed_by="Ada")
    finally:
        signals.submission_paused.disconnect(receiver)
    SubmissionPause.objects.update(signal_due_at=LONG_AGO)
    airalo.sweep()
    began, ended = heard.of("submission_paused"), heard.of("submission_resumed")
    assert (len(began), len(ended)) == (3, 2)  # when one receiver raises, all are called again
    assert {told["event_id"] for told in began} == {SubmissionPause.objects.get().event_id}
    assert len({told["event_id"] for told in began + ended}) == 2
    SubmissionPause.objects.update(signal_due_at=LONG_AGO)
    airalo.sweep()
    assert len(heard.of("submission_paused")) == 3  # received by all


@pytest.mark.django_db(transaction=True)
def test_pause_signals_are_sent_after_commit(airalo, heard):
    order = EsimOrderFactory()
    with transaction.atomic():
        pauses.pause_submission(order, reason="No credit.")
        assert heard == []
    with transaction.atomic():
        operations.resume_submission(resumed_by="Ada")
        assert heard.names() == ["submission_paused"]
    assert heard.names() == ["submission_paused", "submission_resumed"]
