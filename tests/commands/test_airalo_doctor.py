from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from django_airalo.emulator import Emulator
from django_airalo.services import doctor
from django_airalo.services.doctor.result import Check, CheckResult
from tests.pages import read, section, ticked
from tests.scripted_server import Answer, ScriptedServer

ROOT = Path(__file__).parents[2]


def run(*arguments):
    """What it prints, and its complaint at the end."""
    out = StringIO()
    try:
        call_command("airalo_doctor", "--wait=0", *arguments, stdout=out, no_color=True)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


@pytest.mark.django_db
def test_command_prints_line_for_each_check_and_remedy():
    text, complaint = run()
    lines = [line for line in text.splitlines() if not line.startswith(" ")]
    assert [line.split()[1] for line in lines] == [check.name for check in doctor.CHECKS]
    assert {line.split()[0] for line in lines} <= {"pass", "warn", "fail", "skip"}
    assert "→ Run manage.py airalo_sweep every minute" in text
    assert complaint.startswith("Failed checks: ")
    assert "sweep" in complaint


@pytest.mark.django_db
def test_json_lists_each_check():
    text, complaint = run("--json")
    document = json.loads(text)
    assert document["ok"] is False
    assert complaint
    assert [result["check"] for result in document["results"]] == [check.name for check in doctor.CHECKS]
    assert set(document["results"][0]) == {"level", "message", "remedy", "check"}


def test_warning_is_error_only_with_strict(monkeypatch):
    levels = ["pass", "warn", "skip"]
    checks = tuple(Check(level, lambda context, level=level: CheckResult(level, "Said.")) for level in levels)
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert run()[1] == ""
    assert run("--strict")[1] == "Failed checks: warn."
    text, complaint = run("--strict", "--json")
    assert (json.loads(text)["ok"], complaint) == (False, "Failed checks: warn.")


@pytest.mark.django_db
def test_webhook_is_simulated_only_on_request(emulated_airalo, settings):
    """This one never arrives: a server before ours takes it and says 200."""
    with ScriptedServer() as server:
        server.on("/hook/", Answer(200), Answer(401))
        settings.AIRALO_WEBHOOK_URL, settings.AIRALO_WEBHOOK_URL_TOKEN = f"{server.url}/hook/", ""
        assert "Give --simulate" in run()[0]
        assert not emulated_airalo.requests("simulator")
        server.on("/hook/", Answer(200), Answer(401), Answer(200))
        text, complaint = run("--simulate")
    assert "Airalo says that it sent a test webhook, but none was kept" in text
    assert "webhook_delivery" in complaint
    posts = [request for request in server.requests("/hook/") if request.method == "POST"]
    assert len(posts) == 3  # two unsigned ones of the doctor, and Airalo's


@pytest.mark.parametrize("wait", ["-1", "nan", "601"])
def test_invalid_wait_is_refused(wait):
    with pytest.raises(CommandError, match="--wait"):
        call_command("airalo_doctor", f"--wait={wait}")


def test_each_check_is_documented():
    table = section(read("reference/commands.md"), "## airalo_doctor").split("What it looks at")[1]
    listed = re.findall(r"^- (.+?):", table, re.MULTILINE)
    assert [name for names in listed for name in ticked(names)] == [check.name for check in doctor.CHECKS]


def manage(directory, airalo, *arguments):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.commands.doctor_settings",
        "DOCTOR_DIRECTORY": str(directory),
        "DOCTOR_AIRALO": airalo,
    }
    command = [sys.executable, "-m", "django", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_command_in_real_process_reports_levels_and_exit_code(tmp_path):
    """Before the migration, after it, and with the sweep; exit codes as CI sees them."""
    with Emulator(rate_limits=False) as emulator:

        def examine(*arguments):
            done = manage(tmp_path, emulator.url, "airalo_doctor", "--json", "--wait=1", *arguments)
            assert "s3cret-token" not in done.stdout + done.stderr
            assert "emulator-secret" not in done.stdout + done.stderr
            levels = {found["check"]: found["level"] for found in json.loads(done.stdout)["results"]}
            return done.returncode, levels

        code, levels = examine()
        assert (code, levels["migrations"], levels["sweep"], levels["cache"]) == (1, "fail", "skip", "pass")
        assert manage(tmp_path, emulator.url, "migrate").returncode == 0
        assert manage(tmp_path, emulator.url, "airalo_sweep").returncode == 0
        code, levels = examine()
        # Nothing answers at the webhook's address.
        assert (code, [name for name, level in levels.items() if level == "fail"]) == (1, ["webhook_url"])
        assert levels["token"] == levels["balance"] == levels["workers"] == levels["cache"] == "pass"
