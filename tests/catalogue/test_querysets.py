"""CheckResult packages, as shops look for them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.paginator import Paginator

from django_airalo import services
from django_airalo.models import Country, Package
from tests.factories import OperatorFactory, PackageFactory, PricingRuleFactory

pytestmark = pytest.mark.django_db


def names(packages):
    return sorted(packages.values_list("package_id", flat=True))


@pytest.fixture
def shelf():
    """A package of France, one of Germany, one of Europe, one of the world, each with a top-up."""
    france, germany, japan = (Country.objects.create(code=code, title=code) for code in ("FR", "DE", "JP"))
    for name, countries, fields in (
        ("fr", [france], {"country_code": "FR", "price": 4, "amount": 1024, "validity": 7}),
        ("de", [germany], {"country_code": "DE", "price": 3, "amount": 5120, "validity": 30}),
        ("europe", [france, germany], {"country_code": "", "reach": "regional", "price": 9, "is_unlimited": True}),
        ("world", [france, germany, japan], {"country_code": "", "reach": "global", "price": None, "voice": 10}),
    ):
        operator = OperatorFactory()
        operator.countries.set(countries)
        PackageFactory(package_id=name, operator=operator, **fields)
        PackageFactory(package_id=f"{name}-top", type="topup", operator=operator, **fields)
    PackageFactory(package_id="gone", country_code="FR", withdrawn_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_on_sale_sims_and_topups(shelf):
    assert len(names(Package.objects.on_sale())) == 8
    assert names(Package.objects.on_sale().sims()) == ["de", "europe", "fr", "world"]
    assert names(Package.objects.topups()) == ["de-top", "europe-top", "fr-top", "world-top"]


def test_for_a_country(shelf):
    sims = Package.objects.on_sale().sims()
    assert names(sims.for_country("FR")) == ["europe", "fr", "world"]
    assert names(sims.for_country(" fr ")) == ["europe", "fr", "world"]
    assert names(sims.for_country("JP")) == ["world"]
    assert names(sims.for_country("US")) == names(sims.for_country("")[:0]) == []
    assert names(sims.for_country("FR").regional()) == ["europe"]
    # Each package once, however many countries its operator covers.
    assert sims.for_country("FR").count() == 3


def test_empty_country_finds_no_packages(shelf):
    assert not Package.objects.for_country("").exists()


def test_by_reach(shelf):
    sims = Package.objects.sims().on_sale()
    assert names(sims.local()) == ["de", "fr"]
    assert names(sims.regional()) == ["europe"]
    assert names(sims.global_()) == ["world"]


def test_by_what_is_in_them(shelf):
    sims = Package.objects.sims().on_sale()
    PackageFactory(package_id="sms", text=5, amount=None, validity=None)
    assert names(sims.with_data(at_least=2048)) == ["de", "europe"]
    assert names(sims.with_data(at_least=1024)) == ["de", "europe", "fr"]
    assert names(sims.for_days(at_least=14)) == ["de"]
    assert names(sims.unlimited()) == ["europe"]
    assert names(sims.with_voice()) == ["world"]
    assert names(sims.with_texts()) == ["sms"]


def test_by_price(shelf):
    sims = Package.objects.sims().on_sale()
    assert names(sims.priced_between(3, 4)) == ["de", "fr"]
    assert names(sims.priced_between("3.01", None)) == ["europe", "fr"]
    assert names(sims.priced_between(None, 3)) == ["de"]
    assert names(sims.priced_between(None, None)) == ["de", "europe", "fr"]
    assert [package.package_id for package in sims.cheapest_first()] == ["de", "fr", "europe", "world"]


def test_a_page_of_a_shop_window_costs_four_queries(django_assert_num_queries):
    for _ in range(30):
        PackageFactory(country_code="FR")
    PricingRuleFactory()
    found = Package.objects.on_sale().sims().for_country("FR").with_data(at_least=0).cheapest_first()
    found = Package.objects.on_sale().sims().for_country("FR").cheapest_first().select_related("operator")
    # The count, the page with its operators, the rules, the rate.
    with django_assert_num_queries(4):
        page = Paginator(found, 24).get_page(1)
        priced = services.price_packages(page, currency="EUR")
        shown = [(package.title, package.operator.title, price) for package, price in priced]
    assert len(shown) == 24
