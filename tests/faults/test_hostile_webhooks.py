"""Webhooks that are forged, hostile, or come while the database is away."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from django_airalo.testing import order_payload, sign_webhook, webhook_payload
from tests.ports import free_port
from tests.waiting import wait_until

from .conftest import MakeWorld
from .databases import SQLITE_OPTIONS, PostgresDatabase, Proxy
from .processes import Process
from .world import World, connect, disconnect

KIND = os.environ.get("TEST_DATABASE", "sqlite")


def tempting_body(world: World, pk: int, iccid: str = "8900000000000099999") -> bytes:
    """A webhook that would complete an order if it were believed."""
    order = world.order(pk)
    payload = order_payload(description=order.airalo_description, package_id=order.package_id)
    payload["sims"][0]["iccid"] = iccid
    return json.dumps(webhook_payload(payload, request_id=order.request_id or "")).encode()


def test_row_18_forged_webhooks(world: World) -> None:
    world.serve()
    world.emulator.fault({"webhook": "none", "listing_delay": 3600}, "orders-async")
    (pk,) = world.place()
    body = tempting_body(world, pk)
    good = sign_webhook(body, world.emulator.client_secret)
    other = sign_webhook(b"{}", world.emulator.client_secret)
    forged = {
        "unsigned": "",
        "wrong secret": sign_webhook(body, "wrong-secret"),
        "no secret": sign_webhook(body, ""),
        "upper-case hex": good.upper(),
        "signature of another body": other,
        "half of it": good[:64],
        "twice": good + good,
        "sha512= in front": f"sha512={good}",
        "a blank inside": f"{good[:64]} {good[64:]}",
        "not hex": "z" * 128,
        "not ASCII": "\xe9" * 128,
        "very long": "a" * 10_000,
    }
    before = world.read()
    for name, signature in forged.items():
        assert world.post(body, signature) == 401, name
    assert world.post(b"", "") == 401
    after = world.read()
    assert (after.orders, after.esims, after.events) == (before.orders, before.esims, before.events)
    assert after.webhooks == []
    world.laws({"accepted": 1}, waiting={"accepted"}, except_for={"lost_esims"})


def test_row_18_a_rotated_secret_works_until_it_is_removed(world: World) -> None:
    old, new = "old-secret", "new-secret"
    world.set(WEBHOOK_SECRETS=[new, old])
    server = world.serve()

    def statuses() -> dict[str, int]:
        body = json.dumps({"reason": "x", "request_id": f"r{time.monotonic_ns()}"}).encode()
        world.signed.add(hashlib.sha256(body).hexdigest())
        return {
            secret: world.post(body, sign_webhook(body, secret)) for secret in (old, new, world.emulator.client_secret)
        }

    assert statuses() == {old: 200, new: 200, world.emulator.client_secret: 401}
    server.kill()
    world.set(WEBHOOK_SECRETS=[new])
    world.serve()
    assert statuses() == {old: 401, new: 200, world.emulator.client_secret: 401}
    world.laws({})


SCRIPT = "<p>Scan it</p><script>alert(1)</script><img src=x onerror=alert(1)>"


def hostile_bodies(world: World, pk: int) -> dict[str, bytes]:
    body = tempting_body(world, pk)
    script = {"manual_installation": SCRIPT, "description": "x", "sims": []}
    return {
        "empty": b"",
        "gzip": gzip.compress(body),
        "not JSON": b"hello\xff\xfe",
        "deep nesting": b"[" * 200_000,
        "deep objects": b'{"data":' * 50_000,
        "NaN": b'{"data": NaN, "request_id": Infinity}',
        "duplicate keys": b'{"request_id": "a", "request_id": "b", "reason": "r", "reason": "s"}',
        "NUL": b'{"reason": "a\\u0000b", "request_id": "\\u0000"}',
        "raw NUL": b'{"reason": "a\x00b"}',
        "lone surrogates": b'{"reason": "\\ud800", "request_id": "\\udfff"}',
        "huge integer": b'{"request_id": ' + b"9" * 5000 + b', "reason": "r"}',
        "huge exponent": b'{"request_id": 1e999999, "reason": "r", "code": 1e400}',
        "wrong types": b'{"data": {"sims": {"iccid": 1}, "id": [], "price": {}}, "request_id": {}}',
        "sims of nothing": b'{"data": {"sims": [null, 1, "x", [], {}]}, "request_id": "r"}',
        "a list": b"[]",
        "a number": b"1e400",
        "as long as allowed": b'{"reason": "' + b"x" * (1024 * 1024 - 20) + b'"}',
        "longer than allowed": b'{"reason": "' + b"x" * (1024 * 1024) + b'"}',
        "script": json.dumps({"data": script, "request_id": "nobody"}).encode(),
        "negative code": b'{"reason": "r", "request_id": "q", "code": -99999999999999999999}',
        "emoji": '{"reason": "\U0001f4a3", "request_id": "\U0001f4a3"}'.encode(),
    }


def test_row_19_signed_but_hostile(world: World) -> None:
    """The size is announced here; tests/fuzz pours 50 MB in, and sends thousands of bodies more."""
    server = world.serve()
    world.emulator.fault({"webhook_delay": 2}, "orders-async")
    (pk,) = world.place()
    assert world.post(b'{"reason": "warm up"}') == 200
    memory = _memory(server)
    statuses = {name: world.post(body) for name, body in hostile_bodies(world, pk).items()}
    assert {name for name, status in statuses.items() if status != 200} == {"longer than allowed"}
    assert statuses["longer than allowed"] == 413
    assert _announce(world, 50 * 1024 * 1024).startswith(b"HTTP/1.0 413")
    assert _memory(server) - memory < 48 * 1024
    shop = world.laws({"completed": 1})
    assert all(webhook["error"] or webhook["status"] != "set_aside" for webhook in shop.webhooks)
    assert "Internal Server Error" not in server.errors()


def test_row_19_instructions_with_a_script_are_shown_without_it(world: World) -> None:
    world.serve()
    world.emulator.fault({"webhook": "none", "listing_delay": 3600}, "orders-async")
    (pk,) = world.place()
    assert world.emulator.wait_idle(60)
    (esim,) = world.emulator.esims()
    body = json.loads(tempting_body(world, pk, esim["iccid"]))
    body["data"]["manual_installation"] = body["data"]["qrcode_installation"] = SCRIPT
    assert world.post(json.dumps(body).encode()) == 200
    world.laws({"completed": 1})
    order = world.order(pk)
    assert order.manual_installation == SCRIPT  # kept for a person as it came
    assert order.manual_installation_html == order.qrcode_installation_html == "<p>Scan it</p>"


def _memory(process: Process) -> int:
    """Resident memory in KiB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def _announce(world: World, length: int) -> bytes:
    """Begin to send so many bytes; what is answered after the first two megabytes."""
    with socket.create_connection(("127.0.0.1", world.port), timeout=60) as line:
        head = (
            f"POST /airalo/webhook/ HTTP/1.1\r\nHost: shop\r\nContent-Length: {length}\r\nairalo-signature: a\r\n\r\n"
        )
        with suppress(OSError):  # it has had enough before the end
            line.sendall(head.encode() + b"x" * 1_100_000)
        return line.recv(100)


