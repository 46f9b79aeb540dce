"""What the shop asks for a package: the operator's rules, exchange rates, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Exists, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_airalo import money
from django_airalo.conf import conf
from django_airalo.money import Rounding

from .catalogue import Country, Operator, Package
from .syncs import CatalogueSync

CURRENCY = RegexValidator(r"^[A-Z]{3}\Z", gettext_lazy("Three capital letters, such as EUR."))
#: The markup of a rule may be at most this: a price of a thousand times the cost is a slip of the finger.
MAX_PERCENT = 100_000


class ExchangeRate(models.Model):
    """How much of a currency a US dollar is, as Airalo gives it.

    Attributes:
        currency (str): three letters.
        rate (Decimal): units of the currency per USD.
        date (date or None): the day that the rate is of, as Airalo says.
        synced_at (datetime): when a sync last changed it.
    """

    currency = models.CharField(gettext_lazy("currency"), max_length=3, unique=True, validators=[CURRENCY])
    rate = models.DecimalField(
        gettext_lazy("rate"), max_digits=20, decimal_places=8, help_text=gettext_lazy("Units of the currency per USD.")
    )
    date = models.DateField(gettext_lazy("of"), null=True, blank=True)
    synced_at = models.DateTimeField(gettext_lazy("changed at"))

    class Meta:
        verbose_name = gettext_lazy("exchange rate")
        verbose_name_plural = gettext_lazy("exchange rates")
        ordering = ("currency",)

    def __str__(self) -> str:
        return f"1 USD = {self.rate.normalize():f} {self.currency}"


def fresh_rates(now: datetime) -> models.QuerySet[ExchangeRate]:
    """The rates that are not too old to sell at.

    Neither the day that they are of nor the last good sync (or the change, if somebody else wrote them) may be older
    than ``AIRALO_EXCHANGE_RATE_MAX_AGE``.
    """
    since = now - timedelta(seconds=conf.EXCHANGE_RATE_MAX_AGE)
    syncs = CatalogueSync.objects.successes(CatalogueSync.Kind.EXCHANGE_RATES).filter(finished_at__gte=since)
    fresh = Q(synced_at__gte=since) | Exists(syncs), Q(date=None) | Q(date__gte=since.date())
    return ExchangeRate.objects.filter(*fresh)


class PricingRule(models.Model):
    """A markup, set by the shop's operator. It is for one package, operator or country, or for everything.

    Of the rules that fit a package, the one for the package wins over the one for its operator, that over the one for
    its country, that over the one for everything; among equals one with a currency wins over one without, then the
    higher priority, then the older rule. One rule alone makes the price: rules are not added up.

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

    name = models.CharField(gettext_lazy("name"), max_length=100)
    is_active = models.BooleanField(gettext_lazy("active"), default=True)
    priority = models.IntegerField(
        gettext_lazy("priority"), default=0, help_text=gettext_lazy("Of rules for the same thing the highest wins.")
    )
    package = models.ForeignKey(
        Package,
        verbose_name=gettext_lazy("package"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pricing_rules",
        help_text=gettext_lazy("Leave package, operator and country empty for a rule that is for everything."),
    )
    operator = models.ForeignKey(
        Operator,
        verbose_name=gettext_lazy("operator"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pricing_rules",
    )
    country = models.ForeignKey(
        Country,
        verbose_name=gettext_lazy("country"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="pricing_rules",
        help_text=gettext_lazy("The country's own packages; not regional and global ones."),
    )
    currency = models.CharField(
        gettext_lazy("currency"),
        max_length=3,
        blank=True,
        validators=[CURRENCY],
        help_text=gettext_lazy("Only for prices in this currency. Empty: for all, which only per cent can be."),
    )
    base = models.CharField(gettext_lazy("base"), max_length=6, choices=Base, default=Base.NET)
    markup_kind = models.CharField(gettext_lazy("kind of markup"), max_length=7, choices=Kind, default=Kind.PERCENT)
    markup = models.DecimalField(
        gettext_lazy("markup"), max_digits=12, decimal_places=2, validators=[MinValueValidator(Decimal(0))]
    )
    rounding = models.CharField(gettext_lazy("rounded up to"), max_length=5, choices=Rounding, default=Rounding.NONE)
    rounding_step = models.DecimalField(
        gettext_lazy("step"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text=gettext_lazy("For example 0.50. Needed to round up to a step."),
    )

    class Meta:
        verbose_name = gettext_lazy("pricing rule")
        verbose_name_plural = gettext_lazy("pricing rules")
        ordering = ("-priority", "id")
        constraints = [
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
        """Refuse what the constraints cannot see: a step finer than the currency, a markup that is a slip."""
        # What the fields have refused already is still here as it was given.
        markup, step = (value if isinstance(value, Decimal) else None for value in (self.markup, self.rounding_step))
        if self.markup_kind == self.Kind.PERCENT and markup is not None and markup > MAX_PERCENT:
            raise ValidationError({"markup": _("%(percent)s per cent is too much.") % {"percent": markup}})
        if self.currency and self.rounding == Rounding.STEP and step is not None:
            unit = money.smallest_unit(self.currency)
            if step % unit:
                text = _("%(currency)s has no smaller unit than %(unit)s.")
                raise ValidationError({"rounding_step": text % {"currency": self.currency, "unit": unit}})

    def scope(self) -> tuple[str, Any]:
        """What it is for: ``("package", pk)``, ``("operator", pk)``, ``("country", code)`` or ``("", None)``."""
        for name in ("package", "operator", "country"):
            if getattr(self, f"{name}_id") is not None:
                return name, getattr(self, f"{name}_id")
        return "", None

    def markup_on(self, base: Decimal) -> Decimal:
        """The markup on a base price in the rule's currency, not rounded."""
        kind = "percent" if self.markup_kind == self.Kind.PERCENT else "fixed"
        return money.markup_of(base, **{kind: self.markup})


@dataclass(frozen=True, kw_only=True, slots=True)
class SellingPrice:
    """What to ask for a package, and why. All amounts are in ``currency``.

    ``rule`` is the rule that made it, ``None`` if none fits; ``base`` what the markup was put on; ``minimum`` Airalo's
    retail price, below which no shop may sell; ``markup`` what the rule adds to the base, before rounding. ``discount``
    is set if the base is that retail price less so many per cent, which is the cost under Airalo's discount pricing.
    """

    amount: Decimal
    currency: str
    rule: PricingRule | None
    base: Decimal
    markup: Decimal
    minimum: Decimal
    base_is_net: bool
    is_converted: bool
    discount: Decimal | None = None

    def __str__(self) -> str:
        return money.as_shown(self.amount, self.currency)

    @property
    def explanation(self) -> str:
        """How the amount came about, in a sentence for the shop's operator."""
        if self.rule is None:
            text = _("No rule fits: Airalo's own retail price.")
        else:
            text = _("Rule “%(rule)s”: %(base)s %(amount)s and a markup of %(markup)s.") % {
                "rule": self.rule,
                "base": self._base_name(),
                "amount": money.as_shown(self.base, self.currency),
                "markup": money.as_shown(self.markup, self.currency),
            }
        if self.minimum > self.base + self.markup:
            text += " " + _("Raised to Airalo's minimum, %s.") % money.as_shown(self.minimum, self.currency)
        if self.amount > max(self.minimum, self.base + self.markup):
            text += " " + _("Rounded up to %s.") % self
        if self.is_converted:
            text += " " + _("Converted from US dollars at Airalo's rate.")
        return text

    def _base_name(self) -> str:
        if self.discount is not None:
            return _("retail price less %(discount)s per cent,") % {"discount": f"{self.discount.normalize():f}"}
        return _("net price") if self.base_is_net else _("retail price")


class PriceList:
    """The rules and the rate for one currency, read from the database once (two queries, and a third for the discount
    once a rule on the net price meets a package without one)."""

    def __init__(self, currency: str) -> None:
        self.currency = money.currency_code(currency)
        rules = PricingRule.objects.filter(Q(currency=self.currency) | Q(currency=""), is_active=True)
        self._rules: dict[tuple[str, Any], PricingRule] = {}
        for rule in sorted(rules, key=lambda rule: (not rule.currency, -rule.priority, rule.pk)):
            self._rules.setdefault(rule.scope(), rule)
        fresh = fresh_rates(timezone.now()).filter(currency=self.currency)
        rate = fresh.first() if self.currency != "USD" else None
        self._rate = rate.rate if rate else None

    def rule_for(self, package: Package) -> PricingRule | None:
        """The rule that wins for a package, or ``None``."""
        scopes = (
            ("package", package.pk),
            ("operator", package.operator_id),
            ("country", package.country_code),
            ("", None),
        )
        return next((self._rules[scope] for scope in scopes if scope in self._rules), None)

    def price(self, package: Package) -> SellingPrice | None:
        """The price of a package by the rule that wins for it."""
        return self.price_by(self.rule_for(package), package)

    def why_none(self, package: Package) -> str:
        """Why a package has no price in the currency, in a sentence for the shop's operator."""
        minimum, _converted = self._in_currency(package.minimum_price(self.currency), package.price)
        if minimum is not None:
            return _("Airalo's retail price is not above 0.")
        if self._rate is None and ExchangeRate.objects.filter(currency=self.currency).exists():
            return _("Airalo gives no price in this currency, and the exchange rate is too old to convert one.")
        return _("Airalo gives no price in this currency.")

    def price_by(self, rule: PricingRule | None, package: Package) -> SellingPrice | None:
        """The price of a package by this rule, whichever would win."""
        minimum, minimum_converted = self._in_currency(package.minimum_price(self.currency), package.price)
        if minimum is None or minimum <= 0:  # Airalo gives nothing away: it is a mistake
            return None
        base, base_converted, is_net, discount = minimum, minimum_converted, False, None
        if rule is not None and rule.base == PricingRule.Base.NET:
            net, net_converted = self._in_currency(package.cost(self.currency), package.net_price)
            if net is not None:
                base, base_converted, is_net = net, net_converted, True
            elif self._discount is not None:
                discount = self._discount
                base = money.round_up(minimum * (100 - discount) / 100, self.currency)
        markup = rule.markup_on(base) if rule else Decimal(0)
        amount = money.selling_price(
            base,
            minimum,
            self.currency,
            markup=markup,
            rounding=rule.rounding if rule else Rounding.NONE,
            step=rule.rounding_step if rule else None,
        )
        return SellingPrice(
            amount=amount,
            currency=self.currency,
            rule=rule,
            base=base,
            markup=markup,
            minimum=minimum,
            base_is_net=is_net,
            is_converted=minimum_converted or base_converted,
            discount=discount,
        )

    @cached_property
    def _discount(self) -> Decimal | None:
        """Per cent off the retail price that the shop pays, by the last good sync; ``None`` if it did not say."""
        last = CatalogueSync.objects.last_success()
        if last is None or last.pricing_model != "discount_pricing" or last.discount_percentage is None:
            return None
        return last.discount_percentage if 0 <= last.discount_percentage <= 100 else None

    def _in_currency(self, given: Decimal | None, in_dollars: Decimal | None) -> tuple[Decimal | None, bool]:
        """Airalo's price in the currency; else its price in dollars, converted. And whether it was converted."""
        if given is not None or self._rate is None or in_dollars is None:
            return given, False
        return money.round_up(Decimal(in_dollars) * self._rate, self.currency), True


def price_packages(packages: Iterable[Package], currency: str = "USD") -> list[tuple[Package, SellingPrice | None]]:
    """Each package with what to ask for it, in two queries however many they are.

    Args:
        packages: a queryset, a page of one, or a list.
        currency: an ISO 4217 code.

    Returns:
        Pairs, in the order given. The price is ``None`` where Airalo gives none for the currency, neither as such nor
        by an exchange rate that is not older than ``AIRALO_EXCHANGE_RATE_MAX_AGE``.

    Raises:
        ValueError: ``currency`` is no currency code.
    """
    prices = PriceList(currency)
    return [(package, prices.price(package)) for package in packages]
