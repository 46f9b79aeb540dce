"""Whatever JSON comes: it is read or refused, never a crash, and nothing read is more than a database can hold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_airalo.client import payloads as p
from django_airalo.client.errors import error_for
from django_airalo.client.signature import sign, verify
from django_airalo.exceptions import AiraloAPIError, PayloadError

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
    USAGE,
    page,
)

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ODD_SCALARS = st.sampled_from(
    [
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff\ud800",
        "1" * 5000,
        "1e999999999999999999999",
        "0e-99999999999",
        "-0",
        "NaN",
        "sNaN",
        "Infinity",
        "1_000",
        "٣",
        "9223372036854775807",
        "9223372036854775808",
        "2026-01-02 03:04:05",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-01-02T03:04:05\ud800",
        2**63,
        -(2**63),
        10**40,
        1e308,
        5e-324,
        1e18,
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()  # Python's parser reads NaN and Infinity, too
    | st.text(st.characters(), max_size=12)
    | ODD_SCALARS
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | ODD_SCALARS.map(str), inner, max_size=4)
    ),
    max_leaves=12,
)


def like(sample: Any) -> st.SearchStrategy[Any]:
    """Documents of the sample's shape in which any part may be anything, or missing."""
    if isinstance(sample, dict):
        parts = {key: like(value) for key, value in sample.items()}
        shaped: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional=parts)
    elif isinstance(sample, list):
        shaped = st.lists(like(sample[0]) if sample else JSON, max_size=3)
        shaped |= shaped.map(lambda items: {str(index): item for index, item in enumerate(items)})
    else:
        shaped = st.just(sample)
    return st.one_of(shaped, shaped, shaped, JSON)


