"""Send a refund or a voucher to Airalo at most once. If the outcome is unknown, an operator decides.

This works as for orders, but without look-ups, since Airalo has no endpoint to look up refunds and vouchers.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, NullIf
from django.dispatch import Signal

from django_airalo import signals
from django_airalo.client import get_client
from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloError,
    AiraloRefusedError,
    OperatorMaintenanceError,
)
from django_airalo.models import Refund, Voucher
from django_airalo.models.leases import LeaseQuerySet
from django_airalo.models.outbound import CANCELLED, PENDING, SENDING, UNCONFIRMED
from django_airalo.services.account import breaker
from django_airalo.services.core import database, deployment, restore_check
from django_airalo.services.core.backoff import retry_wait
from django_airalo.services.core.outbox import send_from, send_robust
from django_airalo.services.core.redaction import redact
from django_airalo.services.core.transitions import not_possible

logger: logging.Logger = logging.getLogger("django_airalo.account")

Row = TypeVar("Row", Refund, Voucher)

#: The column to set after an attempt of unknown outcome. The first such attempt is kept, whatever later ones bring.
IN_DOUBT = {"doubted_attempt": Coalesce("doubted_attempt", "attempt")}
#: Added to the error of a row with an earlier attempt in doubt, since an operator must ask Airalo.
EARLIER_ATTEMPT = "An earlier attempt may have been carried out."
#: The column to set after an attempt that was certainly not carried out.
NOT_IN_DOUBT = {"doubted_attempt": NullIf("doubted_attempt", "attempt")}
_SIGNALS: dict[type[Refund | Voucher], tuple[Signal, str]] = {
    Refund: (signals.refund_changed, "refund"),
    Voucher: (signals.voucher_changed, "voucher"),
}


def attempt_request(
    model: type[Row], pk: int, ask: Callable[[Row], dict[str, Any]], purchase: breaker.Purchase | None = None
) -> AiraloError | None:
    """Send a row that is due, unless another process does. Must not be called inside a transaction.

    Args:
        model: the row's model.
        pk: the row's primary key.
        ask: sends the request and returns the columns that the answer fills.
        purchase: the attempt to buy, if the request buys something.

    Returns:
        The error that kept Airalo from accepting it, if there was one.

    Raises:
        RuntimeError: called inside a transaction.
    """
    with purchase or nullcontext():
        row = _claim_request(model, pk, purchase)
        if purchase and not row and purchase.take_turn(lambda: _request_is_due(model, pk)):
            row = _claim_request(model, pk, purchase)
        return _send_claimed(row, ask, purchase) if row else None


def _request_is_due(model: type[Row], pk: int) -> bool:
    rows = model.primary.filter(deployment=deployment.identity().stamp)
    return conf.SUBMIT and rows.filter(pk=pk, status=PENDING, due_at__lte=database.db_now()).exists()


@database.in_transaction(durable=True)
def _claim_request(model: type[Row], pk: int, purchase: breaker.Purchase | None) -> Row | None:
    """Claim a row that is due; ``None`` if it cannot be claimed. The claim holds once this transaction is committed."""
    if not conf.SUBMIT or (purchase and purchase.is_held()):
        return None
    moment = restore_check.look()
    if not restore_check.is_newest(moment):
        return None
    now = moment.now
    lease_end = now + timedelta(seconds=conf.submit_lease)
    due = model.primary.filter(pk=pk, status=PENDING, due_at__lte=now, deployment=moment.stamp)
    row: Row | None = due.first()
    if row is None:
        return None
    changes = {"status": SENDING, "attempt": row.attempt + 1, "sent_at": now}
    return row if due.claim(row, row.SENDING_LEASE, until=lease_end, **changes) else None


def _send_claimed(
    row: Row, ask: Callable[[Row], dict[str, Any]], purchase: breaker.Purchase | None
) -> AiraloError | None:
    try:
        get_client().get_token()  # may take long; only one request follows, or two if the token is refused
    except (AiraloAPIError, AiraloConfigurationError) as error:
        return _put_unsent_back(row, error, purchase)
    needed = timedelta(seconds=conf.max_send_seconds)
    if not _in_status(row, SENDING).is_held(row, row.SENDING_LEASE, until=database.db_now() + needed):
        _put_request_back(row, "The lease was about to run out, so nothing was sent.", None)
        return None
    try:
        fields = ask(row)
    except AiraloConfigurationError as error:  # such as an invalid URL, which is found before anything is sent
        return _put_unsent_back(row, error, purchase)
    except AiraloAPIError as error:
        reason = redact(row.redact(str(error)))
        if error.may_have_acted:
            _settle_request(row, UNCONFIRMED, error=reason)
        elif isinstance(error, AiraloRefusedError) and not isinstance(error, OperatorMaintenanceError):
            _settle_request(row, row.REFUSED, error=reason)
        else:
            _put_request_back(row, reason, error.retry_after)
        if purchase:
            purchase.failed(error, reason)
        return error
    _settle_request(row, row.ACCEPTED, **fields)
    if purchase:
        purchase.accepted()
    return None


def _put_unsent_back(
    row: Row, error: AiraloAPIError | AiraloConfigurationError, purchase: breaker.Purchase | None
) -> AiraloError:
    reason = redact(row.redact(str(error)))
    _put_request_back(row, reason, getattr(error, "retry_after", None))
    if purchase:
        purchase.failed(error, reason)
    return error


def _in_status(row: Refund | Voucher, *statuses: str) -> LeaseQuerySet[Any]:
    """Return the rows of a row's model that have one of these statuses."""
    rows: LeaseQuerySet[Any] = type(row).primary.filter(status__in=statuses)
    return rows


