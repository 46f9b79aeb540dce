"""What a signal is sent from, at least once."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class Signalled(models.Model):
    """A row whose signal is due until all receivers have heard.

    Attributes:
        event_id (uuid.UUID): what the signal carries, so that receivers recognise a repetition.
        signal_due_at (datetime or None): when the signal is sent, or sent again; ``None`` if there is nothing to send.
        signalled_at (datetime or None): when all receivers had heard it without raising.
        signal_tries (int): how often it was sent.
        signal_error (str): which receiver raised at the last try, and what.
    """

    event_id = models.UUIDField(_("event id"), default=uuid.uuid4, unique=True, editable=False)
    signal_due_at = models.DateTimeField(
        _("signal due at"), null=True, blank=True, db_index=True, help_text=_("Empty when there is nothing to signal.")
    )
    signalled_at = models.DateTimeField(_("signalled at"), null=True, blank=True)
    signal_tries = models.PositiveIntegerField(_("signal tries"), default=0)
    signal_error = models.TextField(_("signal error"), blank=True)

    class Meta:
        abstract = True
