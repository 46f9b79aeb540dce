"""Celery's worker and beat start in a shop with our app, and do what is due. Celery imports ``tasks`` of every app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("celery", reason="Celery is not installed")

ROOT = Path(__file__).resolve().parents[2]
OURS = [
    f"django_airalo.tasks.{name}"
    for name in (
        "ping",
        "process_webhook_event",
        "send_refund",
        "send_voucher",
        "submit_order",
        "sweep",
        "sync_order_details",
    )
]


def run_shop(folder: Path, alias: str, sent_by_beat: str) -> dict[str, Any]:
    tasks = json.dumps({alias: {"BACKEND": "tests.checks.backends.OnCelery"}})
    command = [sys.executable, "-m", "tests.checks.celery_shop", str(folder), tasks, sent_by_beat]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    environment["TEST_DATABASE"] = "sqlite"
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().rpartition("\n")[2])


def test_celery_knows_our_tasks_by_name_and_does_what_beat_and_the_tasks_api_send(tmp_path):
    found = run_shop(tmp_path, "default", "django_airalo.tasks.sweep")
    assert found["problem"] is None
    assert [name for name in found["registered"] if name.startswith("django_airalo")] == OURS


def test_with_tasks_that_cannot_be_defined_celery_starts_and_the_shops_own_task_sweeps(tmp_path):
    found = run_shop(tmp_path, "celery", "shop.airalo_sweep")
    assert found["problem"] == "TASKS has no backend 'default'."
    assert found["registered"] == ["shop.airalo_sweep"]
