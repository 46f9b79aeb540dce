"""The state of the shop's account at Airalo, and what was seen alive when."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .orders import EsimOrder
from .signalled import Signalled


class SubmissionPause(Signalled):
    """A time in which no order is sent to Airalo, because the balance did not cover one. One at most is active.

    Attributes:
        is_active (bool or None): ``True`` while it lasts, then ``None``.
        reason (str): Airalo's words.
        order (EsimOrder or None): the order that Airalo refused.
        balance (Decimal or None): the balance when it began, in the account's currency; ``None`` if unknown.
        paused_at (datetime): when it began.
        resumed_at (datetime or None): when it ended.
        resumed_by (str): who ended it, if a person did, or why it ended.
        due_at (datetime or None): when the balance is looked up next; ``None`` when it is over.
    """

    # True or NULL, never False: so that a plain unique index, which every database has, allows one active pause.
    is_active = models.BooleanField(_("active"), null=True, unique=True, default=True)
    reason = models.TextField(_("reason"))
    order = models.ForeignKey(
        EsimOrder, verbose_name=_("refused order"), null=True, on_delete=models.SET_NULL, related_name="+"
    )
    balance = models.DecimalField(
        _("balance"),
        max_digits=14,
        decimal_places=2,
        null=True,
        help_text=_("The least that was seen of it since it began, in the account's currency. Empty if unknown."),
    )
    paused_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    resumed_at = models.DateTimeField(_("until"), null=True, blank=True)
    resumed_by = models.CharField(_("ended by"), max_length=255, blank=True)
    due_at = models.DateTimeField(_("balance looked up next at"), null=True, blank=True)

    class Meta:
        verbose_name = _("submission pause")
        verbose_name_plural = _("submission pauses")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.paused_at:%Y-%m-%d %H:%M} {self.reason}"


class BalanceRecord(Signalled):
    """The balance, from when it was first seen so: a row for each change. ``balance_low`` is signalled from it.

    Attributes:
        amount (Decimal): the balance, in ``currency``.
        currency (str): the account's, three letters.
        threshold (Decimal or None): ``AIRALO_LOW_BALANCE`` as it was then.
        source (str): who looked it up: ``sweep``, ``pause``, ``shop`` or what the caller said.
        at (datetime): when it was first seen so.
    """

    amount = models.DecimalField(_("balance"), max_digits=14, decimal_places=2)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    threshold = models.DecimalField(
        _("low below"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("AIRALO_LOW_BALANCE as it was then."),
    )
    source = models.CharField(_("source"), max_length=20, blank=True, help_text=_("Who looked it up."))
    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("balance")
        verbose_name_plural = _("balances")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}".rstrip()

    @property
    def is_low(self) -> bool:
        """Whether the balance was below the threshold."""
        return self.threshold is not None and self.amount < self.threshold


class Heartbeat(models.Model):
    """When something was last seen alive.

    Attributes:
        name (str): ``sweep``, ``task`` (the workers, as ``airalo_doctor`` saw them) or ``balance`` (its look-up).
        at (datetime): when, by the database's clock.
    """

    name = models.CharField(_("name"), max_length=64, unique=True)
    at = models.DateTimeField(_("last seen at"))

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
