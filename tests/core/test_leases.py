"""Claims of rows: each method of the mixin is one statement that compares what was read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from django_airalo.models import Esim, EsimOrder, SubmissionPause
from django_airalo.models.leases import leased
from django_airalo.services.core import database
from tests.factories import EsimFactory

pytestmark = pytest.mark.django_db

LEASE = Esim.USAGE_LEASE
HOUR = timedelta(hours=1)


@pytest.fixture
def now():
    return database.db_now()


@pytest.fixture
def esim(now):
    return _as_read(EsimFactory(usage_due_at=now - HOUR).pk)


def _as_read(pk):
    return Esim.primary.get(pk=pk)


def test_row_read_by_two_is_claimed_by_one(esim, now):
    other = _as_read(esim.pk)
    assert Esim.primary.claim(esim, LEASE, until=now + HOUR, usage_error="mine")
    assert not Esim.primary.claim(other, LEASE, until=now + 2 * HOUR, usage_error="the other's")
    assert (esim.usage_due_at, esim.usage_error) == (now + HOUR, "mine")
    assert (other.usage_due_at, other.usage_error) == (now - HOUR, "")
    assert _as_read(esim.pk).usage_error == "mine"


def test_claim_is_one_statement(esim, now, django_assert_num_queries):
    with django_assert_num_queries(1):
        Esim.primary.claim(esim, LEASE, until=now + HOUR)


def test_claim_keeps_earlier_conditions(esim, now):
    assert not Esim.primary.filter(usage_due_at__gt=now).claim(esim, LEASE, until=now + HOUR)


def test_expression_is_not_set_on_claimed_row(esim, now):
    assert Esim.primary.claim(esim, LEASE, until=now + HOUR, details_tries=F("details_tries") + 1)
    assert esim.details_tries == 0
    assert _as_read(esim.pk).details_tries == 1


def test_claim_with_deferred_fence_raises_without_query(esim, now):
    deferred = Esim.primary.defer("usage_due_at").get(pk=esim.pk)
    with CaptureQueriesContext(connection) as queries, pytest.raises(KeyError):
        Esim.primary.claim(deferred, LEASE, until=now + HOUR)
    assert not queries.captured_queries


def test_row_is_held_until_it_is_claimed_again(esim, now):
    assert Esim.primary.claim(esim, LEASE, until=now + HOUR)
    assert Esim.primary.hold(esim, LEASE, until=now + 2 * HOUR)
    assert Esim.primary.is_held(esim, LEASE, until=now + HOUR)
    assert not Esim.primary.is_held(esim, LEASE, until=now + 2 * HOUR)
    assert Esim.primary.claim(_as_read(esim.pk), LEASE, until=now + 3 * HOUR)
    assert not Esim.primary.is_held(esim, LEASE, until=now + HOUR)
    assert not Esim.primary.hold(esim, LEASE, until=now + 4 * HOUR)
    assert _as_read(esim.pk).usage_due_at == now + 3 * HOUR


def test_second_release_changes_nothing(esim, now):
    assert Esim.primary.claim(esim, LEASE, until=now + HOUR)
    assert Esim.primary.release(esim, LEASE, due=None, usage_error="done")
    assert not Esim.primary.release(esim, LEASE, due=now, usage_error="again")
    after = _as_read(esim.pk)
    assert (after.usage_due_at, after.usage_error) == (None, "done")


def test_lease_expires_only_after_its_end(esim, now):
    assert Esim.primary.claim(esim, LEASE, until=now + HOUR)
    assert not Esim.primary.expire(esim, LEASE, now=now, due=None)
    assert Esim.primary.expire(_as_read(esim.pk), LEASE, now=now + HOUR, due=None, usage_error="expired")
    after = _as_read(esim.pk)
    assert (after.usage_due_at, after.usage_error) == (None, "expired")


def test_different_leases_of_one_row_are_independent(esim, now):
    Esim.primary.filter(pk=esim.pk).update(details_due_at=now)
    esim, other = _as_read(esim.pk), _as_read(esim.pk)
    assert Esim.primary.claim(esim, Esim.USAGE_LEASE, until=now + HOUR)
    assert Esim.primary.claim(other, Esim.DETAILS_LEASE, until=now + HOUR)


@pytest.mark.parametrize("name", ["SUBMISSION_LEASE", "LOOK_UP_LEASE"])
def test_lease_fences_of_orders_are_columns(name):
    lease = getattr(EsimOrder, name)
    columns = {field.name for field in EsimOrder._meta.concrete_fields}
    assert {lease.due, *lease.fence} <= columns


def test_pause_read_by_two_is_claimed_by_one(now):
    pk = SubmissionPause.primary.create(reason="Unknown.", due_at=now - HOUR).pk
    first, second = (SubmissionPause.primary.get(pk=pk) for _ in range(2))
    assert leased(SubmissionPause).claim(first, SubmissionPause.PROBE_LEASE, until=now + HOUR)
    assert not leased(SubmissionPause).claim(second, SubmissionPause.PROBE_LEASE, until=now + 2 * HOUR)
