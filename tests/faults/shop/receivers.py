"""The shop's receivers: one that writes down whatever it hears, between two that can be told to make trouble.

``TROUBLE`` maps the name of a signal to ``raise``, ``hang``, ``kill`` (before the bookkeeper heard) or ``kill-after``,
as long as the file ``TROUBLE["while"]`` exists.
"""

from __future__ import annotations

import os
import signal as signals_of_the_system
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.dispatch import Signal

from django_airalo import signals

from .points import points

NAMES = (
    "esim_order_status_changed",
    "esim_order_accepted",
    "esim_order_scheduled",
    "esim_order_completed",
    "esim_order_failed",
    "esim_order_unconfirmed",
    "esim_order_cancelled",
    "esims_changed",
    "submission_paused",
    "submission_resumed",
    "esim_low_data",
    "credit_limit_reached",
)
#: The signals with which a shop shows its customer the eSIMs of an order.
SHOWING = ("esim_order_completed", "esims_changed")


def connect() -> None:
    """Connect all receivers to all signals, the troublemaker before the bookkeeper."""
    for name in NAMES:
        signal: Signal = getattr(signals, name)
        signal.connect(_before(name), weak=False, dispatch_uid=f"before-{name}")
        signal.connect(_bookkeeper(name), weak=False, dispatch_uid=f"bookkeeper-{name}")
        signal.connect(_after(name), weak=False, dispatch_uid=f"after-{name}")


def _trouble(name: str) -> str:
    flag = settings.TROUBLE.get("while")
    return settings.TROUBLE.get(name, "") if flag and Path(flag).exists() else ""


def _before(name: str) -> Any:
    def make_trouble(**kwargs: Any) -> None:
        points.reach(f"receivers of {name}: not called")
        if points.fails(f"receivers of {name}: one raises"):
            raise ValueError("a receiver's own mistake")
        trouble = _trouble(name)
        if trouble == "raise":
            raise ValueError("a receiver's own mistake")
        if trouble == "hang":
            while _trouble(name):
                time.sleep(0.05)
        if trouble == "kill":
            os.kill(os.getpid(), signals_of_the_system.SIGKILL)

    return make_trouble


def _after(name: str) -> Any:
    def make_trouble(**kwargs: Any) -> None:
        points.reach(f"receivers of {name}: called, outcome not stored")
        if _trouble(name) == "kill-after":
            os.kill(os.getpid(), signals_of_the_system.SIGKILL)

    return make_trouble


def _bookkeeper(name: str) -> Any:
    def keep(**kwargs: Any) -> None:
        from django_airalo.models import OrderEvent

        from .models import Received

        order = kwargs.get("order")
        event_id = kwargs["event_id"]
        # Signals of orders come from events; the others have nothing of their own to look for.
        committed = order is None or OrderEvent.objects.using("other").filter(event_id=event_id).exists()
        Received.objects.create(
            signal=name,
            reference=order.reference if order else "",
            event_id=event_id,
            old_status=kwargs.get("old_status", ""),
            new_status=kwargs.get("new_status", ""),
            late=kwargs.get("late", False),
            committed=committed,
            esims={str(pk): key for pk, key in order.esims.values_list("pk", "code_key")} if name in SHOWING else {},
            pid=os.getpid(),
        )

    return keep
