"""A refund or a voucher that may have been carried out once: what is answered to the next try does not undo that."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from django_airalo import services
from django_airalo.client import get_client
from django_airalo.exceptions import AiraloRefusedError
from django_airalo.models import Deployment, Refund, UnknownOutcomes, Voucher
from django_airalo.services import operations
from django_airalo.services.core import deployment
from django_airalo.services.orders import outbound
from tests.factories import LONG_AGO, EsimFactory, RefundFactory, VoucherFactory, ago
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer

pytestmark = pytest.mark.django_db

TAKEN = {
    Refund: Answer(202, {"data": {"refund_id": "4711", "created_at": "2026-01-02 09:30"}, "meta": {}}),
    Voucher: Answer(200, {"data": [{"package_id": "test", "codes": ["FIRST"], "booking_reference": "7"}], "meta": {}}),
}
REFUSED = Answer(422, {"code": 11, "reason": "Insufficient Airalo Credit"})
BUSY = Answer(429, {"message": "Too Many Attempts."})
PATHS = {Refund: "/v2/refund", Voucher: "/v2/voucher/esim"}
SEND = {Refund: operations.send_refund, Voucher: operations.send_voucher}
RETRY = {Refund: operations.retry_refund, Voucher: operations.retry_voucher}


@pytest.fixture(params=[Refund, Voucher])
def model(request):
    return request.param


@pytest.fixture
def make(server, model, settings):
    settings.AIRALO_RATE_LIMITS = NO_LIMITS

    def make(*answers, **fields):
        server.on(PATHS[model], *answers)
        row = {Refund: RefundFactory, Voucher: VoucherFactory}[model](**fields)
        if model is Refund:
            row.esims.add(EsimFactory())
        return row

    return make


def send(row):
    """Send the row, even if it is not due."""
    UnknownOutcomes.objects.all().delete()
    type(row).objects.filter(pk=row.pk, status="pending").update(due_at=LONG_AGO)
    return SEND[type(row)](row)


def again(row):
    """An operator has it sent again."""
    assert RETRY[type(row)](row, decided_by="Ada").status == "pending"
    return send(row)


def by_answer(row, settings):
    get_client().get_token()  # so that the answer to the request is all that has little time
    settings.AIRALO_READ_TIMEOUT = 0.3
    send(row)
    settings.AIRALO_READ_TIMEOUT = 30


def by_lease(row, settings):
    type(row).objects.filter(pk=row.pk).update(status="sending", attempt=1, due_at=LONG_AGO)
    services.sweep()


def by_restore(row, settings):
    deployment.state()
    Deployment.objects.update(alive_at=ago(400))
    services.sweep()


@pytest.mark.parametrize(
    ("doubt", "first"),
    [
        (by_answer, [Answer(500, "oops")]),
        (by_answer, [Answer(200, {}, delay=60)]),
        (by_lease, []),
        (by_restore, []),
    ],
    ids=["500", "time-out", "lost lease", "older database"],
)
def test_refusal_after_attempt_in_doubt_leaves_it_unconfirmed(server, make, heard, committed, settings, doubt, first):
    row = make(*first, REFUSED, created_at=ago(200))
    for path in ("/v2/orders", "/v2/future-orders"):
        server.on(path, Answer(200, {"data": [], "meta": {"current_page": 1, "last_page": 1, "total": 0}}))
    with committed():
        doubt(row, settings)
    row.refresh_from_db()
    assert row.status == "unconfirmed"
    with committed():
        row = again(row)
    assert len(server.requests(PATHS[type(row)])) == len(first) + 1
    assert (row.status, row.due_at) == ("unconfirmed", None)
    assert "Insufficient Airalo Credit" in row.error
    assert "may have been carried out" in row.error
    name = type(row).__name__.lower()
    assert [told["status"] for told in heard.of(f"{name}_changed")] == ["unconfirmed", "unconfirmed"]
    assert row in type(row).objects.unconfirmed()
    if isinstance(row, Refund):  # and it is not asked for as if nothing had been
        with pytest.raises(ValidationError):
            services.request_refund(row.esims.all(), reason="NO_COVERAGE")


def test_acceptance_after_attempt_in_doubt_is_flagged(make, model):
    row = again(send(make(Answer(500, "oops"), TAKEN[model])))
    assert row.status == row.ACCEPTED
    assert "An earlier attempt may have been carried out" in row.error
    assert row.doubted_attempt == 1
    assert row in model.objects.flawed()


def test_acceptance_after_attempt_certainly_not_carried_out_is_not_flagged(make, model):
    row = send(send(make(BUSY, TAKEN[model])))
    assert (row.status, row.error) == (row.ACCEPTED, "")


def test_doubt_remains_after_inconclusive_attempt(make):
    row = send(make(Answer(500, "oops"), BUSY, REFUSED))
    row = again(row)
    assert row.status == "pending"
    assert send(row).status == "unconfirmed"
    assert again(row).status == "unconfirmed"


def test_late_refusal_of_attempt_in_doubt_ends_doubt(make, model):
    """Its lease ran out while Airalo thought about it."""
    row = make()

    def ask(row):
        model.objects.filter(pk=row.pk).update(due_at=LONG_AGO)
        assert outbound.expire(row)
        raise AiraloRefusedError("No.", status_code=422)

    assert isinstance(outbound.attempt_request(model, row.pk, ask), AiraloRefusedError)
    row.refresh_from_db()
    assert row.status == model.REFUSED


def test_refusal_without_doubt_is_final(make):
    row = send(make(REFUSED))
    assert row.status == row.REFUSED
    assert send(make(BUSY, REFUSED)).status == "pending"
