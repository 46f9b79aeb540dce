"""The emulator as a process of its own: start, stop, a busy port, and being killed."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from django_airalo.emulator import Emulator, PortTakenError

from .support import Partner, Receiver

ROOT = Path(__file__).parents[2]
MODULE = [sys.executable, "-m", "django_airalo.emulator"]
COMMAND = [sys.executable, "-m", "django", "airalo_emulator"]
ENVIRONMENT = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}


class Process:
    """A started emulator and the address it printed."""

    def __init__(self, command: list[str], *options: str) -> None:
        self.popen = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
        )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + (self.popen.stderr.read() if self.popen.stderr else "")
        self.url = found[0]

    def partner(self) -> Partner:
        return Partner(self.url, "emulator-client", "emulator-secret")

    def end(self, number: int) -> int:
        self.popen.send_signal(number)
        self.popen.communicate(timeout=60)
        return self.popen.returncode


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate(timeout=60)


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["module", "manage.py"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_answers_and_ends_cleanly(processes: list[Process], command: list[str], number: int) -> None:
    process = Process(command, "--port", "0")
    processes.append(process)
    assert process.partner().get("balance").status_code == 200
    assert process.end(number) == 0


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["module", "manage.py"])
def test_a_busy_port_gives_one_clear_line(emulator: Emulator, command: list[str]) -> None:
    done = subprocess.run(
        [*command, "--port", str(emulator.port)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert f"Cannot listen on 127.0.0.1:{emulator.port}: Address already in use." in lines[0]


def test_a_busy_port_in_python(emulator: Emulator) -> None:
    with pytest.raises(PortTakenError, match="Cannot listen on"):
        Emulator(port=emulator.port).start()


@pytest.mark.parametrize(
    "options", [["--fault-rate", "2"], ["--script", "/nonexistent.json"], ["--ledger", "/nonexistent/ledger"]]
)
def test_wrong_options_give_one_clear_line(options: list[str]) -> None:
    done = subprocess.run(
        [*MODULE, "--port", "0", *options], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_options_arrive(processes: list[Process], tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"endpoint": "orders", "do": "503"}]')
    process = Process(
        COMMAND, "--port", "0", "--script", str(script), "--balance", "12.34", "--limit", "token=1/60", "--sandbox"
    )
    processes.append(process)
    partner = process.partner()
    assert partner.get("balance").json()["data"]["balances"]["availableBalance"]["amount"] == 12.34
    assert partner.order("any").status_code == 503
    assert partner.post("token").status_code in (422, 429)


def test_after_a_kill_purchases_are_there_and_the_pending_webhook_is_delivered(
    processes: list[Process], receiver: Receiver, tmp_path: Path, package_id: str
) -> None:
    options = ["--port", "0", "--ledger", str(tmp_path / "ledger.sqlite3"), "--webhook-delay", "5"]
    process = Process(MODULE, *options)
    processes.append(process)
    partner = process.partner()
    sync = partner.order(package_id, description="kept 1").json()["data"]
    accepted = partner.order_async(package_id, description="kept 2", webhook_url=receiver.url).json()["data"]
    balance = partner.get("balance").json()
    process.end(signal.SIGKILL)
    assert receiver.deliveries == []

    again = Process(MODULE, *options)
    processes.append(again)
    partner.url = again.url  # with the token it had
    assert partner.get("balance").json() == balance
    assert partner.get(f"orders/{sync['id']}").json()["data"]["description"] == "kept 1"
    (delivery,) = receiver.wait(1)
    assert accepted["request_id"].encode() in delivery.body
    assert len(partner.get("orders").json()["data"]) == 2
    ledger = partner.session.get(f"{again.url}/_emulator/ledger", timeout=60).json()
    assert [row["description"] for row in ledger["purchases"]] == ["kept 1", "kept 2"]


def test_retries_go_on_after_a_kill(
    processes: list[Process], receiver: Receiver, tmp_path: Path, package_id: str
) -> None:
    options = ["--port", "0", "--ledger", str(tmp_path / "l"), "--webhook-delay", "0", "--retry-interval", "1"]
    receiver.answers = [503]
    process = Process(MODULE, *options)
    processes.append(process)
    process.partner().order_async(package_id, webhook_url=receiver.url)
    receiver.wait(1)
    time.sleep(0.2)  # until the try is written down
    process.end(signal.SIGKILL)
    processes.append(Process(MODULE, *options))
    first, second = receiver.wait(2)
    assert first.body == second.body


def test_a_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    with Emulator(ledger=tmp_path / "ledger"):
        pass
    with Emulator(ledger=tmp_path / "ledger"):
        pass  # its own it takes again
    with sqlite3.connect(tmp_path / "ledger") as connection:
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(ValueError, match="made by another version"):
        Emulator(ledger=tmp_path / "ledger").start()


def test_a_ledger_of_another_seed_is_refused(tmp_path: Path) -> None:
    with Emulator(ledger=tmp_path / "ledger", seed=3):
        pass
    with pytest.raises(ValueError, match="seed 3, not 4"):
        Emulator(ledger=tmp_path / "ledger", seed=4).start()


def test_stopping_ends_kept_alive_connections(package_id: str) -> None:
    emulator = Emulator().start()
    partner = Partner.of(emulator)
    url = emulator.url
    emulator.stop()
    with pytest.raises(OSError, match=r"."):
        partner.get("balance")
    emulator.stop()  # twice is harmless
    assert url.startswith("http://127.0.0.1:")
    with pytest.raises(RuntimeError):
        _ = emulator.url


def test_stopping_in_the_middle_of_a_call_is_quiet(capfd: pytest.CaptureFixture[str], package_id: str) -> None:
    emulator = Emulator().start()
    partner = Partner.of(emulator)
    emulator.fault({"delay": 30})
    cut_off: list[OSError] = []

    def call() -> None:
        try:
            partner.order(package_id)
        except OSError as error:
            cut_off.append(error)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    while not emulator.requests("orders"):
        time.sleep(0.01)
    emulator.stop()
    caller.join(60)
    assert len(cut_off) == 1
    assert "Traceback" not in capfd.readouterr().err


def test_it_shares_no_code_with_the_rest_and_needs_no_django() -> None:
    code = (
        "import sys, django_airalo.emulator.__main__\n"
        "ours = {n for n in sys.modules if n.startswith('django_airalo.') and '.emulator' not in n}\n"
        "others = {n for n in sys.modules if n.split('.')[0] in ('django', 'requests', 'rest_framework')}\n"
        "print(ours | others)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


def test_eight_callers_at_once_get_eight_different_orders(emulator: Emulator, package_id: str) -> None:
    partner = Partner.of(emulator)
    found: list[Any] = []

    def buy() -> None:
        own = Partner.of(emulator)
        found.extend(own.order(package_id).json()["data"] for _ in range(10))

    threads = [threading.Thread(target=buy) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({order["code"] for order in found}) == 80
    assert len({order["sims"][0]["iccid"] for order in found}) == 80
    assert len(emulator.purchases()) == 80
    assert partner.get("orders").json()["meta"]["total"] == 80
