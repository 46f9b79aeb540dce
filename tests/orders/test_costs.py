"""What an order costs the shop: Airalo's figures, an estimate until they come, and nothing instead of either."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_airalo import services
from django_airalo.models import EsimOrder
from django_airalo.testing import order_payload
from tests.factories import EsimFactory, PackageFactory, SyncRunFactory, at_airalo

pytestmark = pytest.mark.django_db

PACKAGE = "test-mobile-7days-1gb"
#: Own figures in the form of Airalo's: of one eSIM all but the total, and no net price.
DISCOUNT = {
    "price": 8.4,
    "pricing_model": "discount_pricing",
    "discount_percentage": 25,
    "discount_amount": 2.1,
    "unit_paid_price": 6.3,
    "total_amount_paid": 12.6,
}
NET = {"pricing_model": "net_pricing", "price": 8.4, "net_price": 5.5}


def under_discount(percentage="25.00", **fields):
    SyncRunFactory(pricing_model="discount_pricing", discount_percentage=percentage)
    return PackageFactory(package_id=PACKAGE, price="8.40", net_price=None, **fields)


def answer(*, without=(), **overrides):
    """An order as the answer to its POST, or its webhook, has it."""
    payload = order_payload(package_id=PACKAGE, **overrides)
    for name in without:
        payload.pop(name, None)
    return payload


def discounted(**overrides):
    return answer(without=["net_price"], quantity=2, **{**DISCOUNT, **overrides})


def figures(order):
    order.refresh_from_db()
    names = ("net_price", "unit_paid_price", "total_amount_paid", "discount_percentage", "discount_amount")
    return tuple(None if (figure := getattr(order, name)) is None else f"{figure.normalize():f}" for name in names)


def cost(order):
    order.refresh_from_db()
    return (None if order.cost is None else f"{order.cost:.2f}", order.cost_currency, order.is_cost_estimated)


DISCOUNTED = (None, "6.3", "12.6", "25", "2.1")


# Airalo's own figures


@pytest.mark.parametrize("catalogue", [True, False])
def test_sync_order_cost_comes_from_answer(airalo, committed, catalogue):
    if catalogue:
        under_discount("50.00")  # not what the answer says
    airalo.answer(200, {"data": discounted()}, bought=True)
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=2, mode="sync")
    assert cost(order) == ("12.60", "USD", False)
    assert figures(order) == DISCOUNTED


def test_net_pricing_cost_is_net_price_times_quantity(airalo, committed):
    PackageFactory(package_id=PACKAGE, net_price="5.00")
    airalo.answer(200, {"data": answer(quantity=3, **NET)}, bought=True)
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=3, mode="sync")
    assert cost(order) == ("16.50", "USD", False)
    assert figures(order) == ("5.5", None, None, None, None)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({**DISCOUNT, "net_price": None, "total_amount_paid": 6.3}, ("6.30", "USD", False)),
        (NET, ("5.50", "USD", False)),
        ({"net_price": None}, (None, "", False)),
    ],
    ids=["discount", "net", "nothing"],
)
def test_topup_cost_comes_from_answer(airalo, committed, document, expected):
    payload = order_payload(package_id="topup", type="topup", sims=[], **document)
    airalo.answer(200, {"data": payload}, bought=True)
    with committed():
        order = services.place_topup(EsimFactory(), package_id="topup")
    assert order.type == "topup"
    assert cost(order) == expected


def test_webhook_with_cost_figures_replaces_estimate(airalo, committed):
    under_discount("50.00")
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=2)
    assert cost(order) == ("8.40", "USD", True)
    with committed():
        airalo.deliver(order, net_price=None, **DISCOUNT)
    assert cost(order) == ("12.60", "USD", False)
    assert figures(order) == DISCOUNTED


def test_webhook_after_completion_by_lookup_replaces_cost_estimate(airalo, committed):
    under_discount("50.00")
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=2)
    listed(airalo, order)
    with committed():
        assert services.sync_order(order).status == "completed"
    assert cost(order) == ("8.40", "USD", True)
    with committed():
        airalo.deliver(order, sims=airalo.find(order).payload["sims"], currency="USD", net_price=None, **DISCOUNT)
    assert cost(order) == ("12.60", "USD", False)


def listed(airalo, order):
    """As in Airalo's list, which says nothing of the cost."""
    airalo.fulfil(order, price="8.40", currency="EUR")
    del airalo.find(order).payload["net_price"]


def test_listed_order_does_not_replace_cost_figures(airalo, committed):
    airalo.answer(200, {"data": discounted()}, bought=True)
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=2, mode="sync")
    order.refresh_from_db()
    at_airalo(airalo, order, **{"id": order.airalo_order_id, "net_price": None, "price": "8.40"})
    with committed():
        services.sync_order(order)
    assert cost(order) == ("12.60", "USD", False)
    assert figures(order) == DISCOUNTED


