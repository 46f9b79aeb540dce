"""What is left of an eSIM: asked of Airalo when there may be news, kept with its history, and signalled."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction

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

from . import database
from .esim_packages import lock, sync_esim_packages
from .masking import masked
from .signalling import send_from, send_robust
from .usage_schedule import next_usage

logger = logging.getLogger("django_airalo.esims")

#: An eSIM that Airalo does not know, or not any more, is asked for no oftener than this.
NOT_FOUND_AGAIN_AFTER = timedelta(days=1)
#: Seconds. Orders matter more than usage, so the rest of what is due waits for the next sweep.
SWEEP_PATIENCE = 20


def sync_usage(esim: Esim | int) -> Esim:
    """Ask Airalo what is left of an eSIM, unless it was asked so lately that there can be no news.

    Args:
        esim: an eSIM or its primary key.

    Returns:
        The eSIM as it is afterwards.

    Raises:
        AiraloAPIError: the look-up did not succeed; ``usage_error`` says why, all else is as it was.
        AiraloConfigurationError: credentials are missing.
    """
    current = _read(esim.pk if isinstance(esim, Esim) else esim)
    now = database.now()
    is_due = current.usage_due_at is not None and current.usage_due_at <= now
    if (is_due or not _is_fresh(current, now)) and _claim(current, now):
        _look_up(current)
    return _read(current.pk)


def sync_due_usage(limit: int = 200) -> int:
    """Look up the eSIMs whose usage is due, and the packages of those that were topped up. Returns how many.

    One that cannot be looked up keeps none of the others from it. Stops when Airalo wants no more requests, or after
    ``SWEEP_PATIENCE`` seconds.
    """
    now = database.now()
    give_up = time.monotonic() + SWEEP_PATIENCE
    done = 0
    for esim in list(Esim.objects.usage_due(now)[:limit]):
        if time.monotonic() > give_up:
            break
        if not _claim(esim, now):
            continue
        try:
            _look_up(esim)
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


def usage_is_due_now(esim: Esim | int) -> None:
    """Have an eSIM looked up by the next sweep and again a little later: it was topped up, or a notice came.

    Only writes to the database, in the caller's transaction if there is one.
    """
    now = database.now()
    esim_pk = esim.pk if isinstance(esim, Esim) else esim
    Esim.objects.filter(pk=esim_pk).update(usage_due_at=now, news_expected_at=now, packages_due=True)


@database.in_transaction()
def note_low_data(esim: Esim, *, level: str, percentage: Any, event_id: Any) -> None:
    """A notice says that an eSIM runs low: keep it in the history, once, and have the usage looked up.

    Args:
        percentage: what is left, as the notice says (a Decimal), or ``None``.
        event_id: that of the webhook, by which a repetition is recognised.
    """
    known = percentage is not None and 0 <= percentage <= 100
    _, is_new = UsageRecord.objects.get_or_create(
        event_id=event_id,
        defaults={
            **{name: getattr(esim, name) for name in USAGE_FIELDS},
            "esim": esim,
            "source": UsageRecord.Source.LOW_DATA,
            "old_status": esim.usage_status,
            "status": esim.usage_status,
            "level": level[:20],
            "remaining_percentage": round(percentage, 2) if known else None,
            "created_at": database.now(),
        },
    )
    if is_new:
        usage_is_due_now(esim)


def record_usage(esim: Esim, status: str, usage: dict[str, int | bool | datetime | None], *, source: str) -> None:
    """Keep what Airalo says of an eSIM; a history record and a signal only for what changed.

    Args:
        esim: as last read. Brought up to date.
        status: one of ``UsageStatus``.
        usage: the columns of ``UsageFields``, as far as they are known.
        source: one of ``UsageRecord.Source``.
    """
    now = database.now()
    if not _differs(esim, status, usage):
        _set(esim, usage_synced_at=now, usage_error="")
        esim.usage_due_at, seen = next_usage(esim, now), esim.usage_due_at
        unchanged = Esim.objects.filter(pk=esim.pk, usage_due_at=seen, usage_status=status)
        if unchanged.update(usage_synced_at=now, usage_error="", usage_due_at=esim.usage_due_at):
            return
        esim.usage_due_at = seen
    _record_locked(esim, status, usage, source, now)


@database.in_transaction()
def _record_locked(esim: Esim, status: str, usage: dict[str, Any], source: str, now: datetime) -> None:
    current = lock(esim.pk)
    before, had = current.usage_status, current.total
    changed = _differs(current, status, usage)
    was_claimed = current.usage_due_at == esim.usage_due_at
    _set(current, usage_status=status, usage_synced_at=now, usage_error="", **usage)
    grew = had is not None and current.total is not None and current.total > had
    if grew or (before != status and status not in (UsageStatus.NOT_ACTIVE, UsageStatus.RECYCLED)):
        current.packages_due = True
    if was_claimed:  # else somebody made it due meanwhile
        current.usage_due_at = next_usage(current, now)
    written = ("usage_status", "usage_synced_at", "usage_error", "usage_due_at", "packages_due", *usage)
    current.save(update_fields=written)
    if changed:
        UsageRecord.objects.create(
            **{name: getattr(current, name) for name in USAGE_FIELDS},
            esim=current,
            source=source,
            old_status=before,
            status=status,
            created_at=now,
            signal_due_at=now if before != status else None,
        )
        transaction.on_commit(partial(send_esim_signals, esim.pk), using=database.alias(), robust=True)
    _set(esim, **{name: getattr(current, name) for name in written})


# Signals


def send_esim_signals(esim_pk: int) -> int:
    """Send the signals of an eSIM that are due. Returns how many were fully heard."""
    return _send(
        UsageRecord.objects.using(database.alias())
        .filter(esim=esim_pk, signal_due_at__lte=database.now())
        .order_by("id")
    )


def send_due_esim_signals(limit: int) -> int:
    """Send the signals of all eSIMs that are due, ``limit`` at most. Returns how many were fully heard."""
    return _send(UsageRecord.objects.filter(signal_due_at__lte=database.now()).order_by("id")[:limit])


def _send(records: Any) -> int:
    return sum(send_from(record, partial(_tell, record)) for record in list(records))


def _tell(record: UsageRecord) -> list[str]:
    return send_robust(
        signals.esim_status_changed,
        Esim,
        esim=Esim.objects.using(database.alias())
        .without_secrets()
        .select_related("order__user")
        .get(pk=record.esim_id),
        old_status=record.old_status,
        new_status=record.status,
        event_id=record.event_id,
    )


# Asking


def _look_up(esim: Esim) -> None:
    """Ask Airalo for the usage of an eSIM that this process has claimed, and record it."""
    try:
        data = get_client().get_usage(esim.iccid)
        if not data.status and data.remaining is None and data.total is None:
            raise AiraloResponseError("The answer to GET /v2/sims/{iccid}/usage tells nothing.")
        record_usage(esim, *_told(data), source=UsageRecord.Source.LOOK_UP)
    except RecycledEsimError:
        record_usage(esim, UsageStatus.RECYCLED, {}, source=UsageRecord.Source.LOOK_UP)
    except AiraloAPIError as error:
        _put_off(esim, error)
        raise


def _told(data: UsageData) -> tuple[str, dict[str, Any]]:
    status = data.status.lower()
    usage = {name: getattr(data, name) for name in USAGE_FIELDS if name != "expires_at"}
    amounts = {name: max(0, value) if type(value) is int else value for name, value in usage.items()}
    known = status if status in UsageStatus else UsageStatus.UNKNOWN
    return str(known), {**amounts, "expires_at": data.expired_at}


def _put_off(esim: Esim, error: AiraloAPIError) -> None:
    """Say on the eSIM why it was not looked up. It is due again when the claim ends, or at another time if need be."""
    fields: dict[str, Any] = {"usage_error": masked(str(error))}
    if isinstance(error, AiraloRateLimitError | AiraloTokenError):
        # It was not its turn, so it need not wait for a whole interval; yet not first, lest one stops all the others.
        fields = {"usage_due_at": database.now() + timedelta(seconds=min(error.retry_after or 60, 3600))}
    elif isinstance(error, AiraloNotFoundError):
        fields["usage_due_at"] = database.now() + NOT_FOUND_AGAIN_AFTER
    Esim.objects.filter(pk=esim.pk, usage_due_at=esim.usage_due_at).update(**fields)


def _claim(esim: Esim, now: datetime) -> bool:
    """Move the due time on, which keeps other processes from asking for the same eSIM."""
    claimed = now + timedelta(seconds=conf.USAGE_INTERVAL)
    if not Esim.objects.filter(pk=esim.pk, usage_due_at=esim.usage_due_at).update(usage_due_at=claimed):
        return False
    esim.usage_due_at = claimed
    return True


def _read(esim_pk: int) -> Esim:
    return Esim.objects.using(database.alias()).without_secrets().get(pk=esim_pk)


def _is_fresh(esim: Esim, now: datetime) -> bool:
    synced_at = esim.usage_synced_at
    return synced_at is not None and now - synced_at < timedelta(seconds=conf.USAGE_INTERVAL)


def _differs(esim: Esim, status: str, usage: dict[str, Any]) -> bool:
    return esim.usage_status != status or any(getattr(esim, name) != value for name, value in usage.items())


def _set(esim: Esim, **values: Any) -> None:
    for name, value in values.items():
        setattr(esim, name, value)
