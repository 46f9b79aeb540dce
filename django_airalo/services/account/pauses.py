"""Pause and resume the submission of orders to Airalo."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError, transaction

from django_airalo import signals
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloAPIError, AiraloConfigurationError
from django_airalo.models import EsimOrder, SubmissionPause, UnknownOutcomes
from django_airalo.models.leases import leased
from django_airalo.services.core import database
from django_airalo.services.core.outbox import send_from, send_robust
from django_airalo.services.core.redaction import redact

from .balance import sync_balance

logger: logging.Logger = logging.getLogger("django_airalo.account")

Kind = SubmissionPause.Kind

#: A pause ends after this time even if the balance has not grown: it may have been topped up before the first look-up,
#: or it may not matter at all (an account with a credit limit). If there is still no credit, the next refusal begins
#: another pause.
ENDS_AFTER = timedelta(hours=1)


def active_pauses() -> list[SubmissionPause]:
    """Return the active pauses, at most one of each kind."""
    return list(SubmissionPause.primary.filter(is_active=True))


def active_pause(kind: str = "") -> SubmissionPause | None:
    """Return an active pause, or ``None``.

    Args:
        kind: one of ``SubmissionPause.Kind``; default any.
    """
    return next((pause for pause in active_pauses() if kind in ("", pause.kind)), None)


def pause_submission(order: EsimOrder, *, reason: str) -> None:
    """Stop sending orders in all processes, after Airalo refused one for lack of credit (code 11).

    Args:
        order: the order that was refused.
        reason: Airalo's message; secrets in it are redacted.
    """
    if active_pause(Kind.NO_CREDIT):
        return
    now = database.db_now()
    try:
        with database.atomic():
            pause = SubmissionPause.primary.create(
                kind=Kind.NO_CREDIT,
                order=order,
                reason=redact(reason),
                paused_at=now,
                due_at=now + timedelta(seconds=conf.BALANCE_INTERVAL),
                signal_due_at=now,
            )
    except IntegrityError:  # another process paused at the same moment
        return
    logger.critical("No order is sent to Airalo any more until the balance is topped up: %s", pause.reason)
    # After the pause has begun, since the look-up takes time and may fail.
    _record_balance_of(pause)
    transaction.on_commit(partial(send_pause_signal, pause), using=database.primary_alias(), robust=True)


def _record_balance_of(pause: SubmissionPause) -> None:
    try:
        record = sync_balance(source="pause")
    except (AiraloAPIError, AiraloConfigurationError) as error:
        logger.warning("The balance could not be looked up: %s", error)
        return
    if record:
        pause.balance = record.amount
        SubmissionPause.primary.filter(pk=pause.pk, is_active=True).update(balance=record.amount)


@database.in_transaction()
def resume_submission(*, resumed_by: str = "", kind: str = "") -> bool:
    """End pauses, so that orders are sent again.

    Args:
        resumed_by: who or what ended the pause, for the log.
        kind: the kind of pause to end, one of ``SubmissionPause.Kind``; default all.

    Returns:
        ``False`` if there was no such pause.
    """
    ended = [_end_pause(pause, resumed_by) for pause in active_pauses() if kind in ("", pause.kind)]
    return any(ended)


def _end_pause(pause: SubmissionPause, resumed_by: str) -> bool:
    now = database.db_now()
    ended = SubmissionPause.primary.filter(pk=pause.pk, is_active=True).update(
        is_active=None,
        resumed_at=now,
        resumed_by=resumed_by,
        due_at=None,
        signal_due_at=now,
        signal_tries=0,
    )
    if not ended:
        return False
    if pause.kind == Kind.UNKNOWN_OUTCOMES:
        UnknownOutcomes.primary.update(at=[])
    logger.warning("The pause is over (%s): %s", pause.get_kind_display(), resumed_by)
    pause.refresh_from_db(using=database.primary_alias())
    transaction.on_commit(partial(send_pause_signal, pause), using=database.primary_alias(), robust=True)
    return True


def check_pause() -> None:
    """End the pause for lack of credit if the balance has grown since the last look-up, or after an hour.

    The balance is looked up once a minute, for all processes.

    Raises:
        AiraloAPIError: the look-up failed. It is tried again after the interval.
    """
    pause = active_pause(Kind.NO_CREDIT)
    now = database.db_now()
    if pause is None or pause.due_at is None or pause.due_at > now:
        return
    until = now + timedelta(seconds=conf.BALANCE_INTERVAL)
    if not leased(SubmissionPause).claim(pause, SubmissionPause.PROBE_LEASE, until=until):
        return
    if now - pause.paused_at >= ENDS_AFTER:
        resume_submission(resumed_by=f"tried again after {ENDS_AFTER}", kind=Kind.NO_CREDIT)
        return
    record = sync_balance(source="pause")
    if record is None:
        return
    if record.amount > (pause.balance or 0):
        resume_submission(resumed_by=f"balance {record.amount}", kind=Kind.NO_CREDIT)
    elif record.amount != pause.balance:
        SubmissionPause.primary.filter(pk=pause.pk).update(balance=record.amount)


def send_pause_signal(pause: SubmissionPause) -> bool:
    """Send the signal that a pause has begun (until it is delivered), and the one that it has ended.

    Returns:
        Whether every receiver has returned without an error.
    """
    return send_from(pause, partial(_signal_pause, pause))


def _signal_pause(pause: SubmissionPause) -> list[str]:
    arguments = {"kind": str(pause.kind), "reason": pause.reason, "balance": pause.balance}
    failures = []
    if pause.is_active or pause.signalled_at is None:
        failures += send_robust(signals.submission_paused, SubmissionPause, event_id=pause.event_id, **arguments)
    if not pause.is_active:
        # Not the id of the beginning, whose signal may still be due; and the same one for each repetition.
        event_id = uuid.uuid5(pause.event_id, "resumed")
        failures += send_robust(signals.submission_resumed, SubmissionPause, event_id=event_id, **arguments)
    return failures


def send_due_pause_signals(now: datetime) -> int:
    """Send the signals of pauses that are due. Return how many were delivered to every receiver."""
    due = SubmissionPause.primary.filter(signal_due_at__lte=now).order_by("id")
    return sum(map(send_pause_signal, list(due)))
