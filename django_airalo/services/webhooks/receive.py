"""Store signed webhooks."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import F

from django_airalo.client import signature
from django_airalo.conf import conf
from django_airalo.exceptions import WebhookOverloadError, WebhookVerificationError
from django_airalo.models import WebhookEvent
from django_airalo.services.core import database
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.esims.usage import topped_up_since

Status = WebhookEvent.Status

#: Airalo repeats a webhook for five hours. A notification with the same body after that is a new one.
REPEATED_FOR = timedelta(hours=6)

#: One for the process, since it limits the CPU time of the process.
verifier = signature.Verifier()


def receive_webhook(body: bytes, *, signature_header: str) -> WebhookEvent:
    """Store a webhook with a valid signature, and enqueue its processing.

    A webhook with the same body is the same event. It is processed again if that has not succeeded yet. Notifications
    have no id, so one with the same body is also processed again if it comes too late to be a repetition, or if the
    eSIM was topped up since.

    Args:
        body: the request's body, unchanged.
        signature_header: the ``airalo-signature`` header.

    Returns:
        The stored event.

    Raises:
        WebhookVerificationError: the signature is missing or wrong. Nothing was stored.
        WebhookOverloadError: the signature was not verified, since forged webhooks used up the CPU time for it.
    """
    try:
        reading = verifier.verify(body, signature_header, conf.WEBHOOK_SECRETS)
    except TimeoutError as error:
        raise WebhookOverloadError(str(error)) from error
    if reading is None:
        raise WebhookVerificationError("The airalo-signature header is missing or does not fit the body.")
    digest = hashlib.sha256(body).hexdigest()
    return _keep_webhook(body, reading, digest)


@database.in_transaction()
def _keep_webhook(body: bytes, reading: str, digest: str) -> WebhookEvent:
    now = database.db_now()
    event = _repeated(digest, now)
    if event is None:
        try:
            with database.atomic():
                event = WebhookEvent.primary.create(
                    digest=digest,
                    body=body.decode("utf-8", "surrogateescape"),
                    size=len(body),
                    signature_encoding=reading,
                    received_at=now,
                    last_received_at=now,
                    due_at=now,
                )
        except IntegrityError:
            event = _repeated(digest, now)
            if event is None:
                raise
    if event.due_at is not None:
        enqueue("process_webhook_event", event.pk)
    return event


def _repeated(digest: str, now: datetime) -> WebhookEvent | None:
    """Count a repetition of an event and return the event, or ``None`` if this body is new.

    The event becomes due again if it is a new notification, or was not processed successfully.
    """
    event = WebhookEvent.primary.without_body().filter(digest=digest).first()
    if event is None:
        return None
    row = WebhookEvent.primary.filter(pk=event.pk)
    row.update(deliveries=F("deliveries") + 1, last_received_at=now)
    # The updates are conditional, since another process may have changed the event after it was read.
    is_old = now - event.last_received_at > REPEATED_FOR
    if event.kind in WebhookEvent.NOTIFICATIONS and event.processed_at and (is_old or topped_up_since(event.event_id)):
        fields = {"event_id": uuid.uuid4(), "status": Status.RECEIVED, "processed_at": None, "due_at": now}
        row.filter(event_id=event.event_id).update(**fields)
    elif event.status == Status.WAITING or event.error:
        row.filter(processed_at=None).update(due_at=now)
    event.refresh_from_db(using=database.primary_alias())
    return event
