"""Look up and record the balance of the account at Airalo."""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from django.db import transaction

from django_airalo import signals
from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.models import BalanceRecord
from django_airalo.services.core import database, heartbeats
from django_airalo.services.core.outbox import send_from, send_robust

logger: logging.Logger = logging.getLogger("django_airalo.account")

#: Higher amounts are taken for a mistake. They do not fit the column either.
MAX_BALANCE = Decimal(10**12)


def sync_balance(*, source: str = "shop") -> BalanceRecord | None:
    """Look up the balance at Airalo, and record it if it changed.

    If it has fallen below ``AIRALO_LOW_BALANCE``, the signal ``balance_low`` is sent. It is not sent again until the
    balance has been above that amount.

    Args:
        source: where the look-up comes from, for the record.

    Returns:
        The newest record, which is older than this look-up if nothing changed; ``None`` if Airalo's answer has no
        balance.

    Raises:
        AiraloAPIError: the balance could not be looked up.
    """
    balance = get_client().get_balance()
    if balance.amount is None or abs(balance.amount) >= MAX_BALANCE:
        return None
    # Rounded down, since the shop may not have the next cent.
    return _record_balance(balance.amount.quantize(Decimal("0.01"), ROUND_FLOOR), balance.currency, source)


def _record_balance(amount: Decimal, currency: str, source: str) -> BalanceRecord:
    with database.atomic():
        # The heartbeat's row is also a lock: if two processes see the same fall, only one records and signals it.
        heartbeats.beat(heartbeats.BALANCE)
        last = latest_balance()
        # Anything but three letters is no currency, so the last known one is kept.
        currency = currency if len(currency) == 3 else (last.currency if last else "")
        record = BalanceRecord(
            amount=amount, currency=currency, threshold=conf.LOW_BALANCE, source=source, at=database.db_now()
        )
        if last and (last.amount, last.currency, last.is_low) == (amount, currency, record.is_low):
            return last
        if record.is_low and not (last and last.is_low):
            record.signal_due_at = record.at
            logger.error("The balance at Airalo is low: %s", record)
        record.save(using=database.primary_alias())
        if record.signal_due_at is not None:
            transaction.on_commit(lambda: send_balance_signal(record), using=database.primary_alias(), robust=True)
    return record


def latest_balance() -> BalanceRecord | None:
    """Return the newest record of the balance, without a look-up; ``None`` if there is none."""
    return BalanceRecord.primary.order_by("-id").first()


def check_balance() -> None:
    """Look up the balance if ``AIRALO_BALANCE_CHECK_INTERVAL`` has passed: once per interval, for all processes.

    Raises:
        AiraloAPIError: the look-up failed. It is tried again after the interval.
    """
    every = conf.BALANCE_CHECK_INTERVAL
    if every and heartbeats.claim(heartbeats.BALANCE, every):
        sync_balance(source="sweep")


def send_balance_signal(record: BalanceRecord) -> bool:
    """Send the signal ``balance_low``. Return whether every receiver has returned without an error."""
    arguments = {
        "amount": record.amount,
        "currency": record.currency,
        "threshold": record.threshold,
        "event_id": record.event_id,
    }
    return send_from(record, lambda: send_robust(signals.balance_low, BalanceRecord, **arguments))


def send_due_balance_signals(now: datetime) -> int:
    """Send the ``balance_low`` signals that are due. Return how many were delivered to every receiver."""
    due = BalanceRecord.primary.filter(signal_due_at__lte=now).order_by("id")
    return sum(map(send_balance_signal, list(due)))
