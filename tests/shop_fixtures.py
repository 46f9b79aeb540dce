"""Fixtures that tests of several subjects share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from unittest.mock import create_autospec

import pytest

from django_airalo import services, signals
from tests.orders.future_support import in_days
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer, ScriptedServer

#: Seconds that an attempt is in doubt for, with the fixture ``short_grace``.
GRACE = 1000
#: The arguments that each signal is documented to send.
DOCUMENTED = {
    "esim_order_status_changed": ("order", "old_status", "new_status", "event_id"),
    "esim_order_accepted": ("order", "event_id"),
    "esim_order_scheduled": ("order", "event_id"),
    "esim_order_completed": ("order", "event_id", "late"),
    "esims_changed": ("order", "added", "changed", "event_id", "source"),
    "esim_order_failed": ("order", "event_id"),
    "esim_order_unconfirmed": ("order", "event_id"),
    "esim_order_cancelled": ("order", "event_id"),
    "esim_low_data": ("esim", "iccid", "level", "remaining_percentage", "is_stale", "package_name", "event_id"),
    "esim_status_changed": ("esim", "old_status", "new_status", "event_id"),
    "credit_limit_reached": ("message", "remaining", "balance", "event_id"),
    "balance_low": ("amount", "currency", "threshold", "event_id"),
    "refund_changed": ("refund", "status", "event_id"),
    "voucher_changed": ("voucher", "status", "event_id"),
    "submission_paused": ("kind", "reason", "balance", "event_id"),
    "submission_resumed": ("kind", "reason", "balance", "event_id"),
}


def receiver_of(name: str) -> Callable[..., None]:
    """A receiver that takes exactly the documented arguments: any other raises TypeError."""

    def receiver() -> None: ...

    names = ("signal", "sender", *DOCUMENTED[name])
    parameters = [inspect.Parameter(argument, inspect.Parameter.KEYWORD_ONLY) for argument in names]
    receiver.__signature__ = inspect.Signature(parameters)
    return create_autospec(receiver)


class Heard(list):
    """What the shop heard: ``(name of the signal, its arguments)``, in order."""

    def names(self, order=None):
        return [name for name, kwargs in self if order is None or kwargs.get("order") == order]

    def of(self, name):
        return [kwargs for heard, kwargs in self if heard == name]


@pytest.fixture
def heard() -> Iterator[Heard]:
    log = Heard()
    receivers = {}
    for name in DOCUMENTED:
        receivers[name] = receiver_of(name)
        receivers[name].side_effect = lambda _name=name, **kwargs: log.append((_name, kwargs))
        getattr(signals, name).connect(receivers[name], weak=False)
    yield log
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """``with committed():`` runs what waits for the commit, as a real commit would."""

    def capture():
        return django_capture_on_commit_callbacks(execute=True)

    return capture


@pytest.fixture
def server(settings) -> Iterator[ScriptedServer]:
    """An Airalo over real HTTP that gives out tokens; everything else is for the test to say."""
    with ScriptedServer() as running:
        running.on("/v2/token", Answer(200, {"data": {"access_token": "scripted-token" * 20, "expires_in": 86400}}))
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_READ_TIMEOUT = 30
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        yield running


@pytest.fixture
def place(airalo, committed):
    """Places a future order and has it submitted."""

    def place(days=30, **content):
        with committed():
            order = services.place_order(package_id="test", due_date=in_days(days), **content)
        order.refresh_from_db()
        return order

    return place


@pytest.fixture
def no_tasks(settings) -> None:
    """The sweep alone asks for details, when a test says so."""
    settings.AIRALO_TASK_BACKEND = None


@pytest.fixture
def short_grace(settings) -> None:
    """An attempt is in doubt for ``GRACE`` seconds; what is accepted or given up is overdue after 500."""
    settings.AIRALO_UNCONFIRMED_GRACE = GRACE
    settings.AIRALO_OVERDUE_AFTER, settings.AIRALO_RATE_LIMITS = 500, NO_LIMITS


@pytest.fixture
def deployed(settings) -> None:
    """The shop has a deployment of its own, and Airalo lists at once what it has sold."""
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 4
    settings.AIRALO_LISTING_DELAY = 0
