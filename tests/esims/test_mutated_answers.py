"""Whatever becomes of one part of Airalo's other answers: what was known stays, and only Airalo's errors are raised."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError
from django_airalo.models import BalanceRecord, Esim, EsimInstructions, Refund, UnknownOutcomes, UsageRecord, Voucher
from django_airalo.services import operations
from django_airalo.testing import instructions_payload, package_payload
from tests.factories import LONG_AGO, EsimFactory
from tests.mutated import mutations
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer

from .usage_support import RECYCLED

pytestmark = pytest.mark.django_db

META = {"message": "success"}


# Airalo's list of eSIMs

SHARING = {"link": "https://sharing.example.com/esims/1", "access_code": "4812"}


def sim(esim, **fields):
    return {
        "id": 70001,
        "iccid": esim.iccid,
        "brand_settings_name": "Our brand",
        "recycled": False,
        "recycled_at": None,
        "simable": {"id": 9001, "code": "20260102-009001", "sharing": SHARING},
        **fields,
    }


def listing(esim, **fields):
    meta = {"current_page": 1, "last_page": 1, "total": 1, "per_page": "100"}
    return {"data": [sim(esim, **fields)], "meta": meta}


def test_no_mutation_of_the_list_of_esims_makes_one_worse(server):
    esim = EsimFactory()
    columns = ("brand_settings_name", "recycled_at", "usage_status", "sharing_link", "sharing_access_code")

    def sync(document):
        server.on("/v2/sims", Answer(200, document))
        with suppress(AiraloAPIError):  # refused as a whole
            operations.sync_esims()
        return Esim.objects.values_list(*columns).get()

    before = sync(listing(esim))
    assert before == ("Our brand", None, "unknown", SHARING["link"], SHARING["access_code"])
    for name, document in mutations(listing(esim), skip=("meta", "iccid")):
        if name == "data.0.brand_settings_name: null":
            continue  # documented as "no brand"
        assert sync(document) == before, name
    assert sync(listing(esim, brand_settings_name=None))[0] == ""


@pytest.mark.parametrize("fields", [{"recycled": False}, {"recycled": None}, {"recycled": "perhaps"}])
def test_an_esim_is_recycled_only_if_airalo_says_so(server, fields):
    esim = EsimFactory()
    server.on("/v2/sims", Answer(200, listing(esim, recycled_at="2026-05-06 07:08:09", **fields)))
    operations.sync_esims()
    esim.refresh_from_db()
    assert (esim.recycled_at is None) == (fields["recycled"] is False)


def test_a_new_sharing_link_without_its_code_does_not_part_the_old_ones(server):
    esim = EsimFactory()
    server.on("/v2/sims", Answer(200, listing(esim)))
    operations.sync_esims()
    half = {"sharing": {"link": "https://sharing.example.com/esims/2", "access_code": None}}
    server.on("/v2/sims", Answer(200, listing(esim, simable=half)))
    operations.sync_esims()
    esim.refresh_from_db()
    assert (esim.sharing_link, esim.sharing_access_code) == (SHARING["link"], SHARING["access_code"])


# The balance

BALANCE = {"data": {"balances": {"name": "balance", "availableBalance": {"amount": 1234.56, "currency": "EUR"}}}}


def test_no_mutation_of_the_balance_makes_it_worse(server, settings, heard, committed):
    settings.AIRALO_LOW_BALANCE = 100

    def look_up(document):
        server.on("/v2/balance", Answer(200, document))
        with committed(), suppress(AiraloAPIError):  # not read
            services.sync_balance()
        return list(BalanceRecord.objects.values_list("amount", "currency"))

    before = look_up(BALANCE)
    assert before == [(Decimal("1234.56"), "EUR")]
    for name, document in mutations(BALANCE):
        if name == "data.balances.availableBalance.amount: negative":
            continue  # a debt is a balance
        assert look_up(document) == before, name
    assert not heard.of("balance_low")


# Instructions

INSTRUCTIONS = {
    "data": {
        "instructions": instructions_payload(
            ios=[dict(instructions_payload()["ios"][0], model="Phone 12", version="15,14")],
        )
    },
    "meta": META,
}
for _guide in (*INSTRUCTIONS["data"]["instructions"]["ios"], *INSTRUCTIONS["data"]["instructions"]["android"]):
    _guide["network_setup"]["apn_value"] = "internet.example"


def test_no_mutation_of_instructions_makes_them_worse(server):
    esim = EsimFactory()

    def fetch(document):
        EsimInstructions.objects.update(refresh_at=LONG_AGO)
        server.on(f"/v2/sims/{esim.iccid}/instructions", Answer(200, document))
        return services.get_instructions(esim, language="en").guides

    def without_raw(guides):
        return guides.language, guides.ios, guides.android

    before = without_raw(fetch(INSTRUCTIONS))
    assert before[1][0].qr_steps
    assert before[2][0].network_steps
    for name, document in mutations(INSTRUCTIONS):
        assert without_raw(fetch(document)) == before, name


def test_updated_instructions_keep_fields_that_are_missing_now(server):
    esim = EsimFactory()
    path = f"/v2/sims/{esim.iccid}/instructions"
    server.on(path, Answer(200, INSTRUCTIONS))
    services.get_instructions(esim, language="en")
    EsimInstructions.objects.update(refresh_at=LONG_AGO)
    guide = {"model": "Phone 12", "version": "15,14", "installation_via_qr_code": {"steps": {"1": "Scan."}}}
    server.on(path, Answer(200, {"data": {"instructions": {"language": "en", "ios": [guide]}}}))
    kept = services.get_instructions(esim, language="en").guides
    assert kept.ios[0].qr_steps == ("Scan.",)
    assert kept.ios[0].manual_steps == ("Open the settings.", "Enter the code.")
    assert kept.android


# Product information

PRODUCT = {"data": {"package_id": "test", "product_name": "1 GB - 7 Days", "validity_days": 7}, "meta": META}


@pytest.mark.parametrize(
    "body", [{"data": {"odd": 1}}, {"data": {"package_id": None, "product_name": None}}, {"data": {"validity_days": 7}}]
)
def test_product_information_that_tells_nothing_is_not_kept(server, body):
    path = "/v2/packages/test/product-information"
    server.on(path, Answer(200, body))
    with pytest.raises(AiraloAPIError):
        services.get_product_information("test")
    server.on(path, Answer(200, PRODUCT))
    assert services.get_product_information("test").validity_days == 7


def test_no_mutation_of_product_information_raises_but_airalos_errors(server, settings):
    settings.AIRALO_RATE_LIMITS = NO_LIMITS
    for number, (name, document) in enumerate(mutations(PRODUCT)):
        server.on(f"/v2/packages/test-{number}/product-information", Answer(200, document))
        try:
            found = services.get_product_information(f"test-{number}")
        except AiraloAPIError:
            continue
        assert found.product_name, name


# The top-ups of an eSIM

TOPUPS = {"data": [package_payload(id="test-topup", type="topup")]}


def test_no_mutation_of_the_top_ups_raises_but_airalos_errors_nor_offers_what_cannot_be_bought(server):
    for name, document in mutations(TOPUPS):
        esim = EsimFactory()
        server.on(f"/v2/sims/{esim.iccid}/topups", Answer(200, document))
        try:
            offered = services.list_topup_packages(esim)
        except AiraloAPIError:
            continue
        assert all(package.id for package in offered), name


# Refunds and vouchers: what was bought is kept, or its outcome is said to be unknown


def send(row, service):
    # Three unknown outcomes pause what buys, which is not what these tests are about.
    UnknownOutcomes.objects.all().delete()
    type(row).objects.filter(pk=row.pk).update(due_at=LONG_AGO)
    service(row)
    row.refresh_from_db()
    return row


def test_no_mutation_of_a_refunds_answer_loses_it(server, settings):
    settings.AIRALO_RATE_LIMITS = NO_LIMITS
    good = {"data": {"refund_id": "12345", "created_at": "2026-01-02 03:04"}, "meta": META}
    for name, document in mutations(good):
        (refund,) = services.request_refund([EsimFactory()], reason="NO_COVERAGE")
        server.on("/v2/refund", Answer(202, document))
        refund = send(refund, operations.send_refund)
        told = (refund.status, refund.refund_id) == (Refund.Status.REQUESTED, "12345")
        assert told or (refund.status == Refund.Status.UNCONFIRMED and refund.error), name


def test_no_mutation_of_a_vouchers_answer_loses_it(server):
    good = {"data": [{"package_id": "test", "codes": ["FIRST", "SECOND"], "booking_reference": "7"}], "meta": META}
    for name, document in mutations(good):
        voucher = services.create_esim_vouchers(package_id="test", quantity=2)
        server.on("/v2/voucher/esim", Answer(200, document))
        voucher = send(voucher, operations.send_voucher)
        if voucher.code_list == ["FIRST", "SECOND"]:
            assert (voucher.status, voucher.error) == (Voucher.Status.CREATED, ""), name
        elif voucher.code_list:
            assert (voucher.status, "SECOND" in voucher.code_list) == (Voucher.Status.CREATED, True), name
            assert voucher.error, name
        else:
            assert voucher.status == Voucher.Status.UNCONFIRMED, name


def test_no_mutation_of_an_airmoney_vouchers_answer_loses_it(server):
    good = {"data": {"id": 8, "code": "MONEY", "usage_limit": 1, "amount": 22.5, "is_paid": False}, "meta": META}
    for name, document in mutations(good):
        voucher = services.create_airmoney_voucher(amount=Decimal("22.50"), voucher_code="OURS")
        server.on("/v2/voucher/airmoney", Answer(200, document))
        voucher = send(voucher, operations.send_voucher)
        if voucher.status == Voucher.Status.CREATED:
            assert voucher.code_list == ["MONEY"], name
        else:
            # The code that the shop chose is still there.
            assert (voucher.status, voucher.codes) == (Voucher.Status.UNCONFIRMED, "OURS"), name


def test_a_usage_answer_of_a_recycled_esim_keeps_the_amounts_that_were_known(server):
    esim = EsimFactory(usage_status="active", remaining=0, total=2048, usage_due_at=LONG_AGO)
    server.on(f"/v2/sims/{esim.iccid}/usage", RECYCLED)
    services.sync_usage(esim)
    esim.refresh_from_db()
    assert esim.usage_status == "recycled"
    assert UsageRecord.objects.count() == 1
