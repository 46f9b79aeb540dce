"""How long to wait before something is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo.conf import conf
from django_airalo.services.core.backoff import LONGEST_RETRY_AFTER, backoff, retry_wait, scatter

DELAYS = (5, 60, 900)


@pytest.mark.parametrize(("tries", "seconds"), [(0, 5), (1, 60), (2, 900), (3, 900), (1000, 900), (-1, 5)])
def test_last_delay_applies_to_all_later_tries(tries, seconds):
    assert backoff(DELAYS, tries) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("at_least", "seconds"), [(0, 60), (59, 60), (61, 61)])
def test_wait_is_not_shorter_than_requested_minimum(at_least, seconds):
    assert backoff(DELAYS, 1, at_least=at_least) == timedelta(seconds=seconds)


def test_waits_are_scattered_within_limits():
    waits = {scatter(timedelta(seconds=100), (0.9, 1.1)) for _try in range(50)}
    assert len(waits) > 1
    assert all(timedelta(seconds=90) <= wait <= timedelta(seconds=110) for wait in waits)


@pytest.mark.parametrize(
    ("attempt", "retry_after", "seconds"),
    [(1, None, 5), (3, 0, 900), (9, 30, 900), (1, 120, 120), (1, 1e12, LONGEST_RETRY_AFTER)],
)
def test_request_is_not_retried_before_retry_after(monkeypatch, attempt, retry_after, seconds):
    monkeypatch.setattr(type(conf), "RETRY_DELAYS", DELAYS)
    wait = retry_wait(attempt, retry_after)
    assert timedelta(seconds=seconds) <= wait <= timedelta(seconds=1.25 * seconds)
