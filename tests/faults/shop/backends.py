"""Task backends as a shop may have them: a queue, one that loses and repeats, a broker that is away, a sudden death."""

from __future__ import annotations

import os
import random
import signal
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or find_spec("django.tasks"):
    from django.tasks.backends.base import BaseTaskBackend
else:  # Django 5.2
    from django_tasks.backends.base import BaseTaskBackend


class Queue(BaseTaskBackend):
    """A table of jobs; ``verbs.work`` runs them, at most once."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        self._put(task, args)

    def _put(self, task: Any, args: Any, times: int = 1) -> None:
        from .models import Job

        for _ in range(times):
            Job.objects.create(task=task.module_path, arg=args[0])


class WatchedQueue(Queue):
    """A queue at whose two ends the process can be killed, and that can be away."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        from .points import points

        name = task.module_path.rpartition(".")[2]
        points.reach(f"enqueue {name}: not done")
        if points.fails(f"enqueue {name}: the broker is away"):
            raise ConnectionError("the broker is away")
        with points.paused():
            self._put(task, args)
        points.reach(f"enqueue {name}: done")


class FaultyQueue(Queue):
    """The same, but one job in twenty is lost, one comes twice and one makes the broker raise: the seed says which."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        seed = self.options.get("SEED", 1)
        draw = random.Random(f"{seed}:{task.module_path}:{args[0]}").random()
        if draw < 0.05:
            return
        if draw < 0.1:
            raise ConnectionError("the broker is away")
        self._put(task, args, times=2 if draw < 0.15 else 1)


class BrokerAway(BaseTaskBackend):
    """Nothing can be enqueued."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        raise ConnectionRefusedError("the broker is away")


class SuddenDeath(BaseTaskBackend):
    """The process dies between the commit and the queue."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
