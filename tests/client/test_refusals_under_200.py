"""A refusal under HTTP 200 is a refusal, whatever was called. Airalo files examples of errors under 200, too."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_airalo.client.payloads import EsimVoucherRequest
from django_airalo.exceptions import AiraloAPIError, AiraloRefusedError, AiraloResponseError
from tests.scripted_server import Answer

ICCID = "8900044600170000010"
DUE = datetime(2027, 1, 2, tzinfo=UTC)
#: Path, how it is called, the field that a message is about, and whether it buys.
CALLS = [
    ("/v2/orders-async", lambda c: c.submit_order_async(package_id="x", quantity=1), "package_id", True),
    ("/v2/orders", lambda c: c.submit_order(package_id="x", quantity=1), "package_id", True),
    ("/v2/orders/topups", lambda c: c.submit_topup(package_id="x", iccid=ICCID), "iccid", True),
    (
        "/v2/future-orders",
        lambda c: c.submit_future_order(package_id="x", quantity=1, due_date=DUE),
        "due_date",
        True,
    ),
    ("/v2/cancel-future-orders", lambda c: c.cancel_future_orders(["a" * 25]), "request_ids.0", False),
    ("/v2/refund", lambda c: c.request_refund(iccids=[ICCID], reason="OTHERS"), "reason", True),
    (
        "/v2/voucher/esim",
        lambda c: c.create_esim_vouchers([EsimVoucherRequest(package_id="x", quantity=1)]),
        "vouchers.0.package_id",
        True,
    ),
    (
        "/v2/voucher/airmoney",
        lambda c: c.create_airmoney_voucher(amount=Decimal(1), quantity=1, usage_limit=1, is_paid=True),
        "amount",
        True,
    ),
    ("/v2/notifications/opt-in", lambda c: c.opt_in("async_orders"), "webhook_url", False),
    ("/v2/notifications/opt-in", lambda c: c.get_opt_in(), "type", False),
    ("/v2/notifications/opt-out", lambda c: c.opt_out("async_orders"), "type", False),
    ("/v2/simulator/webhook", lambda c: c.simulate_webhook("low_data_notification"), "iccid", False),
    (f"/v2/sims/{ICCID}/brand", lambda c: c.set_brand(ICCID, "name"), "brand_settings_name", False),
    ("/v2/balance", lambda c: c.get_balance(), "company", False),
    ("/v2/orders", lambda c: c.list_orders(), "limit", False),
    ("/v2/orders/1", lambda c: c.get_order(1), "order", False),
    ("/v2/sims", lambda c: c.list_sims(), "limit", False),
    (f"/v2/sims/{ICCID}", lambda c: c.get_sim(ICCID), "iccid", False),
    (f"/v2/sims/{ICCID}/usage", lambda c: c.get_usage(ICCID), "iccid", False),
    (f"/v2/sims/{ICCID}/topups", lambda c: c.get_topup_packages(ICCID), "iccid", False),
    (f"/v2/sims/{ICCID}/packages", lambda c: c.get_sim_packages(ICCID), "iccid", False),
    (f"/v2/sims/{ICCID}/instructions", lambda c: c.get_instructions(ICCID), "iccid", False),
    ("/v2/packages", lambda c: c.get_packages(), "filter.country", False),
]
IDS = [f"{number} {path}" for number, (path, *_) in enumerate(CALLS)]


@pytest.mark.parametrize(("path", "call", "field", "buys"), CALLS, ids=IDS)
@pytest.mark.parametrize("value", ["The value is invalid.", ["The value is invalid."]], ids=["text", "list"])
@pytest.mark.parametrize("of", ["the field", "another field", "both"])
def test_messages_for_fields_are_a_refusal(client, server, path, call, field, buys, value, of):
    fields = {"the field": [field], "another field": ["something"], "both": [field, "something"]}[of]
    body = {"data": dict.fromkeys(fields, value), "meta": {"message": "the parameter is invalid"}}
    server.on(path, Answer(200, body))
    with pytest.raises(AiraloRefusedError) as caught:
        call(client)
    assert caught.value.field_errors == dict.fromkeys(fields, "The value is invalid.")
    assert not caught.value.may_have_acted


@pytest.mark.parametrize(("path", "call", "field", "buys"), CALLS, ids=IDS)
@pytest.mark.parametrize(
    "body", [{"code": 34, "reason": "No stock."}, {"code": "34", "reason": "No stock.", "data": []}]
)
def test_a_code_with_a_reason_is_a_refusal(client, server, path, call, field, buys, body):
    server.on(path, Answer(200, body))
    with pytest.raises(AiraloAPIError) as caught:
        call(client)
    assert (caught.value.code, caught.value.reason, caught.value.may_have_acted) == (34, "No stock.", False)


@pytest.mark.parametrize(("path", "call"), [call[:2] for call in CALLS if call[3]])
@pytest.mark.parametrize("body", [{}, [], {"data": []}, {"data": {"x": 1}}, {"meta": {"message": "success"}}])
def test_what_is_not_understood_of_a_purchase_stays_unknown(client, server, path, call, body):
    server.on(path, Answer(200, body))
    with pytest.raises(AiraloResponseError) as caught:
        call(client)
    assert caught.value.may_have_acted


def test_a_success_of_a_cancellation_is_one(client, server):
    for body in ({"data": [], "meta": {"message": "Future orders cancelled successfully"}}, {"data": []}):
        server.on("/v2/cancel-future-orders", Answer(200, body))
        assert client.cancel_future_orders(["a" * 25]) is None
