"""Have a verb run soon: through Django's Tasks API if there is a backend, else right here.

A nudge may be lost or come twice; the rows say what is due, and the sweep finds them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from django.db import transaction
from django.utils.module_loading import import_string

from django_airalo.conf import conf
from django_airalo.exceptions import AiraloError

from . import database

logger = logging.getLogger("django_airalo.tasks")


def after_commit(task_name: str, pk: int, inline: Callable[[int], object]) -> None:
    """After commit, enqueue the task ``django_airalo.tasks.<task_name>`` with ``pk``, or call ``inline(pk)``."""
    transaction.on_commit(partial(_nudge, task_name, pk, inline), using=database.alias(), robust=True)


def _nudge(task_name: str, pk: int, inline: Callable[[int], object]) -> None:
    try:
        task = find_task(task_name)
        if task is None:
            inline(pk)
        else:
            task.enqueue(pk)
    except AiraloError as error:
        logger.error("%s(%s) was put off to the sweep: %s", task_name, pk, error)
    except Exception:  # A broker that is away raises what it likes. The row is due, so the sweep does the work.
        logger.exception("%s(%s) was put off to the sweep", task_name, pk)


def find_task(name: str) -> Any:
    """The task, or ``None`` if there is no Tasks API (Django 5.2 without the backport) or the shop wants none.

    Imported at the first use, since ``@task`` checks the shop's TASKS setting when it is applied.
    """
    if conf.TASK_BACKEND is None or not (find_spec("django.tasks") or find_spec("django_tasks")):
        return None
    return import_string(f"django_airalo.tasks.{name}")
