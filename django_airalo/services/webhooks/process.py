"""Process stored webhooks, and try again until it succeeds."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import F, Q

from django_airalo.client.payloads import OrderData, as_int, as_text, order_in
from django_airalo.conf import conf
from django_airalo.models import EsimOrder, OrderEvent, WebhookEvent
from django_airalo.models.references import reference_in
from django_airalo.models.webhooks import WebhookEventQuerySet
from django_airalo.services.core import database
from django_airalo.services.core.backoff import backoff
from django_airalo.services.core.transitions import flag_for_review, lock, note_once
from django_airalo.services.orders import lookup, record
from django_airalo.services.orders.signals import signal_after_commit

from . import notifications

logger: logging.Logger = logging.getLogger("django_airalo.webhooks")

Kind: TypeAlias = WebhookEvent.Kind
Status: TypeAlias = WebhookEvent.Status

#: The columns that are written when a webhook is interpreted.
INTERPRETED = ("kind", "status", "request_id", "order", "error", "due_at", "processed_at")
#: Seconds before each further try, for a webhook that has no order yet or whose processing raised an exception.
WEBHOOK_DELAYS = (30, 60, 300, 900, 3600, 6 * 3600)
AMBIGUOUS = "request_id and description name different orders."
NOTHING_IN_IT = "The webhook has neither eSIMs nor a reason why there are none."
#: How long a webhook without an order is tried again: it probably belongs to another shop on the same account. After
#: that it is processed only if an order with its ``request_id`` is accepted.
WAITS_FOR = timedelta(days=7)


@dataclass(frozen=True)
class _OrderResult:
    """The content of a webhook about an order: its eSIMs in ``data``, or the ``reason`` why there are none."""

    data: OrderData
    reason: str
    code: int | None


def process_webhook_event(event: WebhookEvent | int, *, again: bool = False) -> WebhookEvent:
    """Process a stored webhook: complete or fail its order, or send the signal of a notification.

    Can be repeated safely. A body that is not JSON, or not a known kind of webhook, is set aside. A webhook without a
    matching order waits: it is tried again when an order with its ``request_id`` is accepted, and by the sweep for a
    week. The signal of a notification is sent after the commit.

    Args:
        event: an event or its primary key.
        again: process an order's webhook again even if it was processed. Its delivery is recorded once more, since an
            older version of this package may have recorded less of it.

    Returns:
        The event as it is afterwards.
    """
    event_pk = event.pk if isinstance(event, WebhookEvent) else event
    try:
        _process(event_pk, again=again)
    except Exception as error:  # Any error must be shown with the webhook event, and the sweep tries again.
        logger.exception("Webhook %s could not be processed", event_pk)
        _try_again(event_pk, error)
    return _events().get(pk=event_pk)


def process_webhooks_again(references: Sequence[str] = ()) -> list[WebhookEvent]:
    """Process webhooks of orders again, the oldest first, as ``process_webhook_event(again=True)`` does.

    Args:
        references: the orders' references. By default, the webhooks of flagged orders and those that were set aside
            are processed.

    Returns:
        The events as they are afterwards.
    """
    events = _events().exclude(kind__in=WebhookEvent.NOTIFICATIONS).order_by("pk")
    if references:
        events = events.filter(order__reference__in=list(references))
    else:
        events = events.filter(Q(status=Status.SET_ASIDE) | (~Q(order__attention="") & Q(order__isnull=False)))
    return [process_webhook_event(pk, again=True) for pk in list(events.values_list("pk", flat=True))]


@database.in_transaction()
def _process(event_pk: int, *, again: bool) -> None:
    """Process an event, unless it was processed already or another process sends its signal."""
    event = _lock(event_pk)
    if event.processed_at and again and event.kind == Kind.ASYNC_ORDER:
        _deliver_again(event)
    elif event.processed_at:
        if event.due_at:
            WebhookEvent.primary.filter(pk=event_pk).update(due_at=None)
    elif not _is_being_sent(event):
        _interpret(event)
        event.save(update_fields=INTERPRETED)
        if event.kind in WebhookEvent.NOTIFICATIONS:  # it stays due until the signal was delivered
            transaction.on_commit(partial(_signal_notification, event), using=database.primary_alias(), robust=True)


def _try_again(event_pk: int, error: Exception) -> None:
    """Store on an event why it could not be processed, unless another process has processed it meanwhile."""
    event = _events().get(pk=event_pk)
    event.tries += 1  # what _lock() counted was rolled back
    WebhookEvent.primary.filter(pk=event_pk, processed_at=None).update(
        error=_named(error), tries=event.tries, due_at=_try_again_at(event, database.db_now())
    )


def _signal_notification(event: WebhookEvent) -> None:
    try:
        notifications.send_notice(event)
    except Exception as error:  # Any error must be shown with the webhook event, and the sweep tries again.
        logger.exception("The signal of webhook %s could not be sent", event.pk)
        WebhookEvent.primary.filter(pk=event.pk, processed_at=None).update(error=_named(error))


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: see the log."


def _is_being_sent(event: WebhookEvent) -> bool:
    """Return whether another process holds the lease to send the signal of this notification."""
    return (
        event.kind in WebhookEvent.NOTIFICATIONS
        and not event.error
        and event.due_at is not None
        and event.due_at > database.db_now()
    )


def _events() -> WebhookEventQuerySet:
    # Read from the primary database, since a replica may not have the newest events yet.
    return WebhookEvent.primary.without_body()


def _try_again_at(event: WebhookEvent, now: datetime) -> datetime:
    return now + backoff(WEBHOOK_DELAYS, event.tries - 1)


def _lock(event_pk: int) -> WebhookEvent:
    """Count a try of an event, and return the event, locked until the transaction ends."""
    WebhookEvent.primary.filter(pk=event_pk).update(tries=F("tries") + 1)
    return WebhookEvent.primary.get(pk=event_pk)


def _interpret(event: WebhookEvent) -> None:
    now = database.db_now()
    event.error = ""
    try:
        document = json.loads(event.body_bytes, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        _set_aside(event, f"The body is not JSON: {type(error).__name__}.")
        return
    event.kind = _kind_of(document)
    if event.kind == Kind.UNKNOWN:
        _set_aside(event, "This is not a kind of webhook that Airalo documents.")
    elif event.kind == Kind.ASYNC_ORDER:
        _interpret_order(event, _read_order(document), now)
    else:
        lease_end = now + timedelta(seconds=conf.signal_lease)
        event.due_at = max(lease_end, _try_again_at(event, now))


def _interpret_order(event: WebhookEvent, result: _OrderResult, now: datetime) -> None:
    event.request_id = result.data.request_id
    matches = sorted(_matching_orders(result.data))
    if len(matches) > 1:
        _set_aside(event, AMBIGUOUS)
        for pk in matches:
            flag_for_review(lock(pk), AMBIGUOUS, now=now, source="webhook")
        return
    if not result.data.sims and not result.reason:
        _set_aside(event, NOTHING_IN_IT)
        for pk in matches:
            event.order = lock(pk)
            _look_up_soon(event.order, now)
        return
    if not matches:
        event.status = Status.WAITING
        event.due_at = _try_again_at(event, now) if now - event.received_at < WAITS_FOR else None
        return
    order = lock(matches[0])
    if result.data.sims:
        _deliver(order, result.data, now)
    else:
        record.record_failure(
            order,
            reason=result.reason,
            code=result.code,
            airalo_order_id=result.data.id,
            request_id=result.data.request_id,
            now=now,
            source="webhook",
        )
    signal_after_commit(order)
    event.order = order
    event.status = Status.PROCESSED
    event.processed_at, event.due_at = now, None


def _deliver(order: EsimOrder, data: OrderData, now: datetime) -> None:
    record.record_delivery(order, data, now=now, source="webhook")
    if order.status != EsimOrder.Status.COMPLETED:  # no eSIM could be recorded, but Airalo's list may have more data
        lookup.record_listed(order, data, now=now, source="webhook")


def _deliver_again(event: WebhookEvent) -> None:
    """Record the delivery in a webhook once more."""
    try:
        document = json.loads(event.body_bytes)
    except (ValueError, RecursionError):  # it could be read before, so the body has been changed
        logger.exception("Webhook %s cannot be read again", event.pk)
        return
    data, now = _read_order(document).data, database.db_now()
    matches = _matching_orders(data)
    if data.sims and len(matches) == 1:
        order = lock(matches.pop())
        _deliver(order, data, now)
        signal_after_commit(order)


def _look_up_soon(order: EsimOrder, now: datetime) -> None:
    """Make an order due for a look-up, since its webhook had no data: Airalo's list may have more."""
    note_once(order, NOTHING_IN_IT, now=now, source="webhook", kind=OrderEvent.Kind.NOTED)
    if order.status in (EsimOrder.Status.ACCEPTED, EsimOrder.Status.UNCONFIRMED):
        EsimOrder.primary.filter(pk=order.pk).update(due_at=now)