@pytest.mark.parametrize(
    "later",
    [
        {"total_amount_paid": None, "unit_paid_price": None, "discount_amount": None},
        {"total_amount_paid": "", "unit_paid_price": "much"},
        {"total_amount_paid": 99, "unit_paid_price": 99, "net_price": 99, "currency": "EUR"},
    ],
    ids=["blanks", "nonsense", "another currency"],
)
def test_later_webhook_does_not_replace_airalo_cost_figures(airalo, committed, later):
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=2)
    with committed():
        airalo.deliver(order, net_price=None, **DISCOUNT)
    sims = airalo.find(order).payload["sims"]
    with committed():
        airalo.deliver(order, sims=sims, **{**DISCOUNT, "net_price": None, **later})
    assert figures(order) == DISCOUNTED
    assert cost(order) == ("12.60", "USD", False)


def test_later_webhook_fills_missing_cost_figure(airalo, committed):
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=2)
    with committed():
        airalo.deliver(order, **{**DISCOUNT, "net_price": None, "total_amount_paid": None})
    assert cost(order) == ("12.60", "USD", False)  # of the price of one
    sims = airalo.find(order).payload["sims"]
    with committed():
        airalo.deliver(order, sims=sims, **{**DISCOUNT, "net_price": None, "total_amount_paid": 12.5})
    assert cost(order) == ("12.50", "USD", False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (7.490000000000002, "7.49"),
        ("7.49", "7.49"),
        (0, "0.00"),
        (-1, None),
        (10**9, None),
        (True, None),
        ("NaN", None),
        ([7], None),
        ("7,49", "7.49"),
        ("1,350", None),  # may be one and a bit, or more than a thousand
    ],
    ids=repr,
)
def test_net_price_in_any_format_is_parsed_or_ignored(airalo, committed, given, expected):
    airalo.answer(200, {"data": answer(net_price=given)}, bought=True)
    with committed():
        order = services.place_order(package_id=PACKAGE, mode="sync")
    assert cost(order) == (expected, "USD" if expected else "", False)


def test_cost_currency_comes_from_airalo(airalo, committed):
    PackageFactory(package_id=PACKAGE, net_price="5.00")
    airalo.answer(200, {"data": answer(net_price="1.234", currency="KWD")}, bought=True)
    with committed():
        order = services.place_order(package_id=PACKAGE, mode="sync")
    order.refresh_from_db()
    assert (order.cost, order.cost_currency, order.is_cost_estimated) == (Decimal("1.234"), "KWD", False)


# Estimates


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_cost_without_airalo_figures_is_estimated_from_catalogue(airalo, committed, mode):
    PackageFactory(package_id=PACKAGE, net_price="5.00")
    if mode == "sync":
        airalo.answer(200, {"data": answer(quantity=2, net_price=None)}, bought=True)
    with committed():
        order = services.place_order(package_id=PACKAGE, quantity=2, mode=mode)
    assert cost(order) == ("10.00", "USD", True)


def test_cost_estimate_applies_discount_pricing(airalo):
    under_discount("12.50")
    order = services.place_order(package_id=PACKAGE, quantity=3)
    assert cost(order) == ("22.05", "USD", True)
    assert figures(order) == (None, "7.35", "22.05", "12.5", "1.05")


def test_topup_cost_is_estimated_from_catalogue(airalo):
    PackageFactory(package_id="topup", type="topup", net_price="2.50")
    assert cost(services.place_topup(EsimFactory(), package_id="topup")) == ("2.50", "USD", True)


@pytest.mark.parametrize(
    "catalogue",
    [
        lambda: None,
        lambda: PackageFactory(package_id=PACKAGE),
        lambda: PackageFactory(package_id=PACKAGE, price=None),
        lambda: under_discount(None),
        lambda: under_discount("101.00"),
    ],
    ids=["none", "no net price", "no price", "no discount", "a discount that is none"],
)
def test_cost_is_not_estimated_without_usable_catalogue_figures(airalo, catalogue):
    catalogue()
    order = services.place_order(package_id=PACKAGE)
    assert cost(order) == (None, "", False)
    assert figures(order) == (None,) * 5


def test_cost_estimate_keeps_price_at_placement(airalo):
    package = PackageFactory(package_id=PACKAGE, net_price="5.00")
    call = {"package_id": PACKAGE, "idempotency_key": "line-1"}
    order = services.place_order(**call)
    package.net_price = "6.00"
    package.save()
    assert services.place_order(**call) == order
    assert cost(order) == ("5.00", "USD", True)


def test_order_refused_at_placement_has_no_cost(airalo):
    PackageFactory(package_id=PACKAGE, net_price="5.00", withdrawn_at="2026-01-01T00:00:00Z")
    assert cost(services.place_order(package_id=PACKAGE, on_refusal="record")) == (None, "", False)


def test_cost_estimates_use_constant_number_of_queries(airalo, settings):
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2
    under_discount()
    PackageFactory(package_id="other", price="1.00")

    def count(number):
        EsimOrder.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            services.place_orders([{"package_id": ("other", PACKAGE)[index % 2]} for index in range(number)])
        return len([query for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))])

    # The packages, the discount, the clock, the orders, their events.
    assert count(2) == count(12) == 5
