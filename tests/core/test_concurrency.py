"""Runs the concurrency cases on a database that threads can share, which SQLite's in-memory database is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = ("tests/core/concurrency_cases.py", "tests/core/esim_concurrency_cases.py")


def test_concurrency_cases_pass_on_shared_database(tmp_path):
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")},
        "TEST_DATABASE_FILE": str(tmp_path / "threads.sqlite3"),
        # A name of its own beside the database of this run, on a server.
        "TEST_DATABASE_NAME": f"threads_{os.getpid()}",
        "PYTEST_ADDOPTS": "",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n0", "--create-db"]
    done = subprocess.run([*command, *CASES], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    expected = sum((ROOT / cases).read_text().count("\ndef test_") for cases in CASES)
    # Four cases are for servers only, or one for SQLite only.
    skipped = 1 if os.environ.get("TEST_DATABASE", "sqlite") != "sqlite" else 4
    assert re.search(rf"\b{expected - skipped} passed, {skipped} skipped\b", done.stdout), done.stdout[-2000:]
