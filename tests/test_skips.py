"""A skip that nobody expects is a failure where nothing may be missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MODULE = """
import pytest
from tests.skips import ExpectedSkip

@pytest.fixture
def browser():
    pytest.skip("there is no browser")

def test_in_a_fixture(browser): pass

@pytest.mark.skipif(True, reason="another system")
def test_by_a_condition(): pass

def test_by_itself(): pytest.importorskip("no_such_module")

@pytest.mark.xfail(reason="known")
def test_known_to_fail(): raise ValueError

@pytest.mark.database("oracle", reason="about Oracle")
def test_of_another_database(): pass

@pytest.mark.database("oracle", "sqlite", "postgres", "mariadb", reason="about all of them")
def test_of_this_database(): pass

def test_of_the_world_outside(): raise ExpectedSkip("the registry does not answer")
"""


@pytest.mark.parametrize(
    ("no_skips", "expected"),
    [
        ("", {"skipped": 6, "passed": 1, "xfailed": 1}),
        ("1", {"failed": 1, "error": 3, "skipped": 2, "passed": 1, "xfailed": 1}),
    ],
)
def test_a_skip_that_is_not_expected_fails(tmp_path, no_skips, expected):
    (tmp_path / "test_some.py").write_text(MODULE)
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "AIRALO_TESTS_NO_SKIPS": no_skips, "PYTEST_ADDOPTS": ""}
    options = ["-p", "tests.skips", "-p", "no:cacheprovider", "-p", "no:randomly", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", "-n0", "-c", str(tmp_path / "pytest.ini"), *options, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)
    summary = done.stdout.splitlines()[-1]
    counted = {
        word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|xfailed|error)", summary)
    }
    assert counted == expected, done.stdout + done.stderr
    assert ("this was to be skipped: " in done.stdout) == bool(no_skips)
