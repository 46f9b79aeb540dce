"""Throw hostile bodies at the webhook's view, and watch its answers, its tables, its log and its memory.

Run it as ``python tests/fuzz/fuzz_webhook.py --bodies 50000 --seed 7``. Half of the bodies are signed. It ends with 1
if anything is not as it must be, and says what.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[0] = str(ROOT)

from tests.fuzz.bodies import LIMIT, MARK, ORDERS_PER_BATCH, batch, reference_of, request_id_of

URL = "/airalo/webhook/"
BATCH = 250
#: Megabytes that the process may grow by after the first tenth of the run. One body is 1 MiB at most.
GROWTH = 40
STATUSES = (*["accepted"] * 4, "unconfirmed", "pending", "submitting", "completed", "failed", "cancelled")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def memory(name: str = "VmRSS") -> float:
    """Resident memory of this process in megabytes; ``VmHWM`` is the most it ever was."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


class Complaints(logging.Handler):
    """Keeps what must not be logged: any exception, and any error of Django's."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.name.startswith("django."):
            self.found.append(f"{record.name}: {record.getMessage()}\n{self.format(record)}"[-3000:])


class Fuzz:
    """One run."""

    def __init__(self, seed: int) -> None:
        from django.contrib.auth import get_user_model
        from django.test import Client

        self.seed = seed
        self.chance = random.Random(seed)
        self.client = Client(raise_request_exception=False)
        self.admin = Client(raise_request_exception=False)
        self.admin.force_login(get_user_model().objects.create_superuser("staff", "staff@example.com", "x"))
        self.statuses: Counter[str] = Counter()
        self.slowest = (0.0, "")
        self.pages = self.processed_again = 0
        self.complaints = Complaints()
        logging.getLogger("django").addHandler(self.complaints)
        logging.getLogger("django_airalo").addHandler(self.complaints)
        for name in ("django", "django_airalo"):
            logging.getLogger(name).propagate = False

    # --- what must hold ---

    def check(self, holds: bool, what: str, body: bytes = b"") -> None:
        if not holds:
            raise SystemExit(
                "\n".join([*self.complaints.found, f"body ({len(body)} bytes): {body[:2000]!r}", f"BROKEN: {what}"])
            )

    def check_log(self, body: bytes) -> None:
        self.check(not self.complaints.found, "an exception was logged", body)

    # --- a batch ---

    def place_orders(self, number: int) -> None:
        from django.utils import timezone

        from django_airalo.models import EsimOrder

        now = timezone.now()
        orders = []
        for index, status in enumerate(STATUSES[:ORDERS_PER_BATCH]):
            known = status not in ("pending", "submitting", "unconfirmed")
            orders.append(
                EsimOrder(
                    reference=reference_of(self.seed, number, index),
                    request_id=request_id_of(self.seed, number, index) if known else None,
                    status=status,
                    attempt=1,
                    package_id="test-mobile-7days-1gb",
                    accepted_at=now if known else None,
                    unconfirmed_at=now if status == "unconfirmed" else None,
                )
            )
        EsimOrder.objects.bulk_create(orders)

    def run_batch(self, number: int, bodies: list[bytes]) -> None:
        self.place_orders(number)
        half = len(bodies) // 2
        before = checksum()
        for body in bodies[:half]:
            self.post_unsigned(body)
        self.check(checksum() == before, "unsigned webhooks changed a table")
        for body in bodies[half:]:
            self.post_signed(body)
        self.use_what_was_stored()

    def post_unsigned(self, body: bytes) -> None:
        from django.db import connection

        changes = connection.connection.total_changes
        headers = forged(self.chance, body)
        expected = 413 if len(body) > LIMIT else 401
        status = self.post(body, headers, "unsigned")
        self.check(status == expected, f"{status}, not {expected}, for {str(headers)[:300]}", body)
        self.check(connection.connection.total_changes == changes, "an unsigned webhook wrote to the database", body)
        if self.chance.random() < 0.02:
            method = self.chance.choice(["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
            status = self.client.generic(method, URL, b"" if method == "TRACE" else body).status_code
            self.statuses[f"{method} {status}"] += 1
            self.check(status == 405, f"{status} for {method}", body)

    def post_signed(self, body: bytes) -> None:
        from django_airalo.models import WebhookEvent
        from django_airalo.testing import sign_webhook

        expected = 413 if len(body) > LIMIT else 200
        status = self.post(body, {"airalo-signature": sign_webhook(body)}, "signed")
        self.check(status == expected, f"{status}, not {expected}, though signed", body)
        if expected == 200 and self.chance.random() < 0.05:
            stored = WebhookEvent.objects.get(digest=hashlib.sha256(body).hexdigest())
            self.check(stored.body_bytes == body, "the body was not stored as it came", body)

    def post(self, body: bytes, headers: dict[str, str], kind: str) -> int:
        content_type = self.chance.choice(
            [
                "application/json",
                "text/plain",
                "application/x-www-form-urlencoded",
                "multipart/form-data; boundary=x",
                "x",
                "",
            ]
        )
        if self.chance.random() < 0.05:
            headers = {**headers, "content-encoding": "gzip"}
        started = time.process_time()
        response = self.client.generic("POST", URL, body, content_type=content_type, headers=headers)
        took = time.process_time() - started
        if took > self.slowest[0]:
            self.slowest = (took, f"{kind}, {len(body)} bytes: {body.strip()[:40]!r}")
        self.statuses[f"{kind} {response.status_code}"] += 1
        self.check_log(body)
        return response.status_code

    def use_what_was_stored(self) -> None:
        """Interpret some of the stored webhooks again, twice, and look at them and their orders in the admin."""
        from django_airalo.models import EsimOrder, WebhookEvent
        from django_airalo.services import process_webhook_event

        last = WebhookEvent.objects.without_body().order_by("-id")[: BATCH // 2]
        events = list(last)
        for event in self.chance.sample(events, min(5, len(events))):
            body = WebhookEvent.objects.get(pk=event.pk).body_bytes
            once = process_webhook_event(event)
            order_before = order_row(once.order_id)
            twice = process_webhook_event(event)
            self.check(not once.error.endswith("see the log."), "could not be interpreted", body)
            self.check(
                (once.status, once.order_id) == (twice.status, twice.order_id), "not the same when repeated", body
            )
            self.check(order_row(twice.order_id) == order_before, "the repetition changed the order", body)
            self.processed_again += 1
            self.look_at(f"webhookevent/{event.pk}/change/", body)
        touched = EsimOrder.objects.exclude(webhook_events=None).order_by("-id").values_list("pk", flat=True)[:2]
        for pk in touched:
            self.look_at(f"esimorder/{pk}/change/")

    def look_at(self, path: str, body: bytes = b"") -> None:
        response = self.admin.get(f"/admin/django_airalo/{path}")
        self.check(response.status_code == 200, f"the admin answered {response.status_code} for {path}", body)
        page = response.content.decode("utf-8", "replace")
        for markup in (
            f"<script>{MARK}",
            f"<img src=x onerror={MARK}",
            f"<svg/onload={MARK}",
            f"<p onclick={MARK}",
            f'javascript:{MARK}">x</a>',
        ):
            self.check(markup not in page, f"{markup} is on the page {path}", body)
        self.check_log(body)
        self.pages += 1

    def check_rows(self) -> None:
        """What must be true of all rows at the end."""
        from django.db.models import Count

        from django_airalo.models import Esim, EsimOrder, WebhookEvent

        # What was bought a second time is kept for its refund, whatever came with it.
        completed = EsimOrder.objects.filter(status="completed", completed_at__isnull=False, duplicate_of=None)
        empty = completed.filter(esims=None).count()
        self.check(not empty, f"{empty} orders were completed by a webhook without an eSIM")
        unnamed = Esim.objects.filter(iccid_key="").count()
        self.check(not unnamed, f"{unnamed} eSIMs cannot be recognised again")
        raised = WebhookEvent.objects.filter(error__contains="see the log").count()
        self.check(not raised, f"{raised} webhooks could not be interpreted")
        kinds = WebhookEvent.objects.values_list("kind", "status").annotate(n=Count("id")).order_by("kind", "status")
        say("stored       " + ", ".join(f"{kind}/{status} {n}" for kind, status, n in kinds))
        orders = EsimOrder.objects.values_list("status").annotate(n=Count("id")).order_by("status")
        say("orders       " + ", ".join(f"{status} {n}" for status, n in orders) + f"; eSIMs {Esim.objects.count()}")


def order_row(pk: int | None) -> Any:
    from django_airalo.models import EsimOrder

    return EsimOrder.objects.filter(pk=pk or 0).values().first()


def checksum() -> list[Any]:
    """Every table's number of rows and what changes when one of them is changed; the small tables in full."""
    from django.db import connection

    found: list[Any] = []
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT count(*), max(rowid) FROM {table}")
            found.append((table, cursor.fetchone()))
        cursor.execute(
            "SELECT total(deliveries), total(tries), max(last_received_at), total(length(status)), total(order_id), "
            "max(due_at), max(processed_at) FROM django_airalo_webhookevent"
        )
        found.append(cursor.fetchone())
        for table in ("django_airalo_esimorder", "django_airalo_esim"):
            cursor.execute(f"SELECT * FROM {table} ORDER BY id DESC LIMIT 500")
            found.append(hashlib.sha256(repr(cursor.fetchall()).encode("utf-8", "backslashreplace")).hexdigest())
    return found


