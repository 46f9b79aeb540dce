"""Runs a verb of the shop in an interpreter whose wall clock is wrong, by the seconds that stand in a file.

``python -m tests.faults.skewed FILE VERB …``. The file is read at each look at the clock, so the clock can jump while
the process runs. Only what Python asks is moved (``time.time`` and ``datetime``): the database keeps its own clock.
"""

from __future__ import annotations

import datetime
import sys
import time
from pathlib import Path
from typing import Any

_file = Path(sys.argv[1])
_true_time = time.time
_true_datetime = datetime.datetime


def _shifted() -> float:
    return _true_time() + float(_file.read_text() or 0)


class _Kind(type):
    """Whatever is a true datetime is one of these too, for drivers that make their own."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _true_datetime)


class _Datetime(_true_datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return _true_datetime.fromtimestamp(_shifted(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return _true_datetime.fromtimestamp(_shifted(), datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return cls.now()


if __name__ == "__main__":
    time.time = _shifted
    datetime.datetime = _Datetime
    from tests.faults.shop import verbs

    verbs.main(*sys.argv[2:])
