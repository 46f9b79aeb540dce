"""Send a refund or a voucher to Airalo at most once; where nobody knows the outcome, a person decides.

The road of an order without its look-ups, since Airalo has no endpoint to look these up.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F
from django.dispatch import Signal

from django_airalo import signals
from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloRefusedError,
    OperatorMaintenanceError,
)
from django_airalo.models import Refund, Voucher
from django_airalo.models.outgoing import CANCELLED, PENDING, REFUSED, SENDING, UNCONFIRMED

from . import database
from .masking import masked
from .signalling import send_from, send_robust

logger = logging.getLogger("django_airalo.account")

Row = TypeVar("Row", Refund, Voucher)

#: Seconds. A Retry-After that asks for more is taken for a mistake.
LONGEST_WAIT = 24 * 3600
_SIGNALS: dict[type[Refund | Voucher], tuple[Signal, str]] = {
    Refund: (signals.refund_changed, "refund"),
    Voucher: (signals.voucher_changed, "voucher"),
}


def send(model: type[Row], pk: int, ask: Callable[[Row], dict[str, Any]]) -> Row:
    """Send a row that is due, unless somebody else does. Must not be called inside a transaction.

    Args:
        ask: makes the one request and returns the fields that the answer fills.

    Returns:
        The row as it is afterwards.
    """
    row = _claim(model, pk)
    if row:
        _send(row, ask)
    return model._default_manager.using(database.alias()).get(pk=pk)


@database.in_transaction(durable=True)
def _claim(model: type[Row], pk: int) -> Row | None:
    """Take a row that is due, or ``None``. The commit of this transaction is what makes us its owner."""
    now = database.now()
    lease_end = now + timedelta(seconds=conf.SUBMIT_LEASE)
    due = model._default_manager.filter(pk=pk, status=PENDING, due_at__lte=now)
    if not due.update(status=SENDING, attempt=F("attempt") + 1, sent_at=now, due_at=lease_end):
        return None
    return model._default_manager.using(database.alias()).get(pk=pk)


def _send(row: Row, ask: Callable[[Row], dict[str, Any]]) -> None:
    try:
        get_client().get_token()  # may take long; what comes after it is one request, or two if the token is refused
    except (AiraloAPIError, AiraloConfigurationError) as error:
        _put_back(row, str(error), getattr(error, "retry_after", None))
        return
    needed = timedelta(seconds=conf.sending_time)
    if not _mine(row).filter(due_at__gt=database.now() + needed).exists():
        _put_back(row, "The lease was about to run out, so nothing was sent.", None)
        return
    try:
        fields = ask(row)
    except AiraloAPIError as error:
        reason = masked(row.masked(str(error)))
        if error.may_have_acted:
            _settle(row, UNCONFIRMED, error=reason)
        elif isinstance(error, AiraloRefusedError) and not isinstance(error, OperatorMaintenanceError):
            _settle(row, REFUSED, error=reason)
        else:
            _put_back(row, reason, error.retry_after)
    else:
        _settle(row, row.ACCEPTED, **fields)


def _mine(row: Row) -> Any:
    """The row, if this attempt still owns it."""
    return type(row)._default_manager.using(database.alias()).filter(pk=row.pk, status=SENDING, attempt=row.attempt)


@database.in_transaction(durable=True)
def _put_back(row: Row, reason: str, wait: float | None) -> None:
    """Nothing was carried out: it stays to be sent, no sooner than Airalo asked for."""
    delays = conf.RETRY_DELAYS
    delay = delays[min(row.attempt, len(delays)) - 1]
    delay = max(delay, min(wait or 0, LONGEST_WAIT)) * random.uniform(1, 1.25)  # noqa: S311  spreads retries, guards nothing
    due_at = database.now() + timedelta(seconds=delay)
    # UNCONFIRMED if the lease ran out meanwhile: nothing was sent, so that was wrong.
    late = type(row)._default_manager.filter(pk=row.pk, status__in=(SENDING, UNCONFIRMED), attempt=row.attempt)
    late.update(status=PENDING, due_at=due_at, error=reason)


@database.in_transaction(durable=True)
def _settle(row: Row, status: str, **fields: Any) -> None:
    """What the one request came to."""
    now = database.now()
    if status == row.ACCEPTED:
        # Also if the sweep or a person gave it up meanwhile: what Airalo said is the truth.
        known = [PENDING, SENDING, UNCONFIRMED, CANCELLED]
        fields = {"error": "", "accepted_at": now, **fields}
    else:
        known = [SENDING, UNCONFIRMED]
    unchanged = type(row)._default_manager.filter(pk=row.pk, status__in=known, attempt=row.attempt)
    if not unchanged.update(status=status, due_at=None, **fields, **_signal_due(now)):
        logger.error("%s %s was sent again before the first answer came: %s", type(row).__name__, row.pk, status)
        if status != row.ACCEPTED:
            return
        fields = _keep_late_answer(row, fields, known)
    as_wanted = status == row.ACCEPTED and not fields["error"]
    level = logging.INFO if as_wanted else logging.ERROR
    logger.log(level, "%s %s: %s %s", type(row).__name__, row.pk, status, fields["error"])
    signal_after_commit(type(row), row.pk)


def _keep_late_answer(row: Row, fields: dict[str, Any], open_statuses: Collection[str]) -> dict[str, Any]:
    """Airalo carried out two attempts: what the late answer gave is kept beside what was there. Returns what was set.

    A newer attempt that has not sent anything yet loses its claim by that, so it will not.
    """
    rows = type(row)._default_manager.using(database.alias()).filter(pk=row.pk)
    rows.update(attempt=F("attempt"))  # holds the row until the transaction ends, on every database
    current: Row = database.held(rows).get()
    ids: list[str] = [f"{name} {value}" for name, value in fields.items() if name.endswith("_id") and value is not None]
    error = " ".join([f"The answer to attempt {row.attempt} came late, so it may have been carried out twice.", *ids])
    kept: dict[str, Any] = {"error": "\n".join(filter(None, [current.error, error]))}
    kept |= _joined_secrets(current, fields)
    if current.status in {*open_statuses, REFUSED}:
        kept = {**fields, **kept, "status": row.ACCEPTED, "due_at": None}
    rows.update(**kept, **_signal_due(database.now()))
    return kept


def _joined_secrets(row: Refund | Voucher, fields: Mapping[str, Any]) -> dict[str, str]:
    """What the row has of each secret, and what came, a line each."""
    joined = {}
    for name in row.SECRETS:
        lines = [*getattr(row, name).splitlines(), *str(fields.get(name, "")).splitlines()]
        joined[name] = "\n".join(dict.fromkeys(lines))
    return joined


def _signal_due(now: Any) -> dict[str, Any]:
    return {"event_id": uuid.uuid4(), "signal_due_at": now, "signal_tries": 0, "signal_error": ""}


@database.in_transaction()
def expire(row: Refund | Voucher) -> bool:
    """The worker that sent the row died or hangs; whether its request left nobody knows. ``False`` if it is alive."""
    now = database.now()
    error = "The lease ran out: the worker died or hangs, and may have sent it."
    model = type(row)
    expired = model._default_manager.filter(pk=row.pk, status=SENDING, attempt=row.attempt, due_at__lte=now)
    if not expired.update(status=UNCONFIRMED, due_at=None, error=error, **_signal_due(now)):
        return False
    logger.error("%s %s is unconfirmed: %s", model.__name__, row.pk, error)
    signal_after_commit(model, row.pk)
    return True


def decide(row: Row, status: str, allowed: Mapping[str, Collection[str]], decided_by: str) -> bool:
    """What a person decides. Call inside a transaction.

    Args:
        allowed: from each status, those that may follow.

    Returns:
        ``False`` if the row's present status does not allow it; then nothing was written.
    """
    now = database.now()
    sources = [old for old, new in allowed.items() if status in new]
    decided = type(row)._default_manager.filter(pk=row.pk, status__in=sources)
    fields: dict[str, Any] = {"status": status, "decided_by": decided_by[:255]}
    fields |= {"due_at": now, "error": ""} if status == PENDING else {"due_at": None, **_signal_due(now)}
    if not decided.update(**fields):
        return False
    logger.info("%s %s: %s, decided by %s", type(row).__name__, row.pk, status, decided_by)
    if status != PENDING:
        signal_after_commit(type(row), row.pk)
    return True


# Signals


def signal_after_commit(model: type[Refund | Voucher], pk: int) -> None:
    """Send the row's signal once the present transaction is committed."""

    def signal() -> None:
        rows = model._default_manager.using(database.alias()).defer(*model.SECRETS)
        row = rows.filter(pk=pk, signal_due_at__isnull=False).first()
        if row:
            _send_signal(row)

    transaction.on_commit(signal, using=database.alias(), robust=True)


def _send_signal(row: Refund | Voucher) -> bool:
    signal, name = _SIGNALS[type(row)]
    arguments = {name: row, "status": row.status, "event_id": row.event_id}
    return send_from(row, lambda: send_robust(signal, type(row), **arguments))


def send_due_signals(limit: int) -> int:
    """Send the signals of refunds and vouchers that are due. Returns how many were fully heard."""
    heard, now = 0, database.now()
    models: list[type[Refund | Voucher]] = list(_SIGNALS)
    for model in models:
        rows: Any = model._default_manager.using(database.alias()).defer(*model.SECRETS).filter(signal_due_at__lte=now)
        heard += sum(map(_send_signal, list(rows.order_by("id")[:limit])))
    return heard
