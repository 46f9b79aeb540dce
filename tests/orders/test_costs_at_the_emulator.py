"""What orders cost by the emulator's own ledger, and by the shop's rows: the two are one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_airalo import services
from django_airalo.emulator import Emulator
from django_airalo.models import Esim
from tests.rates import NO_LIMITS

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["net_pricing", "discount_pricing"])
def emulator(settings, request):
    options = {"pricing_model": request.param, "discount_percentage": 15}
    with Emulator(webhook_delay=0, rate_limits=False, head_probe=False, **options) as running:
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = running.client_id, running.client_secret
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        settings.AIRALO_WEBHOOK_URL = "http://127.0.0.1:9/airalo/webhook/"  # never comes: the look-up completes
        yield running


def rechargeable(emulator):
    catalogue = emulator.state.catalogue
    topups = {top_up.operator_id: top_up for top_up in catalogue.topups.values()}
    package = next(package for package in catalogue.packages.values() if package.operator_id in topups)
    return package.id, topups[package.operator_id].id


def charged(emulator):
    return Decimal(emulator.purchases()[-1]["price"])


def placed(order):
    order.refresh_from_db()
    return (order.status, order.cost, order.cost_currency, order.is_cost_estimated)


@pytest.mark.parametrize("with_catalogue", [True, False])
def test_order_and_topup_cost_equals_emulator_charge(emulator, committed, with_catalogue):
    package_id, topup_id = rechargeable(emulator)
    if with_catalogue:
        services.sync_packages()
    with committed():
        order = services.place_order(package_id=package_id, quantity=3, mode="sync")
    assert placed(order) == ("completed", charged(emulator), "USD", False)
    with committed():
        topup = services.place_topup(Esim.objects.filter(order=order)[0], package_id=topup_id)
    assert placed(topup) == ("completed", charged(emulator), "USD", False)


def test_cost_estimate_of_order_completed_by_lookup_matches_emulator_charge(emulator, committed):
    package_id, _ = rechargeable(emulator)
    services.sync_packages()
    with committed():
        order = services.place_order(package_id=package_id, quantity=2)
    emulator.wait_idle()
    with committed():
        services.sync_order(order)
    status, cost, currency, is_estimated = placed(order)
    assert (status, currency, is_estimated) == ("completed", "USD", True)
    # An estimate is not rounded as Airalo rounds the price of one.
    assert abs(cost - charged(emulator)) <= Decimal("0.01")
