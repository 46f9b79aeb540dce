"""Test the checkout, and what the shop does when orders change."""

import uuid
from typing import Any
from unittest import mock

from django.core import mail
from django.db import OperationalError
from django.test import TestCase
from django.urls import reverse
from django.utils import timezone
from django_airalo import services
from django_airalo.models import EsimOrder, OrderEvent, Package, PricingRule
from django_airalo.signals import esim_order_completed
from django_airalo.testing import low_data_payload, sim_payload

from shop import checkout
from shop.models import Order, OrderLine, ReceivedSignal
from shop.payments import DECLINED_CARD

from .base import ShopTestCase


def withdraw(*arguments: Any) -> None:
    """Withdraw all packages, as Airalo may."""
    Package.objects.update(withdrawn_at=timezone.now())


class CheckoutTests(ShopTestCase):
    """Test paid, declined, repeated and invalid checkouts."""

    def assert_nothing_was_kept(self) -> None:
        """Assert that there is neither an order of the shop nor an eSIM order."""
        self.assertFalse(Order.objects.exists())
        self.assertFalse(EsimOrder.objects.exists())
        self.assertEqual(self.airalo.orders, [])

    def test_a_paid_order_is_sent_to_airalo(self) -> None:
        order = self.buy(quantity=2)

        esim_order = self.esim_order(order)
        self.assertEqual(esim_order.status, EsimOrder.Status.ACCEPTED)
        self.assertEqual(esim_order.idempotency_key, f"shop-line-{order.lines.get().pk}")
        self.assertEqual(esim_order.user, self.user)
        (asked,) = self.airalo.orders
        self.assertEqual((asked.body["package_id"], int(asked.body["quantity"])), (self.package.package_id, 2))

    def test_the_price_of_the_rules_is_paid_and_kept(self) -> None:
        rule = PricingRule.objects.create(name="All", base="retail", markup=100)
        with mock.patch("shop.payments.charge") as charge:
            order = self.buy(quantity=2)
        rule.delete()
        self.assertEqual(charge.call_args.args[1], 18)
        self.assertEqual(order.total, 18)

    def test_price_that_customer_has_not_seen_is_not_charged(self) -> None:
        path = reverse("shop:checkout", args=[self.package.package_id])
        self.assertContains(self.client.get(path), '<input type="hidden" name="price" value="4.50"')
        PricingRule.objects.create(name="All", base="retail", markup=100)

        response = self.pay(price="4.50")

        self.assertContains(response, "The price has changed. It is now $9.00", status_code=422)
        self.assertContains(response, '<input type="hidden" name="price" value="9.00"', status_code=422)
        self.assert_nothing_was_kept()
        self.assertEqual(self.buy(price="9.00").total, 9)

    def test_a_declined_card_leaves_nothing_behind(self) -> None:
        response = self.pay(card=DECLINED_CARD)

        self.assertContains(response, "The card was declined", status_code=422)
        self.assert_nothing_was_kept()

    def test_a_double_click_buys_once(self) -> None:
        key = uuid.uuid4()
        order = self.buy(checkout_key=key)
        response = self.pay(checkout_key=key)

        self.assertRedirects(response, order.get_absolute_url())
        self.assertEqual(len(self.airalo.orders), 1)

    def test_checkout_key_of_another_user_shows_nothing(self) -> None:
        key = uuid.uuid4()
        self.buy(checkout_key=key)
        Order.objects.update(user=type(self.user).objects.create_user("eve"))

        self.assertEqual(self.pay(checkout_key=key).status_code, 404)

    def test_a_package_withdrawn_while_the_customer_pays_is_refunded_not_paid_again(self) -> None:
        with mock.patch("shop.payments.charge", side_effect=withdraw) as charge:
            order = self.buy()  # leads to its page, not back to the checkout

        charge.assert_called_once()
        esim_order = self.esim_order(order)
        self.assertTrue(esim_order.is_refused_at_placing)
        self.assertEqual(esim_order.status, EsimOrder.Status.FAILED)
        self.assertEqual(order.lines.get().status, OrderLine.Status.REFUNDED)
        self.assertEqual(self.airalo.orders, [])
        (message,) = mail.outbox
        self.assertIn("Refund", message.subject)
        self.assertContains(self.client.get(order.get_absolute_url()), "You get a refund")

    def test_a_package_withdrawn_before_the_customer_pays_is_not_charged(self) -> None:
        withdraw()
        with mock.patch("shop.payments.charge") as charge:
            self.assertEqual(self.pay(price="4.50").status_code, 404)

        charge.assert_not_called()
        self.assert_nothing_was_kept()

    def test_payment_reported_twice_orders_once(self) -> None:
        order = self.buy(quantity=2)
        with self.captureOnCommitCallbacks(execute=True):
            checkout.payment_received(order)

        self.assertEqual(EsimOrder.objects.count(), 1)
        self.assertEqual(len(self.airalo.orders), 1)

    def test_paid_order_that_failed_to_be_placed_is_placed_when_payment_is_reported_again(self) -> None:
        """A database error must not lead to a refund."""
        with mock.patch("shop.checkout.place_order", side_effect=OperationalError), self.assertRaises(OperationalError):
            self.pay()
        order = Order.objects.get()
        self.assertContains(self.client.get(order.get_absolute_url()), "waiting for your payment")
        self.assertEqual((order.lines.get().status, mail.outbox), (OrderLine.Status.WAITING, []))

        with self.captureOnCommitCallbacks(execute=True):
            checkout.payment_received(order)

        self.assertEqual(self.esim_order(order).status, EsimOrder.Status.ACCEPTED)
        self.assertEqual(len(self.airalo.orders), 1)

    def test_nonsense_is_refused(self) -> None:
        for fields in (
            {"quantity": "two"},
            {"quantity": 0},
            {"quantity": 51},
            {"card": "x"},
            {"checkout_key": "x"},
            {"price": ""},
        ):
            with self.subTest(fields):
                self.assertEqual(self.pay(**fields).status_code, 422)
        self.assert_nothing_was_kept()

    def test_what_is_not_sold_is_not_found(self) -> None:
        Package.objects.update(withdrawn_at=timezone.now())
        for name in ("shop:package", "shop:checkout"):
            self.assertEqual(self.client.get(reverse(name, args=[self.package.package_id])).status_code, 404)

    def test_nul_is_in_no_package_id(self) -> None:
        for path in ("/packages/a%00b/", "/packages/a%00b/checkout/"):
            with self.assertNumQueries(0):  # PostgreSQL would refuse one
                self.assertEqual(self.client.get(path).status_code, 404)

    def test_a_package_without_a_price_is_not_sold(self) -> None:
        Package.objects.update(price=0)
        self.assertEqual(self.client.get(reverse("shop:package", args=[self.package.package_id])).status_code, 404)
        self.assertNotContains(self.client.get(reverse("shop:packages")), "Iceland")

    def test_a_guest_is_asked_to_log_in(self) -> None:
        self.client.logout()
        path = reverse("shop:checkout", args=[self.package.package_id])
        self.assertRedirects(self.client.get(path), f"{reverse('login')}?next={path}")