def forged(chance: random.Random, body: bytes) -> dict[str, str]:
    """Headers that do not sign ``body``."""
    from django_airalo.testing import sign_webhook

    good = sign_webhook(body)
    place = chance.randrange(128)
    wrong = {
        "unsigned": {},
        "empty": {"airalo-signature": ""},
        "other secret": {"airalo-signature": sign_webhook(body, "another secret")},
        "empty secret": {"airalo-signature": hashlib.sha512(body).hexdigest()},
        "other body": {"airalo-signature": sign_webhook(body + b"x")},
        "upper case": {"airalo-signature": good.upper()},
        "shorter": {"airalo-signature": good[:place]},
        "longer": {"airalo-signature": good + good[: place + 1]},
        "one digit": {
            "airalo-signature": good[:place]
            + chance.choice("0123456789abcdef".replace(good[place], ""))
            + good[place + 1 :]
        },
        "twice": {"airalo-signature": f"{good},{good}"},
        "quoted": {"airalo-signature": f'"{good}"'},
        "prefixed": {"airalo-signature": f"sha512={good}"},
        "line break": {"airalo-signature": f"{good}\n"},
        "NUL": {"airalo-signature": f"{good}\x00"},
        "not ASCII": {"airalo-signature": "\u0660" * 128},
        "surrogate": {"airalo-signature": good[:-1] + "\udcff"},
        "endless": {"airalo-signature": good * 1000},
        "SHA-256": {"airalo-signature": hashlib.sha256(body).hexdigest()},
        "other header": {"x-airalo-signature": good, "x-signature": good, "authorization": good},
        "random": {"airalo-signature": "".join(chance.choices("0123456789abcdef", k=128))},
    }
    return wrong[chance.choice(list(wrong))]


