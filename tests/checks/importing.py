"""Import every module of the package under settings of a shop's own, and print as JSON what became of it.

Run as a program, since a module is imported once per process: each case is a fork of it. The argument is JSON, the
cases by name: ``settings`` to add to those of the tests, as Python expressions, and the names of modules to ``hide``,
as if they were not installed.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import tempfile
import traceback
from typing import Any

NAMES = ["submit_order", "process_webhook_event", "send_refund", "send_voucher", "sweep", "ping"]


def every_module() -> list[str]:
    import django_airalo

    found = pkgutil.walk_packages(django_airalo.__path__, "django_airalo.")
    return ["django_airalo", *(module.name for module in found if not module.name.endswith("__main__"))]


def preload() -> None:
    """Import what every case needs and what looks at no setting of ours or of the Tasks API."""
    for name in ("django.test", "django.http", "django.urls", "django.db.models", "rest_framework.views"):
        importlib.import_module(name)
    for name in ("requests", "cryptography.fernet", "segno", "nh3"):
        importlib.import_module(name)


def prepare(changes: dict[str, str], hide: list[str]) -> None:
    """Put the settings and the modules of one case in place."""
    from django.conf import settings

    for name in hide:
        for loaded in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
            del sys.modules[loaded]
        sys.modules[name] = None  # type: ignore[assignment]  # Python takes that for a module that is not there
    if hide:
        settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app not in hide]
        del settings.TASKS
    for name, expression in changes.items():
        setattr(settings, name, eval(expression))  # noqa: S307  the test's own text


def examine(changes: dict[str, str], hide: list[str]) -> dict[str, Any]:
    """Import all modules and run our checks."""
    prepare(changes, hide)
    import django
    from django.core.checks import run_checks

    django.setup()
    raised = {}
    for name in every_module():
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001  whatever it is, the test shows it
            raised[name] = traceback.format_exc().strip().rpartition("\n")[2]
    defined = vars(sys.modules["django_airalo.tasks"]) if "django_airalo.tasks" in sys.modules else {}
    from django_airalo.services.core.enqueue import find_task
    from django_airalo.services.doctor import shop
    from django_airalo.services.doctor.result import CheckContext

    result = None if find_task("ping") else shop.workers(CheckContext())
    return {
        "doctor": result and {"level": result.level, "text": result.message, "hint": result.remedy},
        "raised": raised,
        "names": [name for name in NAMES if name in defined],
        "tasks": [name for name in NAMES if hasattr(defined.get(name), "enqueue")],
        "messages": [
            {"id": message.id.removeprefix("django_airalo."), "text": str(message.msg), "hint": str(message.hint)}
            for message in run_checks(tags=["airalo"])
        ],
    }


def in_a_fork(case: dict[str, Any]) -> Any:
    """What becomes of one case, in a process of its own."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            found = examine(case["settings"], case["hide"])
        except BaseException:  # noqa: BLE001  the parent shows it
            found = {"failed": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            json.dump(found, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = json.load(pipe)
    os.waitpid(pid, 0)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        sys.pycache_prefix, sys.dont_write_bytecode = folder, False  # so that each module is compiled once
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        preload()
        print(json.dumps({name: in_a_fork(case) for name, case in json.loads(sys.argv[1]).items()}))


if __name__ == "__main__":
    main()
