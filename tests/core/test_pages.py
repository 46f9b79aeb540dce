"""Reading Airalo's lists page by page, waiting where a limit says so."""

from __future__ import annotations

import time

import pytest

from django_airalo.client.payloads import Page
from django_airalo.exceptions import AiraloRateLimitError, AiraloServerError
from django_airalo.services.core.pages import read_pages


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


class AList:
    """A list of ``last`` pages; ``outcomes`` are raised, one a request, before a page comes (``None``: it comes)."""

    def __init__(self, last, *outcomes):
        self.last = last
        self.outcomes = list(outcomes)
        self.asked = []

    def __call__(self, number):
        self.asked.append(number)
        if self.outcomes and (error := self.outcomes.pop(0)):
            raise error
        meta = {"current_page": number, "last_page": self.last}
        return Page.from_json({"data": [{"n": number}], "meta": meta}, lambda row: row["n"])


def limited(retry_after=None):
    return AiraloRateLimitError("limit", retry_after=retry_after)


def items(pages):
    return [item for page in pages for item in page.items]


def test_all_pages_are_read_in_order():
    assert items(read_pages(AList(3), patience=0)) == [1, 2, 3]


def test_list_of_one_page_takes_one_request():
    fetch = AList(1)
    assert items(read_pages(fetch, patience=0)) == [1]
    assert fetch.asked == [1]


def test_pages_are_read_lazily():
    fetch = AList(3)
    next(read_pages(fetch, patience=0))
    assert fetch.asked == [1]


def test_rate_limited_page_is_awaited_as_long_as_limit_says(clock):
    assert items(read_pages(AList(2, None, limited(7), limited()), patience=60)) == [1, 2]
    assert clock.slept == [7, 10]


def test_rate_limit_error_is_raised_after_patience_is_used_up(clock):
    fetch = AList(1, *[limited(25)] * 9)
    with pytest.raises(AiraloRateLimitError):
        items(read_pages(fetch, patience=60))
    assert clock.slept == [25, 25, 10]
    assert len(fetch.asked) == 4


def test_patience_applies_to_each_page_separately(clock):
    fetch = AList(3, limited(50), None, limited(50), None, limited(50))
    assert items(read_pages(fetch, patience=60)) == [1, 2, 3]
    assert clock.slept == [50, 50, 50]


def test_rate_limit_without_patience_raises_at_once(clock):
    with pytest.raises(AiraloRateLimitError):
        items(read_pages(AList(1, limited(1)), patience=0))
    assert not clock.slept


def test_rate_limited_first_page_raises_at_once_without_first_patience(clock):
    with pytest.raises(AiraloRateLimitError):
        items(read_pages(AList(2, limited(1)), patience=60, first_patience=0))
    assert items(read_pages(AList(2, None, limited(1)), patience=60, first_patience=0)) == [1, 2]
    assert clock.slept == [1]


def test_other_errors_are_raised_without_waiting(clock):
    with pytest.raises(AiraloServerError):
        items(read_pages(AList(1, AiraloServerError("away")), patience=60))
    assert not clock.slept


def test_between_is_called_before_each_page_after_first():
    calls = []
    fetch = AList(3)
    items(read_pages(fetch, patience=0, between=lambda: calls.append(list(fetch.asked))))
    assert calls == [[1], [1, 2]]