def batches(seed: int, count: int) -> Iterator[tuple[int, list[bytes]]]:
    """The batches, each made by another process while the one before it is used."""
    sizes = [min(BATCH, count - first) for first in range(0, count, BATCH)]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        coming = pool.submit(batch, seed, 0, sizes[0])
        for number in range(len(sizes)):
            bodies = coming.result()
            if number + 1 < len(sizes):
                coming = pool.submit(batch, seed, number + 1, sizes[number + 1])
            yield number, bodies


def run(bodies: int, seed: int) -> int:
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    from django_airalo.client.signature import Verifier
    from django_airalo.services.webhooks import receive

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous = OFF")  # nobody pulls the plug on a test
        cursor.execute("PRAGMA journal_mode = WAL")
    # All these forged webhooks come from one process, without a pause between them.
    receive.verifier = Verifier(share=1, burst=3600)
    fuzz = Fuzz(seed)
    fuzz.client.post(URL)  # imports what the first request imports
    at_start = memory()
    at_tenth = busy = 0.0
    cpu = -time.process_time()
    done = size = 0
    for number, content in batches(seed, bodies):
        started = time.perf_counter()
        fuzz.run_batch(number, content)
        busy += time.perf_counter() - started
        done += len(content)
        size += sum(map(len, content))
        if not at_tenth and done * 10 >= bodies:
            at_tenth = memory()
        if number % 20 == 0:
            say(f"{done} bodies, {done / busy:.0f}/s, {memory():.0f} MB")
    fuzz.look_at("webhookevent/")
    fuzz.look_at("esimorder/")
    fuzz.look_at("orderevent/")
    cpu += time.process_time()
    at_end, peak = memory(), memory("VmHWM")
    fuzz.check_rows()
    say(
        f"bodies       {done} ({size / 1e6:.0f} MB), seed {seed}, "
        f"{done / busy:.0f}/s ({done / cpu:.0f} per second of CPU)"
    )
    say(f"slowest      {fuzz.slowest[0]:.2f} s of CPU: {fuzz.slowest[1]}")
    say("statuses     " + ", ".join(f"{name}: {count}" for name, count in sorted(fuzz.statuses.items())))
    say(f"used again   {fuzz.processed_again} webhooks interpreted twice more, {fuzz.pages} pages of the admin")
    say(
        f"memory       {at_start:.0f} MB at the start, {at_tenth:.0f} after a tenth, {at_end:.0f} at the end; "
        f"peak {peak:.0f} MB"
    )
    if at_end - at_tenth > GROWTH:
        say(f"BROKEN: the process grew by {at_end - at_tenth:.0f} MB after the first tenth; {GROWTH} are allowed")
        return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE": "sqlite",
            "TEST_DATABASE_FILE": str(Path(folder) / "fuzz.sqlite3"),
        }
        return run(options.bodies, options.seed)


if __name__ == "__main__":
    sys.exit(main())
