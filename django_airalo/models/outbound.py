"""The base of requests that are sent to Airalo at most once and cannot be looked up there afterwards."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self, TypeVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import field_types as t
from .leases import Lease, LeaseQuerySet
from .mixins import SignalOutbox

#: The statuses that all such models have in common, as they are stored.
PENDING, SENDING, UNCONFIRMED, CANCELLED = "pending", "sending", "unconfirmed", "cancelled"


Row = TypeVar("Row", bound="OutboundRequest")


class OutboundRequestQuerySet(LeaseQuerySet[Row]):
    """A queryset of refunds or vouchers. All of its methods can be combined."""

    def due(self, now: datetime) -> Self:
        """Return the rows that are due, the longest overdue first."""
        return self.filter(due_at__lte=now).order_by("due_at")

    def sent_by(self, deployment: str) -> Self:
        """Return the rows except those that only another deployment sends."""
        return self.exclude(~Q(deployment=deployment), status=PENDING)

    def overdue(self, before: datetime) -> Self:
        """Return the rows that have been due since ``before``, or pending since then."""
        return self.filter(Q(due_at__lte=before) | Q(status=PENDING, created_at__lte=before))

    def unconfirmed(self) -> Self:
        """Return the rows whose outcome is unknown, so that an operator must decide."""
        return self.filter(status=UNCONFIRMED)

    def flawed(self) -> Self:
        """Return the rows that Airalo accepted with a flaw, which is in ``error``."""
        return self.filter(status=self.model.ACCEPTED).exclude(error="")

    def without_secrets(self) -> Self:
        """Defer the secrets. Decrypting them takes time, and fails if the key is missing."""
        return self.defer(*self.model.SECRETS)


class OutboundRequest(SignalOutbox):
    """A request to Airalo. As with orders, the row is also the queue. Each subclass has its own ``status``.

    The signal is sent after each change that a shop can act on.

    Attributes:
        deployment (str): the short name of the deployment that asked for it, and alone sends it.
        due_at (datetime or None): when the sweep must look at it next; while it is being sent, the end of the lease of
            the worker that sends it.
        attempt (int): the number of the last try to send it, from 1 on.
        doubted_attempt (int or None): the number of the first attempt whose outcome is unknown
            (0: it was made from another database). What is answered to a later one does not change that.
        error (str): why it was not sent, was refused or is unconfirmed; empty if nothing is wrong.
        decided_by (str): who decided about it last, if an operator did.
        created_at (datetime): when the shop asked for it.
        sent_at (datetime or None): when the last try to send it began.
        accepted_at (datetime or None): when Airalo took it.
    """

    #: The status of a request that Airalo accepted, and of one that it refused.
    ACCEPTED: ClassVar[str]
    REFUSED: ClassVar[str]
    SECRETS: ClassVar[tuple[str, ...]] = ()
    #: The lease to send it. The status is not compared, since an answer counts even after the row was given up.
    SENDING_LEASE: ClassVar[Lease] = Lease("due_at", fence=("attempt",))

    status: t.Char = models.CharField(_("status"), max_length=11, default=PENDING, db_index=True)
    deployment: t.Char = models.CharField(
        _("deployment"),
        max_length=16,
        blank=True,
        editable=False,
        help_text=_("The short name of the deployment that asked for it, and alone sends it."),
    )
    attempt: t.PositiveInteger = models.PositiveIntegerField(_("attempt"), default=0)
    doubted_attempt: t.OptionalPositiveInteger = models.PositiveIntegerField(
        _("attempt in doubt"), null=True, blank=True
    )
    due_at: t.OptionalDateTime = models.DateTimeField(_("due at"), null=True, blank=True, db_index=True)
    error: t.Text = models.TextField(_("error"), blank=True)
    decided_by: t.Char = models.CharField(_("decided by"), max_length=255, blank=True)
    created_at: t.DateTime = models.DateTimeField(_("asked for at"), default=timezone.now, editable=False)
    sent_at: t.OptionalDateTime = models.DateTimeField(_("sent at"), null=True, blank=True)
    accepted_at: t.OptionalDateTime = models.DateTimeField(_("accepted at"), null=True, blank=True)

    class Meta:
        abstract = True

    def redact(self, text: str) -> str:
        """Return a text without the secrets of this row."""
        for name in self.SECRETS:
            if secret := getattr(self, name):
                text = text.replace(secret, "•••")
        return text
