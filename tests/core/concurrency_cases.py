"""Threads that want the same row at the same moment. Run by test_concurrency.py, in a database of their own."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import Client

from django_airalo import services, signals
from django_airalo.exceptions import IdempotencyConflictError, IllegalTransitionError
from django_airalo.models import BalanceRecord, Esim, EsimOrder, OrderEvent, Refund, SubmissionPause, WebhookEvent
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.core.transitions import lock, note
from django_airalo.services.orders.signals import send_due_order_signals
from django_airalo.testing import order_payload, sign_webhook, sim_payload, webhook_payload
from tests.core.together import together
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, OrderEventFactory, RefundFactory, at_airalo
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def completed():
    heard = []

    def receiver(order, event_id, **kwargs):
        heard.append((order.pk, event_id))

    signals.esim_order_completed.connect(receiver)
    yield heard
    signals.esim_order_completed.disconnect(receiver)


def test_database_is_shared_between_threads():
    assert "memory" not in str(connection.settings_dict["NAME"])


def test_same_key_placed_concurrently_makes_one_order_and_one_purchase(airalo):
    orders = together(lambda number: services.place_order(package_id="test", idempotency_key="line-1"))
    assert {order.pk for order in orders} == {EsimOrder.objects.get().pk}
    assert len(airalo.orders) == 1
    assert OrderEvent.objects.filter(kind="placed").count() == 1


def test_same_key_with_other_content_placed_concurrently_conflicts_and_makes_one_order(airalo):
    outcomes = together(
        lambda number: services.place_order(package_id="test", idempotency_key="line-1", quantity=1 + number % 2)
    )
    order = EsimOrder.objects.get()
    for number, outcome in enumerate(outcomes):
        if order.quantity == 1 + number % 2:
            assert outcome == order
        else:
            assert isinstance(outcome, IdempotencyConflictError)
    assert len(airalo.orders) == 1


def test_order_submitted_concurrently_is_sent_once(airalo):
    order = EsimOrderFactory()
    outcomes = together(lambda number: services.submit_order(order.pk))
    assert [type(outcome) for outcome in outcomes] == [EsimOrder] * 8
    assert len(airalo.orders) == 1
    order.refresh_from_db()
    assert (order.status, order.attempt) == ("accepted", 1)


def test_order_submitted_and_cancelled_concurrently_is_either_sent_or_cancelled(airalo):
    for _ in range(20):
        order = EsimOrderFactory()
        before = len(airalo.orders)

        def act(number, order=order):
            if not number:
                return services.submit_order(order.pk)
            try:
                return services.cancel_order(order).status == "cancelled"
            except IllegalTransitionError:
                return False

        _, cancelled = together(act, 2)
        order.refresh_from_db()
        assert order.status == ("cancelled" if cancelled else "accepted")
        assert len(airalo.orders) - before == (0 if cancelled else 1)


def test_same_webhook_received_concurrently_is_stored_once(airalo, completed):
    order = EsimOrderFactory(accepted=True, quantity=2)
    body = json.dumps(
        webhook_payload(order_payload(description=order.airalo_description, quantity=2), order.request_id)
    ).encode()

    def push(number):
        headers = {"airalo-signature": sign_webhook(body)}
        return Client().post("/airalo/webhook/", body, content_type="application/json", headers=headers).status_code

    assert together(push) == [200] * 8
    services.sweep()
    order.refresh_from_db()
    assert (order.status, order.attention, order.esims.count()) == ("completed", "", 2)
    event = WebhookEvent.objects.get()
    assert (event.deliveries, event.status) == (8, "processed")
    assert OrderEvent.objects.filter(new_status="completed").count() == 1
    assert len(completed) == 1


def test_concurrent_webhook_and_lookup_complete_order_once(airalo, completed):
    order = EsimOrderFactory(accepted=True)
    fake = at_airalo(airalo, order)
    body = json.dumps(webhook_payload(fake.payload, order.request_id)).encode()

    def act(number):
        if number % 2:
            return services.receive_webhook(body, signature_header=sign_webhook(body))
        return services.sync_order(order.pk)

    outcomes = together(act, 4)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    order.refresh_from_db()
    assert (order.status, order.esims.count(), order.attention) == ("completed", 1, "")
    assert len(completed) == 1


def test_esim_delivered_concurrently_for_two_orders_is_kept_on_both_and_both_are_flagged(airalo):
    orders = [EsimOrderFactory(accepted=True) for _ in range(2)]
    sim = sim_payload()
    bodies = [json.dumps(webhook_payload(order_payload(sims=[sim]), order.request_id)).encode() for order in orders]
    outcomes = together(
        lambda number: services.receive_webhook(bodies[number], signature_header=sign_webhook(bodies[number])), 2
    )
    assert [type(outcome) for outcome in outcomes] == [WebhookEvent] * 2
    WebhookEvent.objects.exclude(status="processed").update(due_at="2020-01-01T00:00:00Z")
    services.sweep()
    assert sorted(Esim.objects.values_list("order", flat=True)) == [order.pk for order in orders]
    found = EsimOrder.objects.values_list("status", "attention")
    assert [(status, bool(attention)) for status, attention in found] == [("completed", True)] * 2


def test_concurrent_dispatchers_send_each_signal_once(completed):
    order = EsimOrderFactory(completed=True)
    events = [OrderEventFactory(order=order, new_status="completed") for _ in range(10)]
    sent = together(lambda number: send_due_order_signals(limit=100), 4)
    assert sum(sent) == 10
    assert sorted(event_id for _, event_id in completed) == sorted(event.event_id for event in events)


def test_concurrent_sweeps_process_each_order_once(airalo, completed):
    pending = [EsimOrderFactory() for _ in range(5)]
    unconfirmed = [EsimOrderFactory(unconfirmed=True) for _ in range(5)]
    for order in unconfirmed:
        at_airalo(airalo, order)
    outcomes = together(lambda number: services.sweep(), 4)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert len(airalo.orders) == 10
    assert set(EsimOrder.objects.filter(pk__in=[order.pk for order in pending]).values_list("status", flat=True)) == {
        "accepted"
    }
    assert EsimOrder.objects.filter(status="completed").count() == 5
    assert len(completed) == 5


def test_concurrent_workers_send_one_order_while_airalo_does_not_answer(airalo):
    begun = database.db_now()
    SubmissionPause.objects.create(kind="unknown_outcomes", reason="No answer.", paused_at=begun, due_at=LONG_AGO)
    orders = [EsimOrderFactory() for _ in range(8)]
    for _ in orders:
        airalo.time_out(bought=True)
    outcomes = together(lambda number: services.submit_order(orders[number].pk))
    assert sorted(order.status for order in outcomes) == ["pending"] * 7 + ["unconfirmed"]
    assert len(airalo.orders) == 1
    pause = SubmissionPause.objects.get()
    assert (pause.is_active, pause.probes) == (True, 1)
    assert pause.due_at > begun


def in_opposite_order(outermost):
    """Two threads that each lock one of two orders and then want the other's; returns outcomes, tries and notes."""
    orders = [EsimOrderFactory(), EsimOrderFactory()]
    each_has_one, tries = threading.Barrier(2), []

    @database.in_transaction()
    def note_on_both(first, second):
        tries.append(first.pk)
        note(lock(first.pk), "seen", now=database.db_now(), source="shop")
        if tries.count(first.pk) == 1:
            each_has_one.wait(timeout=60)
        note(lock(second.pk), "seen", now=database.db_now(), source="shop")

    def act(number):
        with outermost():
            note_on_both(*(orders if number else orders[::-1]))

    outcomes = together(act, 2)
    return outcomes, len(tries), OrderEvent.objects.filter(detail="seen").count()


