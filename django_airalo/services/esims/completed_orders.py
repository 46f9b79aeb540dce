"""Add eSIMs to completed orders, and follow up missing eSIMs and codes: flag them, and look them up until they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django_airalo.client.payloads import SimData
from django_airalo.conf import conf
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.core.lookup_times import next_look_up
from django_airalo.services.core.transitions import flag_for_review, replace_flags

from .identity import name_of
from .record import Delivery, keep_esims

#: The beginnings of the flags for missing eSIMs, codes and ICCIDs. These flags are removed when nothing is missing.
PART = "Part delivery:"
NO_CODE = "Without activation code:"
NO_ICCID = "Without ICCID:"
#: The interval of look-ups for an overdue delivery, and how long after completion they end.
RARELY, GIVE_UP_AFTER = timedelta(days=1), timedelta(days=30)


def next_follow_up(order: EsimOrder, esims: Sequence[Esim], now: datetime) -> datetime | None:
    """Return when to look up a completed order next.

    Args:
        order: the order; its ``completed_at`` and ``lookups`` must be set.
        esims: all eSIMs of the order.
        now: the database's present time.

    Returns:
        ``None`` if nothing is missing, or the look-ups have ended.
    """
    since = order.completed_at or now
    if not any(_missing(order, esims)) or now - since > GIVE_UP_AFTER:
        return None
    return now + RARELY if _is_overdue(order, now) else next_look_up(order, now)


def is_awaited(order: EsimOrder) -> bool:
    """Return whether a completed order has a flag for missing eSIMs, codes or ICCIDs."""
    return any(line.startswith((PART, NO_CODE, NO_ICCID)) for line in order.attention.splitlines())


def follow_up(order: EsimOrder, esims: Sequence[Esim], *, now: datetime, source: str) -> None:
    """Update the number of eSIMs, the next look-up and the flags of a completed order. Call with the order locked.

    Args:
        order: the order.
        esims: all eSIMs of the order.
        now: the database's present time.
        source: as for ``change_status()``.
    """
    due_at = next_follow_up(order, esims, now)
    until = order.in_doubt_until
    if until and (due_at is None or now < until < due_at):
        due_at = until if due_at else order.due_at  # an order in doubt must be looked up when the doubt ends
    fields = {"delivered_quantity": len(esims), "due_at": due_at}
    changes = {name: value for name, value in fields.items() if getattr(order, name) != value}
    if changes:
        EsimOrder.primary.filter(pk=order.pk).update(**changes)
        for name, value in changes.items():
            setattr(order, name, value)
    flag_what_is_missing(order, esims, now=now, source=source)


def flag_what_is_missing(order: EsimOrder, esims: Sequence[Esim], *, now: datetime, source: str) -> None:
    """Flag a completed order for what is missing, and remove outdated flags. Call with the order locked.

    Arguments as for :func:`follow_up`.
    """
    missing, without_code, without_iccid = _missing(order, esims)
    count = f"{len(esims)} of {order.quantity} eSIMs are there."
    rest = "The rest is overdue: ask Airalo." if _is_overdue(order, now) else "The rest is being looked up."
    flags = {
        PART: f"{PART} {count} {rest}" if missing else "",
        NO_CODE: f"{NO_CODE} eSIM {', '.join(without_code)}." if without_code else "",
        NO_ICCID: f"{NO_ICCID} {len(without_iccid)} of {len(esims)} eSIMs." if without_iccid else "",
    }
    replace_flags(order, flags, now=now, source=source)


def log_changed_esims(
    order: EsimOrder,
    *,
    added: Sequence[Esim] = (),
    changed: Sequence[Esim] = (),
    now: datetime,
    source: str,
    detail: str = "",
    secret: str = "",
    signal: bool = True,
) -> None:
    """Create the event for new eSIMs or codes of a completed order, from which its signal is sent.

    Args:
        order: the order.
        added: eSIMs that were added.
        changed: eSIMs whose code has changed, or that had none before.
        now: the database's present time.
        source: as for ``change_status()``.
        detail: the text for the log; default the numbers of eSIMs.
        secret: the previous codes, as JSON.
        signal: whether to send a signal.
    """
    counts = [f"{len(rows)} {what}" for rows, what in ((added, "added"), (changed, "changed")) if rows]
    OrderEvent.primary.create(
        order=order,
        kind=OrderEvent.Kind.ESIMS_CHANGED,
        esims={"added": [esim.pk for esim in added], "changed": [esim.pk for esim in changed]},
        detail=detail or f"eSIMs: {', '.join(counts)}.",
        secret=secret,
        source=source,
        attempt=order.attempt,
        created_at=now,
        signal_due_at=now if signal else None,
    )


def record_esims(order: EsimOrder, sims: Sequence[SimData], *, adding: bool, now: datetime, source: str) -> None:
    """Record eSIMs of a completed order that Airalo showed separately, not as part of the order.

    Args:
        order: the order.
        sims: Airalo's eSIMs.
        adding: whether to add eSIMs that the order does not have.
        now: the database's present time.
        source: as for ``change_status()``.
    """
    delivery = keep_esims(order, sims, now=now, source=source, adding=adding)
    add_to_completed(order, delivery, now=now, source=source)
    finish_delivery(order, delivery, [], now=now, source=source)


def follow_up_again(order: EsimOrder, *, now: datetime, source: str) -> None:
    """Follow up a completed order after a look-up without new data."""
    esims = Esim.primary.without_secrets().filter(order=order)
    follow_up(order, list(esims), now=now, source=source)


def finish_delivery(order: EsimOrder, delivery: Delivery, flaws: Sequence[str], *, now: datetime, source: str) -> None:
    """Enqueue the look-up of details that are due, and flag the order for the flaws of a delivery."""
    if any(known.row.details_due_at and known.row.details_due_at <= now for known in delivery.esims):
        enqueue("sync_order_details", order.pk, only_as_task=True)
    for flaw in [*delivery.flaws, *flaws]:
        flag_for_review(order, flaw, now=now, source=source)


def add_to_completed(order: EsimOrder, delivery: Delivery, *, now: datetime, source: str, signal: bool = True) -> None:
    """Follow up a completed order after a delivery, and create the event for new eSIMs and codes.

    Args:
        order: the order.
        delivery: the delivery, which is recorded already.
        now: the database's present time.
        source: as for ``change_status()``.
        signal: whether to send a signal.
    """
    follow_up(order, delivery.rows, now=now, source=source)
    added, changed = delivery.added, delivery.completed
    if added or changed:
        log_changed_esims(order, added=added, changed=changed, now=now, source=source, signal=signal)


def _missing(order: EsimOrder, esims: Sequence[Esim]) -> tuple[int, list[str], list[str]]:
    """Return how many eSIMs are missing, and the names of those without code and without ICCID."""
    missing = 0 if order.is_topup else max(0, order.quantity - len(esims))
    without_code = [name_of(esim) for esim in esims if not esim.code_key]
    return missing, without_code, [name_of(esim) for esim in esims if not esim.has_iccid]


def _is_overdue(order: EsimOrder, now: datetime) -> bool:
    return order.completed_at is not None and now - order.completed_at > timedelta(seconds=conf.OVERDUE_AFTER)