def _matching_orders(data: OrderData) -> set[int]:
    """Return the primary keys of the orders with the webhook's ``request_id`` or the reference in its description."""
    reference = reference_in(data.description)
    orders, candidates = EsimOrder.primary.all(), list[EsimOrder]()
    if data.request_id:
        candidates += orders.filter(request_id=data.request_id)
    if reference:
        candidates += orders.filter(reference=reference)
    # Compared again here, since a database's collation may ignore case.
    return {order.pk for order in candidates if order.reference == reference or order.request_id == data.request_id}


def _set_aside(event: WebhookEvent, reason: str) -> None:
    event.status = Status.SET_ASIDE
    event.error = reason
    event.due_at = None
    logger.error("Webhook %s was set aside: %s", event.pk, reason)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _kind_of(document: Any) -> str:
    """Return the kind of a webhook from its keys, since Airalo's webhooks have no name of the event."""
    if not isinstance(document, Mapping):
        return Kind.UNKNOWN
    inner = _order_or_document(document)
    if inner.get("sims") or "request_id" in document or "request_id" in inner:
        return Kind.ASYNC_ORDER
    if "level" in document and "iccid" in document:
        return Kind.LOW_DATA
    if "remaining" in document and "message" in document:
        return Kind.CREDIT_LIMIT
    if "reason" in document or "reason" in inner or reference_in(as_text(inner.get("description"))):
        return Kind.ASYNC_ORDER
    return Kind.UNKNOWN


def _order_or_document(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a document with the order, or with the reason why there is none."""
    return order_in(document) or document


def _read_order(document: Mapping[str, Any]) -> _OrderResult:
    inner = _order_or_document(document)
    reason = as_text(document.get("reason")) or as_text(inner.get("reason"))
    code = as_int(document.get("code")) if "reason" in document else as_int(inner.get("code"))
    order_data = OrderData.from_json({"data": inner, "request_id": document.get("request_id")})
    return _OrderResult(data=order_data, reason=reason, code=code if code and abs(code) < 10**9 else None)
