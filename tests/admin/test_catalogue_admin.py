"""What an operator sees of the catalogue, and sets: pricing rules."""

from __future__ import annotations

import html
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_airalo.models import CompatibleDevice, Country, Operator, Package, PricingRule, SyncRun
from tests.factories import (
    FAR_AHEAD,
    LONG_AGO,
    OperatorFactory,
    PackageFactory,
    PricingRuleFactory,
    SyncRunFactory,
    UserFactory,
)
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def url(model, page="changelist", *args):
    return reverse(f"admin:django_airalo_{model._meta.model_name}_{page}", args=args)


def text(response):
    assert response.status_code == 200
    return html.unescape(response.content.decode())


FORM = {
    "name": "Europe",
    "is_active": "on",
    "priority": "0",
    "package": "",
    "operator": "",
    "country": "",
    "currency": "",
    "base": "net",
    "markup_kind": "percent",
    "markup": "30",
    "rounding": "99",
    "rounding_step": "",
}


def test_pricing_rule_can_be_added_changed_and_deleted(root):
    package = PackageFactory(price="10", net_price="9")
    response = root.post(url(PricingRule, "add"), {**FORM, "operator": package.operator.pk})
    assert response.status_code == 302
    rule = PricingRule.objects.get()
    assert rule.operator == package.operator
    assert str(package.selling_price()) == "11.99 USD"
    root.post(url(PricingRule, "change", rule.pk), {**FORM, "markup": "50"})
    assert str(package.selling_price()) == "13.99 USD"
    root.post(url(PricingRule, "delete", rule.pk), {"post": "yes"})
    assert str(package.selling_price()) == "10.00 USD"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"markup": "-1"}, "greater than or equal to 0"),
        ({"markup": "many"}, "Enter a number"),
        ({"markup_kind": "fixed"}, "A fixed amount needs a currency."),
        ({"rounding": "step"}, "To round up to a step, give the step."),
        ({"rounding": "step", "rounding_step": "0.5", "currency": "JPY"}, "JPY has no smaller unit than 1."),
        ({"currency": "eur"}, "Three capital letters"),
        ({"markup": "99999999"}, "per cent is too much"),
    ],
)
def test_invalid_rule_is_refused_with_reason(root, fields, said):
    assert said in text(root.post(url(PricingRule, "add"), {**FORM, **fields}))
    assert not PricingRule.objects.exists()


def test_rule_for_package_and_operator_is_refused(root):
    package = PackageFactory()
    fields = {"package": package.pk, "operator": package.operator.pk}
    page = text(root.post(url(PricingRule, "add"), {**FORM, **fields}))
    assert "Choose one of package, operator and country, or none." in page


def test_preview_shows_resulting_prices_of_rule(root):
    packages = [PackageFactory(price=price, net_price=1, package_id=f"package-{price}") for price in range(1, 21)]
    PackageFactory(withdrawn_at=LONG_AGO, price=1)
    rule = PricingRuleFactory(name="Everywhere", markup="900", rounding="99")
    PricingRuleFactory(name="Special", package=packages[0])
    page = text(root.get(url(PricingRule, "change", rule.pk)))
    shown = [package.package_id for package in packages if f"<td>{package.package_id}</td>" in page]
    assert len(shown) == 5
    assert {"package-1", "package-20"} <= set(shown)
    assert "<b>10.99 USD</b>" in page
    assert "Raised to Airalo's minimum, 20.00 USD." in page
    assert page.count("Not used here: another rule takes precedence") == 1


def test_preview_explains_why_it_is_empty(root):
    assert "Save the rule to see examples." in text(root.get(url(PricingRule, "add")))
    rule = PricingRuleFactory(operator=OperatorFactory())
    assert "No package on sale matches this rule." in text(root.get(url(PricingRule, "change", rule.pk)))
    PackageFactory(operator=rule.operator)
    PricingRule.objects.update(currency="CHF")
    assert "Airalo gives no price in this currency." in text(root.get(url(PricingRule, "change", rule.pk)))