class DeliveryTests(ShopTestCase):
    """Test the receivers of signals."""

    def setUp(self) -> None:
        """Buy one eSIM."""
        super().setUp()
        self.order = self.buy()
        self.line = self.order.lines.get()
        self.placed = self.esim_order(self.order)
        mail.outbox.clear()

    def test_a_delivered_order_is_fulfilled_and_announced(self) -> None:
        self.airalo.deliver(self.placed)

        self.line.refresh_from_db()
        self.assertEqual(self.line.status, OrderLine.Status.FULFILLED)
        (message,) = mail.outbox
        self.assertEqual(message.to, ["ada@example.com"])
        self.assertIn(self.order.get_absolute_url(), message.body)
        self.assertNotIn(self.placed.esims.get().matching_id, message.body)

    def test_the_rest_of_a_part_delivery_is_shown_and_announced(self) -> None:
        order = self.buy(quantity=3)
        esim_order = self.esim_order(order)
        sims = [sim_payload() for _ in range(3)]
        self.airalo.deliver(esim_order, id=1, sims=sims[:2])

        page = self.client.get(order.get_absolute_url())
        self.assertContains(page, "2 of 3 eSIMs are delivered.")
        self.assertContains(page, "hx-get")  # it goes on following
        self.assertContains(page, 'data-missing="1"')
        self.assertEqual([message.subject for message in mail.outbox], ["Your eSIM for Iceland is ready"])

        self.airalo.deliver(esim_order, id=1, sims=sims)

        page = self.client.get(order.get_absolute_url())
        self.assertContains(page, "Your eSIM is ready to install.")
        self.assertNotContains(page, "hx-get")
        self.assertEqual(mail.outbox[1].subject, "Your eSIMs for Iceland have changed")
        self.assertIn(order.get_absolute_url(), mail.outbox[1].body)

    def test_an_esim_without_code_says_so_until_it_comes(self) -> None:
        sim = sim_payload()
        blank = dict.fromkeys(("qrcode", "matching_id", "direct_apple_installation_url"))
        self.airalo.deliver(self.placed, id=1, sims=[{**sim, **blank}])
        page = self.client.get(self.order.get_absolute_url())
        self.assertContains(page, "The code of this eSIM has not arrived yet.")
        self.assertNotContains(page, "<svg")

        self.airalo.deliver(self.placed, id=1, sims=[sim])

        self.assertContains(self.client.get(self.order.get_absolute_url()), sim["matching_id"])
        self.assertEqual(len(mail.outbox), 2)

    def test_two_esims_and_a_top_up_are_taken(self) -> None:
        order = self.buy(quantity=2)
        esim_order = self.esim_order(order)
        self.airalo.deliver(esim_order)
        esim = esim_order.esims.all()[1]
        with self.captureOnCommitCallbacks(execute=True):
            services.place_topup(esim, package_id="test-topup")  # by an operator: the shop has no line for it

        self.assertEqual(order.lines.get().status, OrderLine.Status.FULFILLED)
        self.assertEqual(len(mail.outbox), 1)
        self.assertEqual(esim.topups.get().status, EsimOrder.Status.COMPLETED)
        self.assertEqual(set(OrderEvent.objects.values_list("signal_error", flat=True)), {""})

    def test_a_repeated_signal_is_acted_upon_once(self) -> None:
        self.airalo.deliver(self.placed)
        event = OrderEvent.objects.get(order=self.placed, new_status="completed")
        esim_order_completed.send(EsimOrder, order=self.placed, event_id=event.event_id, late=False)

        self.assertEqual(len(mail.outbox), 1)
        self.assertEqual(ReceivedSignal.objects.get().event_id, event.event_id)

    def test_a_mail_that_could_not_be_sent_is_sent_later(self) -> None:
        with (
            mock.patch("shop.mails.send_mail", side_effect=OSError("the mail server is away")),
            self.assertLogs("django.dispatch", "ERROR"),
        ):
            self.airalo.deliver(self.placed)
        self.line.refresh_from_db()
        self.assertEqual(self.line.status, OrderLine.Status.WAITING)

        OrderEvent.objects.filter(signal_due_at__isnull=False).update(signal_due_at=timezone.now())
        self.airalo.sweep()

        self.line.refresh_from_db()
        self.assertEqual(self.line.status, OrderLine.Status.FULFILLED)
        self.assertEqual(len(mail.outbox), 1)

    def test_failed_order_is_refunded_and_customer_is_emailed(self) -> None:
        self.airalo.fail(self.placed)

        self.line.refresh_from_db()
        self.assertEqual(self.line.status, OrderLine.Status.REFUNDED)
        self.assertIn("Refund", mail.outbox[0].subject)
        self.assertContains(self.client.get(self.order.get_absolute_url()), "Not delivered")

    def test_delivered_order_is_not_refunded_by_delayed_signal(self) -> None:
        with (
            mock.patch("shop.mails.send_mail", side_effect=OSError("the mail server is away")),
            self.assertLogs("django.dispatch", "ERROR"),
        ):
            self.airalo.fail(self.placed)
        with self.assertLogs("shop", "WARNING"):
            self.airalo.deliver(self.placed)

        OrderEvent.objects.filter(signal_due_at__isnull=False).update(signal_due_at=timezone.now())
        self.airalo.sweep()

        self.assertFalse(OrderEvent.objects.filter(signal_due_at__isnull=False).exists())
        self.line.refresh_from_db()
        self.assertEqual(self.line.status, OrderLine.Status.FULFILLED)
        self.assertEqual([message.subject.count("money back") for message in mail.outbox], [0])

    def test_low_data_is_emailed_to_customer(self) -> None:
        self.airalo.deliver(self.placed)
        self.airalo.push(low_data_payload(self.placed.esims.get().iccid, level="90%"))

        self.assertIn("running low", mail.outbox[-1].subject)
        self.assertIn("90%", mail.outbox[-1].body)

    def test_low_data_of_unknown_esim_sends_no_email(self) -> None:
        self.airalo.push(low_data_payload("8900000000000000123"))
        self.assertEqual(mail.outbox, [])


class ForeignOrderTests(TestCase):
    """Test an order that the shop did not place."""

    def test_its_signal_does_no_harm(self) -> None:
        order = EsimOrder.objects.create(package_id="test-mobile-7days-1gb")
        esim_order_completed.send(EsimOrder, order=order, event_id=uuid.uuid4(), late=False)
        self.assertFalse(ReceivedSignal.objects.exists())
