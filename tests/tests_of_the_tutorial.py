"""Tests of the tutorial's shop. ``test_first_steps.py`` puts them into that shop and runs them there."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils import timezone
from shop.models import Sale

from django_airalo.models import EsimOrder, OrderEvent, Package
from django_airalo.services import place_order, place_topup
from django_airalo.signals import esim_order_failed
from django_airalo.testing import FakeAiralo


class ShopTests(TestCase):
    """A customer who is signed in, and a fake Airalo."""

    def setUp(self) -> None:
        self.airalo = self.enterContext(FakeAiralo())
        self.airalo.add_package("test")
        self.airalo.add_package("test-topup", type="topup")
        self.printed = self.enterContext(redirect_stdout(StringIO()))
        self.ada = User.objects.create_user("ada", is_staff=True)
        self.client.force_login(self.ada)
        Package.objects.create(
            package_id="test", title="1 GB", type="sim", country_code="FR", price="4.50", synced_at=timezone.now()
        )

    def buy(self) -> tuple[Sale, str]:
        """Press the button; the sale and the address of its page."""
        self.assertContains(self.client.get("/"), 'value="test"')
        with self.captureOnCommitCallbacks(execute=True):
            response = self.client.post(reverse("buy"), {"package_id": "test"})
        sale = Sale.objects.get()
        self.assertRedirects(response, reverse("sale", args=[sale.pk]))
        return sale, response.headers["Location"]

    def sell(self, **content: Any) -> Sale:
        """A sale as a bigger shop would make it."""
        with self.captureOnCommitCallbacks(execute=True):
            order = place_order(package_id="test", user=self.ada, **content)
            return Sale.objects.create(customer=self.ada, package_id="test", esim_order=order)

    def assert_all_is_signalled(self) -> None:
        assert set(EsimOrder.objects.values_list("status", flat=True)) == {"completed"}
        assert set(OrderEvent.objects.values_list("signal_error", flat=True)) == {""}

    def test_a_customer_buys_and_sees_the_code(self) -> None:
        sale, page = self.buy()
        self.assertNotContains(self.client.get(page), "<svg")
        self.airalo.deliver(sale.esim_order)
        self.assertContains(self.client.get(page), "<svg", count=1)
        sale.refresh_from_db()
        assert sale.is_delivered
        self.assert_all_is_signalled()

    def test_two_esims_are_delivered_and_shown(self) -> None:
        sale = self.sell(quantity=2)
        self.airalo.deliver(sale.esim_order)
        self.assertContains(self.client.get(reverse("sale", args=[sale.pk])), "<svg", count=2)
        for esim in sale.esim_order.esims.all():
            assert f"Delivered {esim.iccid}\n" in self.printed.getvalue()
        self.assert_all_is_signalled()

    def test_a_topup_is_taken(self) -> None:
        sale = self.sell()
        self.airalo.deliver(sale.esim_order)
        esim = sale.esim_order.esims.get()
        with self.captureOnCommitCallbacks(execute=True):
            topup = place_topup(esim, package_id="test-topup")
            topup_sale = Sale.objects.create(customer=self.ada, package_id="test-topup", esim_order=topup)
        topup_sale.refresh_from_db()
        assert topup_sale.is_delivered
        assert f"Topped up {esim.iccid}\n" in self.printed.getvalue()
        assert self.client.get(reverse("sale", args=[topup_sale.pk])).status_code == 200
        self.assert_all_is_signalled()

    def test_a_package_withdrawn_while_the_customer_pays_is_paid_back_once(self) -> None:
        Package.objects.update(withdrawn_at=timezone.now())
        with self.captureOnCommitCallbacks(execute=True):
            response = self.client.post(reverse("buy"), {"package_id": "test"})
        sale = Sale.objects.get()
        self.assertRedirects(response, reverse("sale", args=[sale.pk]))
        assert sale.esim_order.is_refused_at_placing
        assert (sale.is_delivered, sale.is_paid_back) == (False, True)
        assert "has withdrawn the package" in self.printed.getvalue()
        assert self.airalo.orders == []
        event = OrderEvent.objects.get(new_status="failed")
        esim_order_failed.send(EsimOrder, order=sale.esim_order, event_id=event.event_id)
        assert self.printed.getvalue().count("Paid back") == 1

    def test_a_request_that_names_no_package_is_refused_and_sells_nothing(self) -> None:
        for content in ({}, {"package_id": ""}, {"package_id": "no-such-package"}, {"package_id": "x" * 1000}):
            assert self.client.post(reverse("buy"), content).status_code == 404, content
        assert self.client.get(reverse("buy")).status_code == 405
        assert not Sale.objects.exists()
        assert self.airalo.orders == []

    def test_what_airalo_refuses_is_paid_back(self) -> None:
        self.airalo.reject(34)
        sale, page = self.buy()
        sale.refresh_from_db()
        assert sale.is_paid_back
        self.assertContains(self.client.get(page), "Failed")

    def test_nobody_else_sees_the_code(self) -> None:
        sale, page = self.buy()
        self.airalo.deliver(sale.esim_order)
        self.client.force_login(User.objects.create_user("eve", is_staff=True))
        assert self.client.get(page).status_code == 404
        self.client.logout()
        response = self.client.get(page)
        self.assertRedirects(response, f"{reverse('admin:login')}?next={page}")
        assert self.client.get("/").status_code == 302

    @override_settings(
        MIDDLEWARE=[
            "django.middleware.cache.UpdateCacheMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.cache.FetchFromCacheMiddleware",
        ]
    )
    def test_the_page_stays_in_no_cache(self) -> None:
        sale, page = self.buy()
        self.airalo.deliver(sale.esim_order)
        for directive in ("private", "no-store"):
            assert directive in self.client.get(page).headers["Cache-Control"]
        self.client.force_login(User.objects.create_user("eve", is_staff=True))
        assert self.client.get(page).status_code == 404