def test_preview_makes_no_more_queries_for_large_catalogue(root):
    rule = PricingRuleFactory()

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert root.get(url(PricingRule, "change", rule.pk)).status_code == 200
        return len(captured)

    PackageFactory.create_batch(6)
    queries()  # fills the caches
    few = queries()
    PackageFactory.create_batch(30)
    assert queries() == few


def test_autocomplete_finds_package_operator_and_country(root):
    country = Country.objects.create(code="FR", title="France")
    package = PackageFactory(package_id="elan-7days")
    package.operator.countries.add(country)
    for model, field, term in (
        (Package, "package", "elan"),
        (Operator, "operator", "test"),
        (Country, "country", "fra"),
    ):
        parameters = {"app_label": "django_airalo", "model_name": "pricingrule", "field_name": field, "term": term}
        found = json.loads(text(root.get(reverse("admin:autocomplete"), parameters)))["results"]
        assert len(found) == 1, model


def test_package_page_shows_prices_and_history(root):
    package = PackageFactory(price="4.50", retail_prices={"EUR": "3.92", "JPY": "666"}, net_prices={"EUR": "1.31"})
    package.history.create(price="5.25", recorded_at=LONG_AGO)
    page = text(root.get(url(Package, "change", package.pk)))
    for shown in ("3.92 EUR · 666 JPY", "1.31 EUR", "5.25", "4.50 USD – No rule fits"):
        assert shown in page


def test_package_list_shows_last_sync(root):
    assert "Never synced: run airalo_sync_packages." in text(root.get(url(Package)))
    SyncRunFactory()
    SyncRunFactory(kind="devices", error="Nothing to do with it.")
    assert "Last sync: " in text(root.get(url(Package)))
    SyncRunFactory(error="AiraloTimeoutError: no answer <in> time")
    page = root.get(url(Package)).content.decode()
    assert "failed: AiraloTimeoutError: no answer &lt;in&gt; time" in page


@pytest.mark.parametrize(
    ("lease_until", "said"), [(FAR_AHEAD, "A sync has been running"), (LONG_AGO, "died or hangs.")]
)
def test_unfinished_sync_does_not_hide_last_finished_one(root, lease_until, said):
    under_way = {"finished_at": None, "lease": "packages", "lease_until": lease_until}
    SyncRunFactory(**under_way)
    page = text(root.get(url(Package)))
    assert "Never synced." in page
    assert said in page
    SyncRun.objects.all().delete()
    SyncRunFactory(started_at=LONG_AGO)
    SyncRunFactory(**under_way)
    page = text(root.get(url(Package)))
    assert "Last sync: 12/31/2019" in page
    assert said in page


def test_sync_now_syncs_each_selected_kind_once(root, settings):
    rows = [SyncRunFactory(kind="devices"), SyncRunFactory(kind="devices"), SyncRunFactory()]
    with ScriptedServer() as server:
        settings.AIRALO_BASE_URL = server.url
        server.on("/v2/token", Answer(body={"data": {"access_token": "t" * 200, "expires_in": 86400}}))
        device = {"os": "ios", "brand": "Example", "name": "One"}
        server.on("/v2/compatible-devices-lite", Answer(body={"data": [device]}))
        server.on("/v2/packages", Answer(body={"data": [], "meta": {"current_page": 1, "last_page": 1}}))
        data = {"action": "sync_now", "_selected_action": [row.pk for row in rows]}
        response = root.post(url(SyncRun), data, follow=True)
    said = [str(message) for message in response.context["messages"]]
    assert said == [
        "Devices: 1 added, 0 changed, 0 withdrawn.",
        "Packages: Airalo's catalogue came empty; the packages were left as they are.",
    ]
    assert CompatibleDevice.objects.count() == 1
    assert SyncRun.objects.count() == 5
