"""When Airalo was mirrored last, and how that went."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class CatalogueSyncQuerySet(models.QuerySet["CatalogueSync"]):
    """Which syncs to look at."""

    def successes(self, kind: str) -> CatalogueSyncQuerySet:
        """The syncs of a kind that went well."""
        return self.filter(kind=kind, finished_at__isnull=False, error="")

    def last_success(self, kind: str = "packages") -> CatalogueSync | None:
        """The newest sync of a kind that went well."""
        return self.successes(kind).order_by("-id").first()


class CatalogueSync(models.Model):
    """One run of a sync. While it runs it holds the lease of its kind, so that there is one at a time.

    Attributes:
        kind (str): ``packages``, ``exchange_rates`` or ``devices``.
        started_at (datetime): when it began.
        finished_at (datetime or None): when it ended; ``None`` while it runs.
        error (str): why it failed; empty if it went well.
        added (int): rows that were new.
        changed (int): rows that changed.
        withdrawn (int): rows that Airalo no longer lists.
        unchanged (int): rows that stayed as they were.
        pricing_model (str): of packages: ``net_pricing`` or ``discount_pricing``, in Airalo's words.
        discount_percentage (Decimal or None): per cent off the retail price that the shop pays under discount pricing.
    """

    class Kind(models.TextChoices):
        PACKAGES = "packages", pgettext_lazy("sync", "Packages")
        EXCHANGE_RATES = "exchange_rates", pgettext_lazy("sync", "Exchange rates")
        DEVICES = "devices", pgettext_lazy("sync", "Devices")

    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    # The kind while it runs, else NULL: a plain unique index, which every database has, then allows one at a time.
    lease = models.CharField(_("lease"), max_length=16, null=True, blank=True, unique=True, editable=False)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"), db_index=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    added = models.PositiveIntegerField(_("added"), default=0)
    changed = models.PositiveIntegerField(_("changed"), default=0)
    withdrawn = models.PositiveIntegerField(_("withdrawn"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    pricing_model = models.CharField(_("pricing model"), max_length=32, blank=True, help_text=_("In Airalo's words."))
    discount_percentage = models.DecimalField(
        _("discount percentage"), max_digits=6, decimal_places=2, null=True, blank=True
    )

    objects = CatalogueSyncQuerySet.as_manager()

    class Meta:
        verbose_name = _("catalogue sync")
        verbose_name_plural = _("catalogue syncs")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def succeeded(self) -> bool | None:
        """Whether it went well; ``None`` while it runs."""
        return None if self.finished_at is None else not self.error

    def age(self, now: datetime) -> float:
        """Seconds since it was finished, or was begun if it runs."""
        return (now - (self.finished_at or self.started_at)).total_seconds()
