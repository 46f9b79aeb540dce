"""A mirror of what Airalo sells."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class PackageQuerySet(models.QuerySet["Package"]):
    def on_sale(self) -> PackageQuerySet:
        """The packages that Airalo listed at the last sync."""
        return self.filter(withdrawn_at=None)


class Package(models.Model):
    """One package of Airalo's catalogue, as of the last sync. A package that vanished is withdrawn, not deleted."""

    class Type(models.TextChoices):
        SIM = "sim", pgettext_lazy("package", "eSIM")
        TOPUP = "topup", pgettext_lazy("package", "Top-up")

    class Reach(models.TextChoices):
        LOCAL = "local", pgettext_lazy("package", "Local")
        GLOBAL = "global", pgettext_lazy("package", "Regional or global")

    package_id = models.CharField(_("package id"), max_length=255, unique=True)
    type = models.CharField(_("type"), max_length=5, choices=Type, default=Type.SIM)
    title = models.CharField(_("title"), max_length=255)
    operator = models.CharField(_("operator"), max_length=255, blank=True)
    reach = models.CharField(_("reach"), max_length=6, choices=Reach, default=Reach.LOCAL)
    location = models.CharField(_("country or region"), max_length=255, db_index=True)
    location_slug = models.CharField(_("slug of country or region"), max_length=255, db_index=True)
    country_code = models.CharField(_("country code"), max_length=2, blank=True, db_index=True)
    data = models.CharField(_("data"), max_length=64, blank=True, help_text=_("In Airalo's words."))
    amount = models.PositiveIntegerField(_("data amount"), null=True, blank=True, help_text=_("In MB."))
    is_unlimited = models.BooleanField(_("unlimited data"), default=False)
    validity = models.PositiveSmallIntegerField(_("validity"), null=True, blank=True, help_text=_("In days."))
    voice = models.PositiveIntegerField(_("voice"), null=True, blank=True, help_text=_("In minutes."))
    text = models.PositiveIntegerField(_("texts"), null=True, blank=True)
    price = models.DecimalField(
        _("retail price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In USD. Airalo's own price, the least a shop may ask."),
    )
    net_price = models.DecimalField(
        _("net price"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In USD. What the shop pays; empty under Airalo's discount pricing."),
    )
    synced_at = models.DateTimeField(_("changed at"))
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True, db_index=True)

    objects = PackageQuerySet.as_manager()

    class Meta:
        verbose_name = _("package")
        verbose_name_plural = _("packages")
        ordering = ("location", "price", "package_id")

    def __str__(self) -> str:
        return f"{self.location}: {self.title}"