@database.in_transaction(durable=True)
def _put_request_back(row: Row, reason: str, wait: float | None) -> None:
    """Make a row pending again that was certainly not carried out, due no sooner than Airalo asked for."""
    due_at = database.db_now() + retry_wait(row.attempt, wait)
    # The row is UNCONFIRMED if the lease expired meanwhile, although nothing was sent.
    rows = _in_status(row, SENDING, UNCONFIRMED)
    rows.release(row, row.SENDING_LEASE, due=due_at, status=PENDING, error=reason, **NOT_IN_DOUBT)


@database.in_transaction(durable=True)
def _settle_request(row: Row, status: str, **fields: Any) -> None:
    """Record the outcome of the request."""
    now = database.db_now()
    if status == row.ACCEPTED:
        # An acceptance counts even if the sweep or an operator gave the row up meanwhile.
        known = [PENDING, SENDING, UNCONFIRMED, CANCELLED]
        fields = {"error": "", "accepted_at": now, **fields}
    else:
        known = [SENDING, UNCONFIRMED]
    rows = _in_status(row, *known)
    unchanged = rows.as_read(row, row.SENDING_LEASE).using(database.primary_alias())
    is_doubted = status != UNCONFIRMED and unchanged.filter(doubted_attempt__lt=row.attempt).exists()
    if is_doubted:
        fields["error"] = f"{fields['error']} {EARLIER_ATTEMPT}".strip()
    if status == UNCONFIRMED:
        fields |= IN_DOUBT
    elif status == row.REFUSED:
        fields |= NOT_IN_DOUBT
        status = UNCONFIRMED if is_doubted else status
    if not rows.release(row, row.SENDING_LEASE, due=None, status=status, **fields, **_signal_due(now)):
        logger.error("%s %s was sent again before the first answer came: %s", type(row).__name__, row.pk, status)
        if status != row.ACCEPTED:
            return
        fields = _keep_late_answer(row, fields, known)
    as_wanted = status == row.ACCEPTED and not fields["error"]
    level = logging.INFO if as_wanted else logging.ERROR
    logger.log(level, "%s %s: %s %s", type(row).__name__, row.pk, status, fields["error"])
    signal_after_commit(type(row), row.pk)


def _keep_late_answer(row: Row, fields: dict[str, Any], open_statuses: Collection[str]) -> dict[str, Any]:
    """Add the data of a late answer to the row's own, since Airalo may have carried out two attempts.

    A newer attempt that has not sent anything yet loses its claim, so it sends nothing.

    Returns:
        The columns that were set.
    """
    rows = type(row).primary.filter(pk=row.pk)
    rows.update(attempt=F("attempt"))  # locks the row until the transaction ends, on every database
    current: Row = database.locked(rows).get()
    ids: list[str] = [f"{name} {value}" for name, value in fields.items() if name.endswith("_id") and value is not None]
    error = " ".join([f"The answer to attempt {row.attempt} came late, so it may have been carried out twice.", *ids])
    kept: dict[str, Any] = {"error": "\n".join(filter(None, [current.error, error]))}
    kept |= _joined_secrets(current, fields)
    if current.status in {*open_statuses, row.REFUSED}:
        kept = {**fields, **kept, "status": row.ACCEPTED, "due_at": None}
    rows.update(**kept, **_signal_due(database.db_now()))
    return kept


