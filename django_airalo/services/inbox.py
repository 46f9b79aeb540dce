"""Webhooks: keep what is signed, then interpret it, as often as it takes."""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from django_airalo.client import signature
from django_airalo.client.payloads import OrderData, as_int, as_text
from django_airalo.conf import conf
from django_airalo.exceptions import WebhookVerificationError
from django_airalo.models import EsimOrder, WebhookEvent
from django_airalo.models.webhooks import WebhookEventQuerySet

from . import database, fulfilment, notifications, nudges
from .signalling import signal_after_commit
from .transitions import lock

logger = logging.getLogger("django_airalo.webhooks")

Kind, Status = WebhookEvent.Kind, WebhookEvent.Status

#: The kinds that say something of no order. They have no id of their own.
NOTICES = (Kind.LOW_DATA, Kind.CREDIT_LIMIT)
#: The columns that interpreting a webhook writes.
INTERPRETED = ("kind", "status", "request_id", "order", "error", "due_at", "processed_at")
#: Airalo repeats a webhook for five hours. A notice with the same bytes after that is a new one.
REPEATED_FOR = timedelta(hours=6)
#: Seconds until a webhook that has no order yet, or whose processing raised, is tried again: ever less often.
TRY_AGAIN_AFTER = (30, 60, 300, 900, 3600, 6 * 3600)
#: How long a webhook without an order is tried again: it is probably another shop's on the same account. It goes on
#: waiting for an order with its ``request_id``.
WAITS_FOR = timedelta(days=7)


@dataclass(frozen=True)
class _News:
    """What a webhook says of an order: its eSIMs in ``data``, or the ``reason`` why there are none."""

    data: OrderData
    reason: str
    code: int | None


def receive_webhook(body: bytes, signature_header: str) -> WebhookEvent:
    """Keep a webhook, if it carries a valid signature, and have it interpreted after the commit.

    The same body again is the same event: it is interpreted again only if that has not succeeded yet, or (for
    notices, which have no id) if it comes when Airalo can no longer be repeating the first.

    Args:
        body: the request's body, byte for byte.
        signature_header: the ``airalo-signature`` header.

    Raises:
        WebhookVerificationError: the signature is missing or wrong. Nothing was kept.
    """
    reading = signature.verify(body, signature_header, conf.WEBHOOK_SECRETS)
    if reading is None:
        raise WebhookVerificationError("The airalo-signature header is missing or does not fit the body.")
    digest = hashlib.sha256(body).hexdigest()
    return _keep(body, reading, digest)


@database.in_transaction()
def _keep(body: bytes, reading: str, digest: str) -> WebhookEvent:
    now = database.now()
    event = _repeated(digest, now)
    if event is None:
        try:
            with database.atomic():
                event = WebhookEvent.objects.create(
                    digest=digest,
                    body=body.decode("utf-8", "surrogateescape"),
                    size=len(body),
                    signature_reading=reading,
                    received_at=now,
                    last_received_at=now,
                    due_at=now,
                )
        except IntegrityError:
            event = _repeated(digest, now)
            if event is None:
                raise
    if event.due_at is not None:
        nudges.after_commit("process_webhook_event", event.pk, process_webhook_event)
    return event


def _repeated(digest: str, now: datetime) -> WebhookEvent | None:
    """The event with these bytes, counted once more; made due again if it is new news or was not understood."""
    event = _events().filter(digest=digest).first()
    if event is None:
        return None
    row = WebhookEvent.objects.filter(pk=event.pk)
    row.update(deliveries=F("deliveries") + 1, last_received_at=now)
    # On condition, since the event was read before it was held: another process may have understood or renewed it.
    if event.kind in NOTICES and event.processed_at and now - event.last_received_at > REPEATED_FOR:
        news = {"event_id": uuid.uuid4(), "status": Status.RECEIVED, "processed_at": None, "due_at": now}
        row.filter(event_id=event.event_id).update(**news)
    elif event.status == Status.WAITING or event.error:
        row.filter(processed_at=None).update(due_at=now)
    event.refresh_from_db(using=database.alias())
    return event


def process_webhook_event(event: WebhookEvent | int) -> WebhookEvent:
    """Interpret a kept webhook: complete or fail its order, or signal its notice. Can be repeated without harm.

    What is no JSON, or no kind of webhook that we know, is set aside. What has no order yet waits: it is tried
    again when an order is accepted with its ``request_id``, and for a week by the sweep. The signal of a notice is
    sent after the commit.

    Args:
        event: an event or its primary key.

    Returns:
        The event as it is afterwards.
    """
    event_pk = event.pk if isinstance(event, WebhookEvent) else event
    try:
        _process(event_pk)
    except Exception as error:  # Whatever it is, the inbox must show it, and the sweep try again.
        logger.exception("Webhook %s could not be interpreted", event_pk)
        _try_again(event_pk, error)
    return _events().get(pk=event_pk)


@database.in_transaction()
def _process(event_pk: int) -> None:
    """Interpret an event, unless it is done or being done."""
    event = _lock(event_pk)
    if event.processed_at:
        if event.due_at:
            WebhookEvent.objects.filter(pk=event_pk).update(due_at=None)
    elif not _is_being_sent(event):
        _interpret(event)
        event.save(update_fields=INTERPRETED)
        if event.kind in NOTICES:  # due again until that has been done
            transaction.on_commit(partial(_send_notice, event), using=database.alias(), robust=True)


