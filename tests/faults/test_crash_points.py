"""One life with a crash at each of its points; ``make crash-points`` has all, with a second crash in the recovery."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.processes import ROOT


@pytest.mark.database("sqlite", reason="the drill makes a file of its own")
@pytest.mark.parametrize("scenario", ["refund"])
def test_every_crash_has_a_legal_end(scenario: str) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.faults.crash.drill",
        "--singles",
        "--processes",
        "1",
        "--scenario",
        scenario,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    (row,) = [line.split() for line in done.stdout.splitlines() if line.startswith(f"{scenario} ")]
    points, _, ends, illegal = map(int, row[1:])
    assert points > 20
    assert ends >= 1
    assert not illegal