@pytest.mark.database("postgres", "mariadb", reason="SQLite locks the whole database, so nothing is crossed")
def test_transaction_ended_by_deadlock_is_retried():
    outcomes, tries, notes = in_opposite_order(outermost=contextlib.nullcontext)
    assert outcomes == [None, None]
    assert tries == 3
    assert notes == 4


@pytest.mark.database("postgres", "mariadb", reason="SQLite locks the whole database, so nothing is crossed")
def test_deadlock_inside_callers_transaction_is_raised_to_caller():
    outcomes, tries, notes = in_opposite_order(outermost=transaction.atomic)
    assert sorted(type(outcome) for outcome in outcomes if outcome) == [OperationalError]
    assert tries == 2
    assert notes == 2


@pytest.mark.database("postgres", "mariadb", reason="SQLite locks the whole database, so nothing is changed")
def test_locked_row_is_read_in_its_current_state():
    order = EsimOrderFactory(accepted=True)
    mysql = connection.vendor == "mysql"  # on PostgreSQL a REPEATABLE READ ends here, and is tried again
    if mysql:
        connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    try:
        with transaction.atomic():
            assert EsimOrder.objects.get().status == "accepted"
            together(lambda number: EsimOrder.objects.update(status="completed"), 1)
            assert lock(order.pk).status == "completed"
    finally:
        if mysql:
            connection.cursor().execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


@pytest.mark.database("postgres", "mariadb", reason="SQLite has one isolation level")
def test_same_key_at_repeatable_read_places_one_order():
    """A transaction cannot see the order that it collided with, so it begins again."""
    level = "TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    change = f"SET SESSION {level}" if connection.vendor == "mysql" else f"SET SESSION CHARACTERISTICS AS {level}"
    for key in ("line-1", "line-2", "line-3"):

        def act(number, key=key):
            connection.cursor().execute(change)
            return services.place_order(package_id="test", idempotency_key=key)

        outcomes = together(act)
        assert outcomes == [EsimOrder.objects.get(idempotency_key=key)] * len(outcomes)


