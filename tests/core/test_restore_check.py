"""Nothing is sent from a database that may not be the newest one, until Airalo's list was read and matched with it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.models import Deployment, EsimOrder, ListedPurchase, OrderEvent, Refund, Voucher
from django_airalo.services import operations
from django_airalo.services.core import database, deployment, restore_check
from django_airalo.services.orders import future, lookup
from tests.factories import EsimOrderFactory, RefundFactory, VoucherFactory, ago, at_airalo
from tests.orders.future_support import Failing, in_days

from .restore_support import BUY, FUTURE, LIST, asked, elsewhere, refund, silent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("deployed")]


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


# A database that is surely the newest one


def test_new_database_submits_at_once(airalo, committed):
    with committed():
        order = services.place_order(package_id="test")
    order.refresh_from_db()
    assert order.status == "accepted"
    assert asked(airalo) == [BUY]


def test_recently_alive_database_submits_at_once(airalo):
    services.submit_order(EsimOrderFactory())
    silent(250)
    services.submit_order(EsimOrderFactory())
    assert asked(airalo) == [BUY, BUY]


def test_alive_at_is_not_updated_on_every_submission_or_sweep(airalo):
    services.submit_order(EsimOrderFactory())
    first = deployment.state().alive_at
    services.submit_order(EsimOrderFactory())
    services.sweep()
    assert deployment.state().alive_at == first
    silent(31)
    services.sweep()
    assert deployment.state().alive_at >= first


# What is done with one that may not be


@pytest.mark.parametrize("doubt", [silent, elsewhere])
def test_doubted_database_reads_list_before_sending(airalo, heard, doubt):
    bought_already, other = EsimOrderFactory(), EsimOrderFactory()
    at_airalo(airalo, bought_already)
    doubt()
    services.sweep()
    assert asked(airalo)[:4] == [LIST, *FUTURE]
    assert asked(airalo).count(BUY) == 1
    assert heard.names(bought_already)[-1] == "esim_order_completed"
    other.refresh_from_db()
    assert other.status == "accepted"
    row = deployment.state()
    assert (row.behind_since, row.behind_because, row.read_from) == (None, "", None)
    assert restore_check.beat()


@pytest.mark.parametrize("doubt", [silent, elsewhere])
def test_next_submission_reads_list_without_sweep(airalo, doubt, committed):
    waits = EsimOrderFactory()
    bought_already = EsimOrderFactory()
    at_airalo(airalo, bought_already)
    doubt()
    with committed():
        order = services.submit_order(EsimOrderFactory())
    assert order.status == "accepted"
    assert asked(airalo).count(LIST) == 1
    statuses = [EsimOrder.objects.get(pk=row.pk).status for row in (waits, bought_already)]
    assert statuses == ["accepted", "completed"]


def test_without_task_backend_waiting_orders_are_left_to_the_sweep(airalo, committed, settings):
    """The caller may be a web request, which must not submit a hundred orders of others."""
    settings.AIRALO_TASK_BACKEND = None
    waits = EsimOrderFactory.create_batch(3)
    elsewhere()
    settings.AIRALO_LISTING_DELAY = 0
    with committed():
        order = services.submit_order(EsimOrderFactory())
    assert (order.status, asked(airalo).count(BUY)) == ("accepted", 1)
    services.sweep()
    assert {EsimOrder.objects.get(pk=row.pk).status for row in waits} == {"accepted"}


def test_list_is_read_by_one_process_only(airalo):
    silent()
    EsimOrderFactory()

    def meanwhile(answer):
        assert services.submit_order(EsimOrderFactory()).status == "pending"
        services.sweep()
        return answer()

    airalo.failing["GET /v2/orders"] = [meanwhile]
    services.sweep()
    assert asked(airalo).count(LIST) == 1


def test_list_is_read_by_another_process_after_reader_died(airalo):
    silent()
    order = EsimOrderFactory()
    restore_check.beat()
    Deployment.objects.update(reading_until=database.db_now() + timedelta(seconds=60))
    assert services.submit_order(order).status == "pending"
    Deployment.objects.update(reading_until=ago(1))
    assert services.submit_order(order).status == "accepted"


def test_nothing_is_sent_while_list_cannot_be_read(airalo):
    order = EsimOrderFactory()
    silent()
    airalo.failing["GET /v2/orders"] = [(500, b"")] * 4
    services.sweep()
    assert BUY not in asked(airalo)
    services.sweep()
    assert asked(airalo).count(LIST) == 4  # not again at once
    Deployment.objects.update(reading_until=ago(1))
    services.sweep()
    order.refresh_from_db()
    assert order.status == "accepted"


def test_list_is_read_back_to_last_known_activity(airalo):
    EsimOrderFactory()
    silent(10 * 86400)
    old = EsimOrderFactory()
    at_airalo(airalo, old, created_at=f"{ago(9 * 86400):%Y-%m-%d %H:%M:%S}")
    services.sweep()
    old.refresh_from_db()
    assert old.status == "completed"


def test_list_is_not_read_before_listing_delay_after_failover(airalo, settings):
    settings.AIRALO_LISTING_DELAY = 300
    order = EsimOrderFactory()
    elsewhere()
    services.sweep()
    assert services.submit_order(EsimOrderFactory()).status == "pending"
    assert asked(airalo) == []
    Deployment.objects.update(read_not_before=ago(1))
    at_airalo(airalo, order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "completed"


def test_failover_while_list_is_read_keeps_orders_held(airalo, settings):
    EsimOrderFactory()
    silent()

    def failover(answer):
        Deployment.objects.update(reading_until=database.db_now() + timedelta(days=1))
        return answer()

    airalo.failing["GET /v2/orders"] = [failover]
    services.sweep()
    assert BUY not in asked(airalo)
    assert deployment.state().behind_since


def test_order_that_cannot_be_recorded_does_not_block_others(airalo, monkeypatch):
    broken, other = EsimOrderFactory(), EsimOrderFactory()
    at_airalo(airalo, broken)
    silent()
    record = lookup.record

    def fail(order_pk, findings, *, source):
        if order_pk == broken.pk and not OrderEvent.objects.filter(order=broken, new_status="submitting").exists():
            raise ValueError("a mistake of ours")
        return record(order_pk, findings, source=source)

    monkeypatch.setattr(lookup, "record", fail)
    services.sweep()
    assert asked(airalo).count(BUY) == 1
    assert [EsimOrder.objects.get(pk=order.pk).status for order in (broken, other)] == ["completed", "accepted"]


def test_old_pending_refunds_and_vouchers_become_unconfirmed(airalo, heard, committed):
    rows = [RefundFactory(created_at=ago(200)), VoucherFactory(created_at=ago(200))]
    new = VoucherFactory()
    silent()
    with committed():
        services.sweep()
    assert [request for request in asked(airalo) if "voucher" in request or "refund" in request] == [
        "POST /v2/voucher/esim"
    ]
    assert {row.status for row in (Refund.objects.get(), Voucher.objects.get(pk=rows[1].pk))} == {"unconfirmed"}
    assert "not have been the newest" in Refund.objects.get().error
    assert len(heard.of("refund_changed")) == 1
    new.refresh_from_db()
    assert new.status == "created"


@pytest.mark.parametrize("age", [200, 1])
def test_after_failover_new_refunds_and_vouchers_become_unconfirmed_too(airalo, age):
    """The server before may have sent them in its last moments."""
    rows = [RefundFactory(created_at=ago(age)), VoucherFactory(created_at=ago(age))]
    elsewhere()
    services.sweep()
    assert asked(airalo)[0] == LIST
    assert not [request for request in asked(airalo) if "voucher" in request or "refund" in request]
    for row in rows:
        row.refresh_from_db()
        assert row.status == "unconfirmed"


each_request = pytest.mark.parametrize(
    ("make", "send"), [(refund, operations.send_refund), (VoucherFactory, operations.send_voucher)]
)


@each_request
def test_pending_refund_or_voucher_alone_triggers_list_reading(airalo, make, send):
    row = make()
    silent()
    assert send(row).status in ("requested", "created")
    assert asked(airalo)[0] == LIST


@each_request
def test_no_refund_or_voucher_is_sent_while_list_cannot_be_read(airalo, make, send):
    row = make()
    silent()
    airalo.failing["GET /v2/orders"] = [(500, b"")] * 4
    assert send(row).status == "pending"
    assert set(asked(airalo)) == {LIST}


def test_database_with_sent_order_but_no_deployment_row_is_doubted(airalo):
    """Say only some tables were restored."""
    order = EsimOrderFactory()
    EsimOrderFactory(accepted=True)
    Deployment.objects.all().delete()
    at_airalo(airalo, order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "completed"


def test_database_with_old_pending_order_but_no_deployment_row_is_doubted(airalo):
    order = EsimOrderFactory(created_at=ago(600))
    Deployment.objects.all().delete()
    at_airalo(airalo, order)
    assert not restore_check.beat()
    assert services.submit_order(EsimOrderFactory.create(created_at=ago(1))).status == "accepted"
    order.refresh_from_db()
    assert order.status == "completed"


def test_beat_is_false_when_hold_cannot_be_written(monkeypatch):
    silent()
    monkeypatch.setattr(restore_check, "hold", lambda moment, reason: False)
    assert not restore_check.beat()


def test_future_order_on_list_is_matched(airalo, committed):
    order = services.submit_order(services.place_order(package_id="test", due_date=in_days(30)))
    assert order.status == "scheduled"
    EsimOrder.objects.filter(pk=order.pk).update(status="pending", request_id=None, attempt=0, due_at=ago(1))
    silent()
    services.sweep()
    order.refresh_from_db()
    assert order.status == "scheduled"
    assert asked(airalo).count("POST /v2/future-orders") == 1


def test_list_of_future_orders_that_changes_while_read_is_read_again(airalo, monkeypatch):
    monkeypatch.setattr(future, "PAGE_SIZE", 2)
    for _number in range(3):
        services.submit_order(services.place_order(package_id="test", due_date=in_days(30)))
    EsimOrder.objects.all().delete()
    order = EsimOrderFactory()
    taken = airalo.orders.copy()
    silent()

    def one_less(answer):
        taken[2].bought = False
        return answer()

    # The second page is answered after one has gone: what moved to the first was not seen.
    airalo.failing["GET /v2/future-orders"] = [lambda answer: answer(), one_less]
    services.sweep()
    order.refresh_from_db()
    assert order.status == "accepted"
    known = set(ListedPurchase.objects.values_list("reference", flat=True))
    assert known == {fake.description for fake in taken[:2]}
