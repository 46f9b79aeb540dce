from __future__ import annotations

import uuid
from functools import partial
from unittest.mock import create_autospec

import pytest
from django.db import connection, transaction

from django_airalo import services, signals
from django_airalo.conf import Settings
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.services.core import database
from django_airalo.services.core.outbox import send_from
from django_airalo.services.orders.signals import send_due_order_signals, send_order_signals
from django_airalo.testing import failure_payload
from tests.factories import FAR_AHEAD, LONG_AGO, EsimOrderFactory, OrderEventFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def raising():
    """A receiver that raises, connected before all others."""
    calls = []

    def broken_receiver(sender, event_id, **kwargs):
        calls.append(event_id)
        raise LookupError("the code is LPA:1$secret")

    connected = [signals.esim_order_completed, signals.esim_order_status_changed]
    for signal in connected:
        signal.connect(broken_receiver)
    yield calls
    for signal in connected:
        signal.disconnect(broken_receiver)


def signals_due():
    OrderEvent.objects.exclude(signal_due_at=None).update(signal_due_at=LONG_AGO)


def test_signals_have_exactly_documented_arguments(airalo, heard, committed):
    user = UserFactory()
    with committed():
        order = services.place_order(package_id="test-mobile-7days-1gb", user=user)
        failing = services.place_order(package_id="test-mobile-7days-1gb")
        cancelled = services.place_order(package_id="test-mobile-7days-1gb")
        services.cancel_order(cancelled)
    airalo.time_out()
    with committed():
        unconfirmed = services.place_order(package_id="test-mobile-7days-1gb")
    airalo.deliver(order)
    airalo.fail(failing)

    # The receivers take no other arguments, so had one raised, it would stand here.
    assert not OrderEvent.objects.exclude(signal_error="").exists()
    assert not OrderEvent.objects.filter(kind="status_changed", signalled_at=None).exists()
    assert heard.names(order) == [
        "esim_order_status_changed",
        "esim_order_status_changed",
        "esim_order_accepted",
        "esim_order_status_changed",
        "esim_order_completed",
    ]
    assert heard.names(failing)[-1] == "esim_order_failed"
    assert heard.names(cancelled) == ["esim_order_status_changed", "esim_order_cancelled"]
    assert heard.names(unconfirmed)[-1] == "esim_order_unconfirmed"
    for _, kwargs in heard:
        assert kwargs["sender"] is EsimOrder
        assert isinstance(kwargs["order"], EsimOrder)
        event = OrderEvent.objects.get(event_id=kwargs["event_id"])
        assert event.order == kwargs["order"]
    (completed,) = heard.of("esim_order_completed")
    assert (completed["order"].status, completed["late"]) == ("completed", False)
    assert completed["order"].esims.count() == 1
    assert isinstance(completed["event_id"], uuid.UUID)


def test_general_and_specific_signals_of_change_share_event_id(airalo, heard):
    services.submit_order(EsimOrderFactory())
    (accepted,) = heard.of("esim_order_accepted")
    assert heard.of("esim_order_status_changed")[-1]["event_id"] == accepted["event_id"]
    assert len({kwargs["event_id"] for _, kwargs in heard}) == 2


@pytest.mark.django_db(transaction=True)
def test_signals_are_sent_after_commit(airalo):
    seen = []

    def receiver(sender, order, **kwargs):
        seen.append((connection.in_atomic_block, EsimOrder.objects.get(pk=order.pk).status))

    signals.esim_order_completed.connect(receiver)
    try:
        order = services.submit_order(EsimOrderFactory())
        airalo.fulfil(order)
        with transaction.atomic():
            services.sync_order(order)
            assert seen == []
        assert seen == [(False, "completed")]
    finally:
        signals.esim_order_completed.disconnect(receiver)


@pytest.mark.django_db(transaction=True)
def test_rolled_back_change_is_not_signalled(airalo, heard):
    order = services.submit_order(EsimOrderFactory())
    airalo.fulfil(order)
    del heard[:]
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012  the shop's own transaction
        services.sync_order(order)
        raise ZeroDivisionError
    services.sweep()
    assert heard == []
    order.refresh_from_db()
    assert (order.status, order.esims.count()) == ("accepted", 0)


def test_receiver_error_stops_neither_other_receivers_nor_order(airalo, raising, heard):
    order = services.submit_order(EsimOrderFactory())
    assert airalo.deliver(order).status_code == 200
    order.refresh_from_db()
    assert order.status == "completed"
    assert len(heard.of("esim_order_completed")) == 1
    event = order.events.get(new_status="completed")
    assert event.signalled_at is None
    assert event.signal_due_at > database.db_now()
    assert event.signal_tries == 1
    assert "broken_receiver raised LookupError" in event.signal_error
    assert "secret" not in event.signal_error


def test_signal_is_repeated_with_same_event_id_until_all_receivers_succeed(airalo, raising, heard):
    event = OrderEventFactory(old_status="accepted", new_status="completed", order__completed=True)
    for tries in (1, 2, 3):
        signals_due()
        assert services.sweep().signalled == 0
        assert len(heard.of("esim_order_completed")) == tries
        event.refresh_from_db()
        assert event.signal_tries == tries
    assert {kwargs["event_id"] for _, kwargs in heard} == {event.event_id} == set(raising)

    for receiver in list(signals.esim_order_completed.receivers):
        if receiver[0][0] and "broken" in repr(receiver[1]):
            signals.esim_order_completed.receivers.remove(receiver)
    signals.esim_order_completed.sender_receivers_cache.clear()
    signals.esim_order_status_changed.receivers[:] = [
        receiver for receiver in signals.esim_order_status_changed.receivers if "broken" not in repr(receiver[1])
    ]
    signals.esim_order_status_changed.sender_receivers_cache.clear()
    signals_due()
    assert services.sweep().signalled == 1
    event.refresh_from_db()
    assert (event.signal_due_at, event.signal_error) == (None, "")
    assert event.signalled_at is not None
    signals_due()
    assert services.sweep().signalled == 0


