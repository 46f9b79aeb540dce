"""Send the signals of Airalo's notifications: low data and credit limit."""

from __future__ import annotations

import json

from django_airalo import signals
from django_airalo.client.payloads import as_decimal, as_text
from django_airalo.iccids import normalised
from django_airalo.models import Esim, WebhookEvent
from django_airalo.services.account import balance
from django_airalo.services.core import database
from django_airalo.services.core.outbox import send_robust
from django_airalo.services.esims.usage import note_low_data, request_usage_sync

#: The maximum number of eSIMs with one ICCID that are looked up after a notification.
MOST = 20


def send_notice(event: WebhookEvent) -> bool:
    """Send the signal of a notification. The event is processed when all receivers have returned without an error.

    Returns:
        ``False`` if a receiver raised an exception.
    """
    document = json.loads(event.body_bytes)
    if event.kind == WebhookEvent.Kind.LOW_DATA:
        iccid, level = as_text(document.get("iccid")), as_text(document.get("level"))
        percentage = as_decimal(document.get("remaining_percentage"))
        # Several orders may have the same number. The newest eSIM is the one in use; the others are looked up.
        esims = _esims_of(iccid)
        esim, is_stale = (esims[0] if esims else None), False
        if esim:
            is_stale = note_low_data(esim, level=level, percentage=percentage, event_id=event.event_id)
        for other in esims[1:]:
            request_usage_sync(other)
        failures = send_robust(
            signals.esim_low_data,
            WebhookEvent,
            esim=esim,
            iccid=iccid,
            level=level,
            remaining_percentage=percentage,
            is_stale=is_stale,
            package_name=as_text(document.get("package_name")),
            event_id=event.event_id,
        )
    else:
        last = balance.latest_balance()
        failures = send_robust(
            signals.credit_limit_reached,
            WebhookEvent,
            message=as_text(document.get("message")),
            remaining=as_decimal(document.get("remaining")),
            balance=last.amount if last else None,
            event_id=event.event_id,
        )
    # Another process may have sent the signal meanwhile, and the same body may have come as a new notification since.
    unsent = WebhookEvent.primary.filter(pk=event.pk, event_id=event.event_id, processed_at=None)
    if failures:
        unsent.update(error="\n".join(failures))
        return False
    unsent.update(status=WebhookEvent.Status.PROCESSED, processed_at=database.db_now(), due_at=None, error="")
    return True


def _esims_of(iccid: str) -> list[Esim]:
    """Return the eSIMs with an ICCID, however it is formatted, the newest first; at most ``MOST``."""
    key = normalised(iccid)
    esims = Esim.primary.without_secrets().select_related("order__user")
    return list(esims.filter(iccid_key=key).order_by("-pk")[:MOST]) if key else []
