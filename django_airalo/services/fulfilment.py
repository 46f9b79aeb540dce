"""What Airalo's news do to an order: its webhooks, its answers, its list."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError

from django_airalo.client.payloads import OrderData, SimData
from django_airalo.conf import conf
from django_airalo.models import Esim, EsimOrder, WebhookEvent
from django_airalo.models.esims import EsimQuerySet, validate_iccid
from django_airalo.models.orders import REFERENCE_LENGTH

from . import database
from .esims import usage_is_due_now
from .masking import masked
from .transitions import TRANSITIONS, call_for_attention, change_locked, lock, note

Status = EsimOrder.Status

#: Orders that nothing more is expected of. One that may be at Airalo is looked up all the same, for a while.
GIVEN_UP = (Status.FAILED, Status.CANCELLED)
#: What an acceptance leaves of the tries before: nothing. Their look-ups must not make the next ones rare.
AS_NEW: dict[str, Any] = {"look_up_first": False, "lookups": 0, "error_code": None, "error_reason": ""}
OVERDUE = "Overdue: accepted, but neither delivered nor refused."


def reference_in(description: str) -> str:
    """The reference at the front of a description that Airalo gave back; ``""`` if there is none."""
    reference, _, _ = description.partition(" ")
    is_reference = len(reference) == REFERENCE_LENGTH and set(reference) <= set("0123456789abcdef")
    return reference if is_reference else ""


def next_look_up(order: EsimOrder, now: datetime) -> datetime:
    """When to look the order up next: soon at first, then ever less often."""
    delays = conf.LOOKUP_DELAYS
    delay = delays[min(order.lookups, len(delays) - 1)]
    return now + timedelta(seconds=delay * random.uniform(0.9, 1.1))  # noqa: S311  spreads requests, guards nothing


def is_overdue(order: EsimOrder, now: datetime) -> bool:
    """Whether Airalo should have delivered long ago: since it took the order, its date, or when it was given up."""
    since = [moment for moment in (order.accepted_at, order.due_date, order.failed_at) if moment]
    return bool(since) and now - max(since) > timedelta(seconds=conf.OVERDUE_AFTER)


# What Airalo says of an order; each is called inside database.atomic(), with the order locked


def record_delivery(order: EsimOrder, data: OrderData, *, now: datetime, source: str) -> None:
    """Airalo delivered eSIMs, or topped one up: keep that and complete the order, whatever its status was."""
    # The eSIM of a top-up is known. Were Airalo to list it with the top-up, it would be none of that order's own.
    sims = () if order.is_topup else data.sims
    flaws = _flaws(order, data, [flaw for sim in sims if (flaw := keep_sim(order, sim))])
    if order.status != Status.COMPLETED and (order.is_topup or _esims().filter(order=order).exists()):
        change_locked(
            order,
            Status.COMPLETED,
            now=now,
            source=source,
            look_up_first=False,
            error_code=None,
            error_reason="",
            **airalo_fields(order, data),
        )
        if order.esim_id:  # there is more to use than was known
            usage_is_due_now(order.esim_id)
    for flaw in flaws:
        call_for_attention(order, flaw, now=now, source=source)


def record_failure(order: EsimOrder, *, reason: str, code: int | None, now: datetime, source: str) -> None:
    """Airalo says that it could not fulfil the order. An eSIM that exists outweighs that.

    So the order is looked up for a while, like one that was given up: Airalo may deliver after all, without a webhook.
    """
    reason = masked(reason)
    if Status.FAILED in TRANSITIONS[order.status]:
        change_locked(
            order,
            Status.FAILED,
            now=now,
            source=source,
            detail=reason,
            error_code=code,
            error_reason=reason,
            lookups=0,  # those before have made the next ones rare
            due_at=now + timedelta(seconds=conf.LOOKUP_DELAYS[0]),
        )
    elif reason != order.error_reason:  # else it is known
        note(order, f"Airalo reports a failure: {reason}", now=now, source=source, late=True)


def record_late_acceptance(order_pk: int, status: str, fields: dict[str, Any], *, attempt: int, now: datetime) -> None:
    """Airalo took the order, but it was no longer its worker's to change: it was accepted all the same.

    Args:
        status: what it would have become (``accepted`` or ``scheduled``), with ``fields``.
    """
    order, request_id = lock(order_pk), fields["request_id"]
    if order.request_id and order.request_id != request_id:
        reason = f"Airalo accepted the order twice: as {order.request_id} and as {request_id}."
        call_for_attention(order, reason, now=now, source="submit")
        return
    flag_late_attempt(order, attempt, now=now)
    # SUBMITTING here is the next attempt: it loses its claim, so that it does not send if it has not yet.
    if order.status in (Status.PENDING, Status.SUBMITTING, Status.UNCONFIRMED):
        change_locked(order, status, now=now, source="submit", **fields, **AS_NEW)
    else:
        EsimOrder.objects.filter(pk=order_pk).update(request_id=request_id)
        note(order, f"Attempt {attempt} was accepted as {request_id}.", now=now, source="submit", late=True)
        if order.status in GIVEN_UP:
            # What Airalo delivers now must be found even if no webhook comes.
            call_for_attention(order, "Airalo accepted the order after it had been given up.", now=now, source="submit")
            EsimOrder.objects.filter(pk=order_pk).update(accepted_at=now, lookups=0, **fields)


def flag_late_attempt(order: EsimOrder, attempt: int, *, now: datetime) -> None:
    """Call for a person if an attempt has bought after a later one began, which may buy again."""
    if order.attempt != attempt:
        reason = f"Attempt {attempt} was accepted after it had been given up; attempt {order.attempt} may buy again."
        call_for_attention(order, reason, now=now, source="submit")


def process_waiting_webhooks(request_id: str) -> None:
    """Interpret the webhooks that overtook their own 202."""
    from .inbox import process_webhook_event  # the inbox fulfils orders, and orders wake the inbox

    events = WebhookEvent.objects.using(database.alias()).without_body()
    for event in events.filter(request_id=request_id, status=WebhookEvent.Status.WAITING):
        process_webhook_event(event)


def keep_sim(order: EsimOrder, sim: SimData) -> str:
    """Keep one eSIM; returns what is wrong with it, or ``""``."""
    if not sim.iccid:
        return "Airalo delivered an eSIM without ICCID."
    known = _esims().filter(iccid=sim.iccid).first()
    if known:
        return "" if known.order_id == order.pk else f"Airalo delivered {sim.iccid}, which belongs to another order."
    try:
        validate_iccid(sim.iccid)
    except ValidationError:
        return "Airalo delivered an eSIM with an ICCID that is none."
    Esim.objects.create(
        order=order,
        iccid=sim.iccid,
        airalo_id=sim.id,
        smdp_address=sim.smdp_address[:255],
        matching_id=sim.matching_id,
        activation_code=sim.activation_code,
        confirmation_code=sim.confirmation_code,
        apple_installation_url=sim.apple_installation_url,
        msisdn=sim.msisdn[:32],
        apn=sim.apn,
        is_roaming=sim.is_roaming,
    )
    return ""


def _esims() -> EsimQuerySet:
    # An order's own manager would ask the router, which may know of a replica that has not heard of them yet.
    return Esim.objects.using(database.alias()).without_secrets()


def _flaws(order: EsimOrder, data: OrderData, flaws: list[str]) -> list[str]:
    count = order.quantity if order.is_topup else _esims().filter(order=order).count()
    if count != order.quantity:
        flaws.append(f"Airalo delivered {count} eSIMs, {order.quantity} were ordered.")
    if order.airalo_order_id and data.id and data.id != order.airalo_order_id:
        flaws.append(f"Airalo fulfilled the order twice: as {order.airalo_order_id} and as {data.id}.")
    if data.request_id and order.request_id and data.request_id != order.request_id:
        flaws.append(f"Airalo accepted the order twice: as {order.request_id} and as {data.request_id}.")
    return flaws


def airalo_fields(order: EsimOrder, data: OrderData) -> dict[str, Any]:
    """The columns that mirror Airalo's order; what is known already stays."""
    fields: dict[str, Any] = {
        "airalo_order_id": order.airalo_order_id or data.id,
        "airalo_order_code": order.airalo_order_code or data.code[:64],
        "currency": data.currency[:3] or order.currency,
        "request_id": order.request_id or data.request_id or None,
        "manual_installation": order.manual_installation or data.manual_installation,
        "qrcode_installation": order.qrcode_installation or data.qrcode_installation,
    }
    for name, amount in (("price", data.price), ("net_price", data.net_price)):
        if amount is not None and abs(amount) < 10**9:
            fields[name] = round(amount, 2)
    return fields
