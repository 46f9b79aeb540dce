"""Refunds and vouchers: the requests that leave, and what is made of the answers."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client.payloads import EsimVoucherRequest
from django_airalo.exceptions import AiraloRefusedError, AiraloResponseError
from tests.scripted_server import Answer, ScriptedServer

from .support import AIRMONEY, ESIM_VOUCHERS, META, REFUND, sent

REFUSED = {"data": {"vouchers.0.package_id": "The selected vouchers.0.package_id is invalid"}, "meta": META}


def test_refund(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/refund", Answer(202, {"data": REFUND, "meta": META}))

    refund = client.request_refund(
        iccids=("8900000000000000123",), reason="OTHERS", notes="Für Zoë", email="desk@example.com"
    )

    assert sent(server, "POST", "/v2/refund").json() == {
        "iccids": ["8900000000000000123"],
        "reason": "OTHERS",
        "notes": "Für Zoë",
        "email": "desk@example.com",
    }
    assert (refund.refund_id, refund.created_at) == ("12345", datetime(2026, 1, 2, 3, 4, tzinfo=UTC))


def test_a_refund_says_no_more_than_it_must(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/refund", Answer(202, {"data": {**REFUND, "refund_id": 7}}))

    assert client.request_refund(iccids=["1"], reason="NO_COVERAGE").refund_id == "7"
    assert sent(server, "POST", "/v2/refund").json() == {"iccids": ["1"], "reason": "NO_COVERAGE"}


@pytest.mark.parametrize("count", [0, 6])
def test_more_than_airalo_refunds_at_once_is_not_sent(client: AiraloClient, server: ScriptedServer, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 5 eSIMs"):
        client.request_refund(iccids=["1"] * count, reason="OTHERS")

    assert server.requests() == []


@pytest.mark.parametrize(
    ("body", "reason", "fields"),
    [
        (
            {"data": [], "meta": {"message": "The following ICCIDs do not belong to your company: 1"}},
            "The following ICCIDs do not belong to your company: 1",
            {},
        ),
        (
            {"data": {"reason": "The selected reason is invalid. One of: OTHERS"}, "meta": META},
            "",
            {"reason": "The selected reason is invalid. One of: OTHERS"},
        ),
    ],
)
def test_a_refund_that_is_refused(
    client: AiraloClient, server: ScriptedServer, body: Any, reason: str, fields: Any
) -> None:
    server.on("/v2/refund", Answer(422, body))

    with pytest.raises(AiraloRefusedError) as caught:
        client.request_refund(iccids=["1"], reason="X")

    assert (caught.value.reason, caught.value.field_errors) == (reason, fields)
    assert caught.value.may_have_acted is False


@pytest.mark.parametrize("data", [ESIM_VOUCHERS, {"0": ESIM_VOUCHERS[0], "1": ESIM_VOUCHERS[1]}])
def test_esim_vouchers(client: AiraloClient, server: ScriptedServer, data: Any) -> None:
    server.on("/v2/voucher/esim", Answer(200, {"data": data, "meta": META}))

    first, second = client.create_esim_vouchers(
        [
            EsimVoucherRequest(package_id="a", quantity=2, booking_reference="123"),
            EsimVoucherRequest(package_id="b", quantity=1),
        ]
    )

    assert sent(server, "POST", "/v2/voucher/esim").json() == {
        "vouchers": [
            {"package_id": "a", "quantity": 2, "booking_reference": "123"},
            {"package_id": "b", "quantity": 1},
        ]
    }
    assert (first.package_id, first.booking_reference) == ("a", "123")
    assert first.codes == ("VOUCHER-SECRET", "VOUCHER-SECRET-2")
    assert (second.package_id, second.booking_reference, second.codes) == ("b", "123", ("VOUCHER-SECRET-3",))


@pytest.mark.parametrize("status", [200, 422])
def test_esim_vouchers_that_are_refused(client: AiraloClient, server: ScriptedServer, status: int) -> None:
    server.on("/v2/voucher/esim", Answer(status, REFUSED))

    with pytest.raises(AiraloRefusedError, match=f"HTTP {status}: vouchers.0.package_id: The selected") as caught:
        client.create_esim_vouchers([EsimVoucherRequest(package_id="a", quantity=1)])

    assert caught.value.field_errors == REFUSED["data"]
    assert caught.value.may_have_acted is False


@pytest.mark.parametrize("amount", [Decimal("22.50"), 22.5])
def test_airmoney_voucher(client: AiraloClient, server: ScriptedServer, amount: Any) -> None:
    server.on("/v2/voucher/airmoney", Answer(200, {"data": AIRMONEY, "meta": META}))

    voucher = client.create_airmoney_voucher(
        amount=amount, quantity=1, usage_limit=40, voucher_code="SUMMER", is_paid=False
    )

    assert sent(server, "POST", "/v2/voucher/airmoney").json() == {
        "amount": 22.5,
        "quantity": 1,
        "usage_limit": 40,
        "voucher_code": "SUMMER",
        "is_paid": False,
    }
    assert (voucher.id, voucher.code, voucher.amount) == (8, "VOUCHER-SECRET", Decimal("22.5"))
    assert (voucher.usage_limit, voucher.is_paid) == (40, False)
    assert voucher.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_airmoney_without_cents_is_sent_as_a_whole_number(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/voucher/airmoney", Answer(200, {"data": AIRMONEY}))

    client.create_airmoney_voucher(amount=Decimal("22.00"), quantity=1, usage_limit=1, is_paid=True)

    request = sent(server, "POST", "/v2/voucher/airmoney")
    assert b'"amount": 22,' in request.body
    assert request.json() == {"amount": 22, "quantity": 1, "usage_limit": 1, "is_paid": True}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/voucher/esim", {"data": [{"package_id": "a", "codes": []}]}),
        ("/v2/voucher/esim", {"data": []}),
        ("/v2/voucher/esim", {"data": {"0": {"package_id": "a", "codes": None}, "message": "x"}}),
        ("/v2/voucher/esim", "<html>"),
        ("/v2/voucher/airmoney", {"data": {**AIRMONEY, "code": None}}),
        ("/v2/voucher/airmoney", b""),
        ("/v2/refund", {"data": {"created_at": "2026-01-02 03:04"}}),
        ("/v2/refund", "null"),
    ],
)
def test_what_was_bought_is_not_in_the_answer(
    client: AiraloClient, server: ScriptedServer, path: str, body: Any
) -> None:
    server.on(path, Answer(200, body))
    calls = {
        "/v2/voucher/esim": lambda: client.create_esim_vouchers([EsimVoucherRequest(package_id="a", quantity=1)]),
        "/v2/voucher/airmoney": lambda: client.create_airmoney_voucher(
            amount=1, quantity=1, usage_limit=1, is_paid=True
        ),
        "/v2/refund": lambda: client.request_refund(iccids=["1"], reason="OTHERS"),
    }

    with pytest.raises(AiraloResponseError) as caught:
        calls[path]()

    assert caught.value.may_have_acted is True
    assert len(server.requests(path)) == 1
