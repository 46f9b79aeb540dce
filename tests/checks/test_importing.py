"""Importing never raises, whatever is installed and however the shop's settings look.

Celery, Huey and Dramatiq import ``tasks`` from every installed app as they start, so a module that raises stops a shop
that never asked for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
import pytest

from django_airalo.conf import Settings

ROOT = Path(__file__).resolve().parents[2]
ALL = ["submit_order", "process_webhook_event", "send_refund", "send_voucher", "sweep", "ping"]
_TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
IMMEDIATE = f"'BACKEND': '{_TASKS}.backends.immediate.ImmediateBackend'"
OURS = "tests.checks.backends"

#: Settings with which there are tasks.
GOOD: dict[str, dict[str, str]] = {
    "as they come": {},
    "another alias": {"TASKS": f"{{'celery': {{{IMMEDIATE}}}}}", "AIRALO_TASK_BACKEND": "'celery'"},
    "another queue": {
        "TASKS": f"{{'default': {{{IMMEDIATE}, 'QUEUES': ['mail', 'airalo']}}}}",
        "AIRALO_TASK_QUEUE_NAME": "'airalo'",
    },
    "any queue": {"TASKS": f"{{'default': {{{IMMEDIATE}, 'QUEUES': []}}}}"},
}
#: Settings with which there are none, and words of the warning and of its remedy.
BAD: dict[str, tuple[dict[str, str], str, str]] = {
    "no such alias": (
        {"TASKS": f"{{'celery': {{{IMMEDIATE}}}, 'mail': {{{IMMEDIATE}}}}}"},
        "TASKS has no backend 'default'",
        "AIRALO_TASK_BACKEND to 'celery' or 'mail'",
    ),
    "no such queue": (
        {"TASKS": f"{{'default': {{{IMMEDIATE}, 'QUEUES': ['low', 'high']}}}}"},
        "'default' has no queue 'default'",
        "AIRALO_TASK_QUEUE_NAME to 'high' or 'low'",
    ),
    "a backend that is not installed": ({"TASKS": "{'default': {'BACKEND': 'missing.Backend'}}"}, "missing", "TASKS"),
    "a backend that cannot be made": (
        {"TASKS": f"{{'default': {{'BACKEND': '{OURS}.CannotBeMade'}}}}"},
        "ConnectionError: no answer from redis://•••@queue.example.com/0",
        "TASKS",
    ),
    "a backend that refuses one of several tasks": (
        {"TASKS": f"{{'default': {{'BACKEND': '{OURS}.TakesNoRefunds'}}}}"},
        "ValueError: no refunds here",
        "TASKS",
    ),
    "an entry without a backend": ({"TASKS": "{'default': {}}"}, "BACKEND", "TASKS"),
    "an entry that is none": ({"TASKS": "{'default': None}"}, "'default'", "TASKS"),
    "another entry that is none": ({"TASKS": "{'rq': None}"}, "no backend 'default'", "AIRALO_TASK_BACKEND"),
    "no dictionary": ({"TASKS": "['default']"}, "'default'", "TASKS"),
}
HIDDEN = ["django.tasks", "django_tasks"]
SETTINGS = [f"AIRALO_{name}" for name in vars(Settings) if name.isupper()]
WRONG = ["object()", "''", "'text'", "[]", "[object()]", "-1", "{}", "b'bytes'"]

CASES: dict[str, tuple[dict[str, str], list[str]]] = {
    **{name: (settings, []) for name, settings in GOOD.items()},
    **{name: (settings, []) for name, (settings, _, _) in BAD.items()},
    "no Tasks API": ({}, HIDDEN),
    "no Tasks API, but TASKS": ({"TASKS": "{'default': {'BACKEND': 'missing.Backend'}}"}, HIDDEN),
    "no Tasks API, but a name": ({"AIRALO_TASK_BACKEND": "'celery'"}, HIDDEN),
    "none wanted": ({"AIRALO_TASK_BACKEND": "None", "TASKS": "{'default': {'BACKEND': 'missing.Backend'}}"}, []),
    **{f"all are {value}": (dict.fromkeys(SETTINGS, value), []) for value in WRONG},
}


@pytest.fixture(scope="module")
def imported() -> dict[str, Any]:
    """What became of importing all modules, by the name of the case."""
    cases = json.dumps({name: {"settings": settings, "hide": hide} for name, (settings, hide) in CASES.items()})
    command = [sys.executable, "-m", "tests.checks.importing", cases]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert not [case["failed"] for case in found.values() if "failed" in case]
    return found


@pytest.mark.parametrize("name", CASES)
def test_no_module_raises_when_it_is_imported(imported, name):
    assert imported[name]["raised"] == {}


@pytest.mark.parametrize("name", GOOD)
def test_with_valid_settings_all_tasks_are_defined_at_import(imported, name):
    assert (imported[name]["tasks"], imported[name]["messages"]) == (ALL, [])
    assert imported[name]["doctor"] is None  # it would wait for a worker


@pytest.mark.parametrize("name", BAD)
def test_with_invalid_settings_no_task_is_defined_and_a_check_says_why(imported, name):
    _, reason, remedy = BAD[name]
    assert imported[name]["names"] == []
    [message] = imported[name]["messages"]
    assert message["id"] == "W008"
    assert imported[name]["doctor"]["level"] == "fail"
    for told in (message, imported[name]["doctor"]):
        assert reason in told["text"]
        assert remedy in told["hint"]
        assert "pa55word" not in str(told)


@pytest.mark.parametrize("name", ["no Tasks API", "none wanted"])
def test_a_shop_without_tasks_by_choice_is_not_warned(imported, name):
    """Django 5.2 with hard dependencies alone is such a shop."""
    assert (imported[name]["names"], imported[name]["messages"]) == ([], [])
    assert imported[name]["doctor"]["level"] == "warn"


@pytest.mark.parametrize("name", ["no Tasks API, but TASKS", "no Tasks API, but a name"])
def test_without_the_tasks_api_a_shop_that_configured_it_is_warned(imported, name):
    assert imported[name]["names"] == []
    [message] = imported[name]["messages"]
    assert message["id"] == "W008"
    assert "django-tasks" in message["hint"]
