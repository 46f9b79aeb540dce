"""Task backends of a shop's own, good and bad. Imported by the Tasks API, by their path in TASKS."""

from __future__ import annotations

from typing import Any

import django

if django.VERSION >= (6, 0):
    from django.tasks.backends.immediate import ImmediateBackend
else:
    from django_tasks.backends.immediate import ImmediateBackend


class CannotBeMade(ImmediateBackend):
    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        raise ConnectionError("no answer from redis://shop:pa55word@queue.example.com/0")


class TakesNoRefunds(ImmediateBackend):
    """Refuses one task of several, as no backend should."""

    def validate_task(self, task: Any) -> None:
        super().validate_task(task)
        if task.name == "send_refund":
            raise ValueError("no refunds here")


class OnCelery(ImmediateBackend):
    """Makes each task a task of Celery under its import path, as the backends for Celery do."""

    def validate_task(self, task: Any) -> None:
        from celery import shared_task

        super().validate_task(task)
        shared_task(name=task.module_path)(task.func)

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        from tests.checks.celery_shop import app

        app.send_task(task.module_path, args, kwargs)
