from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.factories import EsimOrderFactory
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


def run(*arguments):
    out = StringIO()
    call_command("airalo_sweep", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_command_processes_due_rows_and_prints_report(airalo):
    orders = [EsimOrderFactory(), EsimOrderFactory()]
    line = run()
    assert line.startswith("submitted=2 expired=0 looked_up=0 webhooks=0 usage=0 details=0 requests=0 signalled=")
    assert line.count("\n") == 1
    assert len(airalo.orders) == len(orders)
    assert run().startswith("submitted=0 ")


@pytest.mark.django_db
def test_limit_restricts_submitted_orders(airalo):
    for _ in range(3):
        EsimOrderFactory()
    assert run("--limit", "2").startswith("submitted=2 ")
    assert run("--limit=2").startswith("submitted=1 ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--limit", "0"],
        ["--limit", "-1"],
        ["--limit", "many"],
        ["--loop", "0"],
        ["--loop", "-1"],
        ["--loop", "nan"],
        ["--loop", "inf"],
        ["--loop", "soon"],
        ["--loop", "1e300"],
        ["extra"],
    ],
)
def test_invalid_arguments_are_refused_with_error_naming_them(arguments):
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert arguments[0] in str(refused.value)


MIGRATE_AND_PLACE = """
import django
django.setup()
from django.core.management import call_command
from django.utils import timezone
from django_airalo.models import EsimOrder
from django_airalo.services.core import deployment
call_command("migrate", verbosity=0)
stamp = deployment.identity().stamp
EsimOrder.objects.create(package_id="test", due_at=timezone.now(), deployment=stamp)
"""


def last_sweep(file):
    """When the loop had last done a whole sweep, ``None`` if never."""
    with contextlib.closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT max(at) FROM django_airalo_heartbeat WHERE name = 'sweep'").fetchone()[0]


def test_loop_continues_without_tables_and_stops_on_ctrl_c(tmp_path):
    """At first there are no tables; after the migration the same process sweeps."""
    file, output, errors = (tmp_path / name for name in ("shop.sqlite3", "output", "errors"))
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE": "sqlite",
        "TEST_DATABASE_FILE": str(file),
        "PYTHONUNBUFFERED": "1",
    }
    with output.open("w") as stdout, errors.open("w") as stderr:
        command = [sys.executable, "-m", "django", "airalo_sweep", "--loop", "0.2"]
        loop = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdout=stdout,
            stderr=stderr,
            # A shell has what it starts in the background ignore Ctrl-C, and that is inherited.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
    sweeps = set()

    def has_swept():
        """The order is submitted, or a sweep that began after it was placed has said what it did."""
        sweeps.add(last_sweep(file))
        return loop.poll() is not None or "submitted=1 " in output.read_text() or len(sweeps - {None}) > 3

    try:
        wait_until(
            lambda: loop.poll() is not None or "database is not available" in errors.read_text(), errors.read_text
        )
        subprocess.run([sys.executable, "-c", MIGRATE_AND_PLACE], cwd=ROOT, env=environ, check=True, timeout=180)
        wait_until(has_swept, errors.read_text)
        assert "submitted=1 " in output.read_text()
        loop.send_signal(signal.SIGINT)
        assert loop.wait(timeout=90) == 0
    finally:
        loop.kill()
    assert output.read_text().endswith("Stopped.\n")  # perhaps after another line, of the signals
