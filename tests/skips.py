"""Which tests may be skipped. A plugin of pytest, taken up by ``tests/conftest.py``.

Where AIRALO_TESTS_NO_SKIPS is set, as ``.ci/run`` does, a test that is skipped fails: nobody reads the list of the
skipped, and a browser or a history that is missing would go unnoticed. Expected are only the two kinds of
``ExpectedSkip``: a test for another kind of database, and one that needs a server outside which does not answer.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

DATABASE = os.environ.get("TEST_DATABASE", "sqlite")


class ExpectedSkip(pytest.skip.Exception):
    """A skip that is no lack of this machine, so that it is one everywhere."""


def nothing_else_is_skipped() -> bool:
    return bool(os.environ.get("AIRALO_TESTS_NO_SKIPS"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """``@pytest.mark.database("sqlite", reason="…")``: the test is for these kinds of databases only."""
    for mark in item.iter_markers("database"):
        if DATABASE not in mark.args:
            raise ExpectedSkip(mark.kwargs["reason"])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if nothing_else_is_skipped() and skipped and not isinstance(call.excinfo.value, ExpectedSkip):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    if nothing_else_is_skipped() and report.skipped:  # a module, by importorskip
        _fail(report)
    return report


def _fail(report: Any) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome, report.longrepr = "failed", f"AIRALO_TESTS_NO_SKIPS is set, and this was to be skipped: {reason}"
