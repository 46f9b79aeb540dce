"""Test the pages of the shop."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import TestCase
from django.urls import reverse
from django.utils import timezone
from django_airalo import services
from django_airalo.models import Country, Esim, Operator, Package, PricingRule

from .base import ShopTestCase, make_package

HTMX = {"HX-Request": "true"}


class PackagePagesTests(TestCase):
    """Test the list of packages, its search, and the page of a package."""

    def setUp(self) -> None:
        """Create packages of two countries, and some that are not for sale."""
        make_package("iceland-5gb", title="5 GB - 30 Days", data="5 GB")
        make_package("japan-1gb", location="Japan", location_slug="japan", price="3.00")
        make_package("no-price", price=None)
        make_package("top-up", type="topup")

    def listed(self, **query: str) -> list[str]:
        """Return the ids on the list."""
        page = self.client.get(reverse("shop:packages"), query).context["page"]
        return [package.package_id for package in page]

    def test_the_list_is_searched_and_filtered(self) -> None:
        self.assertEqual(self.listed(), ["japan-1gb", "iceland-5gb"])
        self.assertEqual(self.listed(q="icel 5"), ["iceland-5gb"])
        self.assertEqual(self.listed(q="icel 7"), [])
        self.assertEqual(self.listed(country="japan"), ["japan-1gb"])
        self.assertEqual(self.listed(country="atlantis"), [])
        self.assertEqual(self.listed(page="99"), ["japan-1gb", "iceland-5gb"])

    def test_a_country_has_what_works_there(self) -> None:
        Package.objects.filter(package_id="japan-1gb").update(country_code="JP")
        operator = Operator.objects.create(airalo_id=2, title="Asiaverse", synced_at=timezone.now())
        operator.countries.add(Country.objects.create(code="JP", title="Japan"))
        make_package("asia-1gb", location="Asia", location_slug="asia", operator=operator, price="9.00")
        self.assertEqual(self.listed(country="japan"), ["japan-1gb", "asia-1gb"])
        self.assertEqual(self.listed(country="asia"), ["asia-1gb"])

    def test_prices_are_what_the_rules_make_of_them(self) -> None:
        PricingRule.objects.create(name="All", base="retail", markup=10, rounding="99")
        for number in range(10):
            make_package(f"more-{number}")
        with self.assertNumQueries(4):  # places, count, packages with operators, rules
            page = self.client.get(reverse("shop:packages"))
        self.assertContains(page, "$3.99")
        self.assertNotContains(page, "$3.00")
        self.assertContains(self.client.get(reverse("shop:package", args=["japan-1gb"])), "$3.99")

    def test_the_list_is_paged(self) -> None:
        for number in range(30):
            make_package(f"more-{number}")
        self.assertEqual(len(self.listed()), 24)
        self.assertEqual(len(self.listed(page="2")), 8)
        self.assertContains(self.client.get("/", {"country": "iceland"}), "?country=iceland&amp;page=2")

    def test_an_empty_catalogue_says_how_to_fill_it(self) -> None:
        for package in type(make_package("gone")).objects.all():
            package.delete()
        self.assertContains(self.client.get("/"), "airalo_sync_packages")

    def test_one_package(self) -> None:
        response = self.client.get(reverse("shop:package", args=["japan-1gb"]))
        self.assertContains(response, "$3.00")
        self.assertEqual(self.client.get(reverse("shop:package", args=["nothing"])).status_code, 404)


class OrderPageTests(ShopTestCase):
    """Test the pages of orders and eSIMs."""

    def setUp(self) -> None:
        """Buy two eSIMs."""
        super().setUp()
        self.order = self.buy(quantity=2)
        self.status_url = reverse("shop:order_status", args=[self.order.number])

    def test_order_page_updates_until_esims_are_delivered(self) -> None:
        esim_order = self.esim_order(self.order)
        api_url = reverse("django_airalo_api:order-detail", args=[esim_order.reference])
        page = self.client.get(self.order.get_absolute_url())
        self.assertContains(page, f'hx-get="{self.status_url}"')
        self.assertContains(page, f'data-order-url="{api_url}"')
        self.assertContains(page, 'data-order-status="accepted"')
        self.assertContains(page, "<noscript><meta http-equiv=")
        self.assertEqual(self.client.get(api_url).json()["status"], "accepted")

        self.airalo.deliver(esim_order)

        self.assertEqual(self.client.get(api_url).json()["status"], "completed")
        part = self.client.get(self.status_url, headers=HTMX)
        self.assertNotContains(part, "hx-get")
        self.assertNotContains(part, "data-order-url")
        self.assertContains(part, "<svg", count=2)
        self.assertNotContains(self.client.get(self.order.get_absolute_url()), "http-equiv")

    def test_announced_text_is_outside_of_what_htmx_replaces(self) -> None:
        page = self.client.get(self.order.get_absolute_url()).content.decode()
        self.airalo.deliver(self.esim_order(self.order))
        part = self.client.get(self.status_url, headers=HTMX).content.decode()
        self.assertIn('<div id="announcement" class="unseen" role="status"></div>', page)
        self.assertIn("data-announce>Your eSIM is ready to install.", part)
        self.assertNotIn("aria-live", part)
        self.assertNotIn('role="status"', part.replace('<span class="copied" role="status"></span>', ""))

    def test_the_part_alone_leads_to_the_page(self) -> None:
        self.assertRedirects(self.client.get(self.status_url), self.order.get_absolute_url())

    def test_activation_codes_are_for_their_owner_and_for_no_cache(self) -> None:
        self.airalo.deliver(self.esim_order(self.order))
        code = self.esim_order(self.order).esims.all()[0].matching_id
        pages = (self.order.get_absolute_url(), self.status_url, reverse("shop:esims"))
        for path in pages:
            response = self.client.get(path, headers=HTMX)
            self.assertContains(response, code)
        checkout = reverse("shop:checkout", args=[self.package.package_id])
        for path in (*pages, reverse("shop:orders"), checkout):
            for directive in ("private", "no-store"):
                self.assertIn(directive, self.client.get(path, headers=HTMX)["Cache-Control"])

        self.client.force_login(get_user_model().objects.create_user("eve"))
        for path in pages[:2]:
            self.assertEqual(self.client.get(path, headers=HTMX).status_code, 404)
        self.assertNotContains(self.client.get(reverse("shop:esims")), code)
        self.assertNotContains(self.client.get(reverse("shop:orders")), str(self.order))

        self.client.logout()
        for path in (*pages, reverse("shop:orders")):
            self.assertRedirects(self.client.get(path, headers=HTMX), f"{reverse('login')}?next={path}")

    def test_what_is_left_and_how_to_install(self) -> None:
        esim_order = self.esim_order(self.order)
        self.airalo.deliver(esim_order)
        esim = esim_order.esims.all()[0]
        path = reverse("shop:install", args=[esim.public_id])
        page = self.client.get(path)
        self.assertContains(page, esim.matching_id)
        self.assertContains(page, "<ol>")
        self.assertNotContains(page, "<meter")
        self.assertIn("no-store", page["Cache-Control"])
        self.airalo.set_usage(esim.iccid, status="ACTIVE", remaining=512, total=1024)
        services.sync_usage(esim)
        self.assertContains(self.client.get(reverse("shop:esims")), "512 MB of 1 GB left")
        self.assertContains(self.client.get(reverse("shop:esims")), '<meter aria-label="Data left"')
        self.client.force_login(get_user_model().objects.create_user("eve"))
        self.assertEqual(self.client.get(path).status_code, 404)

    def test_an_unknown_remainder_is_never_shown_as_the_whole(self) -> None:
        esim_order = self.esim_order(self.order)
        self.airalo.deliver(esim_order)
        esim = esim_order.esims.all()[0]
        self.airalo.set_usage(esim.iccid, status="ACTIVE", remaining=None, total=2048)
        services.sync_usage(esim)
        page = self.client.get(reverse("shop:esims"))
        self.assertContains(page, "Not known how much is left")
        self.assertNotContains(page, "2 GB")
        self.assertNotContains(page, "<meter")

    def test_an_esim_can_be_installed_while_airalo_is_away(self) -> None:
        esim_order = self.esim_order(self.order)
        self.airalo.deliver(esim_order)
        esim = esim_order.esims.all()[0]
        self.airalo.override_answer("GET", f"/v2/sims/{esim.iccid}/instructions", {}, status=503)
        page = self.client.get(reverse("shop:install", args=[esim.public_id]))
        self.assertContains(page, esim.matching_id)
        self.assertContains(page, "cannot be shown at the moment")

    def test_an_esim_whose_key_is_lost_leaves_the_others_on_the_page(self) -> None:
        esim_order = self.esim_order(self.order)
        self.airalo.deliver(esim_order)
        lost, other = esim_order.esims.all()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_airalo_esim SET matching_id = 'f1:x' WHERE id = %s", [lost.pk])
        for path in (self.order.get_absolute_url(), reverse("shop:esims")):
            with self.assertLogs("shop", "ERROR"):
                page = self.client.get(path)
            self.assertContains(page, other.matching_id)
            self.assertContains(page, lost.iccid)
            self.assertContains(page, "cannot be shown at the moment", count=1)
            self.assertContains(page, "<svg", count=1)
        with self.assertLogs("shop", "ERROR"):
            page = self.client.get(reverse("shop:install", args=[lost.public_id]))
        self.assertContains(page, "The codes of this eSIM cannot be shown")

    def test_only_a_safe_install_link_becomes_a_link(self) -> None:
        esim_order = self.esim_order(self.order)
        self.airalo.deliver(esim_order)
        esims = Esim.objects.filter(order=esim_order)
        esims.update(apple_installation_url="https://esimsetup.example.com/ok")
        self.assertContains(self.client.get(reverse("shop:esims")), "https://esimsetup.example.com/ok", count=2)
        esims.update(apple_installation_url="javascript:alert(1)")
        self.assertNotContains(self.client.get(reverse("shop:esims")), "javascript:")

    def test_the_lists_of_orders_and_esims_need_few_queries(self) -> None:
        for _ in range(5):
            self.airalo.deliver(self.esim_order(self.buy(quantity=2)))
        with self.assertNumQueries(6):  # session, user, count, orders, lines, eSIM orders
            self.client.get(reverse("shop:orders"))
        with self.assertNumQueries(4):  # session, user, count, eSIMs with their orders and lines
            self.client.get(reverse("shop:esims"))

    def test_the_admin_shows_orders_and_signals(self) -> None:
        self.airalo.deliver(self.esim_order(self.order))
        self.client.force_login(get_user_model().objects.create_superuser("root"))
        for path in (
            reverse("admin:shop_order_changelist"),
            reverse("admin:shop_order_change", args=[self.order.pk]),
            reverse("admin:shop_receivedsignal_changelist"),
        ):
            self.assertEqual(self.client.get(path).status_code, 200)


class SignUpTests(TestCase):
    """Test signing up."""

    def sign_up(self, **fields: str) -> Any:
        """Send the form."""
        password = "a-long-way-home-7"
        data = {"username": "ada", "email": "ada@example.com", "password1": password, "password2": password, **fields}
        return self.client.post(reverse("shop:sign_up"), data)

    def test_a_new_customer_is_logged_in_and_goes_on(self) -> None:
        self.assertRedirects(self.sign_up(next="/orders/"), "/orders/")
        self.assertEqual(get_user_model().objects.get().email, "ada@example.com")

    def test_next_url_of_another_site_is_ignored(self) -> None:
        self.assertRedirects(self.sign_up(next="https://evil.example.com/"), "/")

    def test_an_address_is_needed(self) -> None:
        self.assertContains(self.sign_up(email=""), "This field is required")
        self.assertFalse(get_user_model().objects.exists())

    def test_pages_for_guests(self) -> None:
        self.assertContains(self.client.get(reverse("shop:sign_up"), {"next": "/esims/"}), 'value="/esims/"')
        self.assertContains(self.client.get(reverse("login"), {"next": "/esims/"}), "/accounts/sign-up/?next=/esims/")
