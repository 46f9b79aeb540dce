"""Enqueue services: as tasks of Django's Tasks API if there is a backend, else to run in this process.

A task may be lost or run twice. The rows store what is due, and the sweep finds them.
"""

from __future__ import annotations

import logging
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from django.db import transaction

from django_airalo.conf import conf
from django_airalo.exceptions import AiraloError

from . import database
from .task_backend import TaskProblem

logger: logging.Logger = logging.getLogger("django_airalo.tasks")


def enqueue(service: str, pk: int, *, only_as_task: bool = False) -> None:
    """Run a service once the current transaction is committed.

    Args:
        service: the name of a service that is also a task, such as ``"submit_order"``.
        pk: the service's argument, a primary key.
        only_as_task: leave the work to the sweep if there is no task backend.
    """
    transaction.on_commit(partial(_run, service, pk, only_as_task), using=database.primary_alias(), robust=True)


def run_after_commit(service: str, pk: int) -> None:
    """Run a service in this process, once the current transaction is committed.

    Used for services in a layer above the caller's, which it cannot import.

    Args:
        service: the name of a public service.
        pk: the service's argument, a primary key.
    """
    transaction.on_commit(partial(_call, service, pk), using=database.primary_alias(), robust=True)


def _call(service: str, pk: int) -> None:
    public, operations = map(import_module, ("django_airalo.services", "django_airalo.services.operations"))
    getattr(public if service in public.__all__ else operations, service)(pk)


def _run(service: str, pk: int, only_as_task: bool) -> None:
    try:
        task = find_task(service)
        if task is not None:
            task.enqueue(pk)
        elif not only_as_task:
            _call(service, pk)
    except AiraloError as error:
        logger.error("%s(%s) failed and is left to the sweep: %s", service, pk, error)
    except Exception:  # A broker may raise any exception. The row is due, so the sweep does the work.
        logger.exception("%s(%s) failed and is left to the sweep", service, pk)


def find_task(name: str) -> Any:
    """Return the task of this name, or ``None`` if this process has no tasks (see ``task_problem()``)."""
    if conf.TASK_BACKEND is None or task_problem() is not None:
        return None
    return getattr(_tasks(), name)


def task_problem() -> TaskProblem | None:
    """Return why the tasks could not be defined in this process, or ``None`` if they were."""
    problem: TaskProblem | None = _tasks().problem
    return problem


def _tasks() -> ModuleType:
    return import_module("django_airalo.tasks")  # imported late, since it is in the layer above
