"""Follow the README's quick start to the letter in an empty environment, and see whether the eSIM arrives.

    python .ci/quickstart.py path/to/wheel.whl [--python /path/to/python] [--page README.md]

Every fence of the page that follows a comment ``<!-- quickstart: ... -->`` is carried out, in order:

- ``run``: each line is run and must succeed;
- ``append FILE``: the fence is put at the end of FILE, which is made if need be;
- ``serve``: the line is started and kept running until the end;
- ``expect``: a line like this must be printed by something that is served; ``…`` stands for anything.

Two things differ from what a reader does: ``pip install ../django-airalo`` installs the wheel, and the ports 8000 and
8010 are exchanged for free ones. Needs nothing but the standard library. Exit code 0 if all went well, else 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
STEP = re.compile(r"<!-- quickstart: (\w+) ?(\S*) -->\n```\w+\n(.*?)\n```\n", re.DOTALL)
PATIENCE = 60.0  # seconds for a server to come up, and for the webhook to arrive


class QuickStartError(Exception):
    """The quick start does not work. The text says where."""


class Trial:
    """A folder with a virtual environment, and what runs in it."""

    def __init__(self, folder: Path, wheel: Path, python: str) -> None:
        self.folder = folder
        self.wheel = wheel
        self.log = folder / "served.log"
        self.ports = {"8000": free_port(), "8010": free_port()}
        self.served: list[subprocess.Popen[bytes]] = []
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "DJANGO", "AIRALO", "VIRTUAL_ENV"))
        }
        self.environment |= {
            "PATH": f"{folder / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.command([python, "-m", "venv", str(folder / "venv")])

    def follow(self, verb: str, argument: str, text: str) -> None:
        """Carry out one step of the README."""
        for documented, port in self.ports.items():
            text = text.replace(documented, port)
        if verb == "run":
            for line in text.splitlines():
                self.command(self.words(line))
        elif verb == "append":
            target = self.folder / argument
            target.parent.mkdir(parents=True, exist_ok=True)
            before = target.read_text() if target.exists() else ""
            target.write_text(f"{before}\n{text}\n")
        elif verb == "serve":
            self.serve(self.words(text))
        elif verb == "expect":
            self.expect(text)
        else:
            raise QuickStartError(f"There is no kind of step {verb!r}.")

    def words(self, line: str) -> list[str]:
        """The words of a command line, with the wheel in the place of the clone."""
        return [str(self.wheel) if Path(word).name == "django-airalo" else word for word in shlex.split(line)]

    def command(self, words: list[str]) -> str:
        """Run a command to its end and return what it printed."""
        say("$", *words)
        done = subprocess.run(  # noqa: S603  the commands of our own README
            words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
        )
        output = done.stdout.decode(errors="replace")
        if done.returncode:
            raise QuickStartError(f"{shlex.join(words)} ended with exit code {done.returncode}:\n{output}")
        return output

    def serve(self, words: list[str]) -> None:
        """Start a server, in a process group of its own, and wait until it listens."""
        say("$", *words, "&")
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  as above
                words, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.served.append(process)
        port = next((int(port) for port in self.ports.values() if port in words), None)
        if port is None:
            raise QuickStartError(f"{shlex.join(words)} names no port.")
        deadline = time.monotonic() + PATIENCE
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise QuickStartError(f"{shlex.join(words)} does not listen on port {port}.")
            time.sleep(0.2)

    def expect(self, text: str) -> None:
        """Wait until a server has printed the line."""
        line = re.compile("^" + re.escape(text).replace("…", ".+") + "$", re.MULTILINE)
        deadline = time.monotonic() + PATIENCE
        while not (found := line.search(self.printed())):
            if time.monotonic() > deadline:
                raise QuickStartError(f"Nobody printed {text!r}.")
            time.sleep(0.2)
        say("heard:", found.group())

    def printed(self) -> str:
        """What the servers have printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def check(self) -> None:
        """What a reader would look at afterwards: system checks, the order, and who completed it."""
        self.command(["python", "manage.py", "check", "--fail-level", "WARNING"])
        question = (
            "from django_airalo.models import EsimOrder, OrderEvent, WebhookEvent;"
            "order = EsimOrder.objects.get();"
            "event = OrderEvent.objects.get(new_status='completed');"
            "print('ANSWER', order.status, event.source, WebhookEvent.objects.get().status)"
        )
        answer = self.command(["python", "manage.py", "shell", "-c", question])
        if "ANSWER completed webhook processed" not in answer:
            raise QuickStartError(f"The order was not completed by its webhook: {answer}")

    def stop(self) -> None:
        """End all servers with their children."""
        for process in self.served:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)
            except ProcessLookupError:
                pass  # it has ended by itself
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def say(*words: str) -> None:
    """Print a line at once."""
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Follow the page; return the exit code."""
    parser = argparse.ArgumentParser(description="Follow the README's quick start with a wheel.")
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", default=sys.executable, help="the Python that makes the virtual environment")
    parser.add_argument("--page", type=Path, default=README, help="the page to follow, by default the README")
    arguments = parser.parse_args()
    steps = STEP.findall(arguments.page.read_text())
    missing = {"run", "append", "serve", "expect"} - {verb for verb, _, _ in steps}
    if missing:
        say(f"{arguments.page} has no step of the kind {' or '.join(sorted(missing))}.")
        return 1
    if not arguments.wheel.is_file():
        say(f"There is no wheel {arguments.wheel}.")
        return 1
    with tempfile.TemporaryDirectory(prefix="quickstart-") as folder:
        trial = None
        try:
            trial = Trial(Path(folder), arguments.wheel.resolve(), arguments.python)
            for step in steps:
                trial.follow(*step)
            trial.check()
        except (QuickStartError, OSError, subprocess.TimeoutExpired) as error:
            say(f"The quick start does not work: {error}")
            if trial:
                say("What the servers printed:", "\n" + trial.printed())
            return 1
        finally:
            if trial:
                trial.stop()
    say("The quick start works.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
