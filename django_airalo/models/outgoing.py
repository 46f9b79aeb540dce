"""What is sent to Airalo at most once, and cannot be looked up there afterwards."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .signalled import Signalled

#: The statuses that all such rows share, as their columns hold them.
PENDING, SENDING, UNCONFIRMED, REFUSED, CANCELLED = "pending", "sending", "unconfirmed", "refused", "cancelled"


Row = TypeVar("Row", bound="Outgoing")


class OutgoingQuerySet(models.QuerySet[Row]):
    """Which refunds or vouchers to look at. All of these can be combined."""

    def due(self, now: datetime) -> Self:
        """The rows that the sweep must look at, the longest waiting first."""
        return self.filter(due_at__lte=now).order_by("due_at")

    def late(self, since: datetime) -> Self:
        """The rows that nobody dealt with since, or that were to be sent already then and are not."""
        return self.filter(Q(due_at__lte=since) | Q(status=PENDING, created_at__lte=since))

    def unconfirmed(self) -> Self:
        """The rows of which nobody knows whether Airalo took them: a person must decide."""
        return self.filter(status=UNCONFIRMED)

    def flawed(self) -> Self:
        """The rows that Airalo took, but not as they were asked for: ``error`` says what is wrong."""
        return self.filter(status=self.model.ACCEPTED).exclude(error="")

    def without_secrets(self) -> Self:
        """The same rows. Secrets are decrypted only when asked for: it costs time, and fails if the key is gone."""
        return self.defer(*self.model.SECRETS)


class Outgoing(Signalled):
    """A request to Airalo: the row is the fact and the queue, as with orders. Has a ``status`` of its own kind.

    Its signal is sent after each change that a shop can act on.

    Attributes:
        due_at (datetime or None): when the sweep must look at it next; while it is being sent, the end of the lease of
            the worker that sends it.
        attempt (int): the number of the last try to send it, from 1 on.
        error (str): why it was not sent, was refused or is unconfirmed; empty if nothing is wrong.
        decided_by (str): who decided about it last, if a person did.
        created_at (datetime): when the shop asked for it.
        sent_at (datetime or None): when the last try to send it began.
        accepted_at (datetime or None): when Airalo took it.
    """

    #: What Airalo's yes makes of it.
    ACCEPTED: ClassVar[str]
    SECRETS: ClassVar[tuple[str, ...]] = ()

    status = models.CharField(_("status"), max_length=11, default=PENDING, db_index=True)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True, db_index=True)
    error = models.TextField(_("error"), blank=True)
    decided_by = models.CharField(_("decided by"), max_length=255, blank=True)
    created_at = models.DateTimeField(_("asked for at"), default=timezone.now, editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)

    class Meta:
        abstract = True

    def masked(self, text: str) -> str:
        """The text without what is secret of this row."""
        for name in self.SECRETS:
            if secret := getattr(self, name):
                text = text.replace(secret, "•••")
        return text