@pytest.mark.database("sqlite", reason="how SQLite refuses a reader that wants to write")
def test_locked_sqlite_transaction_is_retried():
    order = EsimOrderFactory()
    both_have_read, tries = threading.Barrier(2), []

    @database.in_transaction()
    def read_and_write(number):
        tries.append(number)
        current = EsimOrder.objects.get(pk=order.pk)
        if tries.count(number) == 1:
            both_have_read.wait(timeout=60)
        note(current, "seen", now=database.db_now(), source="shop")

    def act(number):
        connection.transaction_mode = "DEFERRED"  # Django's default, unlike the settings of these tests
        read_and_write(number)

    assert together(act, 2) == [None, None]
    assert len(tries) > 2
    assert OrderEvent.objects.filter(detail="seen").count() == 2


def test_database_error_other_than_conflict_is_not_retried():
    tries = []

    @database.in_transaction()
    def broken():
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT nonsense FROM nowhere")

    with pytest.raises(DatabaseError):
        broken()
    assert len(tries) == 1


@pytest.fixture
def refunds_taken(settings):
    """Airalo over HTTP, taking refunds."""
    with ScriptedServer() as running:
        running.on("/v2/token", Answer(200, {"data": {"access_token": "a" * 40, "expires_in": 86400}}))
        running.on("/v2/refund", Answer(202, {"data": {"refund_id": "4711", "created_at": "2026-01-02 09:30"}}))
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        yield running


def test_refunds_requested_concurrently_for_one_esim_create_one_refund(refunds_taken):
    esim = EsimFactory()
    outcomes = together(lambda number: services.request_refund([esim], reason="NO_COVERAGE"))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ValidationError"] * 7 + ["list"]
    assert Refund.objects.get().status == "requested"
    assert len(refunds_taken.requests("/v2/refund")) == 1


def test_refund_sent_concurrently_is_sent_once(refunds_taken):
    refund = RefundFactory()
    refund.esims.set([EsimFactory()])
    outcomes = together(lambda number: operations.send_refund(refund.pk))
    assert outcomes == [refund] * 8
    assert Refund.objects.get().attempt == 1
    assert len(refunds_taken.requests("/v2/refund")) == 1


def test_refund_requested_while_order_changes_records_both(airalo):
    order = EsimOrderFactory(accepted=True)
    esim = EsimFactory(order=order)
    body = json.dumps(webhook_payload(order_payload(sims=[sim_payload(iccid=esim.iccid)]), order.request_id)).encode()

    def act(number):
        if number % 2:
            return services.request_refund([esim], reason="NO_COVERAGE")
        return services.receive_webhook(body, signature_header=sign_webhook(body))

    outcomes = together(act, 4)
    assert [type(outcome).__name__ for outcome in outcomes[::2]] == ["WebhookEvent"] * 2
    assert sorted(type(outcome).__name__ for outcome in outcomes[1::2]) == ["ValidationError", "list"]
    services.sweep()
    order.refresh_from_db()
    assert order.status == "completed"
    assert Refund.objects.count() == 1
    assert order.events.filter(detail__startswith="A refund was asked for").count() == 1


def test_low_balance_found_concurrently_is_signalled_once(airalo, settings):
    settings.AIRALO_LOW_BALANCE = 50
    airalo.balance = 100
    services.sync_balance()
    airalo.balance = 10
    heard = []

    def receiver(event_id, **kwargs):
        heard.append(event_id)

    signals.balance_low.connect(receiver)
    try:
        outcomes = together(lambda number: services.sync_balance())
    finally:
        signals.balance_low.disconnect(receiver)
    assert [type(outcome) for outcome in outcomes] == [BalanceRecord] * 8
    assert BalanceRecord.objects.count() == 2
    assert len(heard) == 1


# eSIMs


def test_acceptance_is_recorded_on_retry_after_its_transaction_ended(airalo):
    """The database ends the transaction after the status was written: what it had set on the order is gone, too."""
    order, ended = EsimOrderFactory(), []

    def end_once(execute, sql, params, many, context):
        if not ended and "INSERT" in sql and "orderevent" in sql and "accepted" in params:
            ended.append(sql)
            raise OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(end_once):
        accepted = services.submit_order(order.pk)
    assert ended
    assert (accepted.status, accepted.attempt) == ("accepted", 1)
    assert OrderEvent.objects.filter(order=order, new_status="accepted").count() == 1
    assert len(airalo.orders) == 1
