"""Measure what forged webhooks cost a web process, beside a view that only reads the body.

Run it with ``python -m benchmarks.forged_webhooks``. It needs gunicorn. It starts one worker, sends 200 forged webhooks
a second, and reads the worker's CPU time from /proc. Genuine orders of 50 eSIMs, signed in each of the documented
encodings, arrive in between; it prints at which try each was accepted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).parents[1]
PORT = 8765
ADDRESS = f"http://127.0.0.1:{PORT}"
HOOK = "/airalo/webhook/"
#: Requests a second, as the aim names them.
RATE = 200


def bare(environ, start_response):
    """Read the body and answer 401: the least that a view can do."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("401 Unauthorized", [("Content-Length", "0")])
    return [b""]


@contextmanager
def worker(application: str) -> Iterator[int]:
    """Run gunicorn with one worker, and yield the worker's process id."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.webhooks.server_shop",
            "TEST_DATABASE": "sqlite",
            "TEST_DATABASE_FILE": f"{folder}/db.sqlite3",
        }
        quiet = {"cwd": ROOT, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([sys.executable, "-m", "django", "migrate"], check=True, **quiet)
        command = [sys.executable, "-m", "gunicorn", "--workers=1", f"--bind=127.0.0.1:{PORT}", application]
        server = subprocess.Popen([*command, "--worker-class=gthread", "--threads=2", "--keep-alive=30"], **quiet)
        try:
            yield _child_of(server.pid)
        finally:
            server.terminate()
            server.wait(30)


def _child_of(parent: int) -> int:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        try:
            requests.head(ADDRESS + HOOK, timeout=10)
        except requests.ConnectionError:
            time.sleep(0.1)
            continue
        return int(children[-1])
    raise TimeoutError("gunicorn did not start")


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def flood(body: bytes, seconds: float) -> int:
    """Send forged webhooks at the rate, over one connection; return how many were answered."""
    session = requests.Session()
    headers = {"airalo-signature": "0" * 128}
    started = time.monotonic()
    sent = 0
    while (now := time.monotonic() - started) < seconds:
        if sent > now * RATE:
            time.sleep(sent / RATE - now)
        session.post(ADDRESS + HOOK, data=body, headers=headers, timeout=30)
        sent += 1
    return sent


def share(process: int, body: bytes, seconds: float) -> tuple[float, float]:
    """Return the worker's share of a CPU while forged webhooks arrive, and how many arrived a second."""
    flood(body, 1)  # what the first requests import
    cpu, started = cpu_seconds(process), time.monotonic()
    sent = flood(body, seconds)
    took = time.monotonic() - started
    return (cpu_seconds(process) - cpu) / took, sent / took


def genuine_orders() -> Iterator[tuple[str, bytes, str]]:
    """Yield orders of 50 eSIMs, each signed over one of the encodings."""
    from django_airalo.client.signature import _ENCODINGS, sign
    from django_airalo.testing import order_payload, webhook_payload

    for name, encoding in _ENCODINGS.items():
        payload = webhook_payload(order_payload(quantity=50, description="é/x"), f"request-{name}")
        body = json.dumps(payload).encode()
        yield name, body, sign(encoding.encode(body), "test-secret")


def tries(body: bytes, signature: str, pause: float) -> int:
    """Send a genuine webhook until it is accepted; Airalo would wait for 15 minutes in between."""
    for number in range(1, 21):
        response = requests.post(ADDRESS + HOOK, data=body, headers={"airalo-signature": signature}, timeout=30)
        if response.status_code == 200:
            return number
        time.sleep(pause)
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    bodies = {
        "100 kB": b'{"a": "' + b"x" * 100_000 + b'"}',
        "64 kB": json.dumps({"a": ["é/x", 9.0, {}] * 3500}).encode()[: 64 * 1024],
    }
    rows = {}
    for name, application in (
        ("reads the body only", "benchmarks.forged_webhooks:bare"),
        ("django_airalo", "tests.webhooks.server_shop:wsgi"),
    ):
        with worker(application) as process:
            for size, body in bodies.items():
                rows[name, size] = share(process, body, options.seconds)
    sys.stdout.write(f"{'':24}{'forged webhooks':>18}{'a second':>10}{'share of a CPU':>16}\n")
    for (name, size), (used, rate) in rows.items():
        sys.stdout.write(f"{name:24}{size:>18}{rate:10.0f}{used:16.1%}\n")
    with worker("tests.webhooks.server_shop:wsgi"):
        thread = threading.Thread(target=flood, args=(bodies["100 kB"], options.seconds), daemon=True)
        thread.start()
        for name, body, signature in genuine_orders():
            sys.stdout.write(f"signed over {name}: accepted at try {tries(body, signature, 0.5)}\n")
        thread.join()


if __name__ == "__main__":
    main()