def test_delay_between_signal_repetitions_grows(raising, monkeypatch):
    monkeypatch.setattr(Settings, "signal_lease", 10)
    event = OrderEventFactory(new_status="completed", order__completed=True)
    for tries in range(12):
        signals_due()
        before = database.db_now()
        send_due_order_signals(limit=10)
        event.refresh_from_db()
        wait = 10 * 2 ** min(tries, 8)
        assert (event.signal_due_at - before).total_seconds() >= wait
        assert (event.signal_due_at - database.db_now()).total_seconds() <= wait


def test_sweep_repeats_signal_after_process_died_in_receiver(heard):
    event = OrderEventFactory(new_status="completed", order__completed=True)

    def deadly(**kwargs):
        raise SystemExit

    signals.esim_order_completed.connect(deadly)
    try:
        with pytest.raises(SystemExit):
            send_order_signals(event.order_id)
    finally:
        signals.esim_order_completed.disconnect(deadly)
    event.refresh_from_db()
    assert event.signalled_at is None
    assert services.sweep().signalled == 0  # its lease has not ended
    signals_due()
    assert services.sweep().signalled == 1
    assert heard.of("esim_order_completed")[-1]["event_id"] == event.event_id


def test_second_dispatcher_with_same_events_sends_nothing(heard):
    """Both have read the event as due; only the first one's claim succeeds."""
    from django_airalo.services.orders.signals import _send_events

    OrderEventFactory(new_status="failed", order__failed=True)
    first = list(OrderEvent.objects.unsignalled(database.db_now()))
    second = list(OrderEvent.objects.unsignalled(database.db_now()))
    assert _send_events(first) == 1
    assert _send_events(second) == 0
    assert heard.names().count("esim_order_failed") == 1


def test_events_are_sent_in_sequence_up_to_limit(heard):
    order = EsimOrderFactory()
    for number in range(5):
        OrderEventFactory(order=order, detail=str(number))
    assert send_due_order_signals(limit=3) == 3
    assert send_due_order_signals(limit=3) == 2
    sent = [OrderEvent.objects.get(event_id=kwargs["event_id"]).detail for _, kwargs in heard]
    assert sent == ["0", "1", "2", "3", "4"]


def test_events_without_status_change_are_not_signalled(airalo, heard):
    placed = services.place_order(package_id="test-mobile-7days-1gb")
    order = EsimOrderFactory(unconfirmed=True)
    services.sync_order(order)
    assert placed.events.get().kind == "placed"
    assert order.events.get().kind == "looked_up"
    assert send_order_signals(order.pk) == send_order_signals(placed.pk) == 0
    assert heard == []


def test_receiver_can_call_services(airalo, heard):
    """A shop that orders again when an order has failed."""
    placed = []

    def reorder(sender, order, event_id, **kwargs):
        placed.append(services.place_order(package_id="other", idempotency_key=f"again-{order.reference}"))

    signals.esim_order_failed.connect(reorder)
    try:
        order = EsimOrderFactory(accepted=True, request_id="request-1")
        airalo.push(failure_payload("request-1"))
    finally:
        signals.esim_order_failed.disconnect(reorder)
    placed[0].refresh_from_db()
    assert placed[0].status == "accepted"
    order.refresh_from_db()
    assert order.status == "failed"


def test_error_in_unnamed_receiver_does_not_stop_other_events():
    """Django's send_robust() itself fails when such a receiver raises."""

    def raises(text, **kwargs):
        raise LookupError(text)

    receiver = partial(raises, "LPA:1$secret")
    signals.esim_order_failed.connect(receiver)
    try:
        event, later = OrderEventFactory(new_status="failed"), OrderEventFactory()
        assert send_due_order_signals(limit=10) == 1
    finally:
        signals.esim_order_failed.disconnect(receiver)
    later.refresh_from_db()
    assert later.signalled_at is not None
    event.refresh_from_db()
    assert event.signalled_at is None
    assert event.signal_error
    assert "secret" not in event.signal_error
    assert event.signal_due_at > database.db_now()


def test_receiver_lacking_argument_is_recorded_as_error(heard):
    """The recorder of these tests is strict: a receiver that lacks an argument counts as one that raised."""

    def strict(*, signal, sender, order): ...

    receiver = create_autospec(strict)
    signals.esim_order_status_changed.connect(receiver, weak=False)
    try:
        event = OrderEventFactory()
        send_order_signals(event.order_id)
    finally:
        signals.esim_order_status_changed.disconnect(receiver)
    event.refresh_from_db()
    assert "TypeError" in event.signal_error


# A sender whose lease ran out must not overwrite the outcome of the next sender


def taken_over(event, **outcome):
    """Another process has taken the event while its receivers were slow."""
    OrderEvent.objects.filter(pk=event.pk).update(**outcome)


def test_slow_sender_does_not_end_lease_of_next_sender():
    event, next_lease = OrderEventFactory(), FAR_AHEAD

    def send():
        taken_over(event, signal_due_at=next_lease)
        return []

    send_from(event, send)
    event.refresh_from_db()
    assert (event.signal_due_at, event.signalled_at) == (next_lease, None)


def test_failed_slow_sender_does_not_overwrite_success():
    event = OrderEventFactory()

    def send():
        taken_over(event, signal_due_at=None, signalled_at=database.db_now())
        return ["receiver raised LookupError"]

    assert send_from(event, send) is False
    event.refresh_from_db()
    assert (event.signal_due_at, event.signal_error) == (None, "")
    assert event.signalled_at is not None