def _try_again(event_pk: int, error: Exception) -> None:
    """Say on an event why it was not interpreted, unless another process has interpreted it meanwhile."""
    event = _events().get(pk=event_pk)
    event.tries += 1  # what _lock() counted was rolled back
    WebhookEvent.objects.filter(pk=event_pk, processed_at=None).update(
        error=_named(error), tries=event.tries, due_at=_try_again_at(event, database.now())
    )


def _send_notice(event: WebhookEvent) -> None:
    try:
        notifications.send_notice(event)
    except Exception as error:  # The same goes for what stands between a notice and its receivers.
        logger.exception("The signal of webhook %s could not be sent", event.pk)
        WebhookEvent.objects.filter(pk=event.pk, processed_at=None).update(error=_named(error))


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: see the log."


def _is_being_sent(event: WebhookEvent) -> bool:
    """Whether another process holds the lease to send this notice's signal."""
    return event.kind in NOTICES and not event.error and event.due_at is not None and event.due_at > database.now()


def _events() -> WebhookEventQuerySet:
    # Not from a replica, which a router may choose for reading: it may not know what was kept just now.
    return WebhookEvent.objects.using(database.alias()).without_body()


def _try_again_at(event: WebhookEvent, now: datetime) -> datetime:
    return now + timedelta(seconds=TRY_AGAIN_AFTER[min(event.tries, len(TRY_AGAIN_AFTER)) - 1])


def _lock(event_pk: int) -> WebhookEvent:
    """The event, held until the transaction ends."""
    WebhookEvent.objects.filter(pk=event_pk).update(tries=F("tries") + 1)
    return WebhookEvent.objects.using(database.alias()).get(pk=event_pk)


def _interpret(event: WebhookEvent) -> None:
    now = database.now()
    event.error = ""
    try:
        document = json.loads(event.body_bytes, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        _set_aside(event, f"The body is not JSON: {type(error).__name__}.")
        return
    event.kind = _kind(document)
    if event.kind == Kind.UNKNOWN:
        _set_aside(event, "This is no kind of webhook that Airalo documents.")
    elif event.kind == Kind.ASYNC_ORDER:
        _interpret_order(event, _read_order(document), now)
    else:
        lease_end = now + timedelta(seconds=conf.SIGNAL_LEASE)
        event.due_at = max(lease_end, _try_again_at(event, now))


def _kind(document: Any) -> str:
    """Tell the kinds apart by their keys: Airalo's webhooks carry no name of the event."""
    if not isinstance(document, Mapping):
        return Kind.UNKNOWN
    data = document.get("data")
    inner = data if isinstance(data, Mapping) else document
    if inner.get("sims") or "request_id" in document or "request_id" in inner:
        return Kind.ASYNC_ORDER
    if "level" in document and "iccid" in document:
        return Kind.LOW_DATA
    if "remaining" in document and "message" in document:
        return Kind.CREDIT_LIMIT
    if "reason" in document or "reason" in inner or fulfilment.reference_in(as_text(inner.get("description"))):
        return Kind.ASYNC_ORDER
    return Kind.UNKNOWN


def _read_order(document: Mapping[str, Any]) -> _News:
    data = document.get("data")
    inner = data if isinstance(data, Mapping) else document
    reason = as_text(document.get("reason")) or as_text(inner.get("reason"))
    code = as_int(document.get("code")) if "reason" in document else as_int(inner.get("code"))
    order_data = OrderData.from_json({"data": inner, "request_id": document.get("request_id")})
    return _News(data=order_data, reason=reason, code=code if code and abs(code) < 10**9 else None)


def _interpret_order(event: WebhookEvent, news: _News, now: datetime) -> None:
    event.request_id = news.data.request_id
    if not news.data.sims and not news.reason:
        _set_aside(event, "The webhook holds neither eSIMs nor a reason why there are none.")
        return
    matches = _matching_orders(news.data)
    if len(matches) > 1:
        _set_aside(event, "request_id and description name different orders.")
        return
    if not matches:
        event.status = Status.WAITING
        event.due_at = _try_again_at(event, now) if now - event.received_at < WAITS_FOR else None
        return
    order = lock(matches.pop())
    if news.data.sims:
        fulfilment.record_delivery(order, news.data, now=now, source="webhook")
    else:
        fulfilment.record_failure(order, reason=news.reason, code=news.code, now=now, source="webhook")
    signal_after_commit(order)
    event.order = order
    event.status = Status.PROCESSED
    event.processed_at, event.due_at = now, None


def _matching_orders(data: OrderData) -> set[int]:
    """Primary keys of the orders that the webhook's request_id and description name."""
    reference = fulfilment.reference_in(data.description)
    orders, candidates = EsimOrder.objects.using(database.alias()), list[EsimOrder]()
    if data.request_id:
        candidates += orders.filter(request_id=data.request_id)
    if reference:
        candidates += orders.filter(reference=reference)
    # Compared once more, since a database's collation may ignore case.
    return {order.pk for order in candidates if order.reference == reference or order.request_id == data.request_id}


def _set_aside(event: WebhookEvent, reason: str) -> None:
    event.status = Status.SET_ASIDE
    event.error = reason
    event.due_at = None
    logger.error("Webhook %s was set aside: %s", event.pk, reason)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
