"""The verbs as tasks of Django's Tasks API. Imported only when one is enqueued, since ``@task`` checks the shop's TASKS.

Tasks take primary keys, so no secret is in their arguments. They may run twice or never: see ``services.recovery``.
"""

from __future__ import annotations

from django_airalo import services
from django_airalo.conf import conf

try:
    from django.tasks import task
except ImportError:  # Django 5.2
    from django_tasks import task

_options = {"backend": conf.TASK_BACKEND or "default", "queue_name": conf.TASK_QUEUE_NAME}


@task(**_options)
def submit_order(order_pk: int) -> str:
    """Send an order to Airalo; returns its status afterwards."""
    return services.submit_order(order_pk).status


@task(**_options)
def process_webhook_event(event_pk: int) -> str:
    """Interpret a webhook; returns its status afterwards."""
    return services.process_webhook_event(event_pk).status


@task(**_options)
def sweep() -> dict[str, int]:
    """Do all that is due, for shops whose scheduler enqueues tasks; returns the counts of the sweep."""
    return vars(services.sweep())
