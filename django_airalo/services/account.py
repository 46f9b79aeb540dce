"""The account at Airalo: stop sending orders while the balance does not cover them."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from django.db import IntegrityError

from django_airalo import signals
from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloAPIError
from django_airalo.models import EsimOrder, SubmissionPause

from . import database
from .signalling import send_from, send_robust

logger = logging.getLogger("django_airalo.account")


def active_pause() -> SubmissionPause | None:
    """The pause that keeps orders from being sent, if there is one."""
    return SubmissionPause.objects.filter(is_active=True).first()


def pause_submission(order: EsimOrder, reason: str) -> None:
    """Stop sending orders, in all processes: Airalo refused ``order`` for lack of credit (code 11)."""
    if active_pause():
        return
    try:
        balance = get_client().get_balance().amount
    except AiraloAPIError as error:
        logger.warning("The balance could not be looked up: %s", error)
        balance = None
    now = database.now()
    try:
        with database.atomic():
            pause = SubmissionPause.objects.create(
                order=order,
                reason=reason,
                balance=None if balance is None else round(balance, 2),
                paused_at=now,
                due_at=now + timedelta(seconds=conf.BALANCE_INTERVAL),
                signal_due_at=now,
            )
    except IntegrityError:  # another process paused at the same moment
        return
    logger.critical("No order is sent to Airalo any more until the balance is topped up: %s", reason)
    send_pause_signal(pause)


def resume_submission(*, resumed_by: str = "") -> bool:
    """Send orders again. ``False`` if there was no pause.

    Args:
        resumed_by: who decided, for the log.
    """
    pause = active_pause()
    if pause is None:
        return False
    now = database.now()
    ended = SubmissionPause.objects.filter(pk=pause.pk, is_active=True).update(
        is_active=None,
        resumed_at=now,
        resumed_by=resumed_by,
        due_at=None,
        event_id=uuid.uuid4(),
        signal_due_at=now,
        signal_tries=0,
    )
    if ended:
        logger.warning("Orders are sent to Airalo again (%s)", resumed_by)
        pause.refresh_from_db()
        send_pause_signal(pause)
    return bool(ended)


def check_pause() -> None:
    """Resume if the balance has been topped up since the pause began. Asks Airalo once per interval, for all processes.

    Raises:
        AiraloAPIError: the balance could not be looked up; asked again after the interval.
    """
    pause = active_pause()
    now = database.now()
    if pause is None or pause.due_at is None or pause.due_at > now:
        return
    mine = SubmissionPause.objects.filter(pk=pause.pk, due_at=pause.due_at)
    if not mine.update(due_at=now + timedelta(seconds=conf.BALANCE_INTERVAL)):
        return
    balance = get_client().get_balance().amount
    if balance is not None and balance > (pause.balance or 0):
        resume_submission(resumed_by=f"balance {balance}")


def send_pause_signal(pause: SubmissionPause) -> bool:
    """Signal the beginning or the end of a pause."""
    signal = signals.submission_paused if pause.is_active else signals.submission_resumed
    arguments = {"reason": pause.reason, "balance": pause.balance, "event_id": pause.event_id}
    return send_from(pause, lambda: send_robust(signal, SubmissionPause, **arguments))


def send_due_pause_signals() -> int:
    """Send the signals of pauses that are due. Returns how many were fully heard."""
    due = SubmissionPause.objects.filter(signal_due_at__lte=database.now()).order_by("id")
    return sum(send_pause_signal(pause) for pause in list(due))
