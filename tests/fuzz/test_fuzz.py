"""Hostile webhooks: the fuzz in short, bodies without end over HTTP, and what the fuzz has found."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from django_airalo.client.payloads import MAX_SIMS
from django_airalo.models import WebhookEvent
from django_airalo.services import receive_webhook
from django_airalo.testing import order_payload, sign_webhook, webhook_payload
from tests.factories import EsimOrderFactory

ROOT = Path(__file__).parents[2]
MEGABYTE = 1024 * 1024


def test_two_thousand_hostile_bodies():
    """The run that ``fuzz_webhook.py`` makes with 50,000; it stops at the first answer, row or log that is wrong."""
    command = [sys.executable, "tests/fuzz/fuzz_webhook.py", "--bodies", "2000", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    counts = {name: int(count) for name, count in re.findall(r"(\w+ \d{3}): (\d+)", done.stdout)}
    assert counts["signed 200"] > 900
    assert counts["unsigned 401"] > 900
    # Hostile as they are, enough of them were understood.
    assert int(re.search(r"async_order/processed (\d+)", done.stdout)[1]) > 20


# A real server


class Process:
    """The webhook's server in a process of its own."""

    def __init__(self, database: Path) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE": "sqlite",
            "TEST_DATABASE_FILE": str(database),
            # Else each thread may keep an arena of its own, and how many there are depends on their timing.
            "MALLOC_ARENA_MAX": "2",
        }
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.server"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.port = int(self.popen.stdout.readline().rpartition(":")[2])

    def memory(self, name: str = "VmRSS") -> float:
        """In megabytes; ``VmHWM`` is the most it ever was."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.popen.pid}/clear_refs").write_text("5")

    def post(self, body: bytes, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("POST", "/airalo/webhook/", body, {name.replace("_", "-"): v for name, v in headers.items()})
        status = connection.getresponse().status
        connection.close()
        return status

    def pour(self, size: int, signature: str) -> tuple[int, int]:
        """Send ``size`` bytes in small pieces, deaf to the answer; returns its status and how many bytes were taken."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as connection:
            head = f"POST /airalo/webhook/ HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n"
            connection.sendall(f"{head}airalo-signature: {signature}\r\n\r\n".encode())
            sent, piece = 0, b'{"data":"' * 8192
            answer = b""
            try:
                while sent < size:
                    sent += connection.send(piece[: size - sent])
            except OSError:
                pass  # it has had enough
            try:
                while received := connection.recv(65536):
                    answer += received
            except OSError:
                pass
        return (int(answer.split()[1]) if answer else 0), sent


@pytest.fixture
def server(tmp_path) -> Iterator[Process]:
    process = Process(tmp_path / "webhook.sqlite3")
    yield process
    process.popen.kill()
    process.popen.communicate(timeout=60)


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="reads the memory of a process as Linux shows it"
)
def test_fifty_megabytes_are_refused_and_not_kept(server):
    good = json.dumps(webhook_payload(order_payload(), "unknown")).encode()
    for _ in range(3):
        assert server.post(good, airalo_signature=sign_webhook(good)) == 200
    assert server.pour(MEGABYTE + 1, "0" * 128)[0] == 413
    server.forget_peak()
    before = server.memory()
    status, sent = server.pour(50 * MEGABYTE, "0" * 128)
    assert status == 413
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.pour(50 * MEGABYTE, "0" * 128)[0], range(4)))
    assert answers == [413] * 4
    grown, peak = server.memory() - before, server.memory("VmHWM") - before
    sys.stdout.write(
        f"413 for 50 MB, of which {sent} bytes were taken; grown by {grown:.1f} MB, {peak:.1f} at the most\n"
    )
    # 250 MB were poured. Four at once may have 1 MiB each, and its copy, and what malloc does not give back.
    assert grown < 24
    assert peak < 40
    assert server.post(good, airalo_signature=sign_webhook(good)) == 200


# What the fuzz has found


def test_a_webhook_full_of_esims_takes_no_minutes(db, committed):
    other = EsimOrderFactory(accepted=True)
    order = EsimOrderFactory(accepted=True)
    sims = [{"iccid": f"89000000{number:011d}"} for number in range(20_000)]
    started = time.process_time()
    for owner in (other, order):  # for the second, another order has each number already
        body = json.dumps(webhook_payload(order_payload(sims=sims), owner.request_id)).encode()
        assert len(body) < MEGABYTE
        with committed():
            receive_webhook(body, signature_header=sign_webhook(body))
    assert time.process_time() - started < 60  # a second or two; minutes if each were compared with each
    for owner in (other, order):
        owner.refresh_from_db()
        assert owner.esims.count() == owner.delivered_quantity == MAX_SIMS
        assert f"Airalo delivered {MAX_SIMS} eSIMs, 1 were ordered." in owner.attention
        assert "for more than one order" in owner.attention
    # The whole of it is still there for a person.
    assert body == WebhookEvent.objects.latest("pk").body_bytes
