# ruff: noqa: PT009, PT027  written as a shop's unittest cases are
"""A shop's own tests of all that it sells, with the fake Airalo and the verbs that it calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.test import TestCase

from django_airalo import services
from django_airalo.exceptions import RecycledEsimError
from django_airalo.models import EsimOrder
from django_airalo.testing import FakeAiralo, package_payload

PACKAGE = "test-mobile-7days-1gb"
TOPUP = "test-mobile-7days-1gb-topup"


class Shop(TestCase):
    def setUp(self):
        self.airalo = FakeAiralo()
        self.airalo.__enter__()
        self.addCleanup(self.airalo.__exit__, None, None, None)

    def commit(self, verb, *args, **kwargs):
        with self.captureOnCommitCallbacks(execute=True):
            return verb(*args, **kwargs)

    def buy(self, **content):
        order = self.commit(services.place_order, package_id=PACKAGE, **content)
        order.refresh_from_db()
        return order

    def esim(self):
        return self.buy(mode="sync").esims.get()

    def due_date(self):
        return (datetime.now(UTC) + timedelta(days=9)).replace(second=0, microsecond=0)

    def test_a_synchronous_order_needs_no_webhook(self):
        order = self.buy(mode="sync", quantity=2)

        self.assertEqual((order.status, order.esims.count()), ("completed", 2))
        self.assertEqual(self.airalo.find(order).kind, "sync")

    def test_a_synchronous_order_without_an_answer_is_found(self):
        self.airalo.time_out(bought=True)
        order = self.buy(mode="sync")
        self.assertEqual(order.status, "unconfirmed")

        self.airalo.fulfil(order)
        order = services.sync_order(order)

        self.assertEqual((order.status, order.esims.count(), len(self.airalo.orders)), ("completed", 1, 1))

    def test_a_topup(self):
        esim = self.esim()

        topup = self.commit(services.place_topup, esim, package_id=TOPUP)

        topup.refresh_from_db()
        self.assertEqual((topup.status, topup.type, topup.esim), ("completed", "topup", esim))
        self.assertEqual(self.airalo.find(topup).body["iccid"], esim.iccid)
        packages = services.sync_esim_packages(esim)
        self.assertEqual({package.package_id for package in packages}, {PACKAGE, TOPUP})

    def test_a_topup_without_an_answer_is_found(self):
        esim = self.esim()
        self.airalo.time_out(bought=True)
        topup = self.commit(services.place_topup, esim, package_id=TOPUP)
        topup.refresh_from_db()
        self.assertEqual(topup.status, "unconfirmed")

        self.airalo.fulfil(topup)

        self.assertEqual(services.sync_order(topup).status, "completed")
        self.assertEqual([order.kind for order in self.airalo.orders], ["sync", "topup"])

    def test_a_topup_that_is_refused(self):
        esim = self.esim()
        self.airalo.reject(23)

        topup = self.commit(services.place_topup, esim, package_id=TOPUP)

        topup.refresh_from_db()
        self.assertEqual((topup.status, topup.error_code), ("failed", 23))

    def test_topups_to_choose_from(self):
        esim = self.esim()
        self.assertEqual(len(services.list_topup_packages(esim)), 2)

        self.airalo.topup_packages = [package_payload(id="mine", type="topup", price="3.00")]

        (package,) = services.list_topup_packages(esim)
        self.assertEqual((package.id, package.price), ("mine", Decimal("3.00")))
        self.airalo.set_usage(esim.iccid, status="RECYCLED")
        with self.assertRaises(RecycledEsimError):
            services.list_topup_packages(esim)

    def test_a_future_order_is_delivered(self):
        order = self.buy(due_date=self.due_date())
        self.assertEqual(order.status, "scheduled")

        self.airalo.deliver(order)

        order.refresh_from_db()
        self.assertEqual((order.status, order.esims.count()), ("completed", 1))

    def test_a_future_order_is_cancelled(self):
        order = self.buy(due_date=self.due_date())

        self.commit(services.cancel_order, order)

        order.refresh_from_db()
        self.assertEqual(order.status, EsimOrder.Status.CANCELLED)
        self.assertTrue(self.airalo.find(order).cancelled)

    def test_usage(self):
        esim = self.esim()
        self.airalo.set_usage(esim.iccid, status="ACTIVE", remaining=100, total=1024)

        esim = services.sync_usage(esim)

        self.assertEqual((esim.usage_status, esim.remaining, esim.total), ("active", 100, 1024))

    def test_a_refund(self):
        esim = self.esim()

        (refund,) = self.commit(services.request_refund, [esim], reason="NO_COVERAGE")

        refund.refresh_from_db()
        self.assertEqual(refund.refund_id, self.airalo.refunds[0].request_id)
        self.assertEqual(self.airalo.refunds[0].body["iccids"], [esim.iccid])

    def test_vouchers(self):
        voucher = self.commit(services.create_esim_vouchers, package_id=PACKAGE, quantity=2, idempotency_key="line-1")

        voucher.refresh_from_db()
        self.assertEqual(len(voucher.codes.split()), 2)
        self.assertEqual(self.airalo.vouchers[0].body["vouchers"][0]["quantity"], 2)
