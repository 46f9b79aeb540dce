"""What a check found, and what the checks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Literal

from django_airalo.exceptions import AiraloError
from django_airalo.models import BalanceRecord
from django_airalo.services.account import balance

#: What is older says nothing of how things are now; and what cannot be undone must not cause a warning indefinitely.
LATELY = timedelta(days=7)

Level = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found: how bad it is, a sentence, and what to do about it."""

    level: Level
    message: str
    remedy: str = ""
    check: str = ""


@dataclass
class CheckContext:
    """One run of all checks: its options, and what more than one check needs to know."""

    simulate: bool = False
    wait: float = 10.0
    levels: dict[str, Level] = field(default_factory=dict)

    @cached_property
    def balance(self) -> BalanceRecord | AiraloError | None:
        """The balance, or why it could not be looked up. Asked for once."""
        try:
            return balance.sync_balance(source="doctor")
        except AiraloError as error:
            return error


@dataclass(frozen=True)
class Check:
    """A check and those that must not have failed before it makes sense."""

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
