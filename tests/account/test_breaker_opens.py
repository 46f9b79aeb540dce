"""Three purchases of unknown outcome within two minutes pause all submission; nothing else does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, SubmissionPause, UnknownOutcomes
from django_airalo.services import operations
from django_airalo.services.core import database
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory

from .breaker_support import KNOWN, UNKNOWN, airalo, assert_next_probe, statuses, submit_orders

__all__ = ["airalo"]


pytestmark = pytest.mark.django_db


def test_three_unknown_outcomes_pause_all_submission(airalo, heard, committed, caplog):
    airalo.hangs = True
    with committed():
        submit_orders(2)
    assert not SubmissionPause.objects.exists()
    before = database.db_now()
    with committed():
        (order,) = submit_orders()
    pause = SubmissionPause.objects.get()
    assert (pause.kind, pause.is_active, pause.order, pause.balance) == ("unknown_outcomes", True, order, None)
    assert "3 purchases of unknown outcome within 2 minutes" in pause.reason
    assert_next_probe(pause, 60, since=before)
    (told,) = heard.of("submission_paused")
    assert (told["kind"], told["reason"]) == ("unknown_outcomes", pause.reason)
    assert [record.levelname for record in caplog.records if record.message.startswith("No order is sent")] == [
        "CRITICAL"
    ]
    assert statuses() == ["unconfirmed"] * 3

    airalo.hangs = False
    (waiting,) = submit_orders()
    with committed(), pytest.raises(IllegalTransitionError, match="is pending, and no order is sent since"):
        operations.retry_now(waiting)
    services.sweep()
    assert EsimOrder.objects.get(pk=waiting.pk).attempt == 0
    assert len(airalo.purchases()) == 3


@pytest.mark.parametrize("name", UNKNOWN)
def test_three_unknown_outcomes_of_each_kind_start_pause(airalo, name):
    for _ in range(3):
        UNKNOWN[name](airalo)
        submit_orders()
    assert SubmissionPause.objects.get().kind == "unknown_outcomes"


@pytest.mark.parametrize("name", KNOWN)
def test_known_outcomes_do_not_start_pause(airalo, name):
    for _ in range(4):
        KNOWN[name](airalo)
        submit_orders()
    assert not SubmissionPause.objects.exists()
    assert not UnknownOutcomes.objects.exists()


@pytest.mark.parametrize("road", ["async", "sync", "future", "topup"])
def test_each_kind_of_order_starts_pause_and_waits(airalo, committed, road):
    airalo.hangs = True
    content = {
        "async": {},
        "sync": {"mode": "sync"},
        "future": {"due_date": database.db_now() + timedelta(days=30)},
        "topup": {"type": "topup", "mode": "sync", "esim": EsimFactory()},
    }[road]
    submit_orders(4, **content)
    assert statuses()[-4:] == ["unconfirmed"] * 3 + ["pending"]


def test_success_resets_unknown_outcomes(airalo):
    for _ in range(4):
        airalo.time_out()
        airalo.time_out()
        submit_orders(3)
    assert not SubmissionPause.objects.exists()
    assert UnknownOutcomes.objects.get().at == []


def test_unknown_outcomes_older_than_two_minutes_do_not_count(airalo):
    airalo.hangs = True
    submit_orders(2)
    then = [(database.db_now() - timedelta(seconds=seconds)).isoformat() for seconds in (121, 119)]
    UnknownOutcomes.objects.update(at=then)
    submit_orders()
    assert not SubmissionPause.objects.exists()
    submit_orders()
    assert SubmissionPause.objects.exists()


def test_expired_lease_does_not_count_as_unknown_outcome(airalo):
    for _ in range(3):
        EsimOrderFactory(submitting=True, due_at=LONG_AGO)
    airalo.sweep()
    assert statuses() == ["unconfirmed"] * 3
    assert not SubmissionPause.objects.exists()
    assert not UnknownOutcomes.objects.exists()


def test_accepted_order_writes_no_pause_or_unknown_outcome(airalo):
    order = EsimOrderFactory()
    with CaptureQueriesContext(connection) as queries:
        assert services.submit_order(order).status == "accepted"
    tables = [model._meta.db_table for model in (SubmissionPause, UnknownOutcomes)]
    touched = [query["sql"] for query in queries if any(table in query["sql"] for table in tables)]
    assert [sql.split()[0] for sql in touched] == ["SELECT", "SELECT"]


def test_only_first_success_resets_unknown_outcomes(airalo):
    airalo.time_out()
    submit_orders(2)
    order = EsimOrderFactory()
    with CaptureQueriesContext(connection) as queries:
        services.submit_order(order)
    assert not any(UnknownOutcomes._meta.db_table in q["sql"] and q["sql"].startswith("UPDATE") for q in queries)


# While others hang


@pytest.mark.parametrize(("age", "is_sent"), [(11, False), (5, True)])
def test_hanging_requests_hold_orders_while_outcome_is_unknown(airalo, age, is_sent):
    airalo.time_out()
    submit_orders()
    for _ in range(2):
        EsimOrderFactory(
            submitting=True,
            submitted_at=database.db_now() - timedelta(seconds=age),
            due_at=database.db_now() + timedelta(seconds=90),
        )
    (order,) = submit_orders()
    assert order.status == ("accepted" if is_sent else "pending")


def test_hanging_requests_hold_no_orders_without_unknown_outcomes(airalo):
    for _ in range(5):
        EsimOrderFactory(
            submitting=True,
            submitted_at=database.db_now() - timedelta(seconds=11),
            due_at=database.db_now() + timedelta(seconds=90),
        )
    assert submit_orders()[0].status == "accepted"