def only_objects(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return strategy.filter(lambda value: isinstance(value, Mapping))


NOTIFICATION = {"data": {"notification": {"type": "a", "contact_point": "b", "levels": [50], "language": "de"}}}
BALANCE = {"data": {"balances": {"name": "balance", "availableBalance": {"amount": 12.5, "currency": "USD"}}}}
TOKEN = {"data": {"token_type": "Bearer", "expires_in": 3600, "access_token": "t"}}
OPERATOR = LOCATION["operators"][0]

READERS: dict[str, tuple[Callable[[Any], Any], st.SearchStrategy[Any]]] = {
    "token": (p.TokenData.from_json, like(TOKEN)),
    "accepted": (p.AcceptedOrder.from_json, like(ACCEPTED)),
    "order": (p.OrderData.from_json, like({"data": ORDER, "request_id": "r"})),
    "flat order": (p.OrderData.from_json, like(ORDER)),
    "orders": (lambda document: p.Page.from_json(document, p.OrderData.from_json), like(page([ORDER]))),
    "catalogue": (lambda document: p.Page.from_json(document, p.LocationData.from_json), like(page([LOCATION]))),
    "balance": (p.BalanceData.from_json, like(BALANCE)),
    "notification": (p.NotificationData.from_json, like(NOTIFICATION)),
    "scheduled": (p.ScheduledOrder.from_json, like({"data": SCHEDULED})),
    "future orders": (
        lambda document: p.Page.from_json(document, p.FutureOrderData.from_json),
        like(page([FUTURE_ORDER])),
    ),
    "sims": (lambda document: p.Page.from_json(document, p.SimData.from_json), like(page([FULL_SIM]))),
    "full sim": (p.SimData.from_json, like({"data": FULL_SIM})),
    "shared order": (p.OrderData.from_json, like({**ORDER, "sharing": SHARING, "installation_guides": {"en": "x"}})),
    "usage": (p.UsageData.from_json, like({"data": USAGE})),
    "sim packages": (
        lambda document: p.Page.from_json(document, p.SimPackageData.from_json),
        like({"pricing": {"model": "net_pricing", "discount_percentage": 0}, "data": [SIM_PACKAGE]}),
    ),
    "instructions": (p.InstructionsData.from_json, like(INSTRUCTIONS)),
    "refund": (p.RefundData.from_json, like({"data": REFUND})),
    "vouchers": (p.EsimVoucherData.all_from_json, like({"data": ESIM_VOUCHERS})),
    "airmoney": (p.AirmoneyVoucherData.from_json, like({"data": AIRMONEY})),
    "rates": (p.ExchangeRatesData.from_json, like({"data": RATES})),
    "product information": (p.ProductInformationData.from_json, like({"data": PRODUCT_INFORMATION})),
    "devices": (lambda document: p.Page.from_json(document, p.DeviceData.from_json), like({"data": DEVICES})),
    "overrides": (
        lambda document: p.Page.from_json(document, p.PackageOverrideData.from_json),
        like(page([{"package_id": "a", "id": 1}])),
    ),
    # These are only ever given objects.
    "sim": (lambda sim: p.SimData.from_json(sim, of_order=True), only_objects(like(SIM))),
    "location": (p.LocationData.from_json, only_objects(like(LOCATION))),
    "operator": (p.OperatorData.from_json, only_objects(like(OPERATOR))),
    "package": (p.PackageData.from_json, only_objects(like(OPERATOR["packages"][0]))),
}


@pytest.mark.parametrize("reader", READERS)
@some
@given(data=st.data())
def test_any_json_is_read_or_refused(reader: str, data: st.DataObject) -> None:
    read, documents = READERS[reader]
    document = data.draw(documents)
    try:
        result = read(document)
    except PayloadError:
        return
    for value in values_of(result):
        assert_fits_a_database(value)
    repr(result)


def values_of(value: Any) -> Iterator[Any]:
    """Every value that was read, but not what is kept as it came (``raw``, ``prices``, ``min_price``)."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            if field.name not in ("raw", "prices", "min_price"):
                yield from values_of(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from values_of(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from values_of(key)
            yield from values_of(item)
    else:
        yield value


def assert_fits_a_database(value: Any) -> None:
    if isinstance(value, str):
        assert "\x00" not in value
        assert value.encode("utf-8").decode("utf-8") == value  # raises for a lone surrogate
        assert value == value.strip()
    elif isinstance(value, bool) or value is None:
        pass
    elif isinstance(value, int):
        assert -(2**63) < value < 2**63
    elif isinstance(value, Decimal):
        assert value.is_finite()
        assert abs(value.adjusted()) < 40
    elif type(value) is date:
        pass
    elif isinstance(value, datetime):
        assert value.utcoffset() == timedelta(0)
        assert value.astimezone(UTC) == value
    else:
        raise AssertionError(f"unexpected {type(value)}")


@some
@given(
    status=st.integers(300, 599),
    document=JSON | like({"data": {"quantity": ["a"]}, "code": 11, "reason": "r", "meta": {"message": "m"}}),
    retry_after=st.text(max_size=30) | st.datetimes().map(lambda when: when.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    changes=st.booleans(),
    is_empty=st.booleans(),
)
def test_any_error_answer_becomes_an_exception(
    status: int, document: Any, retry_after: str, changes: bool, is_empty: bool
) -> None:
    error = error_for(status, {"Retry-After": retry_after}, document, changes=changes, is_empty=is_empty)

    assert isinstance(error, AiraloAPIError)
    assert error.status_code == status
    assert len(error.reason) <= 500
    str(error).encode("utf-8")
    assert error.retry_after is None or error.retry_after >= 0
    assert changes or not error.may_have_acted
    for key, message in error.field_errors.items():
        assert_fits_a_database(key)
        assert "\x00" not in message


@some
@given(number=st.integers() | st.integers(2**62, 2**65) | st.floats() | st.decimals().map(str))
def test_numbers_are_read_exactly_or_not_at_all(number: Any) -> None:
    read = p.as_decimal(number)
    whole = p.as_int(number)
    if read is not None:
        assert read == Decimal(str(number))
    if whole is not None:
        assert whole == Decimal(str(number))
    if isinstance(number, int) and abs(number) < 2**63:
        assert whole == number
        assert p.as_int(str(number)) == number
        assert p.as_int(f" {number}.0 ") == number


# The signature

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@some
@given(body=st.binary(max_size=300), secret=SECRETS, other=SECRETS)
def test_what_is_signed_verifies(body: bytes, secret: str, other: str) -> None:
    signature = sign(body, secret)

    assert verify(body, signature, [secret]) == "raw"
    assert verify(body, signature, [other, secret]) == "raw"
    # RFC 2104 pads short keys with NUL, and hashes long ones.
    if other.rstrip("\0") != secret.rstrip("\0"):
        assert verify(body, signature, [other]) is None


@some
@given(body=st.binary(min_size=1, max_size=200), bit=st.integers(min_value=0))
def test_a_flipped_bit_never_verifies(body: bytes, bit: int) -> None:
    bit %= len(body) * 8
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << (bit % 8)

    assert verify(bytes(flipped), sign(body, "secret"), ["secret"]) is None


@some
@given(
    body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
    position=st.integers(0, 127),
    digit=st.sampled_from("0123456789abcdef"),
)
def test_a_changed_digit_never_verifies(body: bytes, position: int, digit: str) -> None:
    signature = sign(body, "secret")
    changed = signature[:position] + digit + signature[position + 1 :]

    assert (verify(body, changed, ["secret"]) is not None) is (changed == signature)


@some
@given(
    body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()),
    signature=st.text(st.characters()),
)
def test_verify_never_raises(body: bytes, signature: str) -> None:
    assert verify(body, signature, ["secret"]) is None
    assert verify(body, "a" * 128, ["secret"]) is None


#: What all encoders write alike but for escapes and blanks: no exponents, no numbers beyond 2**53.
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.decimals(-10000, 10000, places=2, allow_nan=False).map(float).filter(lambda number: abs(number) >= 0.01)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc/é😀", max_size=4), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def whole(value: Any) -> Any:
    """9.0 as 9, as PHP and JavaScript write it."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    return {key: whole(item) for key, item in value.items()} if isinstance(value, dict) else value


@some
@given(document=PLAIN, arrives=st.sampled_from(["compact", "pretty", "python"]))
def test_each_documented_encoding_verifies(document: Any, arrives: str) -> None:
    compact = {"separators": (",", ":")}
    signed = {
        "php": json.dumps(whole(document), **compact).replace("/", r"\/"),
        "js-sdk": json.dumps(whole(document), ensure_ascii=False, **compact).replace("/", r"\/"),
        "javascript": json.dumps(whole(document), ensure_ascii=False, **compact),
        "python": json.dumps(document, **compact),
    }
    body = {
        "compact": json.dumps(document, ensure_ascii=False, **compact),
        "pretty": json.dumps(document, ensure_ascii=False, indent=4),
        "python": json.dumps(document),
    }[arrives].encode()

    for name, text in signed.items():
        reading = verify(body, sign(text.encode(), "secret"), ["secret"])
        same = {other for other, written in signed.items() if written == text}
        assert reading in {"raw", "php-arrays", name, *same}
        assert verify(body, sign(text.encode() + b" ", "secret"), ["secret"]) is None
