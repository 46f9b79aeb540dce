# ruff: noqa: N802, PT009, PT027  written as a shop's unittest cases are
"""``django_airalo.testing`` as a shop uses it in its own tests: with Django's TestCase, without pytest."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import connection
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings

from django_airalo import services, signals
from django_airalo.client import get_client, use_client
from django_airalo.client.payloads import OrderData
from django_airalo.models import EsimOrder, WebhookEvent
from django_airalo.testing import (
    FakeAiralo,
    credit_limit_payload,
    failure_payload,
    low_data_payload,
    order_payload,
    sign_webhook,
    sim_payload,
    webhook_payload,
)

PACKAGE = "test-mobile-7days-1gb"


class Shop:
    """What any test case of a shop does; mixed into both kinds of Django's."""

    def setUp(self):
        self.airalo = FakeAiralo()
        self.airalo.__enter__()
        self.addCleanup(self.airalo.__exit__, None, None, None)
        self.completed = []
        signals.esim_order_completed.connect(self.on_completed)
        self.addCleanup(signals.esim_order_completed.disconnect, self.on_completed)

    def on_completed(self, order, event_id, late, **kwargs):
        self.completed.append((order.pk, late))

    def buy(self, **arguments) -> EsimOrder:
        with self.captureOnCommitCallbacks(execute=True):
            order = services.place_order(package_id=PACKAGE, **arguments)
        order.refresh_from_db()
        return order

    def reload(self, order):
        order.refresh_from_db()
        return order.status

    def test_accept_and_deliver(self):
        for shape in ("enveloped", "flat", "nested"):
            order = self.buy(quantity=2)
            self.assertEqual(order.status, "accepted")
            self.assertTrue(self.airalo.find(order).bought)
            self.assertEqual(self.airalo.deliver(order, shape=shape).status_code, 200)
            self.assertEqual(self.reload(order), "completed")
            self.assertEqual(order.esims.count(), 2)
            self.assertIn((order.pk, False), self.completed)
        self.assertEqual(len(self.airalo.orders), 3)

    def test_deliver_twice_is_once(self):
        order = self.buy()
        self.airalo.deliver(order)
        self.airalo.deliver(order)
        self.assertEqual(self.completed, [(order.pk, False)])
        self.assertEqual(order.esims.count(), 1)

    def test_deliver_something_else(self):
        order = self.buy(quantity=2)
        self.airalo.deliver(order, sims=[sim_payload()])
        self.assertEqual(self.reload(order), "completed")
        self.assertEqual(order.missing, 1)
        self.assertIn("1 of 2 eSIMs", order.attention)

    def test_reject_with_a_code(self):
        self.airalo.reject(34)
        order = self.buy()
        self.assertEqual((order.status, order.error_code), ("failed", 34))
        self.assertFalse(self.airalo.find(order).bought)
        self.assertEqual(self.buy().status, "accepted")  # only the next one

    def test_reject_with_fields(self):
        self.airalo.reject(quantity="The quantity may not be greater than 50.")
        order = self.buy()
        self.assertEqual((order.status, order.error_code), ("failed", None))
        self.assertIn("greater than 50", order.error_reason)

    def test_reject_with_a_status(self):
        self.airalo.reject(89, status=403, reason="Not from here.")
        order = self.buy()
        self.assertEqual((order.status, order.error_code), ("pending", 89))

    def test_time_out_bought(self):
        self.airalo.time_out(bought=True)
        order = self.buy()
        self.assertEqual(order.status, "unconfirmed")
        self.assertTrue(self.airalo.find(order).bought)
        self.airalo.deliver(order)
        self.assertEqual(self.reload(order), "completed")

    def test_time_out_and_look_up(self):
        self.airalo.time_out(bought=True)
        order = self.buy()
        self.airalo.fulfil(order)
        EsimOrder.objects.update(due_at=order.created_at)
        self.airalo.sweep()
        self.assertEqual(self.reload(order), "completed")
        self.assertEqual(len(self.airalo.orders), 1)
        self.assertEqual(self.completed, [(order.pk, False)])

    def test_any_answer(self):
        self.airalo.answer(429, {"message": "Too Many Attempts."}, Retry_After="60")
        order = self.buy()
        self.assertEqual(order.status, "pending")
        self.assertGreater((order.due_at - order.submitted_at).total_seconds(), 59)
        EsimOrder.objects.update(due_at=order.created_at)
        self.airalo.sweep()
        self.assertEqual(self.reload(order), "accepted")

    def test_answers_in_turn(self):
        self.airalo.reject(34)
        self.airalo.time_out()
        self.airalo.answer(500, b"<html>", bought=True)
        self.assertEqual([self.buy().status for _ in range(4)], ["failed", "unconfirmed", "unconfirmed", "accepted"])
        self.assertEqual([fake.bought for fake in self.airalo.orders], [False, False, True, True])

    def test_fail(self):
        order = self.buy()
        self.assertEqual(self.airalo.fail(order, code=None, reason="Gone.").status_code, 200)
        self.assertEqual(self.reload(order), "failed")
        self.assertEqual(order.error_reason, "Gone.")
        self.airalo.deliver(order)
        self.assertEqual(self.completed, [(order.pk, True)])

    def test_push_anything(self):
        self.assertEqual(self.airalo.push(low_data_payload("8900000000000000123")).status_code, 200)
        self.assertEqual(self.airalo.push(credit_limit_payload(level=90)).status_code, 200)
        self.assertEqual(self.airalo.push(b"not JSON").status_code, 200)
        self.assertEqual(self.airalo.push(credit_limit_payload(), secret="wrong").status_code, 401)
        self.assertEqual(
            sorted(WebhookEvent.objects.values_list("status", flat=True)), ["processed", "processed", "set_aside"]
        )

    def test_push_with_a_token_in_the_address(self):
        with self.settings(AIRALO_WEBHOOK_URL_TOKEN="t0ken"):
            order = self.buy()
            self.assertTrue(self.airalo.find(order).body["webhook_url"].endswith("/t0ken/"))
            self.assertEqual(self.airalo.deliver(order).status_code, 200)

    def test_idempotency(self):
        self.assertEqual(self.buy(idempotency_key="line-1"), self.buy(idempotency_key="line-1"))
        self.assertEqual(len(self.airalo.orders), 1)

    def test_balance(self):
        self.airalo.balance = 12.5
        self.assertEqual(str(get_client().get_balance().amount), "12.5")

    def test_an_order_that_was_never_sent_cannot_be_delivered(self):
        order = services.place_order(package_id=PACKAGE) if connection.in_atomic_block else EsimOrder()
        with self.assertRaisesMessage(AssertionError, "Was it submitted?"):
            self.airalo.deliver(order)


