"""Round trips with the emulator beside orders: top-ups, future orders, eSIMs, refunds, vouchers, catalogue."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import EsimVoucherRequest
from django_airalo.client.signature import verify
from django_airalo.emulator import Emulator
from django_airalo.emulator.options import DOCUMENTED_LIMITS
from django_airalo.exceptions import (
    AiraloNotFoundError,
    AiraloPermissionError,
    AiraloRateLimitError,
    AiraloRefusedError,
    InsufficientCreditError,
    PackageUnavailableError,
    RecycledEsimError,
    TopupDisabledError,
)
from tests.scripted_server import Answer, ScriptedServer

from .support import PATIENT, MakeClient

MakePartner = Callable[[Emulator], AiraloClient]


@pytest.fixture
def pair(emulator: Emulator) -> tuple[str, str]:
    """A package and a top-up for its eSIMs."""
    catalogue = emulator.state.catalogue
    topup = next(iter(catalogue.topups.values()))
    package = next(item for item in catalogue.packages.values() if item.operator_id == topup.operator_id)
    return package.id, topup.id


@pytest.fixture
def iccid(partner: AiraloClient, pair: tuple[str, str]) -> str:
    """An eSIM that was just bought."""
    (sim,) = partner.submit_order(package_id=pair[0], quantity=1, description="MORE").sims
    return sim.iccid


def in_days(days: int) -> datetime:
    return (datetime.now(UTC) + timedelta(days=days)).replace(second=0, microsecond=0)


def test_topup(partner: AiraloClient, emulator: Emulator, pair: tuple[str, str], iccid: str) -> None:
    before = partner.get_balance().amount
    offered = partner.get_topup_packages(iccid)
    assert pair[1] in {package.id for package in offered}
    assert all(package.type == "topup" and package.price for package in offered)

    order = partner.submit_topup(package_id=pair[1], iccid=iccid, description="TOPUP-1 für Zoë")

    assert (order.type, order.package_id, order.quantity, order.sims) == ("topup", pair[1], 1, ())
    (purchase,) = emulator.purchases("TOPUP-1")
    assert (purchase["type"], purchase["iccid"]) == ("topup", iccid)
    after = partner.get_balance().amount
    assert before is not None
    assert after is not None
    assert before - after == Decimal(purchase["price"])
    (found,) = partner.list_orders(description="TOPUP-1").items
    assert (found.id, found.type, found.description) == (order.id, "topup", "TOPUP-1 für Zoë")
    newest, oldest = partner.get_sim_packages(iccid).items
    assert (newest.package.id, newest.package.type) == (pair[1], "topup")
    assert (oldest.package.id, oldest.package.type) == (pair[0], "sim")


def test_topups_that_are_refused(partner: AiraloClient, emulator: Emulator, pair: tuple[str, str], iccid: str) -> None:
    with pytest.raises(AiraloRefusedError) as invalid:
        partner.submit_topup(package_id=pair[0], iccid=iccid)
    assert invalid.value.field_errors == {"package_id": "invalid topup package"}
    with pytest.raises(TopupDisabledError):
        partner.submit_topup(package_id="test-disabled-top-up-7days-1gb", iccid=iccid)
    emulator.recycle(iccid)
    for ask in (
        lambda: partner.submit_topup(package_id=pair[1], iccid=iccid),
        lambda: partner.get_topup_packages(iccid),
    ):
        with pytest.raises(RecycledEsimError) as recycled:
            ask()
        assert (recycled.value.code, recycled.value.may_have_acted) == (73, False)
    assert emulator.purchases("TOPUP-2") == []


def test_future_orders(partner: AiraloClient, emulator: Emulator, package_id: str) -> None:
    hook = "https://shop.example.com/airalo/"
    due = in_days(5)
    first, second = (
        partner.submit_future_order(
            package_id=package_id, quantity=n, due_date=due, description=f"FUTURE-{n} für Zoë", webhook_url=hook
        )
        for n in (1, 2)
    )

    assert (first.due_date, first.latest_cancellation_date) == (due, due - timedelta(days=1))
    listed = {order.request_id: order for order in partner.list_future_orders(from_due_date=in_days(4)).items}
    seen = listed[first.request_id]
    assert (seen.status, seen.quantity, seen.package_id) == ("pending", 1, package_id)
    assert (seen.due_date, seen.description) == (due, "FUTURE-1 für Zoë")
    assert partner.list_future_orders(to_due_date=in_days(4)).items == ()

    partner.cancel_future_orders([first.request_id])

    left = [order.request_id for order in partner.list_future_orders().items]
    assert first.request_id not in left
    assert second.request_id in left
    for again in (first.request_id, "x" * 25):
        with pytest.raises(AiraloRefusedError) as caught:
            partner.cancel_future_orders([again])
        assert list(caught.value.field_errors) == ["request_ids.0"]
    partner.cancel_future_orders([second.request_id])


def test_a_future_order_that_is_refused(partner: AiraloClient, package_id: str) -> None:
    hook = "https://shop.example.com/airalo/"
    with pytest.raises(AiraloRefusedError) as caught:
        partner.submit_future_order(package_id=package_id, quantity=1, due_date=in_days(1), webhook_url=hook)
    assert "due_date" in caught.value.field_errors
    with pytest.raises(PackageUnavailableError):
        partner.submit_future_order(package_id="no-such-package", quantity=1, due_date=in_days(5), webhook_url=hook)


def test_sims(partner: AiraloClient, emulator: Emulator, pair: tuple[str, str], iccid: str) -> None:
    sim = partner.get_sim(iccid)
    (listed,) = partner.list_sims(iccid=iccid).items

    for seen in (sim, listed):
        assert (seen.iccid, seen.recycled or False) == (iccid, False)
        assert seen.activation_code.startswith("LPA:1$")
        assert seen.created_at is not None
        assert seen.order is not None
        assert (seen.order.package_id, seen.order.status, seen.order.description) == (pair[0], "completed", "MORE")
        assert seen.order.sims == ()
    assert partner.get_sim(iccid, include=()).order is None
    emulator.recycle(iccid)
    recycled = partner.get_sim(iccid)
    assert recycled.recycled is True
    assert recycled.recycled_at is not None
    with pytest.raises(AiraloNotFoundError):
        partner.get_sim("8900000000000000000")


def test_sims_page_by_page(partner: AiraloClient, iccid: str) -> None:
    whole = partner.list_sims(limit=100)
    assert iccid in {sim.iccid for sim in whole.items}
    first = partner.list_sims(limit=1, page=1)
    assert (len(first.items), first.total) == (1, whole.total)
    assert partner.list_sims(created_at=f"{date(2020, 1, 1)} - {date(2020, 1, 2)}").items == ()


def test_usage(partner: AiraloClient, emulator: Emulator, iccid: str) -> None:
    before = partner.get_usage(iccid)
    assert (before.status, before.is_unlimited) == ("NOT_ACTIVE", False)
    assert before.total is not None
    assert before.remaining == before.total > 0

    emulator.use(iccid, data=100)

    after = partner.get_usage(iccid)
    assert (after.status, after.total, after.remaining) == ("ACTIVE", before.total, before.total - 100)
    assert after.expired_at is not None
    emulator.recycle(iccid)
    assert partner.get_usage(iccid).status == "RECYCLED"


@pytest.mark.parametrize("language", [None, "de", "pt-BR"])
def test_instructions(partner: AiraloClient, iccid: str, language: str | None) -> None:
    instructions = partner.get_instructions(iccid, language=language)

    assert instructions.language.lower() == (language or "en").lower()
    assert instructions.ios
    assert instructions.android
    for guide in (*instructions.ios, *instructions.android):
        assert guide.qr_steps
        assert guide.manual_steps
        assert guide.network_steps
        assert guide.qr_code_data.startswith("LPA:1$")
        assert guide.apn_type
    with pytest.raises(AiraloNotFoundError):
        partner.get_instructions("8900000000000000000")


def test_brand(make_partner: MakePartner) -> None:
    with Emulator(rate_limits=False, brands=("Our Brand",)) as emulator:
        partner = make_partner(emulator)
        package_id = next(iter(emulator.state.catalogue.packages))
        iccid = partner.submit_order(package_id=package_id, quantity=1).sims[0].iccid

        assert partner.set_brand(iccid, "Our Brand").brand_settings_name == "Our Brand"
        assert partner.get_sim(iccid).brand_settings_name == "Our Brand"
        assert partner.set_brand(iccid, None).brand_settings_name == ""
        assert partner.get_sim(iccid).brand_settings_name == ""
        with pytest.raises(AiraloRefusedError) as caught:
            partner.set_brand(iccid, "Nobody's")
    assert caught.value.field_errors == {"brand_settings_name": "Brand settings name doesn't exist."}


def test_refund(partner: AiraloClient, emulator: Emulator, iccid: str) -> None:
    refund = partner.request_refund(iccids=[iccid], reason="OTHERS", notes="Für Zoë")

    (row,) = [row for row in emulator.refunds() if iccid in row["iccids"]]
    assert (row["reason"], row["notes"]) == ("OTHERS", "Für Zoë")
    emulator.resolve_refund(refund.refund_id)  # raises if it does not know it by this id
    assert refund.created_at is not None
    with pytest.raises(AiraloRefusedError) as reason:
        partner.request_refund(iccids=[iccid], reason="DUPLICATE_ORDER")
    assert "reason" in reason.value.field_errors
    with pytest.raises(AiraloRefusedError, match="do not belong to your company"):
        partner.request_refund(iccids=["8900000000000000000"], reason="NO_COVERAGE")


def test_esim_vouchers(partner: AiraloClient, emulator: Emulator, package_id: str) -> None:
    first, second = partner.create_esim_vouchers(
        [
            EsimVoucherRequest(package_id=package_id, quantity=2, booking_reference="b-1"),
            EsimVoucherRequest(package_id=package_id, quantity=1),
        ]
    )

    assert (first.package_id, first.booking_reference, len(first.codes)) == (package_id, "b-1", 2)
    assert len(second.codes) == 1
    assert {*first.codes, *second.codes} <= {row["code"] for row in emulator.vouchers()}
    with pytest.raises(AiraloRefusedError) as caught:
        partner.create_esim_vouchers([EsimVoucherRequest(package_id="no-such-package", quantity=1)])
    assert list(caught.value.field_errors) == ["vouchers.0.package_id"]
    assert caught.value.may_have_acted is False


def test_airmoney_voucher(partner: AiraloClient, emulator: Emulator) -> None:
    voucher = partner.create_airmoney_voucher(
        amount=Decimal("22.50"), quantity=1, usage_limit=4, voucher_code="SUMMER-1", is_paid=True
    )

    assert (voucher.code, voucher.amount, voucher.usage_limit) == ("SUMMER-1", Decimal("22.5"), 4)
    assert voucher.is_paid is True
    assert "SUMMER-1" in {row["code"] for row in emulator.vouchers()}
    with pytest.raises(AiraloRefusedError) as caught:
        partner.create_airmoney_voucher(amount=1, quantity=1, usage_limit=1, voucher_code="SUMMER-1", is_paid=True)
    assert "voucher_code" in caught.value.field_errors


def test_a_voucher_that_the_balance_does_not_cover(partner: AiraloClient) -> None:
    with pytest.raises(InsufficientCreditError):
        partner.create_esim_vouchers([EsimVoucherRequest(package_id="test-insufficient-balance-7days-1gb", quantity=1)])


def test_exchange_rates(partner: AiraloClient) -> None:
    some = partner.get_exchange_rates(to=["EUR", "GBP"])
    day = date(2026, 1, 30)
    every = partner.get_exchange_rates(date=day)

    assert {(rate.from_currency, rate.to_currency) for rate in some.rates} == {("USD", "EUR"), ("USD", "GBP")}
    assert all(rate.mid > 0 for rate in some.rates)
    assert some.date is not None
    assert every.date == day
    assert len(every.rates) > 10


def test_compatible_devices(partner: AiraloClient) -> None:
    devices = partner.get_compatible_devices()

    assert {device.os for device in devices} == {"ios", "android"}
    assert all(device.brand and device.name for device in devices)


def test_product_information(partner: AiraloClient, make_partner: MakePartner, package_id: str) -> None:
    information = partner.get_product_information(package_id, language="de")

    assert information.slug == package_id
    assert information.product_name
    assert information.network_providers
    assert information.retail_price_eur is not None
    assert information.validity_days is not None
    with pytest.raises(AiraloNotFoundError):
        partner.get_product_information("no-such-package")
    with Emulator(rate_limits=False, product_information=False) as without:
        client = make_partner(without)
        with pytest.raises(AiraloPermissionError) as caught:
            client.get_product_information(package_id)
    assert caught.value.reason


def test_package_overrides(make_partner: MakePartner) -> None:
    rows = [{"package_id": f"package-{number}", "price": number} for number in range(30)]
    with Emulator(rate_limits=False, overrides=rows) as emulator:
        client = make_partner(emulator)
        first, second = client.get_package_overrides(), client.get_package_overrides(page=2)

    assert (first.has_next, second.has_next) == (True, False)
    found = [*first.items, *second.items]
    assert [(row.package_id, row.raw["price"]) for row in found] == [(row["package_id"], row["price"]) for row in rows]


def test_how_the_company_pays(make_partner: MakePartner) -> None:
    with Emulator(rate_limits=False, pricing_model="discount_pricing") as emulator:
        client = make_partner(emulator)
        page = client.get_packages(limit=1)
        package_id = next(iter(emulator.state.catalogue.packages))
        order = client.submit_order(package_id=package_id, quantity=2)

    assert page.pricing.model == "discount_pricing"
    assert page.pricing.discount_percentage
    for package in page.items[0].operators[0].packages:
        assert (package.net_price, package.net_prices) == (None, {})
        assert package.price
        assert package.retail_prices
    assert (order.pricing_model, order.net_price) == ("discount_pricing", None)
    assert order.unit_paid_price
    assert order.total_amount_paid == 2 * order.unit_paid_price
    assert order.discount_amount


def test_simulated_webhook(make_partner: MakePartner, server: ScriptedServer) -> None:
    server.on("/hook/", Answer(200))
    with Emulator(rate_limits=False) as emulator:
        said = make_partner(emulator).simulate_webhook(
            "low_data_notification", type="data_75", iccid="8900000000000000123", webhook_url=f"{server.url}/hook/"
        )

        assert said == "Notification sent"
        (push,) = [request for request in server.requests("/hook/") if request.method == "POST"]
        assert verify(push.body, push.headers["airalo-signature"], [emulator.client_secret]) == "raw"
    assert (push.json()["level"], push.json()["iccid"]) == ("75%", "8900000000000000123")


def test_simulated_webhook_without_opt_in_is_refused(make_partner: MakePartner) -> None:
    with Emulator(rate_limits=False) as emulator, pytest.raises(AiraloRefusedError, match="User is not opted in"):
        make_partner(emulator).simulate_webhook("credit_limit_notification", level=80)


def test_many_who_ask_for_usage_never_run_into_a_429(make_client: MakeClient) -> None:
    # Airalo's limits; but we count a request when it leaves, and Airalo when it arrives. On a busy machine each of the
    # four threads may have one under way from before.
    with Emulator(limits={**DOCUMENTED_LIMITS, "usage-client": (5 + 4, 1.0)}) as emulator:
        clients = [
            make_client(
                base_url=emulator.url,
                client_id=emulator.client_id,
                client_secret=emulator.client_secret,
                timeout=PATIENT,
            )
            for _ in range(2)
        ]
        package_id = next(iter(emulator.state.catalogue.packages))
        sims = clients[0].submit_order(package_id=package_id, quantity=12).sims

        def ask(number: int) -> str:
            try:
                return clients[number % 2].get_usage(sims[number % 12].iccid).status
            except AiraloRateLimitError as error:
                return "Airalo's limit" if error.status_code else "our own"

        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(ask, range(24)))

        asked = emulator.requests("usage")
    assert {request["status"] for request in asked} == {200}
    assert "Airalo's limit" not in statuses
    # All twelve eSIMs as a rule; but who waits for room is not served in turn, and may find none in two seconds.
    assert statuses.count("NOT_ACTIVE") == len(asked) >= 6
