"""Airalo's notices: low data and credit limit."""

from __future__ import annotations

import json

from django_airalo import signals
from django_airalo.client.payloads import as_decimal, as_text
from django_airalo.models import Esim, WebhookEvent

from . import account, database
from .esims import note_low_data
from .signalling import send_robust


def send_notice(event: WebhookEvent) -> bool:
    """Send the signal of a notice; processed once all receivers have heard. ``False`` if one raised."""
    document = json.loads(event.body_bytes)
    if event.kind == WebhookEvent.Kind.LOW_DATA:
        iccid, level = as_text(document.get("iccid")), as_text(document.get("level"))
        percentage = as_decimal(document.get("remaining_percentage"))
        esims = Esim.objects.using(database.alias()).without_secrets().select_related("order__user")
        esim = esims.filter(iccid=iccid).first()
        if esim:
            note_low_data(esim, level=level, percentage=percentage, event_id=event.event_id)
        failures = send_robust(
            signals.esim_low_data,
            WebhookEvent,
            esim=esim,
            iccid=iccid,
            level=level,
            remaining_percentage=percentage,
            package_name=as_text(document.get("package_name")),
            event_id=event.event_id,
        )
    else:
        balance = account.latest_balance()
        failures = send_robust(
            signals.credit_limit_reached,
            WebhookEvent,
            message=as_text(document.get("message")),
            remaining=as_decimal(document.get("remaining")),
            balance=balance.amount if balance else None,
            event_id=event.event_id,
        )
    # Another process may have sent it meanwhile, and the same bytes may have come as a new notice since.
    unsent = WebhookEvent.objects.filter(pk=event.pk, event_id=event.event_id, processed_at=None)
    if failures:
        unsent.update(error="\n".join(failures))
        return False
    unsent.update(status=WebhookEvent.Status.PROCESSED, processed_at=database.now(), due_at=None, error="")
    return True
