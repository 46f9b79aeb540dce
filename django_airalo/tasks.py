"""The services as tasks of Django's Tasks API.

Celery, Huey and Dramatiq import the module ``tasks`` of every installed app when they start, so importing this module
never raises. Workers of the Tasks API find a task by its import path, so the tasks are defined at import, if the API,
the backend and the queue of the settings are available. Otherwise the module has no tasks, and ``problem`` and a system
check say why.

Tasks take primary keys, so that their arguments hold no secrets. A task may run twice or never; ``services.sweep()``
does what was missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_airalo import services
from django_airalo.services import operations
from django_airalo.services.core import heartbeats
from django_airalo.services.core.task_backend import TaskMaker, TaskProblem

_maker = TaskMaker()
if TYPE_CHECKING:
    from django.tasks import task
else:
    task = _maker


@task
def submit_order(order_pk: int) -> str:
    """Send an order to Airalo. Return its status afterwards."""
    return services.submit_order(order_pk).status


@task
def process_webhook_event(event_pk: int) -> str:
    """Process a webhook event. Return its status afterwards."""
    return services.process_webhook_event(event_pk).status


@task
def sync_order_details(order_pk: int) -> int:
    """Fetch the eSIMs of an order whose details are due. Return how many were fetched."""
    return operations.sync_order_details(order_pk)


@task
def send_refund(refund_pk: int) -> str:
    """Send a refund to Airalo. Return its status afterwards."""
    return operations.send_refund(refund_pk).status


@task
def send_voucher(voucher_pk: int) -> str:
    """Send a voucher to Airalo. Return its status afterwards."""
    return operations.send_voucher(voucher_pk).status


@task
def sweep() -> dict[str, int]:
    """Run a sweep, for shops whose scheduler enqueues tasks. Return its counts."""
    return vars(services.sweep())


@task
def ping() -> None:
    """Record that a worker is running. ``airalo_doctor`` waits for this record."""
    heartbeats.beat(heartbeats.TASK)


#: Why the tasks are not defined; ``None`` if they are.
problem: TaskProblem | None = _maker.problem
if problem is not None:
    for _name in _maker.names:  # Plain functions would look like tasks that can be enqueued.
        del globals()[_name]