def _joined_secrets(row: Refund | Voucher, fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of each secret, from the row and from the answer, one per line."""
    joined = {}
    for name in row.SECRETS:
        lines = [*getattr(row, name).splitlines(), *str(fields.get(name, "")).splitlines()]
        joined[name] = "\n".join(dict.fromkeys(lines))
    return joined


def _signal_due(now: Any) -> dict[str, Any]:
    return {"event_id": uuid.uuid4(), "signal_due_at": now, "signal_tries": 0, "signal_error": ""}


@database.in_transaction()
def expire(row: Refund | Voucher) -> bool:
    """Make a row unconfirmed whose lease has expired: its worker died or hangs, and may have sent it.

    Returns:
        ``False`` if the lease has not expired, or the row has changed meanwhile.
    """
    now = database.db_now()
    error = "The lease ran out: the worker died or hangs, and may have sent it."
    model = type(row)
    fields = {"status": UNCONFIRMED, "error": error, **IN_DOUBT, **_signal_due(now)}
    if not _in_status(row, SENDING).expire(row, row.SENDING_LEASE, now=now, due=None, **fields):
        return False
    logger.error("%s %s is unconfirmed: %s", model.__name__, row.pk, error)
    signal_after_commit(model, row.pk)
    return True


def doubt_all(condition: Q, *, now: datetime) -> None:
    """Make the pending rows that meet a condition unconfirmed, since another database may have sent them.

    Call inside ``database.atomic()``.

    Args:
        condition: the condition.
        now: the database's present time.
    """
    error = "The database may not have been the newest one, and this is listed nowhere: it may have been sent already."
    models: list[type[Refund | Voucher]] = list(_SIGNALS)
    for model in models:
        rows = model.primary.all()
        for pk in list(rows.filter(condition, status=PENDING).values_list("pk", flat=True)):
            pending = rows.filter(pk=pk, status=PENDING)
            if pending.update(status=UNCONFIRMED, due_at=None, error=error, **IN_DOUBT, **_signal_due(now)):
                logger.error("%s %s is unconfirmed: %s", model.__name__, pk, error)
                signal_after_commit(model, pk)


@dataclass(frozen=True)
class Decision:
    """An operator's decision about a row that cannot be looked up at Airalo.

    Attributes:
        service: the name of the service that carries it out.
        status: the status that the row gets.
        possible_from: the statuses in which it is possible.
    """

    service: str
    status: str
    possible_from: tuple[str, ...]


def decide(row: Row, decision: Decision, decisions: Sequence[Decision], *, decided_by: str) -> None:
    """Change a row as an operator decided. Call inside ``database.atomic()``.

    Args:
        row: the row.
        decision: the decision.
        decisions: all decisions that exist for such a row.
        decided_by: who decided.

    Raises:
        IllegalTransitionError: the row's status does not allow the decision; ``row`` is refreshed. Nothing was written.
    """
    now, rows = database.db_now(), type(row).primary.all()
    fields: dict[str, Any] = {"status": decision.status, "decided_by": decided_by[:255]}
    fields |= {"due_at": now, "error": ""} if decision.status == PENDING else {"due_at": None, **_signal_due(now)}
    if not rows.filter(pk=row.pk, status__in=decision.possible_from).update(**fields):
        row.refresh_from_db(from_queryset=database.locked(rows))
        possible = dict.fromkeys(other.service for other in decisions if row.status in other.possible_from)
        raise not_possible(decision.service, row, possible)
    logger.info("%s %s: %s, decided by %s", type(row).__name__, row.pk, decision.status, decided_by)
    if decision.status != PENDING:
        signal_after_commit(type(row), row.pk)


# Signals


def signal_after_commit(model: type[Refund | Voucher], pk: int) -> None:
    """Send a row's signal once the current transaction is committed."""

    def signal() -> None:
        rows = model.primary.defer(*model.SECRETS)
        row = rows.filter(pk=pk, signal_due_at__isnull=False).first()
        if row:
            _send_signal(row)

    transaction.on_commit(signal, using=database.primary_alias(), robust=True)


def _send_signal(row: Refund | Voucher) -> bool:
    signal, name = _SIGNALS[type(row)]
    arguments = {name: row, "status": row.status, "event_id": row.event_id}
    return send_from(row, lambda: send_robust(signal, type(row), **arguments))


def send_due_signals(limit: int) -> int:
    """Send the due signals of refunds and vouchers. Return how many were delivered to every receiver.

    Args:
        limit: the maximum number of each kind.
    """
    heard, now = 0, database.db_now()
    models: list[type[Refund | Voucher]] = list(_SIGNALS)
    for model in models:
        rows: Any = model.primary.defer(*model.SECRETS).filter(signal_due_at__lte=now)
        heard += sum(map(_send_signal, list(rows.order_by("id")[:limit])))
    return heard
