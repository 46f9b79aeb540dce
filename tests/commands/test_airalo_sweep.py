from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.factories import EsimOrderFactory

ROOT = Path(__file__).parents[2]


def run(*arguments):
    out = StringIO()
    call_command("airalo_sweep", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_it_does_what_is_due_and_says_so(airalo):
    orders = [EsimOrderFactory(), EsimOrderFactory()]
    line = run()
    assert line.startswith("submitted=2 expired=0 looked_up=0 webhooks=0 usage=0 requests=0 signalled=")
    assert line.count("\n") == 1
    assert len(airalo.orders) == len(orders)
    assert run().startswith("submitted=0 ")


@pytest.mark.django_db
def test_the_limit(airalo):
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
def test_bad_arguments_are_refused_in_a_sentence(arguments):
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    assert arguments[0] in str(refused.value)


MIGRATE_AND_PLACE = """
import django
django.setup()
from django.core.management import call_command
from django.utils import timezone
from django_airalo.models import EsimOrder
call_command("migrate", verbosity=0)
EsimOrder.objects.create(package_id="test", due_at=timezone.now())
"""


def wait_for(condition, process):
    deadline = time.monotonic() + 90
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "It took too long."
        time.sleep(0.05)


def test_a_loop_goes_on_without_its_tables_and_stops_on_ctrl_c(tmp_path):
    """At first there are no tables; after the migration the same process sweeps."""
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE": "sqlite",
        "TEST_DATABASE_FILE": str(tmp_path / "shop.sqlite3"),
        "PYTHONUNBUFFERED": "1",
    }
    errors = tmp_path / "errors"
    with errors.open("w") as stderr:
        command = [sys.executable, "-m", "django", "airalo_sweep", "--loop", "0.2"]
        loop = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            # A shell has what it starts in the background ignore Ctrl-C, and that is inherited.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
    try:
        wait_for(lambda: "The database is away" in errors.read_text(), loop)
        subprocess.run([sys.executable, "-c", MIGRATE_AND_PLACE], cwd=ROOT, env=environ, check=True, timeout=180)
        assert "submitted=1 " in loop.stdout.readline()
        loop.send_signal(signal.SIGINT)
        out, _ = loop.communicate(timeout=90)
    finally:
        loop.kill()
    assert out.endswith("Stopped.\n")  # perhaps after another line, of the signals
    assert loop.returncode == 0
