"""Compute the selling prices of packages by the shop's pricing rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import Exists, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from django_airalo import money
from django_airalo.conf import conf
from django_airalo.models import ExchangeRate, Package, PricingRule, SellingPrice, SyncRun
from django_airalo.money import Rounding
from django_airalo.services.core import database


def price_packages(packages: Iterable[Package], *, currency: str = "USD") -> list[tuple[Package, SellingPrice | None]]:
    """Return each package with its selling price. The number of queries does not depend on the number of packages.

    Args:
        packages: a queryset, a page of a paginator, or a list.
        currency: an ISO 4217 code.

    Returns:
        Pairs of package and price, in the same sequence. The price is ``None`` if Airalo gives none in the currency and
        there is no exchange rate for it that is newer than ``AIRALO_EXCHANGE_RATE_MAX_AGE``, or if Airalo's price is
        not above 0.

    Raises:
        ValueError: ``currency`` is not a currency code.
    """
    prices = PriceList(currency)
    if isinstance(packages, QuerySet) and packages._result_cache is None:  # not read yet; a replica may be behind
        packages = packages.using(database.primary_alias())
    return [(package, prices.price(package)) for package in packages]


def price_package(package: Package, *, currency: str = "USD") -> SellingPrice | None:
    """Return the selling price of one package; ``None`` as in :func:`price_packages`."""
    return PriceList(currency).price(package)


def fresh_rates(rates: QuerySet[ExchangeRate], now: datetime) -> QuerySet[ExchangeRate]:
    """Return the exchange rates that are recent enough to sell at.

    Both the day of a rate and the last time it was confirmed may not be older than ``AIRALO_EXCHANGE_RATE_MAX_AGE``. A
    rate is confirmed by a successful sync, or by a change if something else writes the rates.

    Args:
        rates: the rates to choose from.
        now: the present time.
    """
    since = now - timedelta(seconds=conf.EXCHANGE_RATE_MAX_AGE)
    syncs = SyncRun.primary.successes(SyncRun.Kind.EXCHANGE_RATES).filter(finished_at__gte=since)
    return rates.filter(Q(synced_at__gte=since) | Exists(syncs), Q(date=None) | Q(date__gte=since.date()))


class PriceList:
    """The pricing rules and the exchange rate for one currency, read from the database once.

    Takes two queries, and a third for the discount if a rule is based on a net price that a package lacks.

    Args:
        currency: an ISO 4217 code.

    Raises:
        ValueError: ``currency`` is not a currency code.
    """

    def __init__(self, currency: str) -> None:
        self.currency: str = money.currency_code(currency)
        rules = PricingRule.primary.filter(Q(currency=self.currency) | Q(currency=""), is_active=True)
        self._rules: dict[tuple[str, Any], PricingRule] = {}
        for rule in sorted(rules, key=lambda rule: (not rule.currency, -rule.priority, rule.pk)):
            self._rules.setdefault(rule.scope(), rule)
        fresh = fresh_rates(ExchangeRate.primary.all(), timezone.now()).filter(currency=self.currency)
        rate = fresh.first() if self.currency != "USD" else None
        self._rate = rate.rate if rate else None

    def rule_for(self, package: Package) -> PricingRule | None:
        """Return the rule that wins for a package, or ``None``."""
        scopes = (
            ("package", package.pk),
            ("operator", package.operator_id),
            ("country", package.country_code),
            ("", None),
        )
        return next((self._rules[scope] for scope in scopes if scope in self._rules), None)

    def price(self, package: Package) -> SellingPrice | None:
        """Return the price of a package by the rule that wins for it."""
        return self.price_by(self.rule_for(package), package)

    def why_none(self, package: Package) -> str:
        """Return why a package has no price in the currency, as a sentence for operators."""
        minimum, _converted = self._in_currency(package.minimum_price(self.currency), package.price)
        if minimum is not None:
            return _("Airalo's retail price is not above 0.")
        if self._rate is None and ExchangeRate.primary.filter(currency=self.currency).exists():
            return _("Airalo gives no price in this currency, and the exchange rate is too old to convert one.")
        return _("Airalo gives no price in this currency.")

    def price_by(self, rule: PricingRule | None, package: Package) -> SellingPrice | None:
        """Return the price of a package by a given rule, even if another rule would win."""
        minimum, minimum_converted = self._in_currency(package.minimum_price(self.currency), package.price)
        if minimum is None or minimum <= 0:  # no package is free, so it is a mistake
            return None
        base, base_converted, is_net, discount = minimum, minimum_converted, False, None
        if rule is not None and rule.base == PricingRule.Base.NET:
            net, net_converted = self._in_currency(package.cost(self.currency), package.net_price)
            if net is not None:
                base, base_converted, is_net = net, net_converted, True
            elif self._discount is not None:
                discount = self._discount
                base = money.round_up(minimum * (100 - discount) / 100, self.currency)
        markup = _markup(rule, base) if rule else Decimal(0)
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
        """The shop's discount on the retail price, in per cent; ``None`` if unknown."""
        return SyncRun.primary.discount()

    def _in_currency(self, given: Decimal | None, in_dollars: Decimal | None) -> tuple[Decimal | None, bool]:
        """Return Airalo's price in the currency, else its converted price in dollars; and whether it was converted."""
        if given is not None or self._rate is None or in_dollars is None:
            return given, False
        return money.round_up(Decimal(in_dollars) * self._rate, self.currency), True


def _markup(rule: PricingRule, base: Decimal) -> Decimal:
    """Return the markup on a base price in the rule's currency, not rounded."""
    kind = "percent" if rule.markup_kind == PricingRule.Kind.PERCENT else "fixed"
    return money.markup_of(base, **{kind: rule.markup})
