# ruff: noqa: PT009, PT027  written as a shop's unittest cases are
"""What the fake Airalo answers beside orders: top-ups, future orders, eSIMs, refunds, vouchers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.test import SimpleTestCase

from django_airalo import exceptions
from django_airalo.client import get_client
from django_airalo.client import payloads as p
from django_airalo.testing import FakeAiralo, instructions_payload, package_payload, usage_payload

ICCID = "8900000000000000123"
WEBHOOK = {"webhook_url": "https://shop.example.com/airalo/webhook/"}
TOPUP = "test-mobile-7days-1gb-topup"
DUE = (datetime.now(UTC) + timedelta(days=30)).replace(hour=10, minute=0, second=0, microsecond=0)


class Endpoints(SimpleTestCase):
    def setUp(self):
        self.airalo = FakeAiralo()
        self.airalo.__enter__()
        self.addCleanup(self.airalo.__exit__, None, None, None)
        self.airalo.add_package("a")
        self.airalo.add_esim(ICCID)
        self.client = get_client()

    def test_a_synchronous_order_comes_at_once_and_is_listed(self):
        order = self.client.submit_order(package_id="a", quantity=2, description="ref-1 words")

        self.assertEqual((order.package_id, order.quantity, len(order.sims)), ("a", 2, 2))
        self.assertEqual((self.airalo.orders[0].kind, self.airalo.orders[0].bought), ("sync", True))
        (listed,) = self.client.list_orders(description="ref-1").items
        self.assertEqual((listed.id, listed.status), (order.id, "completed"))
        # The list is poorer than the answer: no link for iPhones, no APN by system, no cost.
        self.assertEqual([sim.activation_code for sim in listed.sims], [sim.activation_code for sim in order.sims])
        self.assertEqual({sim.apple_installation_url for sim in listed.sims}, {""})
        self.assertTrue(all(sim.apple_installation_url for sim in order.sims))
        self.assertEqual((listed.net_price, order.net_price), (None, Decimal("1.5")))
        self.assertEqual(self.client.get_order(order.id).code, order.code)
        (by_iccid,) = self.client.list_orders(iccid=order.sims[1].iccid).items
        self.assertEqual(by_iccid.id, order.id)
        self.assertEqual(self.client.list_orders(code="none").items, ())
        with self.assertRaises(exceptions.AiraloAuthenticationError):
            self.client.get_order(1)

    def test_lists_come_in_pages_and_filtered(self):
        ids = [self.client.submit_order(package_id="a", quantity=1).id for _ in range(5)]
        yesterday, today = (datetime.now(UTC).date() - timedelta(days=days) for days in (1, 0))
        self.airalo.orders[0].override(created_at="2025-12-31 23:59:59")
        ids.reverse()  # the newest is listed first

        pages = [self.client.list_orders(limit=2, page=number) for number in (1, 2, 3, 4)]
        self.assertEqual([[order.id for order in page.items] for page in pages], [ids[:2], ids[2:4], ids[4:], []])
        self.assertEqual([page.has_next for page in pages], [True, True, False, False])
        self.assertEqual((pages[0].last_page, pages[0].per_page, pages[0].total), (3, 2, 5))
        self.assertEqual(len(self.client.list_orders().items), 5)
        self.assertEqual(len(self.client.list_orders(order_status="completed").items), 5)
        self.assertEqual(self.client.list_orders(order_status="failed").items, ())
        for last, found in ((today, ids[:-1]), (yesterday - timedelta(days=1), [])):
            listed = self.client.list_orders(created_at=f"2026-01-01 - {last}").items
            self.assertEqual([order.id for order in listed], found)
        (old,) = self.client.list_orders(created_at="2025-12-01 - 2025-12-31").items
        self.assertEqual(old.id, ids[-1])

        self.assertEqual([len(self.client.list_sims(limit=3, page=page).items) for page in (1, 2)], [3, 2])
        self.assertEqual(self.client.list_sims(created_at="2025-01-01 - 2025-01-31").items, ())

    def test_future_orders_by_the_date_they_are_due(self):
        dates = [DUE, DUE + timedelta(days=1), DUE + timedelta(days=2)]
        for due in dates:
            self.client.submit_future_order(package_id="a", quantity=1, due_date=due, **WEBHOOK)

        dates.reverse()  # the last one is listed first

        def listed(**wanted):
            return [order.due_date for order in self.client.list_future_orders(**wanted).items]

        self.assertEqual(listed(), dates)
        self.assertEqual(listed(from_due_date=dates[1]), dates[:2])
        self.assertEqual(listed(to_due_date=dates[1]), dates[1:])
        self.assertEqual(listed(from_due_date=dates[1], to_due_date=dates[1]), [dates[1]])
        self.assertEqual(listed(limit=2, page=2), dates[2:])

    def test_a_topup_comes_at_once(self):
        order = self.client.submit_topup(package_id="test-mobile-7days-1gb-topup", iccid=ICCID, description="ref-2")

        self.assertEqual((order.type, order.sims, order.description), ("topup", (), "ref-2"))
        self.assertEqual((self.airalo.orders[0].kind, self.airalo.orders[0].body["iccid"]), ("topup", ICCID))
        (listed,) = self.client.list_orders(description="ref-2").items
        self.assertEqual((listed.id, listed.type), (order.id, "topup"))
        package, _sold_with = self.client.get_sim_packages(ICCID).items
        self.assertEqual((package.package.id, package.package.type), (TOPUP, "topup"))

    def test_what_is_scripted_is_for_the_next_purchase_of_any_kind(self):
        self.airalo.reject(23)
        with self.assertRaises(exceptions.TopupDisabledError):
            self.client.submit_topup(package_id=TOPUP, iccid=ICCID)
        self.airalo.time_out(bought=True)
        with self.assertRaises(exceptions.AiraloTimeoutError) as caught:
            self.client.submit_future_order(package_id="a", quantity=1, due_date=DUE, **WEBHOOK)
        self.assertTrue(caught.exception.may_have_acted)
        self.airalo.answer(429, {"message": "Too Many Attempts."}, Retry_After="9")
        with self.assertRaises(exceptions.AiraloRateLimitError) as limited:
            self.client.request_refund(iccids=[ICCID], reason="OTHERS")
        self.assertEqual(limited.exception.retry_after, 9)
        self.airalo.reject(vouchers="No.")
        with self.assertRaises(exceptions.AiraloRefusedError):
            self.client.create_esim_vouchers([p.EsimVoucherRequest(package_id="a", quantity=1)])

        self.assertEqual([order.bought for order in self.airalo.orders], [False, True])
        self.assertFalse(self.airalo.refunds[0].bought)
        self.assertFalse(self.airalo.vouchers[0].bought)
        self.assertEqual(self.client.submit_topup(package_id=TOPUP, iccid=ICCID).type, "topup")

    def test_future_orders_are_listed_and_cancelled(self):
        first, second = (
            self.client.submit_future_order(package_id="a", quantity=n, due_date=DUE, **WEBHOOK, description=f"ref-{n}")
            for n in (1, 2)
        )
        self.assertEqual((first.due_date, first.latest_cancellation_date), (DUE, DUE - timedelta(days=1)))
        self.assertEqual(len(first.request_id), 25)
        listed = self.client.list_future_orders().items
        self.assertEqual([order.request_id for order in listed], [second.request_id, first.request_id])
        self.assertEqual([(order.quantity, order.description) for order in listed], [(2, "ref-2"), (1, "ref-1")])
        self.assertEqual(
            {(order.status, order.package_id, order.due_date) for order in listed}, {("pending", "a", DUE)}
        )

        self.client.cancel_future_orders([first.request_id])

        self.assertEqual([order.cancelled for order in self.airalo.orders], [True, False])
        self.assertEqual([order.request_id for order in self.client.list_future_orders().items], [second.request_id])
        self.airalo.orders[1].fulfil()
        self.assertEqual(self.client.list_future_orders().items, ())
        with self.assertRaises(exceptions.AiraloRefusedError) as caught:
            self.client.cancel_future_orders([first.request_id, "u" * 25, second.request_id])
        self.assertIn("already processed", caught.exception.field_errors["request_ids.0"])
        self.assertIn("does not exist", caught.exception.field_errors["request_ids.1"])
        self.assertIn("already processed", caught.exception.field_errors["request_ids.2"])

    def test_an_order_that_failed_is_listed(self):
        for number in (1, 2):
            self.client.submit_order_async(package_id="a", quantity=1, **WEBHOOK, description=f"ref-{number}")
        self.airalo.orders[0].failed = True

        (failed,) = self.client.list_orders(order_status="failed").items
        self.assertEqual((failed.description, failed.status, failed.sims), ("ref-1", "failed", ()))
        self.assertEqual(self.client.get_order(failed.id).id, failed.id)
        self.airalo.orders[0].fulfil()
        self.assertEqual(self.client.list_orders(order_status="failed").items, ())

    def test_future_orders_may_be_listed_without_their_descriptions(self):
        self.client.submit_future_order(package_id="a", quantity=1, due_date=DUE, **WEBHOOK, description="ref")
        self.assertEqual(self.client.list_future_orders().items[0].description, "ref")
        self.airalo.future_descriptions = False
        self.assertEqual(self.client.list_future_orders().items[0].description, "")

    def test_an_esim_by_itself_has_the_confirmation_code(self):
        self.airalo.confirmation_code = "5151"
        (sim,) = self.client.submit_order(package_id="a", quantity=1).sims

        shown = self.client.get_sim(sim.iccid)
        self.assertEqual((sim.confirmation_code, shown.confirmation_code), ("", "5151"))
        self.assertEqual(shown.apple_installation_url, sim.apple_installation_url)
        (listed,) = self.client.list_orders(iccid=sim.iccid).items
        self.assertEqual(listed.sims[0].confirmation_code, "")

    def test_under_discount_pricing_there_is_no_net_price(self):
        self.airalo.pricing_model = "discount_pricing"
        order = self.client.submit_order(package_id="a", quantity=2)
        topup = self.client.submit_topup(package_id=TOPUP, iccid=order.sims[0].iccid)

        self.assertNotIn("net_price", self.airalo.orders[0].payload)
        self.assertIsNone(self.airalo.orders[1].payload["net_price"])
        self.assertEqual((order.net_price, topup.net_price), (None, None))
        self.assertEqual((order.total_amount_paid, topup.total_amount_paid), (Decimal("8.1"), Decimal("4.05")))
        self.assertEqual([package.net_price for package in self.client.get_topup_packages(ICCID)], [None, None])

    def test_a_failed_future_order_is_listed_as_such(self):
        self.client.submit_future_order(package_id="a", quantity=1, due_date=DUE, **WEBHOOK)
        self.airalo.orders[0].failed = True

        self.assertEqual(self.client.list_future_orders().items, ())
        (order,) = self.client.list_future_orders(status="failed").items
        self.assertEqual(order.status, "failed")

    def test_usage_can_be_set_for_each_esim(self):
        self.assertEqual(self.client.get_usage(ICCID).status, "NOT_ACTIVE")

        self.airalo.set_usage(ICCID, status="ACTIVE", remaining=100)
        self.airalo.set_usage(ICCID, expired_at="2026-02-01 00:00:00")

        usage = self.client.get_usage(ICCID)
        self.assertEqual((usage.status, usage.remaining, usage.total), ("ACTIVE", 100, 1024))
        self.assertEqual(usage.expired_at, datetime(2026, 2, 1, tzinfo=UTC))
        self.airalo.add_esim("8900000000000000124")
        self.assertEqual(self.client.get_usage("8900000000000000124").status, "NOT_ACTIVE")

    def test_a_recycled_esim_takes_no_topups(self):
        self.airalo.set_usage(ICCID, status="RECYCLED", remaining=0, is_unlimited=None)

        self.assertEqual(self.client.get_usage(ICCID).status, "RECYCLED")
        for ask in (
            lambda: self.client.get_topup_packages(ICCID),
            lambda: self.client.submit_topup(package_id=TOPUP, iccid=ICCID),
        ):
            with self.assertRaises(exceptions.RecycledEsimError):
                ask()
        self.assertEqual([order.bought for order in self.airalo.orders], [False])

    def test_topups_to_choose_from(self):
        self.assertEqual({package.type for package in self.client.get_topup_packages(ICCID)}, {"topup"})

        self.airalo.topup_packages = [package_payload(id="mine", price="3.00", type="topup")]

        (package,) = self.client.get_topup_packages(ICCID)
        self.assertEqual((package.id, package.price), ("mine", Decimal("3.00")))
        self.airalo.topup_packages = []
        self.assertEqual(self.client.get_topup_packages(ICCID), ())

    def test_esims_that_were_sold(self):
        order = self.client.submit_order(package_id="a", quantity=2, description="ref")
        first, second = (sim.iccid for sim in order.sims)

        self.assertEqual([sim.iccid for sim in self.client.list_sims().items], [second, first])
        (found,) = self.client.list_sims(iccid=second).items
        self.assertEqual((found.order.id, found.order.status, found.recycled), (order.id, "completed", False))
        self.airalo.set_usage(first, status="RECYCLED")
        self.assertTrue(self.client.get_sim(first).recycled)
        with self.assertRaises(exceptions.AiraloNotFoundError):
            self.client.get_sim("8900000000000000124")
        (package,) = self.client.get_sim_packages(first).items
        self.assertEqual((package.package.id, package.package.type), ("a", "sim"))

    def test_brand(self):
        (sim,) = self.client.submit_order(package_id="a", quantity=1).sims

        self.assertEqual(self.client.set_brand(sim.iccid, "Our Brand").brand_settings_name, "Our Brand")
        self.assertEqual(self.client.get_sim(sim.iccid).brand_settings_name, "Our Brand")
        self.assertEqual(self.client.set_brand(sim.iccid, None).brand_settings_name, "")
        self.assertEqual(self.client.get_sim(sim.iccid).brand_settings_name, "")

    def test_instructions_come_in_the_language_asked_for(self):
        instructions = self.client.get_instructions(ICCID, language="de")

        self.assertEqual(instructions.language.lower(), "de")
        self.assertTrue(instructions.ios[0].qr_steps)
        self.assertEqual(self.client.get_instructions(ICCID).language.lower(), "en")

    def test_refunds(self):
        refund = self.client.request_refund(iccids=[ICCID], reason="NO_COVERAGE", notes="None")
        self.client.request_refund(iccids=[ICCID], reason="NO_COVERAGE")

        asked = self.airalo.refunds
        self.assertEqual(refund.refund_id, asked[0].request_id)
        self.assertEqual(
            [(order.kind, order.bought, order.body["iccids"]) for order in asked], [("refund", True, [ICCID])] * 2
        )
        self.assertEqual(self.airalo.orders, [])

    def test_vouchers(self):
        (esims,) = self.client.create_esim_vouchers(
            [p.EsimVoucherRequest(package_id="a", quantity=3, booking_reference="b-1")]
        )
        money = self.client.create_airmoney_voucher(amount=20, quantity=1, usage_limit=4, is_paid=True)
        named = self.client.create_airmoney_voucher(
            amount=20, quantity=1, usage_limit=4, voucher_code="SUMMER", is_paid=True
        )

        self.assertEqual((esims.package_id, esims.booking_reference, len(set(esims.codes))), ("a", "b-1", 3))
        self.assertEqual((money.amount, money.usage_limit, money.is_paid), (Decimal(20), 4, True))
        self.assertTrue(money.code)
        self.assertEqual(named.code, "SUMMER")
        self.assertEqual([order.kind for order in self.airalo.vouchers], ["voucher"] * 3)

    def test_any_answer_can_be_overridden(self):
        self.assertGreater(len(self.client.get_compatible_devices()), 1)

        device = {"os": "ios", "brand": "Apple", "name": "X"}
        self.airalo.override_answer("get", "/v2/compatible-devices-lite", {"data": [device]})
        path = f"/v2/sims/{ICCID}/usage"
        self.airalo.override_answer("GET", path, {"message": "Too Many Attempts."}, status=429)

        self.assertEqual([device.name for device in self.client.get_compatible_devices()], ["X"])
        with self.assertRaises(exceptions.AiraloRateLimitError):
            self.client.get_usage(ICCID)

    def test_an_esim_that_airalo_does_not_know(self):
        unknown = "8900000000000000124"
        for ask in (self.client.get_usage, self.client.get_topup_packages, self.client.get_sim_packages):
            with self.assertRaises(exceptions.AiraloNotFoundError):
                ask(unknown)
        with self.assertRaises(exceptions.AiraloRefusedError) as caught:
            self.client.submit_topup(package_id=TOPUP, iccid=unknown)
        self.assertEqual(caught.exception.field_errors, {"iccid": "The selected iccid is invalid."})
        with self.assertRaises(exceptions.AiraloRefusedError):
            self.client.request_refund(iccids=[unknown], reason="NO_COVERAGE")


def test_payloads_can_be_changed():
    assert usage_payload(remaining=1)["remaining"] == 1
    assert package_payload(price=2)["price"] == 2
    assert p.InstructionsData.from_json({"data": {"instructions": instructions_payload(ios=[])}}).ios == ()
