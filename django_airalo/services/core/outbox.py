"""Send the signals of rows until every receiver has returned. Each row is its own outbox."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy

from django.db.models import F
from django.dispatch import Signal

from django_airalo.conf import conf
from django_airalo.models.leases import leased
from django_airalo.models.mixins import SignalOutbox

from . import database
from .backoff import backoff

logger: logging.Logger = logging.getLogger("django_airalo.signals")


def send_from(row: SignalOutbox, send: Callable[[], list[str]]) -> bool:
    """Claim a row, send its signals and record the outcome.

    Args:
        row: the row as last read; the claim compares its ``signal_due_at``.
        send: sends the signals and returns a line for each receiver that raised.

    Returns:
        ``False`` if another process has claimed the row, or a receiver raised.
    """
    rows, lease, claimed = leased(type(row)), row.SIGNAL_LEASE, copy(row)
    # The wait doubles with each try, so that a receiver that always raises is not called every few minutes.
    delays = [conf.signal_lease * 2**tries for tries in range(9)]
    lease_end = database.db_now() + backoff(delays, row.signal_tries)
    tries = F("signal_tries") + 1
    if row.signal_due_at is None or not rows.claim(claimed, lease, until=lease_end, signal_tries=tries):
        return False
    try:
        failures = send()
    except Exception as error:  # Django's logging fails for a receiver without a name; call the others.
        logger.exception("The signals of %s %s could not be sent", type(row).__name__, row.pk)
        failures = [f"{type(error).__name__}: see the log."]
    if failures:
        rows.release(claimed, lease, due=lease_end, signal_error="\n".join(failures))
        return False
    rows.release(claimed, lease, due=None, signalled_at=database.db_now(), signal_error="")
    return True


def send_robust(signal: Signal, sender: type, **arguments: object) -> list[str]:
    """Send a signal to all receivers. Return a line for each that raised; Django logs the traceback."""
    failures = []
    for receiver, outcome in signal.send_robust(sender=sender, **arguments):
        if isinstance(outcome, Exception):
            name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
            failures.append(f"{name} raised {type(outcome).__name__}")
    return failures
