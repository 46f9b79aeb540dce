"""How much of an eSIM is left: the columns, what they mean, and their history."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from .signalled import Signalled

#: Airalo counts 1024 MB as 1 GB: its packages of 3 GB have an ``amount`` of 3072.
MB_PER_GB = 1024


class UsageStatus(models.TextChoices):
    """Airalo's status of an eSIM, in lower case. What Airalo may add later is ``unknown``."""

    UNKNOWN = "unknown", pgettext_lazy("eSIM", "Unknown")
    NOT_ACTIVE = "not_active", pgettext_lazy("eSIM", "Not active yet")
    ACTIVE = "active", pgettext_lazy("eSIM", "Active")
    FINISHED = "finished", pgettext_lazy("eSIM", "Used up")
    EXPIRED = "expired", pgettext_lazy("eSIM", "Expired")
    RECYCLED = "recycled", pgettext_lazy("eSIM", "Recycled")


@dataclass(frozen=True)
class Allowance:
    """One kind of what an eSIM gives: data in MB, voice in minutes or texts in messages. ``None``: not known.

    ``str()`` of it is for a customer to read; empty if nothing is known or the eSIM gives nothing of the kind. An
    unlimited allowance has no amounts, whatever Airalo sends as such.
    """

    unit: str
    remaining: int | None = None
    total: int | None = None
    is_unlimited: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to show: a total of 0 is none of the kind, or not known to Airalo."""
        return self.is_unlimited or bool(self.total)

    def __str__(self) -> str:
        if self.is_unlimited:
            return gettext("Unlimited")
        if not self.total:
            return ""
        if self.remaining is None:
            return self._amount(self.total)
        values = {"remaining": self._amount(self.remaining), "total": self._amount(self.total)}
        return gettext("%(remaining)s of %(total)s left") % values

    @property
    def percentage(self) -> int | None:
        """How much is left, from 0 to 100; ``None`` if that means nothing. 0 only if nothing is left."""
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


class UsageFields(models.Model):
    """What Airalo said of an eSIM's usage."""

    remaining = models.PositiveBigIntegerField(_("data left"), null=True, blank=True, help_text=_("In MB."))
    total = models.PositiveBigIntegerField(_("data in all"), null=True, blank=True, help_text=_("In MB."))
    remaining_voice = models.PositiveBigIntegerField(_("voice left"), null=True, blank=True, help_text=_("In minutes."))
    total_voice = models.PositiveBigIntegerField(_("voice in all"), null=True, blank=True, help_text=_("In minutes."))
    remaining_text = models.PositiveBigIntegerField(_("texts left"), null=True, blank=True)
    total_text = models.PositiveBigIntegerField(_("texts in all"), null=True, blank=True)
    is_unlimited = models.BooleanField(
        _("unlimited data"), null=True, help_text=_("The amounts of data mean nothing then.")
    )
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

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


class UsageRecord(UsageFields, Signalled):
    """A change of an eSIM's usage, or a notice that it runs low. A change of status is signalled from here."""

    class Source(models.TextChoices):
        LOOK_UP = "look-up", pgettext_lazy("usage", "Look-up")
        LOW_DATA = "low data", pgettext_lazy("usage", "Low data notice")
        LIST = "list", pgettext_lazy("usage", "List of eSIMs")

    esim = models.ForeignKey(
        "django_airalo.Esim", verbose_name=_("Airalo eSIM"), on_delete=models.CASCADE, related_name="usage_records"
    )
    source = models.CharField(_("source"), max_length=8, choices=Source)
    old_status = models.CharField(_("status before"), max_length=10, choices=UsageStatus)
    status = models.CharField(_("status"), max_length=10, choices=UsageStatus)
    level = models.CharField(_("level"), max_length=20, blank=True, help_text=_("Of the notice, as Airalo sent it."))
    remaining_percentage = models.DecimalField(
        _("per cent left"), max_digits=5, decimal_places=2, null=True, help_text=_("As the notice says.")
    )
    created_at = models.DateTimeField(_("at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage records")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_status_display()} {self.data or self.level}".strip()
