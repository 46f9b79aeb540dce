"""Devices that can use an eSIM, as Airalo lists them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class CompatibleDevice(models.Model):
    """A device of Airalo's list. ``services.find_devices()`` searches them.

    Attributes:
        os (str): its system, in Airalo's words; empty if Airalo does not say.
        brand (str): who makes it.
        name (str): which it is.
    """

    os = models.CharField(_("system"), max_length=32, blank=True, help_text=_("In Airalo's words."))
    brand = models.CharField(_("brand"), max_length=64)
    name = models.CharField(_("name"), max_length=128, db_index=True)
    # What is compared: databases disagree about which letters are the same.
    key = models.CharField(_("key"), max_length=255, unique=True, editable=False)

    class Meta:
        verbose_name = _("compatible device")
        verbose_name_plural = _("compatible devices")
        ordering = ("brand", "name")

    def __str__(self) -> str:
        return f"{self.brand} {self.name}"
