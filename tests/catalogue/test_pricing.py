"""Rules, and the prices that come of them."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone, translation

from django_airalo import services
from django_airalo.models import Country, ExchangeRate, PricingRule, SyncRun
from django_airalo.services import operations
from django_airalo.services.catalogue.prices import PriceList
from tests.factories import LONG_AGO, OperatorFactory, PackageFactory, PricingRuleFactory
from tests.scripted_server import Answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def package():
    france = Country.objects.create(code="FR", title="France")
    operator = OperatorFactory()
    operator.countries.add(france)
    return PackageFactory(
        operator=operator,
        country_code="FR",
        price="4.50",
        net_price="1.50",
        retail_prices={"USD": "4.5", "EUR": "3.92", "JPY": "666"},
        net_prices={"USD": "1.5", "EUR": "1.31", "JPY": "222"},
    )


def rate(currency="CHF", units="0.9", **fields):
    return ExchangeRate.objects.create(currency=currency, rate=units, **{"synced_at": timezone.now(), **fields})


def test_without_a_rule_it_is_airalos_retail_price(package):
    price = package.selling_price()
    assert (price.amount, price.currency, price.rule) == (Decimal("4.50"), "USD", None)
    assert str(price) == "4.50 USD"
    assert price.explanation == "No rule fits: Airalo's own retail price."
    assert package.selling_price("eur").amount == Decimal("3.92")
    assert package.selling_price("JPY").amount == 666


def test_a_markup_on_the_net_price(package):
    PricingRuleFactory(name="Everything", markup="205.50", rounding="99")
    price = package.selling_price("EUR")
    assert (price.base, price.markup, price.minimum) == (Decimal("1.31"), Decimal("2.69205"), Decimal("3.92"))
    assert (price.base_is_net, price.is_converted) == (True, False)
    assert price.amount == Decimal("4.99")
    assert price.explanation == (
        "Rule “Everything”: net price 1.31 EUR and a markup of 2.69205 EUR. Rounded up to 4.99 EUR."
    )


def test_never_below_airalos_minimum(package):
    rule = PricingRuleFactory(name="Cheap", markup="10")
    price = package.selling_price("EUR")
    assert price.amount == price.minimum == Decimal("3.92")
    assert price.rule == rule
    assert "Raised to Airalo's minimum, 3.92 EUR." in price.explanation
    rule.rounding = "99"
    rule.save()
    assert package.selling_price("EUR").amount == Decimal("3.99")


def test_a_markup_on_the_retail_price(package):
    PricingRuleFactory(base="retail", markup="10")
    assert package.selling_price("USD").amount == Decimal("4.95")
    assert "retail price 4.50 USD" in package.selling_price("USD").explanation


def test_where_there_is_no_net_price_the_retail_price_is_the_base(package):
    PricingRuleFactory(base="net", markup="10")
    package.net_price, package.net_prices = None, {}
    price = package.selling_price("USD")
    assert (price.amount, price.base_is_net) == (Decimal("4.95"), False)


def discount_pricing(percentage, **fields):
    values = {"pricing_model": "discount_pricing", "discount_percentage": percentage, "started_at": LONG_AGO}
    return SyncRun.objects.create(kind="packages", **{**values, "finished_at": LONG_AGO, **fields})


def test_under_discount_pricing_the_cost_is_the_base(package, django_assert_num_queries):
    PricingRuleFactory(name="All", base="net", markup="50")
    package.net_price, package.net_prices = None, {}
    discount_pricing(20)
    discount_pricing(70, error="It broke off.")
    price = package.selling_price("USD")
    assert (price.base, price.discount, price.base_is_net) == (Decimal("3.60"), 20, False)
    assert price.amount == Decimal("5.40")
    assert price.explanation == ("Rule “All”: retail price less 20 per cent, 3.60 USD and a markup of 1.80 USD.")
    assert package.selling_price("EUR").base == Decimal("3.14")  # 3.136, rounded up
    with django_assert_num_queries(2):  # rules and the discount, however many packages
        services.price_packages([package] * 5, currency="USD")


def test_a_net_price_goes_before_the_discount_and_a_model_without_one_has_none(package):
    rule = PricingRuleFactory(base="net", markup="0")
    discount_pricing(20)
    assert package.selling_price("USD").base == Decimal("1.50")
    package.net_price, package.net_prices = None, {}
    rule.base = "retail"
    rule.save()
    assert package.selling_price("USD").discount is None
    rule.base = "net"
    rule.save()
    for percentage, model in ((20, "net_pricing"), (None, "discount_pricing"), (101, "discount_pricing")):
        discount_pricing(percentage, pricing_model=model)
        price = package.selling_price("USD")
        assert (price.base, price.discount) == (Decimal("4.50"), None)


def test_a_fixed_markup_is_for_its_currency_alone(package):
    rule = PricingRuleFactory(markup_kind="fixed", markup="4", currency="EUR")
    assert package.selling_price("EUR").amount == Decimal("5.31")
    assert package.selling_price("EUR").rule == rule
    assert package.selling_price("USD").rule is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"rounding": "99"}, 1333), ({"rounding": "step", "rounding_step": 100}, 1400), ({}, 1333)],
)
def test_a_currency_without_a_smaller_unit(package, fields, expected):
    PricingRuleFactory(markup="100.05", base="retail", **fields)
    assert package.selling_price("JPY").amount == expected
    assert str(package.selling_price("JPY")) == f"{expected} JPY"


def test_the_most_specific_rule_wins(package):
    other = PackageFactory(price=1, country_code="DE")

    def winner(**fields):
        rule = PricingRuleFactory(**fields)
        return package.selling_price("EUR").rule == rule

    assert winner()
    assert winner(priority=1)
    assert not winner(priority=-1)
    assert winner(country_id="FR")
    assert not winner(priority=99)
    assert winner(operator=package.operator)
    assert not winner(country_id="FR", priority=99)
    assert winner(package=package)
    assert not winner(operator=package.operator, currency="EUR", priority=99)
    assert winner(package=package, currency="EUR", priority=-5)
    assert not winner(package=package, currency="USD", priority=99)
    assert not winner(package=package, currency="EUR", priority=99, is_active=False)
    assert not winner(package=package, currency="EUR", priority=-5)  # the older one
    assert not winner(package=other, priority=99)
    assert other.selling_price("USD").rule.package == other


def test_a_country_is_its_own_packages(package):
    regional = PackageFactory(operator=package.operator, country_code="", reach="regional")
    PricingRuleFactory(country_id="FR")
    assert package.selling_price().rule
    assert regional.selling_price().rule is None


def test_where_airalo_gives_no_price_it_is_converted(package):
    assert package.selling_price("CHF") is None
    rate(units="0.81234567")
    PricingRuleFactory(markup="200")
    price = package.selling_price("CHF")
    # 4.50 and 1.50 at the rate are 3.6556 and 1.2185.
    assert (price.minimum, price.base, price.amount) == (Decimal("3.66"), Decimal("1.22"), Decimal("3.66"))
    assert price.is_converted
    assert price.explanation.endswith("Converted from US dollars at Airalo's rate.")
    assert not package.selling_price("EUR").is_converted


def test_a_price_that_airalo_gives_is_not_converted(package):
    rate("EUR", "0.5")
    price = package.selling_price("EUR")
    assert (price.amount, price.is_converted) == (Decimal("3.92"), False)


def rates_synced(**fields):
    values = {"kind": "exchange_rates", "started_at": LONG_AGO, "finished_at": timezone.now()}
    return SyncRun.objects.create(**{**values, **fields})


@pytest.mark.parametrize(
    ("date", "synced", "sells"),
    [
        (None, {}, True),
        (LONG_AGO.date(), {}, False),  # Airalo gives it no more, or gives old ones
        (None, {"finished_at": LONG_AGO}, False),
        (None, {"error": "It broke off."}, False),
        (None, {"kind": "packages"}, False),
        (None, {"finished_at": None}, False),
        (timezone.now().date(), {}, True),
    ],
)
def test_a_rate_that_is_too_old_makes_no_price(package, date, synced, sells):
    rate(synced_at=LONG_AGO, date=date)
    assert package.selling_price("CHF") is None
    rates_synced(**synced)
    assert bool(package.selling_price("CHF")) == sells
    assert package.selling_price("EUR")


def test_how_old_a_rate_may_be_is_a_setting(package, settings):
    rate(synced_at=timezone.now() - timedelta(days=6))
    assert package.selling_price("CHF")
    settings.AIRALO_EXCHANGE_RATE_MAX_AGE = 5 * 24 * 3600
    assert package.selling_price("CHF") is None
    assert "too old" in PriceList("CHF").why_none(package)
    assert "too old" not in PriceList("SEK").why_none(package)


def test_no_price_is_made_of_nothing():
    rate()
    package = PackageFactory(price=None)
    assert package.selling_price("USD") is None
    assert package.selling_price("CHF") is None
    with pytest.raises(ValueError, match="currency code"):
        package.selling_price("EURO")


@pytest.mark.parametrize("price", ["0", "-1"])
def test_a_package_that_costs_nothing_is_not_sold(price):
    PricingRuleFactory(markup_kind="fixed", markup="4", currency="USD")
    rate()
    package = PackageFactory(price=price, retail_prices={"EUR": price})
    assert {package.selling_price(currency) for currency in ("USD", "EUR", "CHF")} == {None}
    assert PriceList("EUR").why_none(package) == "Airalo's retail price is not above 0."


def test_many_packages_cost_two_queries(django_assert_num_queries):
    operator = OperatorFactory()
    packages = [PackageFactory(operator=operator, price=n + 1, net_price=1) for n in range(20)]
    for package in packages:
        PricingRuleFactory(package=package)
    with django_assert_num_queries(2):
        priced = services.price_packages(packages, currency="EUR")
    rate(synced_at=LONG_AGO)
    with django_assert_num_queries(2):
        assert {price for _, price in services.price_packages(packages, currency="CHF")} == {None}
    with django_assert_num_queries(1):
        priced = services.price_packages(packages, currency="USD")
    assert [package for package, _ in priced] == packages
    assert all(price.rule.package_id == package.pk for package, price in priced)
    assert all(price.amount >= package.price for package, price in priced)


def test_price_explanation_is_translated_on_reading(package):
    price = package.selling_price()
    with translation.override("de"):
        assert price.explanation  # nothing is stored in one language


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"markup": "-1"}, "greater than or equal to 0"),
        ({"markup_kind": "fixed"}, "A fixed amount needs a currency"),
        ({"rounding": "step"}, "give the step"),
        ({"rounding": "step", "rounding_step": "0"}, "greater than or equal to 0.01"),
        ({"rounding": "step", "rounding_step": "0.50", "currency": "JPY"}, "no smaller unit"),
        ({"currency": "euro"}, "Three capital letters"),
        ({"currency": "eur"}, "Three capital letters"),
        ({"markup": "1000000"}, "is too much"),
    ],
)
def test_impossible_rules_are_refused(fields, said):
    rule = PricingRuleFactory.build(**fields)
    with pytest.raises(ValidationError, match=said):
        rule.full_clean()


def test_a_rule_is_for_one_thing(package):
    rule = PricingRuleFactory.build(package=package, operator=package.operator)
    with pytest.raises(ValidationError, match="Choose one of package, operator and country"):
        rule.full_clean()


@pytest.mark.parametrize(
    "fields",
    [{"markup": "-1"}, {"markup_kind": "fixed"}, {"rounding": "step"}, {"country_id": "FR", "with_operator": True}],
)
def test_the_database_refuses_them_too(package, fields):
    if fields.pop("with_operator", False):
        fields = {**fields, "operator": package.operator}
    with pytest.raises(IntegrityError), transaction.atomic():
        PricingRuleFactory(**fields)


# Exchange rates


def test_exchange_rates_from_the_emulator(emulator):
    report = operations.sync_exchange_rates()
    assert report.added == ExchangeRate.objects.count() >= 10
    euro = ExchangeRate.objects.get(currency="EUR")
    assert (euro.rate, str(euro)) == (Decimal("0.87"), "1 USD = 0.87 EUR")
    assert euro.date
    again = operations.sync_exchange_rates()
    assert (again.added, again.changed, again.unchanged) == (0, 0, report.added)


def rates_answer(*rates, date="2026-03-01"):
    rows = [{"from": source, "to": target, "mid": mid} for source, target, mid in rates]
    return Answer(body=json.dumps({"data": {"date": date, "rates": rows}}).encode())


def test_only_good_rates_are_kept(server):
    server.on(
        "/v2/finance/exchange-rates",
        rates_answer(
            ("USD", "CHF", "0.812345678901"),
            ("EUR", "SEK", "11"),
            ("USD", "EURO", "1"),
            ("USD", "XXX", "1e20"),
            ("USD", "YYY", "0"),
            ("USD", "ZZZ", "1e-12"),
        ),
        rates_answer(("USD", "CHF", "0.8")),
        rates_answer(),
    )
    operations.sync_exchange_rates()
    assert [(row.currency, row.rate) for row in ExchangeRate.objects.all()] == [("CHF", Decimal("0.81234568"))]
    assert operations.sync_exchange_rates().changed == 1
    with pytest.raises(CommandError, match="no exchange rates"):
        call_command("airalo_sync_exchange_rates")
    assert ExchangeRate.objects.get().rate == Decimal("0.8")


def test_deleting_what_a_rule_is_for_deletes_the_rule(package):
    PricingRuleFactory(package=package)
    package.delete()
    assert not PricingRule.objects.exists()
