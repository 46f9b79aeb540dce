"""Look up how much data an eSIM has left, keep the history and signal changes."""

from __future__ import annotations

import logging
import re
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F

from django_airalo import signals
from django_airalo.client import get_client
from django_airalo.client.payloads import UsageData
from django_airalo.conf import conf
from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloNotFoundError,
    AiraloRateLimitError,
    AiraloResponseError,
    AiraloTokenError,
    RecycledEsimError,
)
from django_airalo.models import Esim, UsageRecord, UsageStatus
from django_airalo.models.usage import USAGE_FIELDS
from django_airalo.services.core import blanks, database
from django_airalo.services.core.outbox import send_from, send_robust
from django_airalo.services.core.redaction import redact

from .identity import iccid_of
from .packages import lock_esim, sync_esim_packages
from .usage_schedule import next_usage

logger: logging.Logger = logging.getLogger("django_airalo.esims")

#: Shortest time between two look-ups of an eSIM that Airalo does not know, or no longer knows.
NOT_FOUND_AGAIN_AFTER = timedelta(days=1)
#: The levels of Airalo's low data notifications: ``75%``, ``90%``, ``3days``, ``1days``.
LEVEL = re.compile(r"\s*([0-9]{1,3})\s*(%|days?)\s*\Z", re.IGNORECASE)
#: Within this time after a top-up, it appears in Airalo's usage.
TOP_UP_SHOWS_WITHIN = timedelta(days=1)
#: The maximum seconds in one sweep. The rest waits for the next sweep, since orders are more urgent than usage.
SWEEP_PATIENCE = 20


def sync_usage(esim: Esim | int) -> Esim:
    """Look up the usage of an eSIM, unless the last look-up is so recent that nothing can have changed.

    Args:
        esim: an eSIM or its primary key.

    Returns:
        The eSIM as it is afterwards.

    Raises:
        AiraloAPIError: the look-up failed. ``usage_error`` has the reason; the usage was not changed.
        AiraloConfigurationError: credentials are missing.
    """
    current = _current(esim.pk if isinstance(esim, Esim) else esim)
    now = database.db_now()
    is_due = current.usage_due_at is not None and current.usage_due_at <= now
    if (is_due or not _is_fresh(current, now)) and _claim_usage(current, now):
        _ask_usage(current)
    return _current(current.pk)


def sync_due_usage(*, limit: int = 200) -> int:
    """Look up the usage of the eSIMs that are due, and the packages of those that were topped up. Part of the sweep.

    If one look-up fails, the others go on. Stops when Airalo's limit is reached, no token can be obtained, or after
    ``SWEEP_PATIENCE`` seconds.

    Args:
        limit: the maximum number of eSIMs.

    Returns:
        The number of eSIMs whose usage was looked up.
    """
    now = database.db_now()
    give_up = time.monotonic() + SWEEP_PATIENCE
    done = 0
    for esim in list(Esim.primary.usage_due(now)[:limit]):
        if time.monotonic() > give_up:
            break
        if not _claim_usage(esim, now):
            continue
        try:
            _ask_usage(esim)
            done += 1
            if esim.packages_due:
                sync_esim_packages(esim)
        except (AiraloRateLimitError, AiraloTokenError) as error:
            logger.warning("Stopped asking Airalo for usage: %s", error)
            break
        except (AiraloAPIError, AiraloConfigurationError) as error:
            logger.warning("The look-up of eSIM %s was put off: %s", esim.pk, error)
        except Exception:  # One eSIM must not keep the others from being looked up. It becomes due again.
            logger.exception("The usage of eSIM %s could not be looked up", esim.pk)
    return done


def request_usage_sync(esim: Esim | int) -> None:
    """Make the usage and the packages of an eSIM due, after a top-up or a notification.

    The next sweep looks them up, and the usage once more a little later, since Airalo's cache may still have the old
    one. Only writes to the database, in the caller's transaction if there is one.

    Args:
        esim: an eSIM or its primary key.
    """
    now = database.db_now()
    esim_pk = esim.pk if isinstance(esim, Esim) else esim
    Esim.primary.filter(pk=esim_pk).update(usage_due_at=now, usage_change_expected_at=now, packages_due=True)


def note_top_up(esim_pk: int, at: datetime) -> None:
    """Record that an eSIM was topped up, and make its usage and packages due.

    Args:
        esim_pk: the eSIM's primary key.
        at: when it was topped up.
    """
    known_later = Esim.primary.filter(pk=esim_pk, topped_up_at__gte=at)
    if not known_later.exists():
        Esim.primary.filter(pk=esim_pk).update(topped_up_at=at)
    request_usage_sync(esim_pk)


