"""The account at Airalo: its balance, and no orders while it does not cover them."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from decimal import Decimal
from functools import partial

from django.db import IntegrityError, transaction

from django_airalo import signals
from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloAPIError
from django_airalo.models import BalanceRecord, EsimOrder, SubmissionPause

from . import database, heartbeats
from .masking import masked
from .signalling import send_from, send_robust

logger = logging.getLogger("django_airalo.account")

#: A pause ends after this time even if the balance is not seen to grow: it may have been topped up before it was first
#: looked at, or be no measure at all (a credit limit). If it still does not suffice, one refusal pauses again.
TRY_AGAIN_AFTER = timedelta(hours=1)


def look_up_balance(*, source: str = "shop") -> BalanceRecord | None:
    """Ask Airalo for the balance and keep it if it changed.

    If it fell below ``AIRALO_LOW_BALANCE``, the signal ``balance_low`` is sent, once until it has been above again.

    Args:
        source: who asks, for the record.

    Returns:
        The newest record, which is older than this look-up if nothing changed; ``None`` if Airalo tells no balance.

    Raises:
        AiraloAPIError: the balance could not be looked up.
    """
    balance = get_client().get_balance()
    if balance.amount is None:
        return None
    return _record(round(balance.amount, 2), balance.currency[:3], source)


def _record(amount: Decimal, currency: str, source: str) -> BalanceRecord:
    with database.atomic():
        # The heartbeat's row is also the lock: of two processes that see the same fall, one writes and signals it.
        heartbeats.beat(heartbeats.BALANCE)
        last = latest_balance()
        record = BalanceRecord(
            amount=amount, currency=currency, threshold=conf.LOW_BALANCE, source=source, at=database.now()
        )
        if last and (last.amount, last.currency, last.is_low) == (amount, currency, record.is_low):
            return last
        if record.is_low and not (last and last.is_low):
            record.signal_due_at = record.at
            logger.error("The balance at Airalo is low: %s", record)
        record.save(using=database.alias())
        if record.signal_due_at is not None:
            transaction.on_commit(lambda: send_balance_signal(record), using=database.alias(), robust=True)
    return record


def latest_balance() -> BalanceRecord | None:
    """The balance as last known, without asking Airalo. ``None`` if it was never looked up."""
    return BalanceRecord.objects.using(database.alias()).order_by("-id").first()


def check_balance() -> None:
    """Look up the balance if ``AIRALO_BALANCE_CHECK_INTERVAL`` has passed. Once per interval, for all processes.

    Raises:
        AiraloAPIError: the balance could not be looked up; asked again after the interval.
    """
    every = conf.BALANCE_CHECK_INTERVAL
    if every and heartbeats.claim(heartbeats.BALANCE, every):
        look_up_balance(source="sweep")


def active_pause() -> SubmissionPause | None:
    """The pause that keeps orders from being sent, if there is one."""
    return SubmissionPause.objects.using(database.alias()).filter(is_active=True).first()


def pause_submission(order: EsimOrder, reason: str) -> None:
    """Stop sending orders, in all processes: Airalo refused ``order`` for lack of credit (code 11)."""
    if active_pause():
        return
    try:
        record = look_up_balance(source="pause")
    except AiraloAPIError as error:
        logger.warning("The balance could not be looked up: %s", error)
        record = None
    now = database.now()
    try:
        with database.atomic():
            pause = SubmissionPause.objects.create(
                order=order,
                reason=masked(reason),
                balance=record.amount if record else None,
                paused_at=now,
                due_at=now + timedelta(seconds=conf.BALANCE_INTERVAL),
                signal_due_at=now,
            )
    except IntegrityError:  # another process paused at the same moment
        return
    logger.critical("No order is sent to Airalo any more until the balance is topped up: %s", pause.reason)
    transaction.on_commit(partial(send_pause_signal, pause), using=database.alias(), robust=True)


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
        signal_due_at=now,
        signal_tries=0,
    )
    if ended:
        logger.warning("Orders are sent to Airalo again (%s)", resumed_by)
        pause.refresh_from_db(using=database.alias())
        transaction.on_commit(partial(send_pause_signal, pause), using=database.alias(), robust=True)
    return bool(ended)


def check_pause() -> None:
    """Resume if the balance has grown above the least that was seen since the pause began, or after an hour.

    Asks Airalo once per interval, for all processes.

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
    if now - pause.paused_at >= TRY_AGAIN_AFTER:
        resume_submission(resumed_by=f"tried again after {TRY_AGAIN_AFTER}")
        return
    record = look_up_balance(source="pause")
    if record is None:
        return
    if record.amount > (pause.balance or 0):
        resume_submission(resumed_by=f"balance {record.amount}")
    elif record.amount != pause.balance:
        SubmissionPause.objects.filter(pk=pause.pk).update(balance=record.amount)


def send_pause_signal(pause: SubmissionPause) -> bool:
    """Signal the beginning of a pause until it has been heard, and its end."""
    return send_from(pause, partial(_tell, pause))


def _tell(pause: SubmissionPause) -> list[str]:
    arguments = {"reason": pause.reason, "balance": pause.balance}
    failures = []
    if pause.is_active or pause.signalled_at is None:
        failures += send_robust(signals.submission_paused, SubmissionPause, event_id=pause.event_id, **arguments)
    if not pause.is_active:
        # Another id than that of the beginning, which may still have to be heard; the same at each repetition.
        event_id = uuid.uuid5(pause.event_id, "resumed")
        failures += send_robust(signals.submission_resumed, SubmissionPause, event_id=event_id, **arguments)
    return failures


def send_balance_signal(record: BalanceRecord) -> bool:
    """Signal that the balance is low."""
    arguments = {
        "amount": record.amount,
        "currency": record.currency,
        "threshold": record.threshold,
        "event_id": record.event_id,
    }
    return send_from(record, lambda: send_robust(signals.balance_low, BalanceRecord, **arguments))


def send_due_account_signals() -> int:
    """Send the signals of pauses and balances that are due. Returns how many were fully heard."""
    now = database.now()
    pauses = SubmissionPause.objects.using(database.alias()).filter(signal_due_at__lte=now).order_by("id")
    balances = BalanceRecord.objects.using(database.alias()).filter(signal_due_at__lte=now).order_by("id")
    return sum(map(send_pause_signal, list(pauses))) + sum(map(send_balance_signal, list(balances)))
