"""Devices that can use an eSIM, as Airalo lists them."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Length
from django.utils.translation import gettext_lazy as _

from django_airalo.device_names import model_words, words_of

from . import field_types as t
from .managers import AiraloModel, PrimaryManager


class CompatibleDeviceQuerySet(models.QuerySet["CompatibleDevice"]):
    """A queryset of devices. Searches ignore case, blanks, punctuation and the brand."""

    def search(self, text: str) -> Self:
        """Return the devices whose names have all words of a text, in any sequence, the best match first.

        The last word may be unfinished, for suggestions while a customer types. Numbers must be complete, since they
        distinguish models.
        """
        words = words_of(text)
        if not words:
            return self.none()
        *whole, last = words
        fits = Q()
        for word in whole:
            fits &= Q(words__contains=f" {word} ")
        fits &= Q(words__contains=f" {last}" if last.isalpha() else f" {last} ")
        named = self._named(words)
        rank = Case(When(named, then=Value(0)), default=Value(1))
        return self.filter(fits | named).order_by(rank, Length("words"), "name")

    def named(self, text: str) -> Self:
        """Return the device that has exactly this name, with or without its brand."""
        words = words_of(text)
        return self.filter(self._named(words)) if words else self.none()

    def _named(self, words: tuple[str, ...]) -> Q:
        """Return the condition for a device whose name consists of these words."""
        written = "".join(words)
        return Q(joined=written) | Q(joined_with_brand=written)


CompatibleDevicePrimaryManager = PrimaryManager.from_queryset(CompatibleDeviceQuerySet)


class CompatibleDevice(AiraloModel):
    """A device of Airalo's list.

    Attributes:
        os (str): its system, in Airalo's words; empty if Airalo does not say.
        brand (str): who makes it.
        name (str): which it is.
    """

    os: t.Char = models.CharField(_("system"), max_length=32, blank=True, help_text=_("In Airalo's words."))
    brand: t.Char = models.CharField(_("brand"), max_length=64)
    name: t.Char = models.CharField(_("name"), max_length=128, db_index=True)
    # Compared instead of the names, since collations differ in which letters are equal.
    key: t.Char = models.CharField(_("key"), max_length=255, unique=True, editable=False)
    # The columns for searches (see device_names): all words, each between blanks; and the words joined without blanks.
    words: t.Char = models.CharField(_("words"), max_length=255, default="", editable=False)
    joined: t.Char = models.CharField(_("joined"), max_length=255, default="", db_index=True, editable=False)
    joined_with_brand: t.Char = models.CharField(
        _("joined with brand"), max_length=255, default="", db_index=True, editable=False
    )

    objects: ClassVar[Any] = CompatibleDeviceQuerySet.as_manager()
    primary: ClassVar[Any] = CompatibleDevicePrimaryManager()

    class Meta:
        verbose_name: ClassVar[Any] = _("compatible device")
        verbose_name_plural: ClassVar[Any] = _("compatible devices")
        ordering: ClassVar[tuple[str, ...]] = ("brand", "name")

    def __str__(self) -> str:
        return f"{self.brand} {self.name}"

    def set_words(self) -> None:
        """Set the columns for searches from the brand and the name."""
        brand, model = words_of(self.brand), model_words(self.brand, self.name)
        self.words = f" {' '.join((*brand, *model))} "[:255]
        self.joined = "".join(model)[:255]
        self.joined_with_brand = "".join((*brand, *model))[:255]