@contextmanager
def sqlite_locked(path: str) -> Iterator[None]:
    """Another process's write transaction that does not end."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def line_cut(proxy: Proxy) -> Iterator[None]:
    """The server cannot be reached, and connections to it have ended."""
    proxy.cut()
    try:
        yield
    finally:
        proxy.mend()


def away(world: World) -> Callable[[], Any]:
    """Prepare the shop's database to be taken away; the context manager that does so."""
    config = world.config["database"]
    if KIND == "sqlite":
        config["OPTIONS"] = {**config["OPTIONS"], "timeout": 0.3}
        return lambda: sqlite_locked(config["NAME"])
    proxy = Proxy(config["HOST"], config["PORT"])
    config["PORT"] = proxy.port
    return lambda: line_cut(proxy)


def test_row_20_the_database_is_away_during_a_webhook(world: World) -> None:
    take_away = away(world)
    world.place(3)  # nobody takes their webhooks yet, so Airalo goes on sending them
    with take_away():
        world.serve()
        wait_until(lambda: len(orders_with(world, 503)) == 3, lambda: str(world.emulator.delivery_attempts()))
        assert orders_with(world, 200) == set()
    wait_until(lambda: len(orders_with(world, 200)) == 3, lambda: str(world.emulator.delivery_attempts()))
    world.laws({"completed": 3})


