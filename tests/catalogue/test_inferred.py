"""Packages without their flags, universal packages, top-ups by country."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.client.payloads import PackageData
from django_airalo.models import Operator, Package
from tests.factories import EsimFactory
from tests.scripted_server import Answer

from .conftest import location, operator, package

pytestmark = pytest.mark.django_db


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


@pytest.mark.parametrize(
    ("fields", "expected", "inferred"),
    [
        ({"data": "Unlimited", "amount": 0}, (True, None, None), ("is_unlimited",)),
        ({"data": "unlimited ", "amount": 28672}, (True, None, None), ("is_unlimited",)),
        ({"data": "Unbegrenzt", "amount": 0}, (True, None, None), ("is_unlimited",)),
        ({"data": "1 GB", "amount": 0}, (None, None, None), ()),
        ({"data": "", "amount": 0}, (None, None, None), ()),
        ({"data": "Unlimited", "amount": 0, "is_unlimited": False}, (False, None, None), ()),
        ({"title": "2 GB - 20 SMS - 40 Mins - 15 Days"}, (None, 40, 20), ("voice", "text")),
        ({"title": "2 GB - 20 SMS - 40 Mins - 15 Days", "voice": 30, "text": 0}, (None, 30, 0), ()),
        ({"title": "2 GB - 1 Min"}, (None, 1, None), ("voice",)),
        ({"title": "1,000 Mins"}, (None, None, None), ()),
        ({"title": "Minsk 5 - 7 Days"}, (None, None, None), ()),
    ],
)
def test_missing_flags_are_inferred_from_texts(fields, expected, inferred):
    row = {**without(package("fr-1"), "is_unlimited", "voice", "text"), **fields}
    read = PackageData.from_json(row)
    assert ((read.is_unlimited, read.voice, read.text), read.inferred) == (expected, inferred)


def test_inferred_facts_are_kept_and_marked_until_airalo_says_them(listed, admin_client):
    row = without(package("fr-1", data="Unlimited", amount=0, title="Unlimited - 40 Mins"), "is_unlimited", "voice")
    listed(location("FR", operator(7, row)))
    services.sync_packages()
    kept = Package.objects.unlimited().with_voice().get()
    assert (kept.voice, kept.inferred) == (40, ["is_unlimited", "voice"])
    page = admin_client.get(f"/admin/django_airalo/package/{kept.pk}/change/")
    assert "is_unlimited" in page.content.decode()
    listed(location("FR", operator(7, {**row, "is_unlimited": True, "voice": 40})))
    services.sync_packages()
    assert Package.objects.get().inferred == []
    listed(location("FR", operator(7, row)))  # the flag is gone again: what was said stays
    services.sync_packages()
    kept = Package.objects.get()
    assert (kept.is_unlimited, kept.voice, kept.inferred) == (True, 40, [])


def test_universal_packages_are_mirrored_if_the_setting_says_so(server, settings):
    def answer(*locations):
        return Answer(
            200, {"data": list(locations), "meta": {"current_page": 1, "last_page": 1, "total": len(locations)}}
        )

    plain = location("FR", operator(7, package("fr-1")))
    universal = location("", operator(8, package("u-1"), type="universal", countries=("FR", "DE")), slug="world")
    server.on("/v2/packages", answer(plain), answer(universal))
    settings.AIRALO_UNIVERSAL_PACKAGES = True
    services.sync_packages()
    assert [request.query.get("filter[type]") for request in server.requests("/v2/packages")] == [None, "universal"]
    kept = Package.objects.get(package_id="u-1")
    assert (kept.operator.type, kept.reach) == (Operator.Type.UNIVERSAL, "global")
    assert kept in Package.objects.for_country("DE")
    order = services.place_order(package_id="u-1")
    assert order.package_id == "u-1"
    server.on("/v2/packages", answer(plain), answer())  # enabled for the account no more
    services.sync_packages(force=True)
    assert Package.objects.on_sale().get().package_id == "fr-1"


def test_top_ups_by_country_are_asked_for_and_can_be_placed(server):
    esim = EsimFactory()
    path = f"/v2/sims/{esim.iccid}/topups"
    server.on(path, Answer(200, {"data": [package("u-fr-topup", type="topup")]}))
    (offered,) = services.list_topup_packages(esim, country="fr")
    server.on(path, Answer(200, {"data": [package("u-de-topup", type="topup")]}))
    assert [row.id for row in services.list_topup_packages(esim, country="DE")] == ["u-de-topup"]
    assert [row.id for row in services.list_topup_packages(esim, country="FR")] == ["u-fr-topup"]
    asked = [request.query.get("filter[country]") for request in server.requests(path)]
    assert asked == ["FR", "DE"]
    assert services.place_topup(esim, package_id=offered.id).package_id == "u-fr-topup"
