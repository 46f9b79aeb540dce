"""The log of what happened to an order."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .fields import EncryptedTextField
from .leases import LeaseQuerySet
from .managers import PrimaryManager
from .mixins import SignalOutbox
from .orders import EsimOrder


class OrderEventQuerySet(LeaseQuerySet["OrderEvent"]):
    """A queryset of order events. All of its methods can be combined."""

    def without_secret(self) -> OrderEventQuerySet:
        """Defer the secret, so that one whose key is missing does not prevent reading other events."""
        return self.defer("secret")

    def unsignalled(self, now: datetime) -> OrderEventQuerySet:
        """Return the events whose signal is due, in their order, without their secrets."""
        return self.without_secret().filter(signal_due_at__lte=now).order_by("id")


class OrderEventManager(models.Manager.from_queryset(OrderEventQuerySet)):  # type: ignore[misc]  # created at run time
    """A manager that defers the secrets of events, also for ``order.events``."""

    def get_queryset(self) -> OrderEventQuerySet:
        """Return all events, with their secrets deferred."""
        return super().get_queryset().without_secret()  # type: ignore[no-any-return]  # as above


OrderEventPrimaryManager = PrimaryManager.from_queryset(OrderEventQuerySet)


class OrderEvent(SignalOutbox):
    """An entry in the log of an order. The signal of a change of status is sent from it.

    Attributes:
        order (EsimOrder): the order, whose log is ``order.events``, the oldest first.
        kind (str): one of ``OrderEvent.Kind``.
        esims (dict): for a change of the eSIMs, the primary keys of those ``added`` and ``changed``; else empty.
        secret (str): secret. The previous codes of eSIMs, or codes that were received but not stored with the eSIM, as
            JSON by the primary keys of the eSIMs; usually empty. Read from the database only on access.
        old_status (str): for a change of status, the status before; else empty.
        new_status (str): for a change of status, the status afterwards; else empty.
        source (str): where the change came from: ``shop``, ``submit``, ``webhook``, ``look-up``, ``sweep``,
            ``operator`` or ``import``.
        late (bool): whether it came after the order had failed or been cancelled, or another worker had taken over.
        detail (str): details for operators.
        attempt (int): the number of the order's last attempt at that time.
        created_at (datetime): when it happened.
    """

    class Kind(models.TextChoices):
        PLACED = "placed", pgettext_lazy("order event", "Placed")
        STATUS_CHANGED = "status_changed", pgettext_lazy("order event", "Status changed")
        LOOKED_UP = "looked_up", pgettext_lazy("order event", "Looked up")
        ESIMS_CHANGED = "esims_changed", pgettext_lazy("order event", "eSIMs changed")
        NOTED = "noted", pgettext_lazy("order event", "Noted")
        ATTENTION = "attention", pgettext_lazy("order event", "Needs attention")

    order: models.ForeignKey[EsimOrder, EsimOrder] = models.ForeignKey(
        EsimOrder, verbose_name=_("order"), on_delete=models.CASCADE, related_name="events"
    )
    kind: t.Char = models.CharField(_("kind"), max_length=14, choices=Kind)
    old_status: t.Char = models.CharField(_("from"), max_length=11, choices=EsimOrder.Status, blank=True)
    new_status: t.Char = models.CharField(_("to"), max_length=11, choices=EsimOrder.Status, blank=True)
    source: t.Char = models.CharField(
        _("source"), max_length=20, blank=True, help_text=_("Where the change came from.")
    )
    late: t.Boolean = models.BooleanField(
        _("late"), default=False, help_text=_("It came after the order had been given up.")
    )
    detail: t.Text = models.TextField(_("detail"), blank=True)
    esims: t.JSON = models.JSONField(_("changed eSIMs"), default=dict, blank=True)
    secret: EncryptedTextField = EncryptedTextField(_("codes"), blank=True)
    attempt: t.PositiveInteger = models.PositiveIntegerField(_("attempt"), default=0)
    created_at: t.DateTime = models.DateTimeField(_("at"), default=timezone.now, editable=False)

    objects: ClassVar[models.Manager[OrderEvent]] = OrderEventManager()
    primary: ClassVar[PrimaryManager[Self]] = OrderEventPrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("order event")
        verbose_name_plural: ClassVar[Any] = _("order events")
        ordering: ClassVar[tuple[str, ...]] = ("id",)

    def __str__(self) -> str:
        if self.kind == self.Kind.STATUS_CHANGED:
            return f"{self.get_old_status_display()} → {self.get_new_status_display()}"
        return self.get_kind_display()
