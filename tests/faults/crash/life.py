"""The shop's side of a run: a process that forks one child for each life, so that Django is set up once.

Orders come as lines of JSON on standard input: ``scenario``, ``crashes`` (the numbers of points), ``passed`` (how many
points earlier lives passed), ``states_from`` (the first point whose state is wanted) and ``trace`` (the file that the
points are written to). The exit status of each child goes out on standard output.
"""

from __future__ import annotations

import http.client
import importlib
import json
import os
import random
import sys
import traceback
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

#: Seconds that pass before each round of sweeping: a lease is over after 20, a doubt may be settled after 75 minutes,
#: what Airalo does not deliver is overdue after that.
AGES = (0, 1, 6, 60, 200, 600, 1800, 4600, 4600, 8000, 90_000, 90_000)


PRELOADED = (
    *("django.core.handlers.wsgi", "django.db.models.sql.compiler", "django.test", "django_airalo.services"),
    *("django_airalo.tasks", "tests.faults.shop.backends", "tests.faults.shop.routers", "tests.faults.shop.urls"),
    "tests.faults.crash.scenarios",
)


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.faults.shop.settings"
    import django

    django.setup()
    for name in PRELOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _live(order)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _live(order: dict[str, Any]) -> None:
    """Be the child: never returns."""
    status = 1
    try:
        errors = os.open(order["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(errors, 2)
        _run(order)
        status = 0
    except BaseException:  # noqa: BLE001  a forked child must never return into its parent's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _run(order: dict[str, Any]) -> None:
    from django.conf import settings

    from tests.faults.shop.points import points

    from .scenarios import SCENARIOS, WITH_ESIM, sell_esim, start, work

    scenario = SCENARIOS[order["scenario"]]
    for name, value in scenario.settings.items():
        setattr(settings, f"AIRALO_{name}", value)
    random.seed(7)
    if order["prepare"]:
        if scenario.road in WITH_ESIM:
            sell_esim()
        return
    airalo = Airalo(os.environ["CONTROL"])
    first = order["states_from"]
    state = str if first is None else airalo.state
    points.activate(order["crashes"], order["trace"], passed=order["passed"], state=state, states_from=first or 0)
    start(scenario)
    for number, seconds in enumerate(AGES):
        with points.paused():
            airalo.age(seconds)
            age(seconds)
            if number == len(AGES) - 5:
                airalo.say("/make-due")
        work()
        for webhook in airalo.webhooks():
            deliver(webhook, airalo)
        work()
        _sweep()
        work()
        if number and not airalo.webhooks() and is_settled():
            return


def _sweep() -> None:
    from django_airalo import services

    services.sweep()


class Airalo:
    """The emulator's side, which keeps the webhooks until they are asked for."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address).netloc

    def say(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.request("POST", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def webhooks(self) -> list[dict[str, str]]:
        """What Airalo has sent and the shop has not yet taken."""
        found: list[dict[str, str]] = self.say("/webhooks")
        return found

    def state(self) -> str:
        """A digest of what is committed at the shop and at Airalo."""
        return str(self.say("/state"))

    def age(self, seconds: float) -> None:
        self.say(f"/age?{seconds}")


def deliver(webhook: dict[str, str], airalo: Airalo) -> None:
    """Hand a webhook to the shop's view; Airalo keeps it until that says 200."""
    from django.test import Client

    from tests.faults.shop.points import points

    answer = Client().post(
        "/airalo/webhook/",
        bytes.fromhex(webhook["body"]),
        content_type="application/json",
        headers={"airalo-signature": webhook["signature"]},
    )
    if answer.status_code == 200:
        airalo.say(f"/taken?{webhook['id']}")
        points.changed()


def age(seconds: float) -> None:
    """Let time pass for all that the package has written, by setting its times back."""
    from django.apps import apps
    from django.db.models import DateTimeField, F

    for model in apps.get_app_config("django_airalo").get_models():
        # Moments that were agreed upon with Airalo are no times of the shop.
        names = [
            field.name
            for field in model._meta.concrete_fields
            if isinstance(field, DateTimeField) and field.name not in AGREED
        ]
        if seconds and names:
            model._base_manager.update(**{name: F(name) - timedelta(seconds=seconds) for name in names})


AGREED = ("due_date", "requested_due_date", "latest_cancellation_date")


def is_settled() -> bool:
    """Whether nothing is left to be done, but for what is looked up again and again."""
    from django.db.models import Q

    from django_airalo.models import EsimOrder, OrderEvent, Refund, Voucher, WebhookEvent
    from tests.faults.shop.models import Job

    moving = EsimOrder.objects.filter(
        Q(status__in=("pending", "submitting", "accepted", "scheduled"))
        | Q(status="unconfirmed", attention="")
        | Q(in_doubt_until__isnull=False)
    )
    return not (
        moving.exists()
        or OrderEvent.objects.filter(signal_due_at__isnull=False).exists()
        or WebhookEvent.objects.filter(status="received").exists()
        or any(model.objects.filter(status__in=("pending", "sending")).exists() for model in (Refund, Voucher))
        or Job.objects.exists()
    )


if __name__ == "__main__":
    main()
