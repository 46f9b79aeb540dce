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

#: An eSIM that Airalo does not know (any more) is asked for at most this often.
NOT_FOUND_AGAIN_AFTER = timedelta(days=1)
#: What Airalo warns of, as its webhooks have it: ``75%``, ``90%``, ``3days``, ``1days``.
LEVEL = re.compile(r"\s*([0-9]{1,3})\s*(%|days?)\s*\Z", re.IGNORECASE)
#: By then Airalo shows what a top-up of this shop has brought.
TOP_UP_SHOWS_WITHIN = timedelta(days=1)
#: Seconds. Orders matter more than usage, so the rest of what is due waits for the next sweep.
SWEEP_PATIENCE = 20


def sync_usage(esim: Esim | int) -> Esim:
    """Ask Airalo how much an eSIM has left, unless it was asked so recently that nothing can have changed.

    Args:
        esim: an eSIM or its primary key.

    Returns:
        The eSIM as it is afterwards.

    Raises:
        AiraloAPIError: the look-up did not succeed; ``usage_error`` says why, all else is as it was.
        AiraloConfigurationError: credentials are missing.
    """
    current = _current(esim.pk if isinstance(esim, Esim) else esim)
    now = database.db_now()
    is_due = current.usage_due_at is not None and current.usage_due_at <= now
    if (is_due or not _is_fresh(current, now)) and _claim_usage(current, now):
        _ask_usage(current)
    return _current(current.pk)


def sync_due_usage(*, limit: int = 200) -> int:
    """Look up the eSIMs whose usage is due, and the packages of those that were topped up. Returns how many.

    One that cannot be looked up keeps none of the others from it. Stops when Airalo wants no more requests, or after
    ``SWEEP_PATIENCE`` seconds.
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
    """Have an eSIM looked up by the next sweep and again a little later: it was topped up, or a notification came.

    Only writes to the database, in the caller's transaction if there is one.
    """
    now = database.db_now()
    esim_pk = esim.pk if isinstance(esim, Esim) else esim
    Esim.primary.filter(pk=esim_pk).update(usage_due_at=now, usage_change_expected_at=now, packages_due=True)


def note_top_up(esim_pk: int, at: datetime) -> None:
    """Note that an eSIM was topped up, and have its usage and packages looked up.

    Args:
        at: when.
    """
    known_later = Esim.primary.filter(pk=esim_pk, topped_up_at__gte=at)
    if not known_later.exists():
        Esim.primary.filter(pk=esim_pk).update(topped_up_at=at)
    request_usage_sync(esim_pk)


@database.in_transaction()
def note_low_data(esim: Esim, *, level: str, percentage: Any, event_id: Any) -> bool:
    """Record a low data notification of an eSIM, once, and have its usage looked up.

    Return whether it is stale: an earlier one, since the last top-up, reported that less was left.

    Args:
        percentage: what is left, as the notification says (a Decimal), or ``None``.
        event_id: that of the webhook, by which a repetition is recognised.
    """
    lock_esim(esim.pk)  # of two notifications at once, one comes first
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
    """Return whether an eSIM has been topped up since its low data notification came.

    Args:
        event_id: of the notification's webhook.
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
    """Keep what Airalo says of an eSIM; a history record and a signal only for what changed.

    What it does not say, or not so that it was understood, stays as it is.

    Args:
        esim: as last read. Brought up to date.
        status: one of ``UsageStatus``; empty if Airalo did not say.
        usage: the columns of ``UsageFields``, as far as they are known.
        source: one of ``UsageRecord.Source``.
        error: what of the answer was not understood; empty if nothing.
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
        current.topped_up_at = now  # elsewhere
    if grew or (before != status and status not in (UsageStatus.NOT_ACTIVE, UsageStatus.RECYCLED)):
        current.packages_due = True
    if was_claimed:  # else somebody made it due meanwhile
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
    """Since when an eSIM is over: the end that Airalo says of one that has expired, else since it was found to be."""
    if not esim.is_over:
        return None
    ended_at = esim.expires_at if esim.usage_status == UsageStatus.EXPIRED else None
    since = esim.over_since or now
    return min(since, ended_at) if ended_at else since


# Signals


def send_esim_signals(esim_pk: int) -> int:
    """Send the signals of an eSIM that are due. Return how many every receiver has taken."""
    return _send_records(UsageRecord.primary.filter(esim=esim_pk, signal_due_at__lte=database.db_now()).order_by("id"))


def send_due_esim_signals(limit: int) -> int:
    """Send the signals of all eSIMs that are due, ``limit`` at most. Return how many every receiver has taken."""
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


# Asking


def _ask_usage(esim: Esim) -> None:
    """Ask Airalo for the usage of an eSIM that this process has claimed, and record it."""
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
    """Return the status, empty if it is not one that says something, and the columns of ``UsageFields``."""
    status = data.status.lower()
    usage = {name: getattr(data, name) for name in USAGE_FIELDS if name != "expires_at"}
    says = status in UsageStatus and status != UsageStatus.UNKNOWN
    return str(UsageStatus(status)) if says else "", {**usage, "expires_at": data.expired_at}


def _odd_values(data: UsageData, status: str) -> str:
    """Return which values of the answer were not understood, for the operator."""
    # "UNKNOWN" is understood, though it says nothing.
    read = {} if data.status.lower() == UsageStatus.UNKNOWN else {"status": status}
    read |= {name: getattr(data, name) for name in USAGE_FIELDS if name != "expires_at"}
    odd = blanks.not_understood(data.raw, {**read, "expired_at": data.expired_at})
    return redact(f"Not understood: {', '.join(odd)}.") if odd else ""


def _put_usage_off(esim: Esim, error: AiraloAPIError) -> None:
    """Say on the eSIM why it was not looked up. It is due again when the claim ends, or at another time if need be."""
    due_at, fields = esim.usage_due_at, {"usage_error": redact(str(error))}
    if isinstance(error, AiraloRateLimitError | AiraloTokenError):
        # Not asked, so it does not wait for a whole interval; but not first, so that it does not stop the others.
        due_at, fields = database.db_now() + timedelta(seconds=min(error.retry_after or 60, 3600)), {}
    elif isinstance(error, AiraloNotFoundError):
        due_at = database.db_now() + NOT_FOUND_AGAIN_AFTER
    Esim.primary.release(esim, Esim.USAGE_LEASE, due=due_at, **fields)


def _claim_usage(esim: Esim, now: datetime) -> bool:
    """Move the due time on, which keeps other processes from asking for the same eSIM."""
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
