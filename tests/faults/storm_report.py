"""What a storm shows to a person: progress while it runs, a table in the end. With rich if it is there, else plain."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

try:
    import rich
    import rich.table
    from rich.live import Live
except ImportError:  # the storm needs no more than the package and its tests do
    rich = None

from .storm_airalo import Airalo
from .storm_weather import group_of


class Progress:
    """Shows counts: in place on a terminal with rich, else a line every few seconds."""

    EVERY = 5.0

    def __init__(self, orders: int) -> None:
        self._orders = orders
        self._started = time.monotonic()
        self._last = 0.0
        self._live = Live(refresh_per_second=4) if rich and sys.stdout.isatty() else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, state: dict[str, int]) -> None:
        """Show the present counts."""
        seconds = time.monotonic() - self._started
        if self._live:
            grid = rich.table.Table.grid(padding=(0, 2))
            grid.add_row("seconds", f"{seconds:.0f}")
            grid.add_row("placed", f"{state['placed']} of {self._orders}")
            for name, count in state.items():
                if name != "placed":
                    grid.add_row(name, str(count))
            self._live.update(grid)
        elif seconds - self._last >= self.EVERY or not self._last:
            self._last = seconds
            print(f"{seconds:4.0f} s  " + "  ".join(f"{name} {count}" for name, count in state.items()), flush=True)


def counted_faults(airalo: Airalo) -> dict[str, Counter[str]]:
    """Return how many requests each fault met, by its group."""
    counted: dict[str, Counter[str]] = {}
    for row in airalo.rows("SELECT fault, count(*) AS n FROM requests WHERE fault IS NOT NULL GROUP BY fault"):
        group = counted.setdefault(group_of(row["fault"]), Counter())
        group[row["fault"].rpartition(": ")[2]] += row["n"]
    return counted


def print_table(
    title: str, table: dict[str, Any], broken: dict[str, list[str]], faults: dict[str, Counter[str]]
) -> None:
    """Print the outcome and the faults; with what breaks a law, if anything does."""
    table = {**table, "faults": sum(counts.total() for counts in faults.values())}
    if rich and sys.stdout.isatty():
        shown = rich.table.Table("", "", title=title, show_header=False)
        for name, value in table.items():
            shown.add_row(name, str(value))
        rich.print(shown)
    else:
        print(f"\n{title}")
        for name, value in table.items():
            print(f"  {name:<28}{value}")
    for group, counts in sorted(faults.items()):
        each = ", ".join(f"{name} {count}" for name, count in counts.most_common())
        print(f"  faults, {group:<20}{counts.total()} ({each})")
    if not broken:
        print("No law is broken.")
    for name, found in broken.items():
        print(f"BROKEN {name}: {len(found)}")
        for line in found[:10]:
            print(f"  {line}")