def orders_with(world: World, status: int) -> set[int]:
    """The orders of which a webhook was answered so."""
    return {push["purchase_id"] for push in world.emulator.delivery_attempts() if push["status"] == status}


def test_row_20_the_sweep_outlives_it(world: World) -> None:
    take_away = away(world)
    world.emulator.fault("no-webhook", "orders-async")
    sweeper = world.sweeper()
    wait_until(lambda: sweeper.is_running())
    time.sleep(0.5)
    with take_away():
        time.sleep(1.5)
    world.place()
    wait_until(lambda: world.read().statuses() == {"completed": 1}, "a sweep after the outage")
    assert sweeper.is_running(), sweeper.errors()
    world.laws({"completed": 1})


@pytest.mark.database("sqlite", reason="limits the size of an SQLite file")
def test_row_20_the_database_is_full(world: World) -> None:
    world.place()
    usual = world.config["database"]["OPTIONS"]
    with sqlite3.connect(world.config["database"]["NAME"]) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    full = {**usual, "init_command": f"{SQLITE_OPTIONS['init_command']} PRAGMA max_page_count={pages};"}
    world.config["database"]["OPTIONS"] = full
    server = world.serve()
    big = json.dumps({"reason": "x" * 100_000, "request_id": "nobody"}).encode()
    assert world.post(big) == 503
    server.kill()
    world.config["database"]["OPTIONS"] = usual
    world.serve()
    assert world.post(big) == 200
    world.laws({"completed": 1})


@pytest.mark.database("postgres", reason="stops a PostgreSQL server of its own")
def test_row_20_the_server_is_stopped(make_world: MakeWorld) -> None:
    """Not the line to it is cut: the server itself goes away, with all its connections, and comes back."""
    world = make_world()
    with PrivateServer() as server:
        database = PostgresDatabase("shop", host=server.directory, port=server.port)
        database.make()
        world.config["database"] = database.config()
        disconnect()
        connect(world.config["database"])
        world.run("migrate")
        world.place(3)
        server.stop()
        world.serve()
        wait_until(lambda: len(orders_with(world, 503)) == 3, lambda: str(world.emulator.delivery_attempts()))
        assert orders_with(world, 200) == set()
        server.start()
        wait_until(lambda: len(orders_with(world, 200)) == 3, lambda: str(world.emulator.delivery_attempts()))
        world.laws({"completed": 3})
        world.stop_all()


class PrivateServer:
    """A PostgreSQL server in a temporary directory, reached by its socket there."""

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="airalo-faults-")
        self.directory = self._temporary.name
        self.port = free_port()

    def __enter__(self) -> PrivateServer:
        if os.geteuid() == 0:
            subprocess.run(["chown", "postgres", self.directory], check=True)
        self._run("initdb", "-D", f"{self.directory}/data", "-U", "postgres", "-A", "trust", "--no-sync")
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._temporary.cleanup()

    def start(self) -> None:
        options = f"-p {self.port} -k {self.directory} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "-D", f"{self.directory}/data", "-w", "-l", f"{self.directory}/log", "-o", options, "start")

    def stop(self) -> None:
        """Stop at once; connections are ended."""
        self._run("pg_ctl", "-D", f"{self.directory}/data", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [_find(program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


def _find(program: str) -> str:
    """A program of the newest PostgreSQL: Debian does not put the server's on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else program
