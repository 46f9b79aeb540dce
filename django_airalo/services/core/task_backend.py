"""Find the task backend and queue that the settings name, or why they cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from django.conf import settings

from django_airalo.conf import conf

from .redaction import mask_addresses


@dataclass(frozen=True)
class TaskProblem:
    """The reason why there are no tasks, and the remedy."""

    kind: Literal["not wanted", "no API", "no backend", "no queue"]
    reason: str
    remedy: str = ""

    @property
    def is_a_choice(self) -> bool:
        """Whether the shop configured no tasks, so that nothing is wrong."""
        return self.kind == "not wanted"


class TaskMaker:
    """Decorator that turns functions into tasks for the backend and queue of the settings.

    It never raises. It stores the first problem in ``problem``, and returns this function and all later ones unchanged.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.problem = find_problem()

    def __call__(self, function: Callable[..., Any]) -> Any:
        self.names.append(function.__name__)
        if self.problem is None:
            try:
                make = _import_api().task(backend=conf.TASK_BACKEND, queue_name=conf.TASK_QUEUE_NAME)
                return make(function)
            except Exception as error:  # noqa: BLE001  a shop's own backend may raise any exception
                self.problem = _refused(error)
        return function


def find_problem() -> TaskProblem | None:
    """Return why there can be no tasks with these settings, or ``None`` if there can. Never raises."""
    alias = conf.TASK_BACKEND
    if alias is None:
        return TaskProblem("not wanted", "AIRALO_TASK_BACKEND is None.")
    try:
        api = _import_api()
    except Exception as error:  # noqa: BLE001  an outdated backport may raise any exception
        return _no_api(error)
    try:
        backend = api.task_backends[alias]
    except Exception as error:  # noqa: BLE001  a shop's own backend may raise any exception
        return _no_backend(alias, error)
    queue, queues = conf.TASK_QUEUE_NAME, getattr(backend, "queues", None)
    if queues and queue not in queues:
        return TaskProblem(
            "no queue",
            f"the task backend {alias!r} has no queue {queue!r}.",
            f"Set AIRALO_TASK_QUEUE_NAME to {_any_of(queues)}, or add {queue!r} to QUEUES of {alias!r} in TASKS.",
        )
    return None


def find_backend() -> Any:
    """Return the task backend of the settings. Call ``find_problem()`` first."""
    return _import_api().task_backends[conf.TASK_BACKEND]


def _import_api() -> ModuleType:
    try:
        return import_module("django.tasks")
    except ModuleNotFoundError:  # Django 5.2
        return import_module("django_tasks")


def _no_api(error: Exception) -> TaskProblem:
    remedy = "Install django-tasks, or set AIRALO_TASK_BACKEND = None."
    if not isinstance(error, ModuleNotFoundError):
        return TaskProblem("no API", f"the Tasks API cannot be imported ({_text(error)}).", remedy)
    # Django 5.2 has no TASKS of its own. A shop that set neither does not want tasks.
    if hasattr(settings, "TASKS") or conf.names_a_task_backend:
        return TaskProblem("no API", "this version of Django has no Tasks API.", remedy)
    return TaskProblem("not wanted", "There is no Tasks API.", remedy)


def _no_backend(alias: str, error: Exception) -> TaskProblem:
    backends = settings.TASKS if hasattr(settings, "TASKS") else None
    if isinstance(backends, dict) and alias not in backends:
        names = f"Set AIRALO_TASK_BACKEND to {_any_of(backends)}, or to None. " if backends else ""
        return TaskProblem(
            "no backend",
            f"TASKS has no backend {alias!r}.",
            f"{names}A backend can also be added to TASKS as {alias!r}.",
        )
    return TaskProblem(
        "no backend",
        f"the task backend {alias!r} cannot be used ({_text(error)}).",
        f"Correct {alias!r} in TASKS, or name another backend, or None, in AIRALO_TASK_BACKEND.",
    )


def _refused(error: Exception) -> TaskProblem:
    return TaskProblem(
        "no backend",
        f"the task backend {conf.TASK_BACKEND!r} refuses our tasks ({_text(error)}).",
        "Correct it in TASKS, or name another backend, or None, in AIRALO_TASK_BACKEND.",
    )


def _text(error: Exception) -> str:
    return mask_addresses(f"{type(error).__name__}: {error}")


def _any_of(names: Any) -> str:
    return " or ".join(sorted(repr(name) for name in names))
