"""A shop with Celery: start its worker and its beat, and print as JSON what they know and did.

Run as a program, with a folder for the database, TASKS as JSON and the name of the Celery task that beat is to
send. Worker and beat are threads of it, so that Celery's messages stay in memory and no broker is needed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from celery import Celery, shared_task
from celery.beat import EmbeddedService
from celery.contrib.testing.worker import start_worker

from tests.waiting import wait_until

app = Celery("shop", broker="memory://")
app.autodiscover_tasks()


@shared_task(name="shop.airalo_sweep")
def airalo_sweep() -> None:
    """The shop's own task, of which Celery knows without any backend of the Tasks API."""
    from django_airalo.services import sweep

    sweep()


def set_up(folder: Path, tasks: str) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.DATABASES["default"]["NAME"] = folder / "shop.sqlite3"
    settings.TASKS = json.loads(tasks)
    django.setup()
    call_command("migrate", verbosity=0)


def run(sent_by_beat: str, folder: Path) -> dict[str, Any]:
    """Have beat send a task until it was done, then enqueue another through the Tasks API."""
    app.conf.beat_schedule = {"airalo-sweep": {"task": sent_by_beat, "schedule": 0.5}}
    app.conf.beat_schedule_filename = str(folder / "schedule")
    from django_airalo import tasks
    from django_airalo.models import Heartbeat

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=60):
        beat = EmbeddedService(app, thread=True)
        beat.start()
        registered = app.control.inspect(timeout=5).registered()
        wait_until(lambda: Heartbeat.objects.filter(name="sweep").exists(), "no sweep")
        if tasks.problem is None:
            tasks.ping.enqueue()
            wait_until(lambda: Heartbeat.objects.filter(name="task").exists(), "no ping")
        beat.stop()
    [names] = registered.values()
    return {"registered": sorted(names), "problem": tasks.problem and tasks.problem.reason}


if __name__ == "__main__":
    set_up(Path(sys.argv[1]), sys.argv[2])
    print(json.dumps(run(sys.argv[3], Path(sys.argv[1]))))
