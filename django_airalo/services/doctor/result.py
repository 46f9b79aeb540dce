"""The result of a check, and the data that the checks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Literal

from django_airalo.exceptions import AiraloError
from django_airalo.models import BalanceRecord
from django_airalo.services.account import balance

#: Older rows are ignored, so that a fault of the past does not cause a warning indefinitely.
LATELY = timedelta(days=7)

Level = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True)
class CheckResult:
    """The result of one check: its level, a sentence, and what to do about it."""

    level: Level
    message: str
    remedy: str = ""
    check: str = ""


@dataclass
class CheckContext:
    """The options of a run, and the data that several checks need."""

    simulate: bool = False
    wait: float = 10.0
    levels: dict[str, Level] = field(default_factory=dict)

    @cached_property
    def balance(self) -> BalanceRecord | AiraloError | None:
        """The balance, or the error of its look-up, which takes place once."""
        try:
            return balance.sync_balance(source="doctor")
        except AiraloError as error:
            return error


@dataclass(frozen=True)
class Check:
    """A check, and the names of the checks without which it makes no sense."""

    name: str
    look: Callable[[CheckContext], CheckResult]
    needs: tuple[str, ...] = ()


def passed(message: str) -> CheckResult:
    return CheckResult("pass", message)


def warn(message: str, remedy: str) -> CheckResult:
    return CheckResult("warn", message, remedy)


def fail(message: str, remedy: str) -> CheckResult:
    return CheckResult("fail", message, remedy)


def skip(message: str) -> CheckResult:
    return CheckResult("skip", message)
