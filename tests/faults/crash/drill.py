"""``make crash-points``: kill the shop at each point of a recorded life, and at each point of its recovery.

Points are each commit or statement of its own (not done; done), each HTTP exchange (not sent; carried out, answer lost;
answered, not stored), each enqueue (not done; the broker is away; done) and each signal (receivers not called; one
raises; called, outcome not stored). They are taken from a recorded run, so a commit that is added to the code is a
point without a change here. After the last crash the shop goes on. Two ledgers judge what became of everything.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .lab import Lab, Point, Run
from .scenarios import SCENARIOS


@dataclass
class Report:
    """What is printed in the end."""

    points: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    ends: dict[str, set[str]] = field(default_factory=dict)
    illegal: list[Run] = field(default_factory=list)

    def add(self, run: Run, counter: Counter[str]) -> None:
        counter[run.scenario] += 1
        self.ends.setdefault(run.scenario, set()).add(run.end)
        if run.broken:
            self.illegal.append(run)


def singles(lab: Lab, scenario: str, report: Report, *, with_states: bool) -> dict[int, list[Point]]:
    """Crash at each point of the life. Return the points of each recovery, by the number of the crash."""
    life = lab.run(scenario, ())
    report.add(life, Counter())
    recoveries = {}
    for number in range(1, len(life.points) + 1):
        run = lab.run(scenario, (number,), states_from=number + 1 if with_states else None)
        recoveries[number] = run.points
        expected, reached = life.points[:number], run.points[:number]
        if reached != expected:
            run.broken["moved"] = [f"point {number} was {expected[-1].name}, and is {reached[-1:]}"]
        report.add(run, report.points)
    return recoveries


def pairs(lab: Lab, scenario: str, report: Report, until: float, recoveries: dict[int, list[Point]]) -> bool:
    """Crash at each point, and again at each point after it; ``False`` if time ran out.

    A crash whose state was met before is passed over: what follows was seen.

    Args:
        recoveries: the points after each first crash, as far as they were recorded.
    """
    life = lab.run(scenario, (), states_from=1)
    seen: set[tuple[str, str]] = set()
    firsts = [number for number, point in enumerate(life.points, 1) if _is_new(point, seen)]
    for first in firsts:
        recovery = recoveries.get(first) or lab.run(scenario, (first,), states_from=first + 1).points
        for second in range(first + 1, len(recovery) + 1):
            if not _is_new(recovery[second - 1], seen):
                continue
            if time.monotonic() > until:
                return False
            report.add(lab.run(scenario, (first, second)), report.pairs)
    return True


def _is_new(point: Point, seen: set[tuple[str, str]]) -> bool:
    is_new = point.key not in seen
    seen.add(point.key)
    return is_new


def _work(task: tuple[str, bool, bool, float]) -> tuple[str, Report, bool]:
    """One scenario, in a process of its own."""
    scenario, wants_singles, wants_pairs, until = task
    report = Report()
    with Lab() as lab:
        recoveries = singles(lab, scenario, report, with_states=wants_pairs) if wants_singles else {}
        complete = not wants_pairs or pairs(lab, scenario, report, until, recoveries)
    return scenario, report, complete


def drill(
    names: Iterable[str], *, wants_singles: bool, wants_pairs: bool, seconds: float, processes: int
) -> tuple[Report, bool]:
    """Run the scenarios, a few at a time; the report, and whether all was run that was asked for."""
    until = time.monotonic() + seconds
    total, complete = Report(), True
    tasks = [(name, wants_singles, wants_pairs, until) for name in names]
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        for name, report, done in pool.imap_unordered(_work, tasks):
            _print_row(name, report, done)
            total.points += report.points
            total.pairs += report.pairs
            total.ends.update(report.ends)
            total.illegal += report.illegal
            complete = complete and done
    return total, complete


def main() -> int:
    """Run what the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="make crash-points", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS), help="only this one")
    parser.add_argument("--singles", action="store_true", help="one crash a run only")
    parser.add_argument("--pairs", action="store_true", help="two crashes a run only")
    parser.add_argument("--at", type=int, nargs="*", help="one run with crashes at these points, and its log")
    parser.add_argument("--seconds", type=float, default=600, help="begin no pair after this time")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    names = options.scenario or list(SCENARIOS)
    if options.at is not None:
        return _show(names[0], tuple(options.at))
    started = time.monotonic()
    print(f"{'scenario':22}{'points':>8}{'pairs':>8}{'distinct ends':>15}{'illegal':>9}", flush=True)
    report, complete = drill(
        names,
        wants_singles=not options.pairs,
        wants_pairs=not options.singles,
        seconds=options.seconds,
        processes=options.processes,
    )
    _print_row("all", report, complete)
    kinds = Counter(kind for run in report.illegal for kind in run.broken)
    print("double", kinds["double_purchases"], "lost", kinds["lost_esims"], "silent", kinds["unsignalled"])
    print(f"{time.monotonic() - started:.0f} seconds")
    return 1 if report.illegal else 0


def _print_row(name: str, report: Report, complete: bool) -> None:
    ends = sum(map(len, report.ends.values()))
    row = f"{name:22}{report.points.total():8}{report.pairs.total():8}{ends:15}{len(report.illegal):9}"
    print(row if complete else f"{row}  not all pairs: out of time", flush=True)
    for run in report.illegal[: 0 if name == "all" else 20]:
        print(f"\nILLEGAL  {run.name}\n  {run.broken}\n  again: {run.again}\n", flush=True)


def _show(scenario: str, crashes: tuple[int, ...]) -> int:
    with Lab() as lab:
        run = lab.run(scenario, crashes)
    print(*(f"{number:4} {point.name}" for number, point in enumerate(run.points, 1)), sep="\n")
    print(run.errors, run.name, f"broken: {run.broken}", run.end, sep="\n")
    return 1 if run.broken else 0


if __name__ == "__main__":
    sys.exit(main())
