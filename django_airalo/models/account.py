"""The shop's account at Airalo: pauses, unknown outcomes, balances, and heartbeats."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .leases import Lease
from .managers import AiraloModel
from .mixins import SignalOutbox
from .orders import EsimOrder


class SubmissionPause(SignalOutbox):
    """A period in which no orders are sent to Airalo. At most one of each kind is active.

    Attributes:
        kind (str): one of ``SubmissionPause.Kind``: the balance did not cover an order, or several purchases had an
            unknown outcome.
        is_active (bool or None): ``True`` during the pause, ``None`` afterwards.
        reason (str): Airalo's reason, or the error of the last of those purchases.
        order (EsimOrder or None): the order that Airalo refused, or the last one whose outcome is unknown.
        balance (Decimal or None): the lowest balance seen since the pause began, in the account's currency; ``None`` if
            it is unknown, or if the pause is not about the balance.
        probes (int): how many times Airalo still did not answer.
        paused_at (datetime): when the pause began.
        resumed_at (datetime or None): when the pause ended.
        resumed_by (str): the operator who ended the pause, or why it ended.
        due_at (datetime or None): when the balance, or whether Airalo answers, is checked next; ``None`` after the
            pause.
    """

    class Kind(models.TextChoices):
        NO_CREDIT = "no_credit", pgettext_lazy("submission pause", "No credit")
        UNKNOWN_OUTCOMES = "unknown_outcomes", pgettext_lazy("submission pause", "Unknown outcomes")

    #: The lease to check whether the pause can end.
    PROBE_LEASE: ClassVar[Lease] = Lease("due_at", fence=("due_at",))

    kind: t.Char = models.CharField(_("kind"), max_length=16, choices=Kind, default=Kind.NO_CREDIT)
    # True or NULL, never False, so that a unique index, which every database supports, allows one active pause.
    is_active: t.OptionalBoolean = models.BooleanField(_("active"), null=True, default=True)
    reason: t.Text = models.TextField(_("reason"))
    order: models.ForeignKey[EsimOrder | None, EsimOrder | None] = models.ForeignKey(
        EsimOrder, verbose_name=_("order"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    balance: t.OptionalDecimal = models.DecimalField(
        _("balance"),
        max_digits=14,
        decimal_places=2,
        null=True,
        help_text=_("The lowest balance since the pause began, in the account's currency. Empty if unknown."),
    )
    probes: t.PositiveInteger = models.PositiveIntegerField(
        _("probes"), default=0, help_text=_("How many times Airalo still did not answer.")
    )
    paused_at: t.DateTime = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    resumed_at: t.OptionalDateTime = models.DateTimeField(_("until"), null=True, blank=True)
    resumed_by: t.Char = models.CharField(_("ended by"), max_length=255, blank=True)
    due_at: t.OptionalDateTime = models.DateTimeField(_("checked next at"), null=True, blank=True)

    class Meta:
        verbose_name: ClassVar[Any] = _("submission pause")
        verbose_name_plural: ClassVar[Any] = _("submission pauses")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["is_active", "kind"], name="airalo_pause_one_active")
        ]

    def __str__(self) -> str:
        return f"{self.paused_at:%Y-%m-%d %H:%M} {self.reason}"


class UnknownOutcomes(AiraloModel):
    """The times of purchases with an unknown outcome, since the last purchase with a known one.

    There is at most one row. Several such purchases within a short time begin a pause. Only unknown outcomes, and the
    first success after them, write the row.

    Attributes:
        at (list): the last times, by the database's clock, in ISO 8601.
    """

    # The primary key of the one row is 1.
    at: t.JSON = models.JSONField(_("at"), default=list)

    class Meta:
        verbose_name: ClassVar[Any] = _("unknown outcomes")
        verbose_name_plural: ClassVar[Any] = _("unknown outcomes")

    def __str__(self) -> str:
        return ", ".join(self.at)


class BalanceRecord(SignalOutbox):
    """The balance from some time on: one row for each change. The signal ``balance_low`` is sent from it.

    Attributes:
        amount (Decimal): the balance, in ``currency``.
        currency (str): the account's currency, three letters.
        threshold (Decimal or None): the value of ``AIRALO_LOW_BALANCE`` at that time.
        source (str): who looked it up: ``sweep``, ``pause``, ``shop`` or the caller's own text.
        at (datetime): when this balance was first seen.
    """

    amount: t.DecimalValue = models.DecimalField(_("balance"), max_digits=14, decimal_places=2)
    currency: t.Char = models.CharField(_("currency"), max_length=3, blank=True)
    threshold: t.OptionalDecimal = models.DecimalField(
        _("low below"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("The value of AIRALO_LOW_BALANCE at that time."),
    )
    source: t.Char = models.CharField(_("source"), max_length=20, blank=True, help_text=_("Who looked it up."))
    at: t.DateTime = models.DateTimeField(_("at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name: ClassVar[Any] = _("balance")
        verbose_name_plural: ClassVar[Any] = _("balances")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}".rstrip()

    @property
    def is_low(self) -> bool:
        """Whether the balance was below the threshold."""
        return self.threshold is not None and self.amount < self.threshold


class Heartbeat(AiraloModel):
    """When a part of the system was last seen running.

    Attributes:
        name (str): ``sweep``, ``task`` (a worker ran the task of ``airalo_doctor``), ``balance`` (the balance was
            looked up) or ``refunds`` (the list of refunded orders was read).
        at (datetime): the time, by the database's clock.
    """

    name: t.Char = models.CharField(_("name"), max_length=64, unique=True)
    at: t.DateTime = models.DateTimeField(_("last seen at"))

    class Meta:
        verbose_name: ClassVar[Any] = _("heartbeat")
        verbose_name_plural: ClassVar[Any] = _("heartbeats")
        ordering: ClassVar[tuple[str, ...]] = ("name",)

    def __str__(self) -> str:
        return self.name
