"""``make mutants``: apply each deliberate fault to a scratch copy and see that the suite catches it.

Exit code 1 if a mutant survives, or does not apply any more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.mutants.mutant import Mutant
from tests.mutants.mutants import MUTANTS

#: The quick part of the suite; the fault suite, with its real processes, is left out.
ALL = (
    *("tests/orders", "tests/esims", "tests/account", "tests/refunds", "tests/vouchers", "tests/doctor"),
    "tests/core",
    "tests/webhooks",
    "tests/client",
    "tests/catalogue",
    "tests/test_model_based.py",
)


def main() -> int:
    """Try the mutants as the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="", help="the mutants whose name contains this")
    parser.add_argument("--quick", action="store_true", help="no more than the tests that should catch each")
    options = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.name]
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        copy = Path(scratch) / "copy"
        ignore = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".mypy_cache", ".hypothesis")
        shutil.copytree(ROOT, copy, ignore=ignore)
        firsts = sorted({test for mutant in mutants for test in mutant.first})
        if not _passes(copy, firsts):
            sys.stdout.write("The suite fails without any mutant; there is nothing to learn.\n")
            return 1
        survivors = [mutant.name for mutant in mutants if not _caught(copy, mutant, quick=options.quick)]
    sys.stdout.write(f"{len(mutants) - len(survivors)} of {len(mutants)} caught\n")
    return 1 if survivors else 0


def _caught(copy: Path, mutant: Mutant, *, quick: bool) -> bool:
    """Whether the suite fails with this mutant applied to the copy. The copy is as before afterwards."""
    file = copy / "django_airalo" / mutant.file
    original = file.read_text()
    if original.count(mutant.old) != 1:
        sys.stdout.write(f"DOES NOT APPLY  {mutant.name} ({mutant.file})\n")
        return False
    started = time.monotonic()
    try:
        file.write_text(original.replace(mutant.old, mutant.new))
        caught = not _passes(copy, mutant.first) or not (quick or _passes(copy, ALL))
    finally:
        file.write_text(original)
    sys.stdout.write(f"{'caught  ' if caught else 'SURVIVED'}  {mutant.name} ({time.monotonic() - started:.0f} s)\n")
    sys.stdout.flush()
    return caught


def _passes(copy: Path, tests: tuple[str, ...] | list[str]) -> bool:
    """Whether these tests pass. A worker for each of a few tests would take longer to start than to run them."""
    workers = "2" if tests is ALL else "0"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", workers, "--no-cov", "-p", "no:cacheprovider", *tests]
    # The copy must be imported, not the installed package.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=1200)
    # 1, or with more workers 2: tests failed. All else: no tests ran.
    ran = done.returncode in (0, 1) or (done.returncode == 2 and "\nFAILED " in done.stdout)
    assert ran, done.stdout[-3000:] + done.stderr[-3000:]
    return done.returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
