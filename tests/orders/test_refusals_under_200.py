"""A refusal under HTTP 200 does the same as under its documented status: same class, same state, nothing stored."""

from __future__ import annotations

import pytest

from django_airalo import exceptions
from django_airalo.models import SubmissionPause
from django_airalo.services import operations
from django_airalo.services.orders import submit
from tests.factories import EsimFactory, EsimOrderFactory, RefundFactory, VoucherFactory
from tests.scripted_server import Answer

from .future_support import in_days

pytestmark = pytest.mark.django_db

#: A refusal's body, the class of its error, and what becomes of an order and of a refund or voucher.
REFUSALS = {
    "code 11": ({"code": 11, "reason": "No."}, exceptions.InsufficientCreditError, "pending", "refused"),
    "code 13": ({"code": 13, "reason": "No."}, exceptions.OperatorMaintenanceError, "pending", "pending"),
    "code 14": ({"code": 14, "reason": "No."}, exceptions.InvalidChecksumError, "failed", "refused"),
    "code 23": ({"code": 23, "reason": "No."}, exceptions.TopupDisabledError, "failed", "refused"),
    "code 33": ({"code": 33, "reason": "No."}, exceptions.InsufficientStockError, "failed", "refused"),
    "code 34": ({"code": 34, "reason": "No."}, exceptions.PackageUnavailableError, "failed", "refused"),
    "code 43": ({"code": 43, "reason": "No."}, exceptions.BadRequestError, "failed", "refused"),
    "code 53": ({"code": 53, "reason": "No."}, exceptions.UnexpectedAiraloError, "unconfirmed", "unconfirmed"),
    "code 73": ({"code": 73, "reason": "No."}, exceptions.RecycledEsimError, "failed", "refused"),
    "code 89": ({"code": 89, "reason": "No."}, exceptions.IPAddressNotAllowedError, "pending", "pending"),
    "code as text": (
        {"code": "34", "reason": "No.", "data": []},
        exceptions.PackageUnavailableError,
        "failed",
        "refused",
    ),
    "fields": (
        {"data": {"quantity": "No."}, "meta": {"message": "the parameter is invalid"}},
        exceptions.AiraloRefusedError,
        "failed",
        "refused",
    ),
    "list of messages": (
        {"data": {"quantity": ["No."]}, "meta": {"message": "the parameter is invalid"}},
        exceptions.AiraloRefusedError,
        "failed",
        "refused",
    ),
}
refusals = pytest.mark.parametrize("name", REFUSALS)
under = pytest.mark.parametrize("status", [422, 200])

#: How an order is bought, and where.
ROADS = {
    "async": ("/v2/orders-async", lambda: {}),
    "sync": ("/v2/orders", lambda: {"mode": "sync"}),
    "future": ("/v2/future-orders", lambda: {"due_date": in_days(30)}),
    "topup": ("/v2/orders/topups", lambda: {"type": "topup", "mode": "sync", "esim": EsimFactory()}),
}


@under
@refusals
@pytest.mark.parametrize("road", ROADS)
def test_order_refused_under_200_is_treated_as_under_422(server, road, name, status):
    body, kind, expected, _ = REFUSALS[name]
    path, content = ROADS[road]
    server.on(path, Answer(status, body))
    order = EsimOrderFactory(**content())
    error = submit.attempt(order.pk)
    order.refresh_from_db()
    assert (type(error), error.status_code, error.may_have_acted) == (kind, status, name == "code 53")
    assert (order.status, order.error_code, order.request_id) == (expected, error.code, None)
    assert "No." in order.error_reason
    assert (order.in_doubt_until is not None) == (name == "code 53")
    assert SubmissionPause.objects.filter(kind="no_credit").exists() == (name == "code 11")
    assert not order.esims.exists()
    if order.esim:
        order.esim.refresh_from_db()
        assert (order.esim.recycled_at is not None) == (name == "code 73")


@under
@refusals
def test_refund_refused_under_200_is_treated_as_under_422(server, name, status):
    body, _, _, expected = REFUSALS[name]
    server.on("/v2/refund", Answer(status, body))
    refund = RefundFactory()
    refund.esims.add(EsimFactory())
    refund = operations.send_refund(refund)
    expected = "invalid" if expected == "refused" else expected
    assert (refund.status, refund.refund_id, "No." in refund.error) == (expected, "", True)


@under
@refusals
@pytest.mark.parametrize(
    ("path", "content"), [("/v2/voucher/esim", {}), ("/v2/voucher/airmoney", {"kind": "airmoney"})]
)
def test_voucher_refused_under_200_is_treated_as_under_422(server, path, content, name, status):
    body, _, _, expected = REFUSALS[name]
    server.on(path, Answer(status, body))
    voucher = operations.send_voucher(VoucherFactory(**content))
    assert (voucher.status, voucher.codes, "No." in voucher.error) == (expected, "", True)


@under
@refusals
def test_brand_refused_under_200_keeps_old_brand_as_under_422(server, name, status):
    body, kind, *_ = REFUSALS[name]
    esim = EsimFactory(brand_settings_name="Old")
    server.on(f"/v2/sims/{esim.iccid}/brand", Answer(status, body))
    with pytest.raises(kind) as caught:
        operations.set_brand(esim, name="New")
    assert type(caught.value) is kind
    esim.refresh_from_db()
    assert esim.brand_settings_name == "Old"


#: What an operator asks for; nothing of it is stored here.
NOTIFICATIONS = {
    "opt in": (
        "/v2/notifications/opt-in",
        lambda: operations.opt_in("async_orders", webhook_url="https://example.com/"),
    ),
    "opt out": ("/v2/notifications/opt-out", lambda: operations.opt_out("async_orders")),
    "status": ("/v2/notifications/opt-in", operations.get_opt_in),
}


@under
@refusals
@pytest.mark.parametrize("call", NOTIFICATIONS)
def test_notification_call_refused_under_200_raises_as_under_422(server, call, name, status):
    body, kind, *_ = REFUSALS[name]
    path, ask = NOTIFICATIONS[call]
    server.on(path, Answer(status, body))
    with pytest.raises(kind) as caught:
        ask()
    assert type(caught.value) is kind
