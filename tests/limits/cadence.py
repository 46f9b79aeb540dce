"""How many requests does it take to complete many orders that an emulated Airalo in sandbox mode lists?

``python -m tests.limits.cadence --orders 10000`` keeps the default limit of look-ups and prints what it took.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django_airalo.emulator import Emulator
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.orders import buy, fulfil, new_request_id


def fill(emulator: Emulator, count: int) -> list[Any]:
    """Accepted orders, saved, of which the emulator lists each."""
    from django.utils import timezone

    from django_airalo.models import EsimOrder

    state = emulator.state
    package = next(iter(state.catalogue.packages.values()))
    now = timezone.now()
    orders = [
        EsimOrder(
            package_id=package.id,
            status="accepted",
            attempt=1,
            request_id=new_request_id(),
            accepted_at=now,
            due_at=now,
        )
        for _ in range(count)
    ]
    EsimOrder.objects.bulk_create(orders)
    with emulator.ledger.transaction():
        for order in orders:
            fulfil(state, buy(state, package, 1, 1, order.reference, None, Fault(), order.request_id))
    return orders


def sweep_until_completed(report: Callable[[str], object], seconds: float) -> float:
    """Sweep as ``airalo_sweep --loop 1`` does; returns how long it took."""
    from django_airalo.models import EsimOrder
    from django_airalo.services import sweep

    started = time.monotonic()
    while time.monotonic() < started + seconds:
        sweep()
        left = EsimOrder.objects.exclude(status="completed").count()
        report(f"{time.monotonic() - started:5.0f} s: {left} left")
        if not left:
            break
        time.sleep(1)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--per-minute", type=int, default=40, help="look-ups in a minute")
    options = parser.parse_args()
    count = options.orders
    with tempfile.TemporaryDirectory() as folder, Emulator(sandbox=True) as emulator:
        emulator.options.limits["orders-list"] = (options.per_minute, 60.0)
        os.environ |= {
            "TEST_DATABASE_FILE": str(Path(folder) / "cadence.sqlite3"),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        import django
        from django.conf import settings
        from django.core.management import call_command

        django.setup()
        settings.AIRALO_BASE_URL, settings.AIRALO_SANDBOX = emulator.url, True
        settings.AIRALO_RATE_LIMITS = {"lookups": f"{options.per_minute}/min"}
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = emulator.client_id, emulator.client_secret
        call_command("migrate", verbosity=0)
        fill(emulator, count)
        say = sys.stdout.write
        took = sweep_until_completed(lambda line: say(line + "\n"), 3600)
        asked = emulator.requests("orders-list")
        busiest = max(sum(1 for other in asked if 0 <= other["at"] - one["at"] < 60) for one in asked)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say(
            f"{count} orders: {len(asked)} requests in {took:.0f} s, at most {busiest} within 60 s, "
            f"{sum(request['status'] == 429 for request in asked)} refused, "
            f"peak {peak:.0f} MB with the emulator in it\n"
        )


if __name__ == "__main__":
    main()
