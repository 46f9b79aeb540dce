"""The verbs as tasks of Django's Tasks API.

Imported only when one is enqueued, since ``@task`` checks the shop's TASKS.

Tasks take primary keys, so no secret is in their arguments. They may run twice or never: see ``services.recovery``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from django_airalo import services
from django_airalo.conf import conf

if TYPE_CHECKING or find_spec("django.tasks"):
    from django.tasks import task
else:  # Django 5.2
    from django_tasks import task

_task = task(backend=conf.TASK_BACKEND or "default", queue_name=conf.TASK_QUEUE_NAME)


@_task
def submit_order(order_pk: int) -> str:
    """Send an order to Airalo; returns its status afterwards."""
    return services.submit_order(order_pk).status


@_task
def process_webhook_event(event_pk: int) -> str:
    """Interpret a webhook; returns its status afterwards."""
    return services.process_webhook_event(event_pk).status


@_task
def send_refund(refund_pk: int) -> str:
    """Send a refund to Airalo; returns its status afterwards."""
    return services.send_refund(refund_pk).status


@_task
def send_voucher(voucher_pk: int) -> str:
    """Send a voucher to Airalo; returns its status afterwards."""
    return services.send_voucher(voucher_pk).status


@_task
def sweep() -> dict[str, int]:
    """Do all that is due, for shops whose scheduler enqueues tasks; returns the counts of the sweep."""
    return vars(services.sweep())


@_task
def ping() -> None:
    """Note that a worker is alive: airalo_doctor waits for it."""
    services.heartbeats.beat(services.heartbeats.TASK)
