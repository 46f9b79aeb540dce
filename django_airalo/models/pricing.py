"""Exchange rates, and the pricing rules that operators set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_airalo import money
from django_airalo.money import Rounding

from . import field_types as t
from .catalogue import Country, Operator, Package
from .managers import AiraloModel

CURRENCY = RegexValidator(r"^[A-Z]{3}\Z", gettext_lazy("Three capital letters, such as EUR."))
#: The highest markup of a rule. A price of a thousand times the cost is a typing error.
MAX_PERCENT = 100_000


class ExchangeRate(AiraloModel):
    """The exchange rate of a currency to the US dollar, as Airalo gives it.

    Attributes:
        currency (str): three letters.
        rate (Decimal): units of the currency per USD.
        date (date or None): the day that the rate is of, as Airalo says.
        synced_at (datetime): when a sync last changed it.
    """

    currency: t.Char = models.CharField(gettext_lazy("currency"), max_length=3, unique=True, validators=[CURRENCY])
    rate: t.DecimalInput = models.DecimalField(
        gettext_lazy("rate"), max_digits=20, decimal_places=8, help_text=gettext_lazy("Units of the currency per USD.")
    )
    date: t.OptionalDate = models.DateField(gettext_lazy("of"), null=True, blank=True)
    synced_at: t.DateTime = models.DateTimeField(gettext_lazy("changed at"))

    class Meta:
        verbose_name: ClassVar[Any] = gettext_lazy("exchange rate")
        verbose_name_plural: ClassVar[Any] = gettext_lazy("exchange rates")
        ordering: ClassVar[tuple[str, ...]] = ("currency",)

    def __str__(self) -> str:
        return f"1 USD = {self.rate.normalize():f} {self.currency}"


class PricingRule(AiraloModel):
    """A markup, set by the shop's operator. It is for one package, operator or country, or for everything.

    Only one rule makes a price; rules are not added up. A rule for the package comes first, then one for its operator,
    then one for its country, then one for everything. If several remain, a rule with a currency comes before one
    without, then the higher priority, then the older rule.

    Attributes:
        name (str): for the operator.
        is_active (bool): whether it counts.
        priority (int): among rules for the same thing the highest wins.
        package (Package or None): the package that it is for.
        operator (Operator or None): the operator that it is for.
        country (Country or None): the country that it is for: its own packages, not regional and global ones.
        currency (str): only for prices in it; empty for all.
        base (str): what the markup is put on: ``net`` (the net price, where there is one) or ``retail``.
        markup_kind (str): ``percent`` or ``fixed``.
        markup (Decimal): so many per cent, or so much of ``currency``.
        rounding (str): one of ``django_airalo.money.Rounding``: what the price is rounded up to.
        rounding_step (Decimal or None): the step to round up to a multiple of, in the currency of the price.
    """

    class Kind(models.TextChoices):
        PERCENT = "percent", pgettext_lazy("markup", "Per cent")
        FIXED = "fixed", pgettext_lazy("markup", "Fixed amount")

    class Base(models.TextChoices):
        NET = "net", pgettext_lazy("base of a price", "Net price, or the retail price where Airalo gives none")
        RETAIL = "retail", pgettext_lazy("base of a price", "Retail price")

    name: t.Char = models.CharField(gettext_lazy("name"), max_length=100)
    is_active: t.Boolean = models.BooleanField(gettext_lazy("active"), default=True)
    priority: t.Integer = models.IntegerField(
        gettext_lazy("priority"), default=0, help_text=gettext_lazy("Of rules for the same thing the highest wins.")
    )
    package: models.ForeignKey[Package | None, Package | None] = models.ForeignKey(
        Package,
        verbose_name=gettext_lazy("package"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pricing_rules",
        help_text=gettext_lazy("Leave package, operator and country empty for a rule that is for everything."),
    )
    operator: models.ForeignKey[Operator | None, Operator | None] = models.ForeignKey(
        Operator,
        verbose_name=gettext_lazy("operator"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pricing_rules",
    )
    country: models.ForeignKey[Country | None, Country | None] = models.ForeignKey(
        Country,
        verbose_name=gettext_lazy("country"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pricing_rules",
        help_text=gettext_lazy("The country's own packages; not regional and global ones."),
    )
    currency: t.Char = models.CharField(
        gettext_lazy("currency"),
        max_length=3,
        blank=True,
        validators=[CURRENCY],
        help_text=gettext_lazy("Only for prices in this currency. Empty: for all, which only per cent can be."),
    )
    base: t.Char = models.CharField(gettext_lazy("base"), max_length=6, choices=Base, default=Base.NET)
    markup_kind: t.Char = models.CharField(
        gettext_lazy("kind of markup"), max_length=7, choices=Kind, default=Kind.PERCENT
    )
    markup: t.DecimalInput = models.DecimalField(
        gettext_lazy("markup"), max_digits=12, decimal_places=2, validators=[MinValueValidator(Decimal(0))]
    )
    rounding: t.Char = models.CharField(
        gettext_lazy("rounded up to"), max_length=5, choices=Rounding, default=Rounding.NONE
    )
    rounding_step: t.OptionalDecimalInput = models.DecimalField(
        gettext_lazy("step"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=gettext_lazy("For example 0.50. Needed to round up to a step."),
    )

    class Meta:
        verbose_name: ClassVar[Any] = gettext_lazy("pricing rule")
        verbose_name_plural: ClassVar[Any] = gettext_lazy("pricing rules")
        ordering: ClassVar[tuple[str, ...]] = ("-priority", "id")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(package=None, operator=None)
                | Q(package=None, country=None)
                | Q(operator=None, country=None),
                name="airalo_rule_one_scope",
                violation_error_message=gettext_lazy("Choose one of package, operator and country, or none."),
            ),
            models.CheckConstraint(condition=Q(markup__gte=0), name="airalo_rule_markup_not_negative"),
            models.CheckConstraint(
                condition=~Q(rounding=Rounding.STEP) | Q(rounding_step__isnull=False, rounding_step__gt=0),
                name="airalo_rule_step",
                violation_error_message=gettext_lazy("To round up to a step, give the step."),
            ),
            models.CheckConstraint(
                condition=~Q(markup_kind="fixed") | ~Q(currency=""),
                name="airalo_rule_fixed_has_currency",
                violation_error_message=gettext_lazy("A fixed amount needs a currency."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse what the constraints cannot check: a step finer than the currency, and an absurdly high markup."""
        # A value that its field has refused is not a Decimal here.
        markup, step = (value if isinstance(value, Decimal) else None for value in (self.markup, self.rounding_step))
        if self.markup_kind == self.Kind.PERCENT and markup is not None and markup > MAX_PERCENT:
            raise ValidationError({"markup": _("%(percent)s per cent is too much.") % {"percent": markup}})
        if self.currency and self.rounding == Rounding.STEP and step is not None:
            unit = money.smallest_unit(self.currency)
            if step % unit:
                text = _("%(currency)s has no smaller unit than %(unit)s.")
                raise ValidationError({"rounding_step": text % {"currency": self.currency, "unit": unit}})

    def scope(self) -> tuple[str, Any]:
        """Return the scope: ``("package", pk)``, ``("operator", pk)``, ``("country", code)`` or ``("", None)``."""
        for name in ("package", "operator", "country"):
            if getattr(self, f"{name}_id") is not None:
                return name, getattr(self, f"{name}_id")
        return "", None
