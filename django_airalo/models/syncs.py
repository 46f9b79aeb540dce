"""The runs of the syncs of Airalo's catalogue, and their results."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from . import field_types as t
from .leases import Lease, LeaseQuerySet
from .managers import AiraloModel, PrimaryManager


class SyncRunQuerySet(LeaseQuerySet["SyncRun"]):
    """A queryset of syncs."""

    def successes(self, kind: str) -> SyncRunQuerySet:
        """Return the syncs of a kind that succeeded."""
        return self.filter(kind=kind, finished_at__isnull=False, error="")

    def last_success(self, kind: str = "packages") -> SyncRun | None:
        """Return the newest sync of a kind that succeeded."""
        return self.successes(kind).order_by("-id").first()

    def discount(self) -> Decimal | None:
        """Return the shop's discount on the retail price, in per cent, by the last successful sync of the packages.

        Returns:
            ``None`` if that sync did not find a discount, or if the shop pays net prices.
        """
        last = self.last_success()
        if last is None or last.pricing_model != "discount_pricing" or last.discount_percentage is None:
            return None
        return last.discount_percentage if 0 <= last.discount_percentage <= 100 else None


SyncRunPrimaryManager = PrimaryManager.from_queryset(SyncRunQuerySet)


class SyncRun(AiraloModel):
    """One run of a sync. While it runs, it holds the lease of its kind, so that only one runs at a time.

    Attributes:
        kind (str): ``packages``, ``exchange_rates`` or ``devices``.
        started_at (datetime): when it began.
        finished_at (datetime or None): when it ended; ``None`` while it runs.
        error (str): why it failed; empty if it succeeded.
        added (int): the number of new rows.
        changed (int): the number of changed rows.
        withdrawn (int): the number of rows that Airalo no longer lists.
        unchanged (int): the number of unchanged rows.
        pricing_model (str): for packages, ``net_pricing`` or ``discount_pricing``, in Airalo's words.
        discount_percentage (Decimal or None): per cent off the retail price, under discount pricing.
    """

    class Kind(models.TextChoices):
        PACKAGES = "packages", pgettext_lazy("sync", "Packages")
        EXCHANGE_RATES = "exchange_rates", pgettext_lazy("sync", "Exchange rates")
        DEVICES = "devices", pgettext_lazy("sync", "Devices")

    #: The lease to run the only sync of a kind.
    RUNNING_LEASE: ClassVar[Lease] = Lease("lease_until", fence=("lease",))

    kind: t.Char = models.CharField(_("kind"), max_length=16, choices=Kind)
    # The kind while it runs, else NULL, so that a unique index, which every database supports, allows one at a time.
    lease: t.OptionalChar = models.CharField(
        _("lease"), max_length=16, null=True, blank=True, unique=True, editable=False
    )
    lease_until: t.OptionalDateTime = models.DateTimeField(_("lease until"), null=True, blank=True)
    started_at: t.DateTime = models.DateTimeField(_("started at"), db_index=True)
    finished_at: t.OptionalDateTime = models.DateTimeField(_("finished at"), null=True, blank=True)
    error: t.Text = models.TextField(_("error"), blank=True)
    added: t.PositiveInteger = models.PositiveIntegerField(_("added"), default=0)
    changed: t.PositiveInteger = models.PositiveIntegerField(_("changed"), default=0)
    withdrawn: t.PositiveInteger = models.PositiveIntegerField(_("withdrawn"), default=0)
    unchanged: t.PositiveInteger = models.PositiveIntegerField(_("unchanged"), default=0)
    pricing_model: t.Char = models.CharField(
        _("pricing model"), max_length=32, blank=True, help_text=_("In Airalo's words.")
    )
    discount_percentage: t.OptionalDecimal = models.DecimalField(
        _("discount percentage"), max_digits=6, decimal_places=2, null=True, blank=True
    )

    objects: ClassVar[models.Manager[SyncRun]] = SyncRunQuerySet.as_manager()
    primary: ClassVar[PrimaryManager[Self]] = SyncRunPrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("catalogue sync")
        verbose_name_plural: ClassVar[Any] = _("catalogue syncs")
        ordering: ClassVar[tuple[str, ...]] = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def succeeded(self) -> bool | None:
        """Whether it succeeded; ``None`` while it runs."""
        return None if self.finished_at is None else not self.error

    def age(self, now: datetime) -> float:
        """Return the seconds since it finished, or since it started if it is running."""
        return (now - (self.finished_at or self.started_at)).total_seconds()
