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

from tests.mutants.mutants import MUTANTS, Mutant  # noqa: E402

#: The quick part of the suite; the fault suite, with its real processes, is left out.
TESTS = ("tests/services", "tests/webhooks", "tests/client", "tests/models", "tests/test_model_based.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="run the mutants whose name contains this")
    wanted = parser.parse_args().only
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        copy = Path(scratch) / "copy"
        ignore = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".mypy_cache", ".hypothesis")
        shutil.copytree(ROOT, copy, ignore=ignore)
        if not _passes(copy):
            sys.stdout.write("The suite fails without any mutant; there is nothing to learn.\n")
            return 1
        survivors = [mutant.name for mutant in MUTANTS if wanted in mutant.name and not _caught(copy, mutant)]
    sys.stdout.write(f"{len(survivors)} survived{': ' + '; '.join(survivors) if survivors else ''}\n")
    return 1 if survivors else 0


def _caught(copy: Path, mutant: Mutant) -> bool:
    """Whether the suite fails with this mutant applied to the copy. The copy is as before afterwards."""
    file = copy / "django_airalo" / mutant.file
    original = file.read_text()
    if original.count(mutant.old) != 1:
        sys.stdout.write(f"DOES NOT APPLY  {mutant.name} ({mutant.file})\n")
        return False
    started = time.monotonic()
    try:
        file.write_text(original.replace(mutant.old, mutant.new))
        caught = not _passes(copy)
    finally:
        file.write_text(original)
    sys.stdout.write(f"{'caught  ' if caught else 'SURVIVED'}  {mutant.name} ({time.monotonic() - started:.0f} s)\n")
    sys.stdout.flush()
    return caught


def _passes(copy: Path) -> bool:
    tests = [test for test in TESTS if (copy / test).exists()]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", "--no-cov", "-p", "no:cacheprovider", *tests]
    # The copy must be imported, not the installed package.
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=900).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
