"""Whatever becomes of one part of the catalogue's answers: what was known stays, and nothing is withdrawn for it."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError
from django_airalo.models import (
    CompatibleDevice,
    Country,
    ExchangeRate,
    Operator,
    Package,
    PackagePrice,
    SyncRun,
)
from django_airalo.services import operations
from tests.mutated import mutations
from tests.scripted_server import Answer

from .conftest import location, operator, package

pytestmark = pytest.mark.django_db

APN = {
    "ios": {"apn_type": "automatic", "apn_value": "ios.example"},
    "android": {"apn_type": "manual", "apn_value": "x"},
}
#: Each field that a column is written from has a value.
GOOD = {
    "pricing": {"model": "discount_pricing", "discount_percentage": 15},
    "data": [
        location(
            "FR",
            operator(
                7,
                package(
                    "fr-1",
                    short_info="No number.",
                    voice=40,
                    text=20,
                    is_unlimited=True,
                    is_fair_usage_policy=True,
                    fair_usage_policy="Slower after 3 GB a day.",
                    net_price=None,
                    prices={"recommended_retail_price": {"USD": 4.5, "EUR": 3.92, "KWD": 1.235}},
                ),
                package("fr-2-topup", type="topup"),
                countries=("FR", "MC"),
                apn=APN,
                is_kyc_verify=True,
                install_window_days=30,
                other_info="Not for taxis.",
            ),
        )
    ],
    "meta": {"current_page": 1, "last_page": 1, "total": 1, "per_page": "25", "message": "success"},
}
#: Nothing is read from these.
UNUSED = ("message", "per_page")


def rows(*models):
    left_out = ("synced_at", "digest")
    found = [model.objects.order_by("pk").values() for model in models]
    return [[{name: row[name] for name in row if name not in left_out} for row in written] for written in found]


def tell(server, path, document):
    server.on(path, Answer(body=json.dumps(document).encode()))


def sync_packages(server, document):
    tell(server, "/v2/packages", document)
    with suppress(AiraloAPIError):  # refused as a whole: nothing was written
        services.sync_packages()
    assert not SyncRun.objects.filter(lease__isnull=False).exists()


def test_no_mutation_of_the_catalogue_makes_a_row_worse(server):
    models = (Package, Operator, Country, Operator.countries.through, PackagePrice)
    sync_packages(server, GOOD)
    before = rows(*models)
    blanks = [
        (model.__name__, name)
        for model, written in zip(models, before, strict=True)
        for row in written
        for name, value in row.items()
        if value in (None, "", [], {})
    ]
    # All else has a value, so that it can be seen to be lost.
    assert set(blanks) <= {
        ("Package", "net_price"),
        ("Package", "net_prices"),
        ("Package", "withdrawn_at"),
        ("Package", "short_info"),
        ("Package", "fair_usage_policy"),
        ("Package", "voice"),
        ("Package", "text"),
        ("Package", "inferred"),
        ("PackagePrice", "net_price"),
    }
    # An operator may have nothing to sell, and a country no operator.
    for name, document in mutations(GOOD, skip=UNUSED, may_be_empty=("packages", "operators")):
        sync_packages(server, document)
        assert rows(*models) == before, name
    sync_packages(server, GOOD)
    assert SyncRun.objects.first().error == ""
    assert rows(*models) == before


def test_readable_fields_of_odd_package_are_updated(server):
    sync_packages(server, GOOD)
    odd = json.loads(json.dumps(GOOD).replace('"1 GB - 7 Days"', '"2 GB - 9 Days"'))
    odd["data"][0]["operators"][0]["packages"][0] |= {"amount": "1,350", "day": 9, "price": ["x"]}
    sync_packages(server, odd)
    kept = Package.objects.get(package_id="fr-1")
    assert (kept.title, kept.amount, kept.validity, kept.price) == ("2 GB - 9 Days", 1024, 9, Decimal("4.50"))


def test_packages_are_withdrawn_only_where_the_list_was_read_as_a_whole(server):
    def listing(*packages):
        other = operator(8, package("fr-8"), package("fr-9"), package("fr-10"))
        return {"data": [location("FR", operator(7, *packages), other)]}

    sync_packages(server, listing(package("fr-1"), package("fr-2"), package("fr-3")))
    sync_packages(server, listing(package("fr-1"), package(None), package("fr-3")))
    assert not Package.objects.exclude(withdrawn_at=None).exists()
    sync_packages(server, listing(package("fr-1"), package("fr-3")))
    assert Package.objects.exclude(withdrawn_at=None).get().package_id == "fr-2"


def test_a_currency_is_kept_only_while_the_price_is_the_same(server):
    """Else the old price in it may be below what Airalo asks now."""

    def listing(price, prices):
        return {"data": [location("FR", operator(7, package("fr-1", price=price, prices=prices)))]}

    def prices():
        return Package.objects.get().retail_prices

    sync_packages(server, listing(4.5, {"recommended_retail_price": {"EUR": 3.92, "JPY": 666}}))
    sync_packages(server, listing(4.5, {"recommended_retail_price": {"EUR": "odd", "JPY": 670}}))
    assert prices() == {"EUR": "3.92", "JPY": "670"}
    sync_packages(server, listing(9, {"recommended_retail_price": {"EUR": "odd", "JPY": 1340}}))
    assert prices() == {"JPY": "1340"}
    sync_packages(server, listing(10, None))
    assert prices() == {}


def test_net_prices_go_only_when_airalo_says_that_there_are_none(server):
    def listing(net_price, net_prices, **pricing):
        told = package("fr-1", net_price=net_price, prices={"net_price": net_prices})
        return {"data": [location("FR", operator(7, told))], **pricing}

    def costs():
        kept = Package.objects.get()
        return kept.net_price, kept.net_prices

    net, discount = ({"pricing": {"model": f"{model}_pricing"}} for model in ("net", "discount"))
    known = (Decimal("1.50"), {"EUR": "1.31"})
    sync_packages(server, listing(1.5, {"EUR": 1.31}, **net))
    sync_packages(server, listing(None, None, **net))
    assert costs() == known
    sync_packages(server, listing(None, None))
    assert costs() == known
    sync_packages(server, listing(None, None, **discount))
    assert costs() == (None, {})
    sync_packages(server, listing(1.5, {"EUR": 1.31}, **net))
    assert costs() == known


@pytest.mark.parametrize("pricing", [None, {}, [], {"model": "x"}, {"model": None, "discount_percentage": 7}])
def test_the_pricing_model_is_kept_while_airalo_does_not_say_another(server, pricing):
    sync_packages(server, GOOD)
    sync_packages(server, {**GOOD, "pricing": pricing})
    last = SyncRun.objects.first()
    assert (last.error, last.pricing_model, last.discount_percentage) == ("", "discount_pricing", 15)


@pytest.mark.parametrize("percentage", [10**10, -1, "many", None, 101])
def test_a_discount_that_is_none_is_not_kept(server, percentage):
    sync_packages(server, GOOD)
    sync_packages(server, {**GOOD, "pricing": {"model": "discount_pricing", "discount_percentage": percentage}})
    last = SyncRun.objects.first()
    assert (last.error, last.discount_percentage) == ("", 15)


# Devices

DEVICES = {
    "data": [
        {"os": "ios", "brand": "Example", "name": "Phone 12"},
        {"os": "android", "brand": "Sample", "name": "Slab 3"},
        {"os": "android", "brand": "Sample", "name": "Slab 4"},
    ]
}


def test_no_mutation_of_the_devices_makes_a_row_worse(server):
    tell(server, "/v2/compatible-devices-lite", DEVICES)
    operations.sync_devices()
    before = rows(CompatibleDevice)
    for name, document in mutations(DEVICES):
        tell(server, "/v2/compatible-devices-lite", document)
        with suppress(AiraloAPIError):  # refused as a whole: nothing was written
            operations.sync_devices()
        assert rows(CompatibleDevice) == before, name


# Exchange rates

RATES = {
    "data": {
        "date": "2026-01-30",
        "rates": [{"from": "USD", "mid": "1.6059162", "to": "AUD"}, {"from": "USD", "mid": 0.5, "to": "GBP"}],
    }
}


def test_no_mutation_of_the_rates_makes_a_row_worse(server, settings):
    settings.AIRALO_EXCHANGE_RATE_MAX_AGE = 10**9
    tell(server, "/v2/finance/exchange-rates", RATES)
    operations.sync_exchange_rates()
    before = rows(ExchangeRate)
    for name, document in mutations(RATES):
        tell(server, "/v2/finance/exchange-rates", document)
        with suppress(AiraloAPIError):  # refused as a whole: nothing was written
            operations.sync_exchange_rates()
        assert rows(ExchangeRate) == before, name


def test_a_rate_whose_day_airalo_does_not_say_keeps_the_day_for_as_long_as_it_is_fresh(server, settings):
    def sync(mid, date):
        document = {"data": {"date": date, "rates": [{"from": "USD", "mid": mid, "to": "GBP"}]}}
        tell(server, "/v2/finance/exchange-rates", document)
        operations.sync_exchange_rates()
        return ExchangeRate.objects.get().date

    settings.AIRALO_EXCHANGE_RATE_MAX_AGE = 10**9
    day = sync(0.5, "2026-01-30")
    assert sync(0.5, "odd") == day
    assert sync(0.6, "odd") is None  # it would be the day of another rate
    assert sync(0.6, "2026-01-30") == day
    settings.AIRALO_EXCHANGE_RATE_MAX_AGE = 60
    assert sync(0.6, None) is None  # fresh by its sync: it must not go stale by a day that Airalo says no more
