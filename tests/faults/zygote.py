"""Starts the shop's processes by forking, since importing Django anew for each would take most of the suite's time.

Each is a process of its own, which can be killed with SIGKILL like any other. Orders come as lines of JSON on
standard input, each with a number; pids go out the same way, and exit statuses with that number. When standard input
ends, everything that was started here is killed: so nothing outlives the test run, however that ends.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import traceback

PRELOADED = (
    "django.contrib.auth.apps",
    "django.contrib.contenttypes.apps",
    "django.core.cache.backends.db",
    "django.core.handlers.wsgi",
    "django.core.management.commands.migrate",
    "django.core.wsgi",
    "django.db.backends.sqlite3.base",
    "django.db.migrations.executor",
    "django_airalo.client",
    "cryptography.fernet",
    "json",
    "random",
    "wsgiref.simple_server",
    "tests.faults.shop.verbs",
)
#: Django's backends import these.
DRIVERS = {"postgres": ("psycopg", "psycopg.types.json"), "mariadb": ("MySQLdb",)}


def main() -> None:
    for name in (*PRELOADED, *DRIVERS.get(os.environ.get("TEST_DATABASE", ""), ())):
        importlib.import_module(name)
    children: dict[int, int] = {}
    buffer = b""
    _say({"ready": os.getpid()})
    try:
        while True:
            readable, _, _ = select.select([0], [], [], 0.02)
            if readable:
                piece = os.read(0, 65_536)
                if not piece:
                    return
                *lines, buffer = (buffer + piece).split(b"\n")
                for line in lines:
                    order = json.loads(line)
                    pid = _start(order)
                    children[pid] = order["number"]
                    _say({"started": pid})
            _reap(children)
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


def _say(message: dict[str, int]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _say({"ended": children.pop(pid), "status": os.waitstatus_to_exitcode(status)})


def _start(order: dict[str, object]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.environ["FAULTS_CONFIG"] = str(order["config"])
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(str(order["output"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        errors = os.open(str(order["errors"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((nothing, 0), (output, 1), (errors, 2)):
            os.dup2(source, target)
        from tests.faults.shop import verbs

        arguments = order["arguments"]
        assert isinstance(arguments, list)
        verbs.main(*arguments)
        status = 0
    except BaseException:  # noqa: BLE001  a forked child must never return into its parent's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    # Ctrl-C goes to the whole group; who started us closes our input and so decides when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
