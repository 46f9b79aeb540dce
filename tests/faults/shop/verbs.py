"""What the processes of the shop do: each verb is the whole life of one process."""

from __future__ import annotations

import json
import os
import random
import socketserver
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


def main(verb: str, *arguments: str) -> None:
    """Set Django up and run a verb."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.faults.shop.settings"
    import django

    django.setup()
    VERBS[verb](*arguments)


def migrate() -> None:
    """Make the tables of the shop and of its cache, and leave no log of SQLite's beside the files: they are copied."""
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    call_command("createcachetable", database="cache", verbosity=0)
    for connection in connections.all():
        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def serve(port: str) -> None:
    """Serve the webhook address, each request in a thread of its own."""
    from django.core.wsgi import get_wsgi_application

    server = _Server(("127.0.0.1", int(port)), _Quiet)
    server.set_app(get_wsgi_application())
    server.serve_forever(poll_interval=0.05)


def sweep(pause: str) -> None:
    """Sweep again and again, by the package's own command. Says "ready" before."""
    from django.core.management import call_command

    print("ready", flush=True)
    call_command("airalo_sweep", loop=float(pause))


def sweep_once() -> None:
    """Sweep once."""
    from django.core.management import call_command

    call_command("airalo_sweep")


def after_restore() -> None:
    """Say that the database was restored, as an operator does."""
    from django.core.management import call_command

    call_command("airalo_after_restore", yes=True)


def steps(content: str) -> None:
    """Run several verbs one after the other, given as a JSON list of lists."""
    for verb, *arguments in json.loads(content):
        VERBS[verb](*arguments)


def sync_esims() -> None:
    """Read Airalo's list of eSIMs once, as a shop does now and then."""
    from django_airalo.services import operations

    print(operations.sync_esims(), flush=True)


def work(pause: str = "0.05") -> None:
    """Run the jobs of the shop's queue. A job is taken away before it is run, so a killed worker loses it."""
    from django.db import DatabaseError, close_old_connections
    from django.utils.module_loading import import_string

    from .models import Job

    while True:
        close_old_connections()
        try:
            # From both ends: behind thousands of orders that wait to be sent, no webhook would be interpreted.
            waiting = Job.objects.order_by(random.choice(["id", "-id"]))
            job = random.choice(list(waiting[:8]) or [None])
            if job is None:
                time.sleep(float(pause))
            elif Job.objects.filter(pk=job.pk).delete()[0]:
                import_string(job.task).func(job.arg)
        except DatabaseError as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            time.sleep(0.2)


def call(name: str, order_pk: str, start_file: str = "") -> None:
    """Call a service with an order and print what came back; ``refund`` asks for one for all its eSIMs.

    With ``start_file``, say "ready" and wait until that file is there, so that several begin at the same moment.
    """
    from django.db import connection

    from django_airalo import services
    from django_airalo.exceptions import IllegalTransitionError
    from django_airalo.models import EsimOrder
    from django_airalo.services import operations

    order = EsimOrder.objects.get(pk=order_pk)
    print("ready", flush=True)
    while start_file and not Path(start_file).exists():
        time.sleep(0.002)
    try:
        module = services if name in services.__all__ else operations
        result = _refund(order) if name == "refund" else getattr(module, name)(order)
    except IllegalTransitionError:
        result = "not possible"
    finally:
        connection.close()
    print(result.status if isinstance(result, EsimOrder) else result, flush=True)


def _refund(order: Any) -> str:
    from django.core.exceptions import ValidationError

    from django_airalo import services

    try:
        services.request_refund(order.esims.all(), reason="NO_COVERAGE")
    except ValidationError:
        return "refused"
    return "asked"


def resume() -> None:
    """End the pause of submission, as an operator does."""
    from django_airalo.services import operations

    print(operations.resume_submission(resumed_by="test"), flush=True)


def place(orders: str, how: str = "") -> None:
    """Place orders, given as a JSON list of ``place_order`` keywords, with the shop's own rows in one transaction.

    ``due_date`` is in ISO 8601; with ``topup_of``, the primary key of an order, its eSIM is topped up.
    ``how`` is ``roll-back`` to raise inside the transaction after all are placed.
    """
    from django.db import transaction

    from .models import ShopOrder

    placed = []
    try:
        with transaction.atomic():
            for content in json.loads(orders):
                order = _place(content)
                ShopOrder.objects.get_or_create(key=content.get("idempotency_key") or order.reference, esim_order=order)
                placed.append(order.pk)
            if how == "roll-back":
                raise RuntimeError("the shop's transaction fails after all")
    except RuntimeError as error:
        print(json.dumps({"rolled_back": str(error)}), flush=True)
    else:
        print(json.dumps(placed), flush=True)