@database.in_transaction()
def note_low_data(esim: Esim, *, level: str, percentage: Any, event_id: Any) -> bool:
    """Record a low data notification of an eSIM once, and make its usage due.

    Args:
        esim: the eSIM.
        level: the level, as Airalo sent it.
        percentage: the per cent left, a Decimal; ``None`` if the notification does not say.
        event_id: the id of the webhook event, by which a repetition is recognised.

    Returns:
        Whether it is stale: since the last top-up, an earlier notification reported that less is left.
    """
    lock_esim(esim.pk)  # so that two concurrent notifications are compared one after the other
    is_known = percentage is not None and 0 <= percentage <= 100
    record, is_new = UsageRecord.primary.get_or_create(
        event_id=event_id,
        defaults={
            **{name: getattr(esim, name) for name in USAGE_FIELDS},
            "esim": esim,
            "source": UsageRecord.Source.LOW_DATA,
            "old_status": esim.usage_status,
            "status": esim.usage_status,
            "level": level[:20],
            "remaining_percentage": round(percentage, 2) if is_known else None,
            "is_stale": _says_less_than_before(esim, level),
            "created_at": database.db_now(),
        },
    )
    if is_new:
        request_usage_sync(esim)
    return bool(record.is_stale)


def topped_up_since(event_id: Any) -> bool:
    """Return whether an eSIM was topped up after its low data notification came.

    Args:
        event_id: the id of the notification's webhook event.
    """
    notifications = UsageRecord.primary.filter(event_id=event_id)
    return notifications.filter(esim__topped_up_at__gt=F("created_at")).exists()


def _says_less_than_before(esim: Esim, level: str) -> bool:
    """Return whether an earlier notification of the same kind, since the last top-up, reported that less is left."""
    before = UsageRecord.primary.filter(esim=esim, source=UsageRecord.Source.LOW_DATA)
    if esim.topped_up_at:
        before = before.filter(created_at__gt=esim.topped_up_at)
    kind, urgency = _urgency(level)
    others = [_urgency(other) for other in before.values_list("level", flat=True)]
    return any(kind and kind == other and urgency < more for other, more in others)


def _urgency(level: str) -> tuple[str, int]:
    """Return the kind of a level and how urgent it is: ``75%`` used, ``3days`` left. Unknown levels have no kind."""
    if found := LEVEL.match(level):
        number, unit = int(found[1]), found[2].lower()
        return (unit, number) if unit == "%" else ("days", -number)
    return "", 0


def record_usage(
    esim: Esim, status: str, usage: dict[str, int | bool | datetime | None], *, source: str, error: str = ""
) -> None:
    """Record the usage of an eSIM. A change adds a history record, and a changed status also sends a signal.

    Values that Airalo did not send, or that were not understood, stay as they are.

    Args:
        esim: the eSIM as last read; updated.
        status: one of ``UsageStatus``; empty if Airalo did not say.
        usage: the columns of ``UsageFields``, as far as they are known.
        source: one of ``UsageRecord.Source``.
        error: which values were not understood; empty if all were.
    """
    now = database.db_now()
    said = blanks.said({"usage_status": status, **usage})
    if not blanks.changes(esim, said):
        _set(esim, usage_synced_at=now, usage_error=error)
        due_at, unchanged = next_usage(esim, now), Esim.primary.filter(usage_status=esim.usage_status)
        if unchanged.release(esim, Esim.USAGE_LEASE, due=due_at, usage_synced_at=now, usage_error=error):
            esim.usage_due_at = due_at
            return
    _record_locked(esim, said, source, now, error)


@database.in_transaction()
def _record_locked(esim: Esim, said: dict[str, Any], source: str, now: datetime, error: str) -> None:
    current = lock_esim(esim.pk)
    before, had = current.usage_status, current.total
    changed = blanks.changes(current, said)
    was_claimed = current.usage_due_at == esim.usage_due_at
    _set(current, usage_synced_at=now, usage_error=error, **said)
    status = current.usage_status
    current.over_since = _over_since(current, now)
    grew = had is not None and current.total is not None and current.total > had
    if grew and not (current.topped_up_at and now - current.topped_up_at < TOP_UP_SHOWS_WITHIN):
        current.topped_up_at = now  # not in this shop, which records its own top-ups
    if grew or (before != status and status not in (UsageStatus.NOT_ACTIVE, UsageStatus.RECYCLED)):
        current.packages_due = True
    if was_claimed:  # otherwise it was made due meanwhile, and stays due
        current.usage_due_at = next_usage(current, now)
    columns = ("usage_status", "usage_synced_at", "usage_error", "usage_due_at", "packages_due")
    written = {*columns, "over_since", "topped_up_at", *said}
    current.save(update_fields=written)
    if changed:
        UsageRecord.primary.create(
            **{name: getattr(current, name) for name in USAGE_FIELDS},
            esim=current,
            source=source,
            old_status=before,
            status=status,
            created_at=now,
            signal_due_at=now if before != status else None,
        )
        transaction.on_commit(partial(send_esim_signals, esim.pk), using=database.primary_alias(), robust=True)
    _set(esim, **{name: getattr(current, name) for name in written})


