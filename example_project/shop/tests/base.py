from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils import timezone
from django_airalo.models import EsimOrder, Operator, Package
from django_airalo.testing import FakeAiralo

from shop.models import Order
from shop.payments import GOOD_CARD


def make_package(package_id: str = "test-mobile-7days-1gb", **fields: Any) -> Package:
    """Create a package that is on sale."""
    values = {
        "title": "1 GB - 7 Days",
        "data": "1 GB",
        "operator": Operator.objects.get_or_create(
            airalo_id=1, defaults={"title": "Test Mobile", "synced_at": timezone.now()}
        )[0],
        "location": "Iceland",
        "location_slug": "iceland",
        "validity": 7,
        "price": Decimal("4.50"),
        "synced_at": timezone.now(),
    }
    return Package.objects.create(package_id=package_id, **(values | fields))


@override_settings(AIRALO_TASK_BACKEND=None)  # without tasks, orders are sent after the commit
class ShopTestCase(TestCase):
    """A customer who is logged in, one package, and a fake Airalo."""

    def setUp(self) -> None:
        """Create a fake Airalo, a package and a customer who is logged in."""
        self.airalo = self.enterContext(FakeAiralo())
        self.package = make_package()
        self.airalo.add_package(self.package.package_id)
        self.airalo.add_package("test-topup", type="topup")
        self.user = get_user_model().objects.create_user("ada", "ada@example.com")
        self.client.force_login(self.user)

    def pay(self, **fields: Any) -> Any:
        """Send the checkout form and return the response."""
        price = self.package.selling_price()
        seen = price.amount if price else ""
        data = {"checkout_key": uuid.uuid4(), "price": seen, "quantity": 1, "card": GOOD_CARD, **fields}
        with self.captureOnCommitCallbacks(execute=True):
            return self.client.post(reverse("shop:checkout", args=[self.package.package_id]), data)

    def esim_order(self, order: Order) -> EsimOrder:
        """Return the eSIM order of an order with one line."""
        esim_order = order.lines.get().esim_order
        assert esim_order is not None  # for the type checker
        return esim_order

    def buy(self, **fields: Any) -> Order:
        """Buy eSIMs and return the order."""
        response = self.pay(**fields)
        order = Order.objects.latest("id")
        self.assertRedirects(response, order.get_absolute_url())
        return order
