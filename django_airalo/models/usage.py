"""The usage of an eSIM: its columns, how to show them, and its history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from . import field_types as t
from .managers import AiraloModel
from .mixins import SignalOutbox

#: Airalo counts 1024 MB as 1 GB: its packages of 3 GB have an ``amount`` of 3072.
MB_PER_GB = 1024


class UsageStatus(models.TextChoices):
    """Airalo's status of an eSIM, in lower case. Statuses that Airalo may add later become ``unknown``."""

    UNKNOWN = "unknown", pgettext_lazy("eSIM", "Unknown")
    NOT_ACTIVE = "not_active", pgettext_lazy("eSIM", "Not active yet")
    ACTIVE = "active", pgettext_lazy("eSIM", "Active")
    FINISHED = "finished", pgettext_lazy("eSIM", "Used up")
    EXPIRED = "expired", pgettext_lazy("eSIM", "Expired")
    RECYCLED = "recycled", pgettext_lazy("eSIM", "Recycled")


@dataclass(frozen=True)
class Allowance:
    """An allowance of an eSIM: data in MB, voice in minutes or texts in messages. ``None`` means unknown.

    ``str()`` returns a text for customers. It is empty if nothing is known or the eSIM has no such allowance. An
    unlimited allowance has no amounts, even if Airalo sends some. If the remaining amount is unknown, the total is not
    shown, since it could be mistaken for the remaining amount.
    """

    unit: str
    remaining: int | None = None
    total: int | None = None
    is_unlimited: bool = False

    def __bool__(self) -> bool:
        """Return whether there is anything to show. A total of 0 means no such allowance, or one unknown to Airalo."""
        return self.is_unlimited or bool(self.total) or (self.total is None and self.remaining is not None)

    def __str__(self) -> str:
        """Return a text for customers."""
        if self.is_unlimited:
            return gettext("Unlimited")
        if not self:
            return ""
        if self.remaining is None:
            return gettext("Not known how much is left")
        if self.total is None:
            return gettext("%(remaining)s left") % {"remaining": self._amount(self.remaining)}
        values = {"remaining": self._amount(self.remaining), "total": self._amount(self.total)}
        return gettext("%(remaining)s of %(total)s left") % values

    @property
    def percentage(self) -> int | None:
        """The remaining share, from 0 to 100; ``None`` if it is unknown or unlimited. 0 only if nothing is left."""
        if self.is_unlimited or not self.total or self.remaining is None:
            return None
        share = min(100, self.remaining * 100 // self.total)
        return share or (1 if self.remaining else 0)

    def _amount(self, amount: int) -> str:
        if self.unit == "MB":
            if amount < MB_PER_GB:
                return gettext("%(count)s MB") % {"count": number_format(amount)}
            in_gb = round(amount / MB_PER_GB, 1)
            return gettext("%(count)s GB") % {"count": number_format(int(in_gb) if in_gb == int(in_gb) else in_gb)}
        counted = number_format(amount)
        if self.unit == "min":
            return ngettext("%(count)s minute", "%(count)s minutes", amount) % {"count": counted}
        return ngettext("%(count)s text", "%(count)s texts", amount) % {"count": counted}


class UsageFields(AiraloModel):
    """The usage of an eSIM as Airalo reported it. To show it, use ``data``, ``voice`` and ``text``, which add units.

    Attributes:
        remaining (int or None): the data left, in MB; 1024 MB are 1 GB. ``None`` if unknown, as for all of these.
        total (int or None): the total data, in MB.
        is_unlimited (bool or None): whether data is unlimited. If so, ``remaining`` and ``total`` are meaningless.
        remaining_voice (int or None): the voice left, in minutes.
        total_voice (int or None): the total voice, in minutes.
        remaining_text (int or None): the texts left, in messages.
        total_text (int or None): the total texts, in messages.
        expires_at (datetime or None): when the eSIM expires.
    """

    remaining: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(
        _("data left"), null=True, blank=True, help_text=_("In MB.")
    )
    total: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(
        _("total data"), null=True, blank=True, help_text=_("In MB.")
    )
    remaining_voice: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(
        _("voice left"), null=True, blank=True, help_text=_("In minutes.")
    )
    total_voice: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(
        _("total voice"), null=True, blank=True, help_text=_("In minutes.")
    )
    remaining_text: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(
        _("texts left"), null=True, blank=True
    )
    total_text: t.OptionalPositiveBigInteger = models.PositiveBigIntegerField(_("total texts"), null=True, blank=True)
    is_unlimited: t.OptionalBoolean = models.BooleanField(
        _("unlimited data"), null=True, help_text=_("If so, the amounts of data are meaningless.")
    )
    expires_at: t.OptionalDateTime = models.DateTimeField(_("expires at"), null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def data(self) -> Allowance:
        """The data that is left, in MB."""
        return Allowance("MB", self.remaining, self.total, bool(self.is_unlimited))

    @property
    def voice(self) -> Allowance:
        """The voice that is left, in minutes."""
        return Allowance("min", self.remaining_voice, self.total_voice)

    @property
    def text(self) -> Allowance:
        """The texts that are left."""
        return Allowance("texts", self.remaining_text, self.total_text)


#: The columns of ``UsageFields``.
USAGE_FIELDS = tuple(field.name for field in UsageFields._meta.local_fields)


class UsageRecord(UsageFields, SignalOutbox):
    """A change of an eSIM's usage, or a low data notification. The signal of a change of status is sent from it.

    The fields of ``UsageFields`` hold the usage from that time on.

    Attributes:
        esim (Esim): the eSIM, whose history is ``esim.usage_records``, the newest first.
        source (str): one of ``UsageRecord.Source``: a look-up, a notification, or Airalo's list of eSIMs.
        old_status (str): the status before, one of ``UsageStatus``.
        status (str): the status afterwards, one of ``UsageStatus``.
        level (str): the level of a notification, in Airalo's words, such as ``75%`` (used) or ``3days`` (left).
        remaining_percentage (Decimal or None): per cent left, according to a notification.
        is_stale (bool): whether an earlier notification, since the last top-up, reported a later stage: 75% after 90%,
            3days after 1days.
        created_at (datetime): when it was recorded.
    """

    class Source(models.TextChoices):
        LOOK_UP = "look-up", pgettext_lazy("usage", "Look-up")
        LOW_DATA = "low data", pgettext_lazy("usage", "Low data notification")
        LIST = "list", pgettext_lazy("usage", "List of eSIMs")

    esim: models.ForeignKey[Any, Any] = models.ForeignKey(
        "django_airalo.Esim", verbose_name=_("Airalo eSIM"), on_delete=models.CASCADE, related_name="usage_records"
    )
    source: t.Char = models.CharField(_("source"), max_length=8, choices=Source)
    old_status: t.Char = models.CharField(_("status before"), max_length=10, choices=UsageStatus)
    status: t.Char = models.CharField(_("status"), max_length=10, choices=UsageStatus)
    level: t.Char = models.CharField(
        _("level"), max_length=20, blank=True, help_text=_("The level of the notification, as Airalo sent it.")
    )
    remaining_percentage: t.OptionalDecimal = models.DecimalField(
        _("per cent left"), max_digits=5, decimal_places=2, null=True, help_text=_("According to the notification.")
    )
    is_stale: t.Boolean = models.BooleanField(
        _("stale"), default=False, help_text=_("An earlier notification reported a later stage.")
    )
    created_at: t.DateTime = models.DateTimeField(_("at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name: ClassVar[Any] = _("usage record")
        verbose_name_plural: ClassVar[Any] = _("usage records")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_status_display()} {self.data or self.level}".strip()
