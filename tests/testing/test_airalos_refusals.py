# ruff: noqa: PT009, PT027  written as a shop's unittest cases are
"""A shop's purchases by every road, and what Airalo refuses, without a socket and without a thread."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest import mock

from django.test import TestCase

from django_airalo import exceptions, services
from django_airalo.client import get_client
from django_airalo.models import EsimOrder, Package
from django_airalo.services import operations
from django_airalo.testing import FakeAiralo

PACKAGE = "test-mobile-7days-1gb"
TOPUP = "test-mobile-7days-1gb-topup"


def forbidden(*args, **kwargs):
    raise AssertionError("a test with the fake Airalo needs neither a socket nor a thread")


class Shop(TestCase):
    def setUp(self):
        self.airalo = self.enterContext(FakeAiralo())

    def commit(self, service, *args, **kwargs):
        with self.captureOnCommitCallbacks(execute=True):
            row = service(*args, **kwargs)
        row = row[0] if isinstance(row, list | tuple) else row
        row.refresh_from_db()
        return row

    def buy(self, package_id=PACKAGE, **content):
        return self.commit(services.place_order, package_id=package_id, **content)

    def due_date(self, days=30):
        return (datetime.now(UTC) + timedelta(days=days)).replace(second=0, microsecond=0)


class EveryRoad(Shop):
    def setUp(self):
        super().setUp()
        self.enterContext(mock.patch.object(socket, "socket", forbidden))
        self.enterContext(mock.patch.object(socket, "create_connection", forbidden))
        self.enterContext(mock.patch.object(threading.Thread, "start", forbidden))

    def test_patches_forbid_sockets_and_threads(self):
        with self.assertRaises(AssertionError):
            socket.create_connection(("127.0.0.1", 9))
        with self.assertRaises(AssertionError):
            threading.Thread(target=print).start()

    def test_order_by_webhook(self):
        order = self.buy(quantity=2)
        self.assertEqual((order.status, self.airalo.balance), ("accepted", Decimal(997)))

        self.assertEqual(self.airalo.deliver(order).status_code, 200)

        order.refresh_from_db()
        self.assertEqual((order.status, order.esims.count()), ("completed", 2))
        (attempt,) = self.airalo.core.delivery_attempts()
        self.assertEqual(attempt["status"], 200)

    def test_order_by_look_up(self):
        order = self.buy()
        self.assertEqual(services.sync_order(order).status, "accepted")

        self.airalo.fulfil(order)

        self.assertEqual(services.sync_order(order).status, "completed")

    def test_order_without_an_answer_is_listed_only_when_fulfilled(self):
        for mode in ("async", "sync"):
            self.airalo.time_out(bought=True)
            order = self.buy(mode=mode)
            self.assertEqual(services.sync_order(order).status, "unconfirmed")

            self.airalo.fulfil(order)

            self.assertEqual(services.sync_order(order).status, "completed")

    def test_synchronous_order(self):
        order = self.buy(mode="sync")
        self.assertEqual((order.status, order.esims.count()), ("completed", 1))

    def test_topup(self):
        esim = self.buy(mode="sync").esims.get()
        topup = self.commit(services.place_topup, esim, package_id=TOPUP)
        self.assertEqual(topup.status, "completed")
        self.assertEqual(services.sync_usage(esim).total, 2048)

    def test_future_order(self):
        order = self.buy(due_date=self.due_date())
        self.assertEqual((order.status, self.airalo.balance), ("scheduled", Decimal(1000)))

        self.airalo.deliver(order)

        order.refresh_from_db()
        self.assertEqual((order.status, self.airalo.balance), ("completed", Decimal("998.5")))

    def test_future_order_that_is_cancelled(self):
        order = self.buy(due_date=self.due_date())
        with self.captureOnCommitCallbacks(execute=True):
            services.cancel_order(order)
        order.refresh_from_db()
        self.assertEqual((order.status, self.airalo.find(order).cancelled), ("cancelled", True))

    def test_refund(self):
        order = self.buy(mode="sync")
        refund = self.commit(services.request_refund, [order.esims.get()], reason="NO_COVERAGE")

        self.airalo.core.resolve_refund(refund.refund_id)

        self.assertEqual(self.airalo.balance, Decimal(1000))
        self.assertEqual(get_client().get_order(order.airalo_order_id).status, "refunded")

    def test_vouchers(self):
        voucher = self.commit(services.create_esim_vouchers, package_id=PACKAGE, quantity=2)
        self.assertEqual(len(voucher.codes.split()), 2)
        self.assertEqual(self.airalo.balance, Decimal(997))

    def test_failure_gives_the_price_back(self):
        order = self.buy()
        self.airalo.fail(order)
        order.refresh_from_db()
        self.assertEqual((order.status, self.airalo.balance), ("failed", Decimal(1000)))

    def test_order_that_this_shop_has_forgotten_is_imported(self):
        self.airalo.add_order("by hand", quantity=2)
        with self.captureOnCommitCallbacks(execute=True):
            operations.import_orders()
        order = EsimOrder.objects.get()
        self.assertEqual((order.is_imported, order.esims.count()), (True, 2))

    def test_catalogue(self):
        self.airalo.add_package("japan-1gb", price=9)
        services.sync_packages()
        packages = dict(Package.objects.values_list("package_id", "price"))
        self.assertEqual(packages["japan-1gb"], Decimal(9))
        self.assertIn(PACKAGE, packages)

    def test_reset_forgets_orders_and_keeps_packages(self):
        self.airalo.add_package("japan-1gb")
        order = self.buy()
        self.airalo.reset()
        self.assertEqual((self.airalo.orders, self.airalo.balance), ([], Decimal(1000)))
        with self.assertRaisesMessage(AssertionError, "never asked"):
            self.airalo.find(order)
        self.assertEqual(self.buy("japan-1gb").status, "accepted")


class Refusals(Shop):
    def test_unknown_package(self):
        order = self.buy("no-such-package")
        self.assertEqual((order.status, self.airalo.find(order).bought), ("failed", False))
        self.assertIn("The selected package is invalid.", order.error_reason)

    def test_unknown_package_of_a_future_order(self):
        order = self.buy("no-such-package", due_date=self.due_date())
        self.assertEqual((order.status, order.error_code), ("failed", 34))

    def test_quantity_over_the_limit(self):
        with self.assertRaises(exceptions.AiraloRefusedError) as caught:
            get_client().submit_order(package_id=PACKAGE, quantity=51)
        self.assertEqual(caught.exception.field_errors, {"quantity": "The quantity may not be greater than 50."})
        self.assertFalse(self.airalo.orders[0].bought)

    def test_insufficient_credit(self):
        self.airalo.balance = "1.00"
        order = self.buy()
        self.assertEqual((order.status, self.airalo.find(order).bought), ("pending", False))
        self.assertEqual((order.error_code, self.airalo.balance), (11, Decimal("1.00")))

    def test_out_of_stock(self):
        self.airalo.core.set_stock(PACKAGE, 0)
        order = self.buy()
        self.assertEqual((order.status, order.error_code), ("failed", 34))

    def test_airalos_test_package(self):
        order = self.buy("test-out-of-stock-7days-1gb")
        self.assertEqual((order.status, order.error_code), ("failed", 34))

    def test_topup_of_a_recycled_esim(self):
        esim = self.buy(mode="sync").esims.get()
        self.airalo.set_usage(esim.iccid, status="RECYCLED")
        topup = self.commit(services.place_topup, esim, package_id=TOPUP)
        self.assertEqual((topup.status, topup.error_code), ("failed", 73))

    def test_topup_that_is_a_package_of_esims(self):
        esim = self.buy(mode="sync").esims.get()
        topup = self.commit(services.place_topup, esim, package_id=PACKAGE)
        self.assertEqual(topup.status, "failed")
        self.assertIn("invalid topup package", topup.error_reason)

    def test_future_order_that_is_due_too_soon(self):
        with self.assertRaises(exceptions.AiraloRefusedError) as caught:
            get_client().submit_future_order(package_id=PACKAGE, quantity=1, due_date=datetime.now(UTC))
        self.assertIn("due_date", caught.exception.field_errors)

    def test_refund_for_a_reason_that_airalo_does_not_know(self):
        esim = self.buy(mode="sync").esims.get()
        with self.assertRaises(exceptions.AiraloRefusedError):
            get_client().request_refund(iccids=[esim.iccid], reason="BORED")
        self.assertFalse(self.airalo.refunds[0].bought)

    def test_purchase_behind_a_time_out_that_airalo_would_refuse(self):
        self.airalo.time_out(bought=True)
        with self.assertRaisesMessage(AssertionError, "The selected package is invalid."):
            services.submit_order(services.place_order(package_id="no-such-package"))

    def test_delivery_of_what_airalo_does_not_sell(self):
        order = self.buy("no-such-package")
        with self.assertRaisesMessage(AssertionError, "The selected package is invalid."):
            self.airalo.deliver(order)
