"""What is read from odd values, and what repr() must not show."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from django_airalo.client import payloads as p
from django_airalo.exceptions import PayloadError

from .support import (
    ACCEPTED,
    AIRMONEY,
    DEVICES,
    ESIM_VOUCHERS,
    FULL_SIM,
    FUTURE_ORDER,
    INSTRUCTIONS,
    LOCATION,
    ORDER,
    PRODUCT_INFORMATION,
    RATES,
    REFUND,
    SCHEDULED,
    SHARING,
    SIM,
    SIM_PACKAGE,
    SIM_SECRETS,
    TOKEN_MARK,
    USAGE,
    page,
    token,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("7", 7),
        (" 7 ", 7),
        (7.0, 7),
        ("7.00", 7),
        ("1e3", 1000),
        (-1, -1),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (7.5, None),
        ("seven", None),
        ("", None),
        (None, None),
        (True, None),
        ([7], None),
        (float("nan"), None),
        (float("inf"), None),
        pytest.param(10**5000, None, id="huge"),
    ],
)
def test_as_int(value: Any, number: int | None) -> None:
    assert p.as_int(value) == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("9.50", Decimal("9.50")),
        (9.5, Decimal("9.5")),
        (0.1, Decimal("0.1")),
        (4, Decimal(4)),
        (Decimal("1.2"), Decimal("1.2")),
        ("9,50", Decimal("9.50")),
        ("0,350", Decimal("0.350")),
        ("1.350", Decimal("1.350")),
        ("1,350.50", Decimal("1350.50")),
        ("1.350,50", Decimal("1350.50")),
        ("1,350,000", Decimal(1350000)),
        ("1.350.000", Decimal(1350000)),
        ("1,350", None),  # 1350, or 1.35
        ("-1,350", None),
        ("1,35,000", None),
        ("1 350", None),
        ("1_350", None),
        ("٣", None),
        ("350 MB", None),
        (".5", Decimal("0.5")),
        ("1" * 101, None),
        ("1e40", None),
        ("1e-40", None),
        ("NaN", None),
        (False, None),
        ({}, None),
    ],
)
def test_as_decimal(value: Any, number: Decimal | None) -> None:
    assert p.as_decimal(value) == number


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (350, 350),
        (350.5, 350),
        ("350.50", 350),
        ("350,50", 350),
        ("1,350.5", 1350),
        (0.4, 1),
        (1.35, 1),
        (0, 0),
        ("0.00", 0),
        (-1, None),
        ("1,350", None),
        ("1.350", None),  # amounts have no decimal places, so it may be 1350
        (10**30, None),
        ("many", None),
        (True, None),
        (None, None),
    ],
)
def test_as_amount(value: Any, amount: int | None) -> None:
    assert p.as_amount(value) == amount


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("7", 7), (0, None), (-7, None), (7.5, None), (True, None)])
def test_as_id(value: Any, number: int | None) -> None:
    assert p.as_id(value) == number


@pytest.mark.parametrize(
    ("value", "price"),
    [
        (7.490000000000002, "7.49"),
        (7.489999999999998, "7.49"),
        ("7.490000000000002", "7.49"),
        (2499.9999999999995, "2500"),
        (4.5, "4.5"),
        ("4.50", "4.50"),
        (1.235, "1.235"),
        (0.0001, "0.0001"),
        (4.1234567, "4.123457"),
        (0, "0"),
        (1e-9, "0"),
        (-0.01, None),
        (1e12, None),
        ("1,350", None),
        (None, None),
    ],
)
def test_as_price(value: Any, price: str | None) -> None:
    read = p.as_price(value)
    assert (None if read is None else str(read)) == price


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("1", True),
        ("TRUE ", True),
        ("false", False),
        ("yes", None),
        (2, None),
        (None, None),
        ([], None),
    ],
)
def test_as_bool(value: Any, truth: bool | None) -> None:
    assert p.as_bool(value) is truth


def test_as_bool_of_a_deep_list() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    assert p.as_bool(deep) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a ", "a"),
        (12, "12"),
        (9.5, "9.5"),
        ("a\x00b", "ab"),
        ("\x00 a", "a"),
        ("\ud83c", "?"),
        ("é😀", "é😀"),
        (None, ""),
        (True, ""),
        (["a"], ""),
        pytest.param(10**5000, "", id="huge"),
    ],
)
def test_as_text(value: Any, text: str) -> None:
    assert p.as_text(value) == text


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-01-02 03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00+02:00", None),
        ("02.01.2026", None),
        (1767323045, None),
    ],
)
def test_as_datetime(value: Any, moment: datetime | None) -> None:
    assert p.as_datetime(value) == moment


@pytest.mark.parametrize(
    "read",
    [
        lambda: p.TokenData.from_json({"data": {"access_token": None, "secret": "CONTENT"}}),
        lambda: p.AcceptedOrder.from_json({"data": {"secret": "CONTENT"}}),
        lambda: p.Page.from_json({"data": "CONTENT"}, p.OrderData.from_json),
    ],
)
def test_a_refusal_names_the_field_and_never_the_content(read: Any) -> None:
    with pytest.raises(PayloadError, match="data") as caught:
        read()

    assert "CONTENT" not in str(caught.value)


def every_payload() -> list[Any]:
    order = p.OrderData.from_json({"data": {**ORDER, "sharing": SHARING}, "request_id": "r"})
    sim = p.SimData.from_json({"data": {**FULL_SIM, "msisdn": "PHONE-NUMBER"}})
    told = {"type": "async_orders", "contact_point": "https://shop.example.com/URL-TOKEN/", "secret": "IN-RAW"}
    rates = p.ExchangeRatesData.from_json({"data": RATES})
    instructions = p.InstructionsData.from_json(INSTRUCTIONS)
    (coverage,) = p.OperatorData.from_json(LOCATION["operators"][0]).coverages
    assert sim.order is not None
    catalogue = p.Page.from_json(page([{**LOCATION, "secret": "IN-RAW"}]), p.LocationData.from_json)
    (operator,) = catalogue.items[0].operators
    (package,) = operator.packages
    return [
        p.TokenData.from_json({"data": {"access_token": token(1), "expires_in": 60}}),
        p.AcceptedOrder.from_json(ACCEPTED),
        order,
        order.sims[0],
        p.Page.from_json(page([ORDER]), p.OrderData.from_json),
        catalogue,
        catalogue.items[0],
        operator,
        package,
        catalogue.pricing,
        coverage,
        coverage.networks[0],
        p.CountryData.from_json({"country_code": "TL", "title": "Test Land"}),
        p.PackageOverrideData.from_json({"package_id": "a", "secret": "IN-RAW"}),
        p.ProductInformationData.from_json({"data": PRODUCT_INFORMATION}),
        rates,
        rates.rates[0],
        p.DeviceData.from_json(DEVICES[0]),
        sim,
        sim.order,
        sim.order.user,
        p.UsageData.from_json({"data": USAGE}),
        p.SimPackageData.from_json(SIM_PACKAGE),
        instructions,
        instructions.ios[0],
        p.ScheduledOrder.from_json({"data": SCHEDULED}),
        p.FutureOrderData.from_json(FUTURE_ORDER),
        p.RefundData.from_json({"data": REFUND}),
        p.EsimVoucherRequest(package_id="a", quantity=1),
        *p.EsimVoucherData.all_from_json({"data": ESIM_VOUCHERS}),
        p.AirmoneyVoucherData.from_json({"data": AIRMONEY}),
        p.BalanceData.from_json({"data": {"balances": []}}),
        p.NotificationData.from_json({"data": {"notification": told}}),
    ]


def test_no_payload_shows_a_secret() -> None:
    payloads = every_payload()
    kinds = {value for value in vars(p).values() if isinstance(value, type) and dataclasses.is_dataclass(value)}
    assert {type(payload) for payload in payloads} == kinds  # none is forgotten

    for payload in payloads:
        for text in (repr(payload), str(payload), f"{payload}"):
            for secret in (*SIM_SECRETS, TOKEN_MARK, "URL-TOKEN", "PHONE-NUMBER", "IN-RAW", "raw="):
                assert secret not in text


def test_what_is_not_secret_is_shown() -> None:
    text = repr(p.OrderData.from_json(ORDER))

    for part in ("9001", "20260102-009001", str(SIM["iccid"]), "completed"):
        assert part in text


def test_payloads_are_frozen() -> None:
    for payload in every_payload():
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(payload, dataclasses.fields(payload)[0].name, None)


@pytest.mark.parametrize("status", ["completed", {"name": "Completed", "slug": "completed"}])
def test_status_as_word_or_object(status: Any) -> None:
    assert p.OrderData.from_json({**ORDER, "status": status}).status == "completed"


@pytest.mark.parametrize(
    "document",
    [
        {"data": ORDER, "request_id": "r-1"},
        {**ORDER, "request_id": "r-1"},
        {"data": {**ORDER, "request_id": "r-1"}},
    ],
    ids=["beside the envelope", "flat", "inside the envelope"],
)
def test_request_id_in_any_place(document: Any) -> None:
    order = p.OrderData.from_json(document)

    assert (order.request_id, order.id, order.sims[0].iccid) == ("r-1", 9001, SIM["iccid"])


def test_an_order_without_anything() -> None:
    order = p.OrderData.from_json({})

    assert (order.id, order.code, order.sims, order.price, order.created_at) == (None, "", (), None, None)


def test_instructions_are_cut_to_a_size_that_can_be_kept() -> None:
    order = p.OrderData.from_json({**ORDER, "manual_installation": "x" * 50_000, "qrcode_installation": None})

    assert order.manual_installation == "x" * p.MAX_INSTRUCTIONS
    assert order.qrcode_installation == ""
