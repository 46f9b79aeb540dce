"""What a sync makes of Airalo's catalogue, beside the packages themselves."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError, AiraloResponseError
from django_airalo.models import Country, Operator, Package, PackagePrice, SyncRun
from tests.scripted_server import Answer

from .conftest import location, operator, package

pytestmark = pytest.mark.django_db

WRITES = ("INSERT", "UPDATE", "DELETE")


def writes_of(act):
    """What is written to the tables of the catalogue; the record of the run is another thing."""
    with CaptureQueriesContext(connection) as queries:
        act()
    statements = [query["sql"] for query in queries if query["sql"].startswith(WRITES)]
    return [sql for sql in statements if "syncrun" not in sql]


def page(number, total, *locations, **document):
    """A page of so many; there is one country or region on each."""
    meta = {"current_page": number, "last_page": total, "total": total}
    return Answer(body=json.dumps({"data": locations, "meta": meta, **document}).encode())


def countries_a_b_c():
    return [location(code, operator(ord(code), package(f"{code}-1"), countries=(code,))) for code in "ABC"]


def on_sale():
    return sorted(Package.objects.on_sale().values_list("package_id", flat=True))


def test_the_whole_catalogue_twice(emulator):
    first = services.sync_packages()
    assert first.added == Package.objects.count() > 6000
    assert Package.objects.sims().count() > 3200
    assert Package.objects.topups().count() > 2000
    assert PackagePrice.objects.count() == first.added
    assert set(Package.objects.values_list("reach", flat=True)) == {"local", "regional", "global"}
    assert not Package.objects.filter(operator=None).exists()
    assert not Operator.objects.filter(countries=None).exists()
    before = list(Package.objects.values()), list(Operator.objects.values()), list(Country.objects.values())
    assert writes_of(services.sync_packages) == []
    after = list(Package.objects.values()), list(Operator.objects.values()), list(Country.objects.values())
    assert after == before
    last = SyncRun.objects.first()
    assert (last.added, last.changed, last.withdrawn, last.unchanged) == (0, 0, 0, first.added)
    assert last.pricing_model == "net_pricing"


def test_a_first_sync_writes_in_batches(emulator):
    statements = writes_of(services.sync_packages)
    # SQLite takes fewer values in a statement, so that Django makes smaller batches of a batch.
    assert len(statements) < 1000
    assert len([sql for sql in statements if sql.startswith("UPDATE")]) == 0


def test_under_discount_pricing(emulator):
    emulator.options.change(pricing_model="discount_pricing", discount_percentage=15)
    services.sync_packages()
    last = SyncRun.objects.first()
    assert (last.pricing_model, last.discount_percentage) == ("discount_pricing", 15)
    assert not Package.objects.filter(net_price__isnull=False).exists()
    some = Package.objects.first()
    assert some.net_prices == {}
    assert some.cost("EUR") is None
    assert some.minimum_price("EUR") == Decimal(some.retail_prices["EUR"])


def test_the_pricing_of_any_page_counts(server):
    a, b, _ = countries_a_b_c()
    pricing = {"model": "discount_pricing", "discount_percentage": 15}
    server.on("/v2/packages", page(1, 2, a, pricing=pricing), page(2, 2, b))
    services.sync_packages()
    last = SyncRun.objects.first()
    assert (last.pricing_model, last.discount_percentage) == ("discount_pricing", 15)


def test_operator_countries_and_prices_are_kept(listed):
    listed(location("FR", operator(7, package("fr-1", short_info="No number."), countries=("FR",))))
    services.sync_packages()
    kept = Package.objects.get()
    assert kept.operator.airalo_id == 7
    assert kept.short_info == "No number."
    assert kept.retail_prices == {"USD": "4.5", "EUR": "3.92", "JPY": "666"}
    assert kept.minimum_price("JPY") == 666
    assert kept.cost("EUR") == Decimal("1.31")
    assert kept.minimum_price("USD") == Decimal("4.50")
    assert kept.minimum_price("CHF") is None
    assert kept.operator.info == ["LTE data only."]
    assert kept.operator.topup_grace_window_days == 90
    assert kept.operator.coverages == [
        {"name": "FR", "code": "FR", "networks": [{"name": "FR Cell", "types": ["LTE"]}]},
    ]
    assert kept.operator.image_url == "https://cdn.example.com/operators/7.png"
    country = kept.operator.countries.get()
    assert (country.code, country.title, country.image_url) == ("FR", "Country FR", "https://cdn.example.com/FR.png")


def test_an_operator_that_changes_is_written_alone(listed):
    def tell(**fields):
        listed(location("", operator(7, package("eu-1"), type="global", **fields), slug="europe"))

    tell(countries=("FR", "DE"))
    services.sync_packages()
    tell(countries=("FR", "IT"), title="Eurolink")
    statements = writes_of(services.sync_packages)
    assert not [sql for sql in statements if '"django_airalo_package"' in sql]
    changed = Operator.objects.get()
    assert changed.title == "Eurolink"
    assert sorted(changed.countries.values_list("code", flat=True)) == ["FR", "IT"]
    assert Country.objects.filter(code="DE").exists()
    assert writes_of(services.sync_packages) == []


def test_where_airalo_lists_no_countries_those_of_the_networks_count(listed):
    roaming = operator(7, package("eu-1"), type="global", countries=("FR", "DE"))
    listed(
        location("", {**roaming, "countries": []}, slug="europe"),
        location("IT", {**operator(8, package("it-1")), "coverages": None}),
    )
    services.sync_packages()
    assert set(Package.objects.for_country("fr").values_list("package_id", flat=True)) == {"eu-1"}
    assert set(Package.objects.for_country("IT").values_list("package_id", flat=True)) == {"it-1"}


@pytest.mark.parametrize("turn", [1, -1])
def test_country_listed_only_in_networks_keeps_its_title(listed, turn):
    def titles(*locations):
        listed(*locations)
        services.sync_packages()
        return dict(Country.objects.values_list("code", "title"))

    def networks_alone(**fields):
        roaming = operator(7, package("eu-1"), type="global", countries=("FR", "DE"), **fields)
        return location("", {**roaming, "countries": []}, slug="europe")

    named = location("FR", operator(8, package("fr-1"), countries=("FR",)))
    assert titles(networks_alone()) == {"FR": "FR", "DE": "DE"}
    assert titles(*[named, networks_alone(title="New")][::turn]) == {"FR": "Country FR", "DE": "DE"}
    assert titles(networks_alone(title="Newer"), location("IT", operator(9, package("it-1"))))["FR"] == "Country FR"


def test_an_operator_without_an_id_leaves_its_packages_on_sale(listed):
    listed(location("FR", operator(None, package("fr-1"))))
    services.sync_packages()
    kept = Package.objects.get()
    assert kept.operator is None
    assert list(Package.objects.for_country("FR")) == [kept]


def test_price_history(listed):
    def sync(pricing="net_pricing", **fields):
        told = location("FR", operator(7, package("fr-1", **fields), package("fr-2")))
        listed(told, pricing={"model": pricing})
        services.sync_packages()
        changed = Package.objects.get(package_id="fr-1").history.order_by("id")
        return [(row.price, row.net_price) for row in changed]

    first = (Decimal("4.50"), Decimal("1.50"))
    assert sync() == [first]
    assert sync() == [first]
    assert sync(title="Another title") == [first]
    # The rates of a new day are no new price.
    assert sync(prices={"net_price": {}, "recommended_retail_price": {"EUR": 3.99}}) == [first]
    assert sync(price=5) == [first, (Decimal("5.00"), Decimal("1.50"))]
    without_net = {"net_price": None, "prices": {"recommended_retail_price": {"EUR": 3.99}}}
    assert sync(price=5, **without_net, pricing="discount_pricing")[2:] == [(Decimal("5.00"), None)]
    assert sync()[3:] == [first]
    assert Package.objects.get(package_id="fr-2").history.count() == 1


def test_a_package_that_comes_back_is_as_it_was(listed):
    both = operator(7, package("fr-1"), package("fr-2"), package("fr-3"))
    listed(location("FR", both))
    services.sync_packages()
    listed(location("FR", {**both, "packages": both["packages"][1:]}))
    assert services.sync_packages().withdrawn == 1
    assert services.sync_packages().withdrawn == 0
    listed(location("FR", both))
    report = services.sync_packages()
    assert (report.changed, report.unchanged) == (1, 2)
    assert Package.objects.on_sale().count() == 3
    assert Package.objects.get(package_id="fr-1").history.count() == 1


def test_topups_that_all_vanish_are_a_fault(listed):
    """They are less than half of all, so counting them apart is what notices."""
    sims = [package(f"fr-{number}") for number in range(5)]
    topups = [package(f"fr-top-{number}", type="topup") for number in range(3)]
    listed(location("FR", operator(7, *sims, *topups)))
    services.sync_packages()
    listed(location("FR", operator(7, *sims)))
    with pytest.raises(AiraloResponseError, match=r"only 0 of the 3 packages on sale \(type topup\)"):
        services.sync_packages()
    assert Package.objects.on_sale().count() == 8
    assert services.sync_packages(force=True).withdrawn == 3


def test_a_broken_page_changes_nothing_at_all(server):
    """The second page of three is broken, after the first brought news."""
    a, b, c = countries_a_b_c()
    server.on("/v2/packages", page(1, 3, a), page(2, 3, b), page(3, 3, c))
    services.sync_packages()
    before = [list(model.objects.values()) for model in (Package, Operator, Country, PackagePrice)]
    news = location("A", operator(65, package("A-1", price=9), package("A-2"), countries=("A", "FR"), title="New"))
    server.on("/v2/packages", page(1, 3, news), Answer(body=b'{"data": [{"slug": "b", "operato'))
    with pytest.raises(AiraloAPIError):
        services.sync_packages()
    assert [list(model.objects.values()) for model in (Package, Operator, Country, PackagePrice)] == before
    failed = SyncRun.objects.first()
    assert "AiraloResponseError" in failed.error
    assert failed.finished_at


def test_a_catalogue_that_changes_while_it_is_read_is_read_again(server):
    a, b, c = countries_a_b_c()
    server.on("/v2/packages", page(1, 3, a), page(2, 3, b), page(3, 3, c))
    services.sync_packages()
    # A goes after the first page was read, so B moves to the first page, where nobody looks any more.
    server.on("/v2/packages", page(1, 3, a), page(2, 2, c), page(1, 2, b), page(2, 2, c))
    assert services.sync_packages().withdrawn == 1
    assert on_sale() == ["B-1", "C-1"]


def test_catalogue_that_keeps_changing_changes_nothing(server):
    a, b, c = countries_a_b_c()
    server.on("/v2/packages", page(1, 3, a), page(2, 3, b), page(3, 3, c))
    services.sync_packages()
    before = len(server.requests("/v2/packages"))
    server.on("/v2/packages", *[page(1, 3, a), page(2, 4, b)] * 3, page(1, 1, a))
    with pytest.raises(AiraloResponseError, match="changed while it was read, 3 times"):
        services.sync_packages(force=True)
    assert len(server.requests("/v2/packages")) == before + 6
    assert on_sale() == ["A-1", "B-1", "C-1"]


def test_the_language_is_asked_for(server, settings, listed):
    settings.AIRALO_CATALOGUE_LANGUAGE = "de"
    listed(location("FR", operator(7, package("fr-1"))))
    services.sync_packages()
    [request] = server.requests("/v2/packages")
    assert request.headers["accept-language"] == "de"
    assert request.query["include"] == "topup"


def test_a_package_listed_twice_is_one(listed):
    listed(
        location("FR", operator(7, package("both", price=4))),
        location("DE", operator(8, package("both", price=5))),
    )
    services.sync_packages()
    assert Package.objects.get().price == 4
    assert writes_of(services.sync_packages) == []


def test_odd_prices_are_left_out(listed):
    prices = {"recommended_retail_price": {"EUR": "x", "EURO": 1, "": 2, "JPY": "1e30", "GBP": 3.5}, "net_price": []}
    listed(location("FR", operator(7, package("fr-1", prices=prices))))
    services.sync_packages()
    assert Package.objects.get().retail_prices == {"GBP": "3.5"}
    assert Package.objects.get().net_prices == {}