class InTestCase(Shop, TestCase):
    pass


class InTransactionTestCase(Shop, TransactionTestCase):
    def captureOnCommitCallbacks(self, **kwargs):
        """A TransactionTestCase commits for real."""
        from contextlib import nullcontext

        return nullcontext()


class AsADecorator(TestCase):
    decorated = FakeAiralo()

    @decorated
    def test_once(self):
        self.check()

    @decorated
    def test_twice(self):
        self.check()

    def check(self):
        self.assertEqual(self.decorated.orders, [])
        with self.captureOnCommitCallbacks(execute=True):
            order = services.place_order(package_id=PACKAGE)
        self.assertEqual(len(self.decorated.orders), 1)
        self.assertEqual(self.decorated.deliver(order).status_code, 200)


class Afterwards(SimpleTestCase):
    def test_settings_and_client_are_restored(self):
        before = (settings.AIRALO_WEBHOOK_URL, hasattr(settings, "AIRALO_WEBHOOK_SECRETS"))
        with FakeAiralo():
            self.assertTrue(settings.AIRALO_WEBHOOK_SECRETS)
            fake = get_client()
        with self.assertRaises(ZeroDivisionError), FakeAiralo():
            raise ZeroDivisionError
        self.assertEqual((settings.AIRALO_WEBHOOK_URL, hasattr(settings, "AIRALO_WEBHOOK_SECRETS")), before)
        self.assertIsNot(get_client(), fake)
        self.assertIsNone(use_client(None))

    def test_one_inside_another(self):
        with FakeAiralo():
            outer = get_client()
            with FakeAiralo():
                self.assertIsNot(get_client(), outer)
            self.assertIs(get_client(), outer)

    @override_settings(AIRALO_CLIENT_ID="", AIRALO_CLIENT_SECRET="", AIRALO_WEBHOOK_URL="")
    def test_it_needs_no_settings_of_the_shop(self):
        with FakeAiralo() as airalo:
            self.assertTrue(settings.AIRALO_WEBHOOK_URL)
            self.assertTrue(get_client().get_token())
            self.assertEqual(airalo.push(b"x", secret="wrong").status_code, 401)

    def test_the_client_talks_to_nobody_else(self):
        with FakeAiralo():
            self.assertEqual(str(get_client().get_balance().amount), "1000")


def test_payloads_are_never_the_same():
    assert len({sim_payload()["iccid"] for _ in range(1000)}) == 1000
    assert order_payload()["id"] != order_payload()["id"]
    assert len(order_payload(quantity=3)["sims"]) == 3
    assert order_payload(sims=[])["sims"] == []


@pytest.mark.parametrize("shape", ["enveloped", "flat", "nested"])
def test_webhook_payloads_leave_the_order_as_it_is(shape):
    order = order_payload()
    copy = dict(order)
    payload = webhook_payload(order, "request-1", shape)
    assert order == copy
    assert OrderData.from_json(payload).request_id == "request-1"


def test_failure_payloads_leave_out_what_is_none():
    assert failure_payload(None, code=None) == {"reason": "The package is out of stock."}


def test_signing():
    assert sign_webhook(b"x") == sign_webhook(b"x", "test-secret")
    assert sign_webhook(b"x", "other") != sign_webhook(b"x")
