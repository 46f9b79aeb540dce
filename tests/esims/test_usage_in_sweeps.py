"""Usage that is asked for in sweeps: errors, signals, queries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services, signals
from django_airalo.models import Esim, UsageRecord
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.esims import usage as esim_services
from tests.core.test_queries import Queries
from tests.factories import LONG_AGO, EsimOrderFactory, UserFactory, ago
from tests.moments import assert_due
from tests.scripted_server import Answer

from .usage_support import NOT_FOUND, TOO_MANY, asked, due, in_use, path, usage_answer

pytestmark = pytest.mark.django_db


# Errors


def test_rate_limit_ends_usage_step_until_next_sweep(server):
    first, second = due(), due()
    Esim.objects.filter(pk=second.pk).update(usage_due_at=ago(60))
    server.on(path(first), TOO_MANY)
    server.on(path(second), usage_answer())
    assert operations.sync_due_usage() == 0
    assert asked(server, second) == 0
    first.refresh_from_db()
    assert ago(-80) < first.usage_due_at < ago(-100)
    assert first.usage_error == ""
    assert operations.sync_due_usage() == 1
    assert asked(server, second) == 1


@pytest.mark.parametrize(
    ("answer", "again_after"),
    [
        (NOT_FOUND, 24 * 3600),
        (Answer(500, {}), 20 * 60),
        (Answer(200, "<html>"), 20 * 60),
        (Answer(drop="close"), 1200),
    ],
)
def test_one_that_fails_keeps_no_other_from_being_looked_up(server, answer, again_after):
    first, second = due(), due()
    server.on(path(first), answer)
    server.on(path(second), usage_answer())
    before = database.db_now()
    assert operations.sync_due_usage() == 1
    first.refresh_from_db()
    assert first.usage_error
    assert_due(first.usage_due_at, again_after, since=before)
    second.refresh_from_db()
    assert second.usage_status == "active"
    server.on(path(first), usage_answer())
    Esim.objects.update(usage_due_at=LONG_AGO)
    operations.sync_due_usage()
    first.refresh_from_db()
    assert first.usage_error == ""


def test_the_step_ends_when_its_time_is_over(server, monkeypatch):
    for esim in (due(), due(), due()):
        server.on(path(esim), Answer(200, usage_answer().body, delay=2.5))
    monkeypatch.setattr(esim_services, "SWEEP_PATIENCE", 2)
    assert operations.sync_due_usage() == 1


def test_the_step_has_a_limit(server):
    for _ in range(3):
        server.on(path(due()), usage_answer())
    assert operations.sync_due_usage(limit=2) == 2


def test_no_secret_is_decrypted_for_it(server, settings):
    esim = due()
    settings.AIRALO_ENCRYPTION_KEYS = []
    settings.SECRET_KEY = "another"
    server.on(path(esim), usage_answer())
    assert operations.sync_due_usage() == 1


# Signals


def test_a_change_of_status_is_signalled(server, heard, committed):
    esim = in_use(usage_status="not_active", order__user=UserFactory())
    server.on(path(esim), usage_answer())
    with committed():
        operations.sync_due_usage()
    (kwargs,) = heard.of("esim_status_changed")
    assert (kwargs["sender"], kwargs["esim"], kwargs["esim"].order.user.pk) == (Esim, esim, esim.order.user.pk)
    assert (kwargs["old_status"], kwargs["new_status"]) == ("not_active", "active")
    record = UsageRecord.objects.get()
    assert kwargs["event_id"] == record.event_id
    assert record.signalled_at


def test_a_change_of_amounts_is_not_signalled(server, heard, committed):
    esim = in_use()
    server.on(path(esim), usage_answer(remaining=3))
    with committed():
        operations.sync_due_usage()
    assert UsageRecord.objects.get().signal_due_at is None
    assert not heard


def test_a_receiver_that_raised_hears_again(server, heard, committed):
    def raising(**kwargs):
        raise LookupError("no")

    esim = in_use(usage_status="not_active")
    server.on(path(esim), usage_answer())
    signals.esim_status_changed.connect(raising)
    try:
        with committed():
            operations.sync_due_usage()
    finally:
        signals.esim_status_changed.disconnect(raising)
    record = UsageRecord.objects.get()
    assert "LookupError" in record.signal_error
    UsageRecord.objects.update(signal_due_at=LONG_AGO)
    assert services.sweep().signalled == 1
    assert len({kwargs["event_id"] for kwargs in heard.of("esim_status_changed")}) == 1
    assert len(heard.of("esim_status_changed")) == 2


@pytest.mark.parametrize("remaining", [1024, 1000])
def test_a_top_up_while_the_old_usage_is_on_its_way_is_not_lost(server, remaining):
    esim = in_use()
    as_read = Esim.objects.get()
    esim_services._claim_usage(as_read, database.db_now())
    services.request_usage_sync(esim)
    esim_services.record_usage(as_read, "active", {"remaining": remaining}, source="look-up")
    esim.refresh_from_db()
    assert esim.usage_due_at <= database.db_now()
    assert esim.packages_due


# Queries


def test_unchanged_usage_costs_three_queries_per_esim(server):
    def cost(count):
        for _ in range(count):
            server.on(path(in_use()), usage_answer())
        with Queries() as queries:
            assert operations.sync_due_usage() == count
        return queries.count

    cost(1)
    # The claim, the clock, the outcome.
    assert cost(7) - cost(2) == 5 * 3


def test_changed_usage_costs_six_queries_per_esim(server):
    def cost(count):
        for _ in range(count):
            server.on(path(in_use(order=order)), usage_answer(remaining=17))
        with Queries() as queries:
            assert operations.sync_due_usage() == count
        return queries.count

    order = EsimOrderFactory(completed=True)
    cost(1)
    # The claim, the clock; lock and read; the eSIM, the record.
    assert cost(7) - cost(2) == 5 * 6


def test_the_due_are_read_without_their_secrets(server):
    esim = due()
    server.on(path(esim), usage_answer())
    with Queries() as queries:
        operations.sync_due_usage()
    assert not [sql for sql in queries.statements if "activation_code" in sql]


def test_querysets(server):
    soon, later = in_use(expires_at=ago(-3600)), in_use(expires_at=ago(-7200))
    in_use(expires_at=ago(-90 * 86400))
    in_use(usage_status="expired", expires_at=ago(60))
    assert Esim.objects.in_use().count() == 3
    assert list(Esim.objects.expiring_before(database.db_now() + timedelta(days=1))) == [soon, later]
