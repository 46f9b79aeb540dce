"""What the tests of this folder run as processes of their own: ``python -m tests.limits.worker prepare`` and so on."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

import django

django.setup()

from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from django_airalo.client import get_client
from django_airalo.exceptions import AiraloAPIError, AiraloRateLimitError
from django_airalo.models import EsimOrder
from django_airalo.services import place_order, sweep
from django_airalo.services.core import deployment


def prepare(storm: int, unlisted: int, package_id: str) -> None:
    """A database with ``storm`` pending orders, and ``unlisted`` accepted ones that Airalo will never list."""
    for alias in ("default", "cache"):
        with connections[alias].cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = WAL")
    call_command("migrate", verbosity=0)
    call_command("createcachetable", database="cache", verbosity=0)
    now = timezone.now()
    stamp = deployment.identity().stamp
    orders = [
        EsimOrder(package_id=package_id, description=f"storm {number}", deployment=stamp, due_at=now)
        for number in range(storm)
    ]
    orders += [
        EsimOrder(
            package_id=package_id,
            description="unlisted",
            status="accepted",
            request_id=f"unlisted-{number}",
            accepted_at=now,
            due_at=now,
        )
        for number in range(unlisted)
    ]
    EsimOrder.objects.bulk_create(orders)


def work(stop: Path, new: int, package_id: str) -> None:
    """Sweep and read the catalogue as often as it goes, until there is a file ``stop``.

    The worker with ``new`` places that many orders three seconds after the start.
    """
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started = time.time()
    seen: Counter[str] = Counter()
    while not stop.exists() and time.time() < started + 600:
        if new and time.time() > started + 3:
            for number in range(new):
                place_order(package_id=package_id, description=f"new {number}")
            new = 0
        sweep(limit=10)
        for _ in range(3):
            seen[_ask()] += 1
    sys.stdout.write(json.dumps({"started": started, "ended": time.time(), **seen}) + "\n")


def _ask() -> str:
    try:
        get_client().get_packages(limit=1)
    except AiraloRateLimitError as error:
        return "refused by Airalo" if error.status_code else "held back"
    except AiraloAPIError as error:
        return f"failed: {error}"
    return "answered"


if __name__ == "__main__":
    name, *values = sys.argv[1:]
    if name == "prepare":
        prepare(int(values[0]), int(values[1]), values[2])
    else:
        work(Path(values[0]), int(values[1]), values[2])