def _place(content: dict[str, Any]) -> Any:
    from django_airalo import services
    from django_airalo.models import Esim

    content = dict(content)
    if "topup_of" in content:
        esim = Esim.objects.without_secrets().filter(order=content.pop("topup_of"))[0]
        return services.place_topup(esim, **content)
    if "due_date" in content:
        content["due_date"] = datetime.fromisoformat(content["due_date"])
    return services.place_order(**content)


def drawn_quantity(draw: random.Random) -> int:
    """Return for how many eSIMs an order is: what the shop draws first for each."""
    return draw.choice((1, 1, 1, 1, 2, 3))


#: So many orders wait to be sent at most before the shops pause: what is sent after the storm has seen no fault.
MOST_UNSENT = 80


def _sell(content: dict[str, Any], road: float) -> Any:
    """Place an order on the road that was drawn; again on the same if it was placed already."""
    from django_airalo import services
    from django_airalo.models import Esim, EsimOrder

    placed = EsimOrder.objects.filter(idempotency_key=content["idempotency_key"]).first()
    if 0.2 <= road < 0.3:
        esims = Esim.objects.without_secrets().filter(order__duplicate_of=None).exclude(iccid="")
        esim = esims.filter(pk=placed.esim_id).first() if placed else esims.order_by("?").first()
        if esim:
            topup = f"{content['package_id']}-topup"
            names = ("description", "idempotency_key")
            return services.place_topup(esim, package_id=topup, **{name: content[name] for name in names})
    if road < 0.1:
        content = {**content, "mode": "sync"}
    elif road < 0.2:
        day = (datetime.now(UTC).replace(day=1, hour=0, minute=0) + timedelta(days=70)).replace(day=1)
        content = {**content, "due_date": placed.requested_due_date if placed else day}
    return services.place_order(**content)


def sell(first: str, step: str, count: str, seed: str, package_id: str) -> None:
    """Place the orders ``first``, ``first + step`` … below ``count``, as the seed says. Killed, it can start again.

    One in twenty is rolled back first, one in ten is placed twice with the same key. One in ten is synchronous, one in
    ten a future order, one in ten a top-up (once there is an eSIM that can be topped up).
    """
    from django.db import DatabaseError, close_old_connections, transaction

    from django_airalo import services
    from django_airalo.exceptions import IdempotencyConflictError
    from django_airalo.models import EsimOrder

    from .models import ShopOrder

    known = set(ShopOrder.objects.values_list("key", flat=True))
    numbers = list(range(int(first), int(count), int(step)))
    # The last one is placed again, since a shop that died does not know how far it came.
    done = sum(f"line-{number}" in known for number in numbers)
    for number in numbers[max(0, done - 1) :]:
        draw = random.Random(f"{seed}:shop:{number}")
        key, quantity = f"line-{number}", drawn_quantity(draw)
        content = {"package_id": package_id, "quantity": quantity, "description": key, "idempotency_key": key}
        rolls_back, repeats = draw.random() < 0.05, draw.random() < 0.1
        rolls_back = rolls_back and key not in known
        times = 2 if repeats else 1
        road = draw.random()
        while times:
            close_old_connections()
            try:
                if EsimOrder.objects.filter(status__in=("pending", "submitting")).count() >= MOST_UNSENT:
                    time.sleep(0.1)
                    continue
                if rolls_back:
                    rolls_back = False
                    # The commit of a shop that was killed may come when this one has looked.
                    with suppress(IdempotencyConflictError), transaction.atomic():  # the key is taken then
                        services.place_order(**{**content, "description": f"rolled back {number}"})
                        raise RuntimeError
                with transaction.atomic():
                    order = _sell(content, road)
                    ShopOrder.objects.get_or_create(key=key, esim_order=order)
                times -= 1
            except RuntimeError:
                continue
            except DatabaseError as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
                time.sleep(0.1)
        time.sleep(draw.uniform(0, 0.02))


#: In the emulator's usual catalogue.
PACKAGE = "afgha-roam-3days-1gb"
VERBS = {
    verb.__name__.replace("_", "-"): verb
    for verb in (migrate, steps, serve, sweep, sweep_once, after_restore, sync_esims, work, call, resume, place, sell)
}

if __name__ == "__main__":
    main(*sys.argv[1:])
