"""The balance: its history, when it is looked up, and the signal when it is low."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from django_airalo import services, signals
from django_airalo.models import BalanceRecord, Heartbeat, SubmissionPause
from django_airalo.services.account import pauses
from django_airalo.services.core import database, heartbeats
from django_airalo.testing import credit_limit_payload
from tests.factories import LONG_AGO, EsimOrderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def look_up(airalo, committed):
    """Airalo has this balance and is asked for it."""

    def look_up(balance):
        if balance is None:
            airalo.say_no_balance()
        else:
            airalo.balance = balance
        with committed():
            return services.sync_balance()

    return look_up


def history():
    return list(BalanceRecord.objects.order_by("id").values_list("amount", flat=True))


def test_each_balance_change_is_recorded_once(look_up):
    before = database.db_now()
    first = look_up(100)
    assert (first.amount, first.currency, first.source, str(first)) == (Decimal(100), "USD", "shop", "100.00 USD")
    assert before <= first.at <= database.db_now()
    assert look_up(100.0) == first
    look_up(99.5)
    look_up(100)
    assert history() == [Decimal(100), Decimal("99.5"), Decimal(100)]


def test_account_without_balance_has_no_history(look_up):
    assert look_up(None) is None
    assert history() == []


def test_low_balance_is_signalled_once_per_crossing(look_up, heard, settings):
    settings.AIRALO_LOW_BALANCE = 50
    for balance in (60, 50, 49.99, 40, 40, 30):
        look_up(balance)
    (told,) = heard.of("balance_low")
    assert (told["amount"], told["currency"], told["threshold"]) == (Decimal("49.99"), "USD", Decimal(50))
    record = BalanceRecord.objects.get(event_id=told["event_id"])
    assert record.is_low
    assert record.signal_due_at is None
    assert record.signalled_at
    look_up(50)
    assert len(heard) == 1
    look_up(20)
    assert [told["amount"] for told in heard.of("balance_low")] == [Decimal("49.99"), Decimal(20)]


def test_first_balance_below_threshold_is_signalled(look_up, heard, settings):
    settings.AIRALO_LOW_BALANCE = Decimal("0.1")
    look_up(0.09)
    assert heard.names() == ["balance_low"]
    assert heard.of("balance_low")[0]["threshold"] == Decimal("0.1")


def test_new_threshold_applies_at_once_and_none_signals_nothing(look_up, heard, settings):
    look_up(0)
    assert heard == []
    settings.AIRALO_LOW_BALANCE = 10
    look_up(0)
    assert heard.names() == ["balance_low"]
    settings.AIRALO_LOW_BALANCE = None
    look_up(0)
    settings.AIRALO_LOW_BALANCE = 10
    look_up(0)
    assert len(heard) == 2


def test_low_balance_is_signalled_only_after_commit(airalo, heard, settings, committed):
    settings.AIRALO_LOW_BALANCE = 10**6
    with committed(), transaction.atomic():
        services.sync_balance()
        assert heard == []
    assert heard.names() == ["balance_low"]
    airalo.balance = 10**7
    services.sync_balance()
    airalo.balance = 1
    with committed(), transaction.atomic():
        services.sync_balance()
        transaction.set_rollback(True)
    assert len(heard) == 1


def test_low_balance_is_signalled_again_after_receiver_raised(look_up, heard, settings):
    settings.AIRALO_LOW_BALANCE = 10

    def receiver(**kwargs):
        raise LookupError("token=secret")

    signals.balance_low.connect(receiver)
    try:
        look_up(1)
    finally:
        signals.balance_low.disconnect(receiver)
    record = BalanceRecord.objects.get()
    assert record.signal_error.endswith("receiver raised LookupError")
    assert record.signal_due_at > database.db_now()
    services.sweep()
    assert len(heard) == 1
    BalanceRecord.objects.update(signal_due_at=LONG_AGO)
    assert services.sweep().signalled == 1
    assert len(heard) == 2
    assert len({told["event_id"] for told in heard.of("balance_low")}) == 1


# The sweep


def test_sweep_checks_balance_once_per_interval(airalo, settings):
    settings.AIRALO_BALANCE_CHECK_INTERVAL = 600
    airalo.balance = 5
    services.sweep()
    assert [(record.amount, record.source) for record in BalanceRecord.objects.all()] == [(5, "sweep")]
    airalo.balance = 6
    services.sweep()
    assert history() == [5]
    Heartbeat.objects.filter(name="balance").update(at=database.db_now() - timedelta(seconds=601))
    services.sweep()
    assert history() == [5, 6]


def test_sweep_does_not_check_balance_when_interval_is_zero(airalo, settings):
    settings.AIRALO_BALANCE_CHECK_INTERVAL = 0
    services.sweep()
    assert history() == []


def test_sweep_goes_on_when_balance_cannot_be_checked(settings):
    settings.AIRALO_BALANCE_CHECK_INTERVAL = 600  # nothing listens at AIRALO_BASE_URL
    report = services.sweep()
    assert report.put_off == 1
    assert heartbeats.last_beat("sweep")
    assert services.sweep().put_off == 0  # not before the interval is over


def test_sweep_records_heartbeat(airalo):
    assert heartbeats.last_beat("sweep") is None
    before = database.db_now()
    services.sweep()
    assert before <= heartbeats.last_beat("sweep") <= database.db_now()


def test_heartbeat_is_claimed_once_per_interval():
    assert heartbeats.claim("x", 60)
    assert not heartbeats.claim("x", 60)
    Heartbeat.objects.update(at=database.db_now() - timedelta(seconds=61))
    assert heartbeats.claim("x", 60)
    assert not heartbeats.claim("x", 60)


# Who else uses it


def test_credit_limit_signal_contains_last_known_balance(airalo, heard, look_up):
    look_up(12.34)
    look_up(11)
    airalo.push(credit_limit_payload(remaining=225.35))
    (told,) = heard.of("credit_limit_reached")
    assert (told["remaining"], told["balance"]) == (Decimal("225.35"), Decimal(11))


def test_pause_for_lack_of_credit_records_balance(airalo):
    airalo.balance = 3.5
    airalo.reject(11)
    services.submit_order(EsimOrderFactory())
    assert pauses.active_pause().balance == Decimal("3.5")
    assert BalanceRecord.objects.get().source == "pause"
    airalo.balance = 100
    SubmissionPause.objects.update(due_at=LONG_AGO)
    services.sweep()
    assert pauses.active_pause() is None
    assert history() == [Decimal("3.5"), Decimal(100)]
