from __future__ import annotations

from decimal import Decimal
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import CommandError, call_command

from django_airalo import services
from django_airalo.client import AiraloClient, use_client
from django_airalo.exceptions import AiraloResponseError
from django_airalo.models import Package
from django_airalo.testing.delivery import Adapter, respond
from tests.factories import PackageFactory
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db


CREDENTIALS = ("fake-client", "fake-secret")


class Catalogue(FakeAiralo):
    """Lists these countries, ``per_page`` to a page."""

    def __init__(self):
        super().__init__()
        self.countries = []
        self.per_page = 2
        self.scripted = {}
        self.asked = []

    def _handle(self, request):
        if not request.path_url.startswith("/v2/packages"):
            return super()._handle(request)
        number = int(parse_qs(urlsplit(request.path_url).query)["page"][0])
        self.asked.append(number)
        if number in self.scripted:
            return self.scripted.pop(number)
        start = (number - 1) * self.per_page
        last = max(1, -(-len(self.countries) // self.per_page))
        data = self.countries[start : start + self.per_page]
        return respond(200, {"data": data, "meta": {"current_page": number, "last_page": last}})


@pytest.fixture
def catalogue():
    with Catalogue() as fake:
        session = requests.Session()
        session.mount("https://", Adapter(fake._handle))
        cache = LocMemCache("catalogue", {})
        cache.clear()
        previous = use_client(AiraloClient(*CREDENTIALS, "https://airalo.example.com", session=session, cache=cache))
        yield fake
        use_client(previous)


def country(code, *packages, operator="local"):
    slug = f"country-{code.lower()}"
    return {
        "slug": slug,
        "title": f"Country {code}",
        "country_code": code,
        "operators": [{"id": ord(code[0]), "title": "Test Mobile", "type": operator, "packages": list(packages)}],
    }


def package(package_id, **overrides):
    return {
        "id": package_id,
        "type": "sim",
        "title": "1 GB - 7 Days",
        "price": 4.5,
        "net_price": "1.50",
        "amount": 1024,
        "day": 7,
        "is_unlimited": False,
        "data": "1 GB",
        "voice": None,
        "text": None,
        **overrides,
    }


def run():
    out = StringIO()
    call_command("airalo_sync_packages", stdout=out)
    return out.getvalue().strip()


def test_packages_are_added_changed_withdrawn_and_restored(catalogue, django_assert_max_num_queries):
    catalogue.countries = [country("AA", package("a-1"), package("a-2")), country("BB", package("b-1")), country("CC")]
    assert run() == "added=3 changed=0 withdrawn=0 unchanged=0"
    assert catalogue.asked == [1, 2]
    kept = Package.objects.get(package_id="a-1")
    assert (kept.location, kept.country_code, kept.operator.title, kept.reach) == (
        "Country AA",
        "AA",
        "Test Mobile",
        "local",
    )
    assert (kept.price, kept.net_price, kept.amount, kept.validity) == (Decimal("4.50"), Decimal("1.50"), 1024, 7)

    # The record of the run and its lease, each with the clock; packages and operators. Nothing else is written.
    with django_assert_max_num_queries(14):
        assert run() == "added=0 changed=0 withdrawn=0 unchanged=3"

    catalogue.countries = [country("AA", package("a-1", price=5), package("a-2"))]
    assert run() == "added=0 changed=1 withdrawn=1 unchanged=1"
    assert Package.objects.get(package_id="a-1").price == Decimal("5.00")
    assert Package.objects.get(package_id="b-1").withdrawn_at is not None
    assert run() == "added=0 changed=0 withdrawn=0 unchanged=2"

    catalogue.countries.append(country("BB", package("b-1")))
    assert run() == "added=0 changed=1 withdrawn=0 unchanged=2"
    assert Package.objects.get(package_id="b-1").withdrawn_at is None
    assert Package.objects.count() == 3


def test_odd_packages_are_cut_to_column_sizes(catalogue):
    odd = package(
        "odd",
        title="x" * 500,
        price="1e30",
        net_price=None,
        amount=-1,
        day=10**9,
        voice=10**20,
        data="y" * 99,
        type="?",
    )
    catalogue.countries = [
        country("LONG", package("a" * 256), package(""), package(None), odd, package("top", type="topup")),
        country("EU", package("eu"), operator="global"),
    ]
    assert run() == "added=3 changed=0 withdrawn=0 unchanged=0"
    kept = Package.objects.get(package_id="odd")
    assert (len(kept.title), kept.price, kept.amount, kept.validity, kept.country_code) == (255, None, None, None, "")
    assert Package.objects.get(package_id="top").type == "topup"
    assert Package.objects.get(package_id="eu").reach == "regional"
    assert run() == "added=0 changed=0 withdrawn=0 unchanged=3"


@pytest.mark.parametrize("answer", [(500, b""), (200, b"<html>"), (200, {"data": []}), (200, {"meta": {}})])
def test_failed_sync_changes_nothing(catalogue, answer):
    PackageFactory(package_id="old")
    catalogue.countries = [country(code, package(f"{code}-1")) for code in ("AA", "BB", "CC")]
    broken_at = 1 if answer == (200, {"data": []}) else 2
    catalogue.scripted = {broken_at: respond(*answer)}
    before = list(Package.objects.values())
    with pytest.raises(CommandError) as refused:
        run()
    assert str(refused.value)
    assert list(Package.objects.values()) == before


def test_empty_catalogue_withdraws_nothing(catalogue):
    PackageFactory()
    with pytest.raises(AiraloResponseError, match="came empty"):
        services.sync_packages()
    assert Package.objects.on_sale().count() == 1


def test_sync_waits_at_rate_limit(catalogue):
    catalogue.countries = [country("AA", package("a-1"))]
    catalogue.scripted = {1: respond(429, {}, {"Retry-After": "0.1"})}
    catalogue.scripted[1].headers["Retry-After"] = "1"
    assert run() == "added=1 changed=0 withdrawn=0 unchanged=0"
    assert catalogue.asked == [1, 1]


def test_sync_without_credentials_names_missing_setting(settings):
    settings.AIRALO_CLIENT_ID = ""
    with pytest.raises(CommandError, match="AIRALO_CLIENT_ID"):
        run()