def _over_since(esim: Esim, now: datetime) -> datetime | None:
    """Return since when an eSIM is over: its expiry date if it has expired, else when that was first seen."""
    if not esim.is_over:
        return None
    ended_at = esim.expires_at if esim.usage_status == UsageStatus.EXPIRED else None
    since = esim.over_since or now
    return min(since, ended_at) if ended_at else since


# Signals


def send_esim_signals(esim_pk: int) -> int:
    """Send the due signals of an eSIM. Return how many were delivered to every receiver."""
    return _send_records(UsageRecord.primary.filter(esim=esim_pk, signal_due_at__lte=database.db_now()).order_by("id"))


def send_due_esim_signals(limit: int) -> int:
    """Send the due signals of all eSIMs, at most ``limit``. Return how many were delivered to every receiver."""
    return _send_records(UsageRecord.primary.filter(signal_due_at__lte=database.db_now()).order_by("id")[:limit])


def _send_records(records: Any) -> int:
    return sum(send_from(record, partial(_signal_status, record)) for record in list(records))


def _signal_status(record: UsageRecord) -> list[str]:
    return send_robust(
        signals.esim_status_changed,
        Esim,
        esim=Esim.primary.without_secrets().select_related("order__user").get(pk=record.esim_id),
        old_status=record.old_status,
        new_status=record.status,
        event_id=record.event_id,
    )


# Look-ups


def _ask_usage(esim: Esim) -> None:
    """Ask Airalo for the usage of an eSIM that this process has claimed, and store it."""
    try:
        data = get_client().get_usage(iccid_of(esim))
        status, usage = _read_usage(data)
        if not data.status and not blanks.said(usage):
            raise AiraloResponseError("The answer to GET /v2/sims/{iccid}/usage has no status.")
        record_usage(esim, status, usage, source=UsageRecord.Source.LOOK_UP, error=_odd_values(data, status))
    except RecycledEsimError:
        record_usage(esim, UsageStatus.RECYCLED, {}, source=UsageRecord.Source.LOOK_UP)
    except AiraloAPIError as error:
        _put_usage_off(esim, error)
        raise


def _read_usage(data: UsageData) -> tuple[str, dict[str, Any]]:
    """Return the status (empty if it is unknown) and the columns of ``UsageFields``."""
    status = data.status.lower()
    usage = {name: getattr(data, name) for name in USAGE_FIELDS if name != "expires_at"}
    says = status in UsageStatus and status != UsageStatus.UNKNOWN
    return str(UsageStatus(status)) if says else "", {**usage, "expires_at": data.expired_at}


def _odd_values(data: UsageData, status: str) -> str:
    """Return the values of the answer that were not understood, as a text for operators."""
    # "UNKNOWN" is a documented status.
    read = {} if data.status.lower() == UsageStatus.UNKNOWN else {"status": status}
    read |= {name: getattr(data, name) for name in USAGE_FIELDS if name != "expires_at"}
    odd = blanks.not_understood(data.raw, {**read, "expired_at": data.expired_at})
    return redact(f"Not understood: {', '.join(odd)}.") if odd else ""


def _put_usage_off(esim: Esim, error: AiraloAPIError) -> None:
    """Store why the look-up failed. The eSIM is due again when the claim ends, or at the given time."""
    due_at, fields = esim.usage_due_at, {"usage_error": redact(str(error))}
    if isinstance(error, AiraloRateLimitError | AiraloTokenError):
        # Nothing was looked up, so the next try is soon, but not at once, so that the others come first.
        due_at, fields = database.db_now() + timedelta(seconds=min(error.retry_after or 60, 3600)), {}
    elif isinstance(error, AiraloNotFoundError):
        due_at = database.db_now() + NOT_FOUND_AGAIN_AFTER
    Esim.primary.release(esim, Esim.USAGE_LEASE, due=due_at, **fields)


def _claim_usage(esim: Esim, now: datetime) -> bool:
    """Postpone the due time, so that no other process looks up the same eSIM."""
    until = now + timedelta(seconds=conf.usage_interval)
    return bool(Esim.primary.claim(esim, Esim.USAGE_LEASE, until=until))


def _current(esim_pk: int) -> Esim:
    return Esim.primary.without_secrets().get(pk=esim_pk)


def _is_fresh(esim: Esim, now: datetime) -> bool:
    synced_at = esim.usage_synced_at
    return synced_at is not None and now - synced_at < timedelta(seconds=conf.usage_interval)


def _set(esim: Esim, **values: Any) -> None:
    for name, value in values.items():
        setattr(esim, name, value)
