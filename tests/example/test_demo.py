"""The demo, run for real: it ends well only by the webhook, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port

PROJECT = Path(__file__).resolve().parents[2] / "example_project"
DEMO = PROJECT / "demo"


def environment(**variables: object) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if name not in ("DJANGO_SETTINGS_MODULE", "ONCE")}
    return env | {name: str(value) for name, value in variables.items()}


def children_of(shop_port: int) -> dict[int, str]:
    """The processes whose files are those of the demo at this port: their numbers and command lines."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"demo-{shop_port}".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended meanwhile, or is not ours
    return found


class Demo:
    """One running demo."""

    def __init__(self, **variables: object) -> None:
        self.shop_port, self.airalo_port = free_port(), free_port()
        env = environment(SHOP_PORT=self.shop_port, AIRALO_PORT=self.airalo_port, **variables)
        self.process = subprocess.Popen(
            [sys.executable, str(DEMO)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.output = ""

    def read_until(self, text: str, seconds: float = 300) -> None:
        assert self.process.stdout
        deadline = time.monotonic() + seconds
        for line in self.process.stdout:
            self.output += line
            if text in line:
                return
            assert time.monotonic() < deadline, self.output
        raise AssertionError(f"The demo ended before {text!r}:\n{self.output}")

    def finish(self, seconds: float = 300) -> int:
        rest, _ = self.process.communicate(timeout=seconds)
        self.output += rest
        return self.process.returncode


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.process.wait(60)


@pytest.mark.slow
def test_one_esim_is_bought_and_comes_by_the_signed_webhook(demos: list[Demo]) -> None:
    demo = Demo(ONCE=1)
    demos.append(demo)
    assert demo.finish() == 0, demo.output
    words = ["placed", "submitted", "accepted", "webhook", "completed", "signal", "e-mail", "page"]
    told = [line.split()[2] for line in demo.output.splitlines() if line[8:12] == " s  "]
    assert sorted(told) == sorted(words), demo.output
    assert told.index("placed") < told.index("submitted") < told.index("accepted") < told.index("completed")
    assert "█" in demo.output
    assert "The eSIM was delivered by a signed webhook." in demo.output
    assert children_of(demo.shop_port) == {}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to see all processes")
def test_ctrl_c_leaves_no_process_behind(demos: list[Demo]) -> None:
    demo = Demo()
    demos.append(demo)
    demo.read_until("The shop keeps running")
    assert len(children_of(demo.shop_port)) >= 4
    demo.process.send_signal(signal.SIGINT)
    assert demo.finish() == 0, demo.output
    assert children_of(demo.shop_port) == {}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to see all processes")
def test_a_child_that_dies_is_named_and_ends_the_demo(demos: list[Demo]) -> None:
    demo = Demo()
    demos.append(demo)
    demo.read_until("airalo_sync_packages")
    (worker,) = (number for number, command in children_of(demo.shop_port).items() if "db_worker" in command)
    os.kill(worker, signal.SIGKILL)
    assert demo.finish() == 1
    assert "The worker process was killed by SIGKILL." in demo.output
    assert children_of(demo.shop_port) == {}


def preflight(**variables: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEMO / "preflight.py")]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["SHOP_PORT", "AIRALO_PORT"])
def test_a_busy_port_is_told_in_one_line_that_names_the_variable(name: str) -> None:
    ports = {"SHOP_PORT": free_port(), "AIRALO_PORT": free_port()}
    with socket.create_server(("127.0.0.1", ports[name])):
        result = preflight(**ports)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Port {ports[name]} is in use. Choose another with {name}, for example: make demo {name}=")
    assert preflight(**ports).returncode == 0


@pytest.mark.parametrize(
    ("ports", "message"),
    [
        ({"SHOP_PORT": "eighty"}, "SHOP_PORT=eighty is not a port"),
        ({"AIRALO_PORT": "70000"}, "AIRALO_PORT=70000 is not a port"),
        ({"SHOP_PORT": "8123", "AIRALO_PORT": "8123"}, "are both 8123"),
    ],
)
def test_ports_that_cannot_be(ports: dict[str, str], message: str) -> None:
    result = preflight(**ports)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert message in line
