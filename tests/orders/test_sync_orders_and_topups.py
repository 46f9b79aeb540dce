"""Synchronous orders and top-ups: Airalo's answer is the delivery."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from django.core.exceptions import ValidationError

from django_airalo import services
from django_airalo.conf import conf
from django_airalo.exceptions import IdempotencyConflictError, RecycledEsimError
from django_airalo.models import Esim, EsimOrder
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.testing import order_payload, package_payload
from django_airalo.testing.delivery import respond
from tests.factories import (
    FAR_AHEAD,
    LONG_AGO,
    EsimFactory,
    EsimOrderFactory,
    PackageFactory,
    UserFactory,
    at_airalo,
    due_now,
)
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
TOPUP = "test-mobile-7days-1gb-topup"


@pytest.fixture(params=["sync", "topup"])
def place(request):
    """Places an order whose answer is its delivery."""

    def place(**content):
        if request.param == "topup":
            return services.place_topup(EsimFactory(), package_id=TOPUP, **content)
        return services.place_order(package_id="test-mobile-7days-1gb", mode="sync", **content)

    place.kind = request.param
    return place


def esims_of(order):
    """How many eSIMs it must have."""
    return 0 if order.is_topup else order.quantity


def test_answer_completes_order_immediately(airalo, heard, committed, place):
    with committed():
        order = place()
    order.refresh_from_db()
    assert (order.status, order.due_at, order.mode, order.attempt) == ("completed", None, "sync", 1)
    assert order.esims.count() == esims_of(order)
    payload = airalo.find(order).payload
    assert (order.airalo_order_id, order.airalo_order_code) == (payload["id"], payload["code"])
    assert (str(order.price), str(order.net_price), order.currency) == ("4.50", "1.5000", "USD")
    assert order.attention == ""
    assert heard.names(order) == ["esim_order_status_changed"] * 2 + ["esim_order_completed"]
    assert len(airalo.orders) == 1


def test_sync_order_and_topup_send_expected_fields(airalo, committed):
    esim = EsimFactory()
    with committed():
        topup = services.place_topup(esim, package_id=TOPUP, description="line 1")
        order = services.place_order(
            package_id="test", mode="sync", quantity=2, brand_settings_name="Brand", webhook_url="https://example.com/"
        )
    assert airalo.find(topup).body == {
        "package_id": TOPUP,
        "iccid": esim.iccid,
        "description": f"{topup.reference} line 1",
    }
    assert airalo.find(order).body == {
        "package_id": "test",
        "quantity": 2,
        "type": "sim",
        "description": order.reference,
        "brand_settings_name": "Brand",
    }


@pytest.mark.parametrize("answer", ["500", "time-out", "html", "no id", "53"])
@pytest.mark.parametrize("bought", [True, False])
def test_unknown_outcome_is_resolved_by_lookup(airalo, committed, place, answer, bought):
    bodies = {"500": (500, b"oops"), "html": (200, b"<html>"), "no id": (200, {"data": {}}), "53": (422, {"code": 53})}
    if answer == "time-out":
        airalo.time_out(bought=bought)
    else:
        airalo.answer(*bodies[answer], bought=bought)
    with committed():
        order = place()
    order.refresh_from_db()
    assert order.status == "unconfirmed"
    if bought:
        airalo.fulfil(order)
    order = services.sync_order(order)
    assert order.status == ("completed" if bought else "unconfirmed")
    assert order.esims.count() == (esims_of(order) if bought else 0)
    assert len(airalo.orders) == 1


@pytest.mark.parametrize("code", [14, 23, 33, 34, 43, 73])
def test_refusal_fails_order_with_error_code(airalo, heard, committed, place, code):
    airalo.reject(code)
    with committed():
        order = place()
    order.refresh_from_db()
    assert (order.status, order.error_code) == ("failed", code)
    assert heard.names(order)[-1] == "esim_order_failed"
    if order.is_topup:
        assert (Esim.objects.get(pk=order.esim_id).recycled_at is not None) == (code == 73)


def test_insufficient_credit_pauses_submission(airalo, committed, place):
    airalo.reject(11)
    with committed():
        first = place()
    assert EsimOrder.objects.get(pk=first.pk).status == "pending"
    with committed():
        second = place()
    assert EsimOrder.objects.get(pk=second.pk).attempt == 0
    operations.resume_submission()
    with committed():
        assert operations.retry_now(second)
    assert EsimOrder.objects.get(pk=second.pk).status == "completed"
    assert len([fake for fake in airalo.orders if "package_id" in fake.body]) == 2


def test_order_answered_with_503_is_looked_up_and_not_sent_again(airalo, committed, place):
    airalo.answer(503, b"")
    with committed():
        order = place()
    order.refresh_from_db()
    assert (order.status, order.look_up_first) == ("unconfirmed", False)
    at_airalo(airalo, order, **({"type": "topup", "sims": []} if order.is_topup else {}))
    asked_for = list(airalo.orders)
    due_now(order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "completed"
    assert airalo.orders == asked_for


def test_answer_after_lost_lease_completes_order_and_is_flagged(airalo, heard, committed, place):
    with committed(), FakeAiralo():
        order = place()
    EsimOrder.objects.filter(pk=order.pk).update(status="pending", attempt=0, due_at=order.created_at)

    def answer(fake):
        EsimOrder.objects.filter(pk=order.pk).update(status="unconfirmed", unconfirmed_at=database.db_now(), attempt=2)
        fake.bought = True
        fake.fulfil()
        return respond(200, {"data": fake.payload})

    airalo._answers.append(answer)
    order.esims.all().delete()
    order = services.submit_order(order)
    assert order.status == "completed"
    assert order.esims.count() == esims_of(order)
    assert "Attempt 1 was accepted after it had been given up" in order.attention


def test_answer_for_failed_order_completes_it_late(airalo, heard, committed, place):
    order = place()

    def answer(fake):
        EsimOrder.objects.filter(pk=order.pk).update(status="failed")
        fake.fulfil()
        return respond(200, {"data": fake.payload})

    airalo._answers.append(answer)
    with committed():
        order = services.submit_order(order)
    assert order.status == "completed"
    assert [arguments["late"] for arguments in heard.of("esim_order_completed")] == [True]


# Synchronous orders


def test_default_mode_comes_from_setting(airalo, settings):
    assert services.place_order(package_id="test").mode == "async"
    settings.AIRALO_ORDER_MODE = "sync"
    assert services.place_order(package_id="test").mode == "sync"
    assert services.place_order(package_id="test", mode="async").mode == "async"


def test_known_key_returns_order_after_change_of_default_mode(airalo, settings):
    order = services.place_order(package_id="test", idempotency_key="line-1")
    settings.AIRALO_ORDER_MODE = "sync"
    assert services.place_order(package_id="test", idempotency_key="line-1") == order
    with pytest.raises(IdempotencyConflictError, match="another mode"):
        services.place_order(package_id="test", idempotency_key="line-1", mode="sync")


@pytest.mark.parametrize("sims", [[], [{"iccid": None}], [None], ["?"]])
def test_answer_without_esim_accepts_order_and_schedules_lookup(airalo, committed, sims):
    airalo.answer(200, {"data": order_payload(sims=sims)}, bought=True)
    with committed():
        order = services.place_order(package_id="test", mode="sync")
    order.refresh_from_db()
    assert order.status == "accepted"
    assert order.due_at > database.db_now()
    assert bool(order.attention) == bool(sims)
    airalo.fulfil(order, id=order.airalo_order_id)
    assert services.sync_order(order).status == "completed"


def test_fewer_esims_than_ordered_are_stored_and_flagged(airalo, committed):
    airalo.answer(200, {"data": order_payload(quantity=2)}, bought=True)
    with committed():
        order = services.place_order(package_id="test", mode="sync", quantity=3)
    order.refresh_from_db()
    assert (order.status, order.esims.count()) == ("completed", 2)
    assert (order.missing, order.attention) == (
        1,
        "Part delivery: 2 of 3 eSIMs are there. The rest is being looked up.",
    )


# Top-ups


def test_topup_belongs_to_esim_and_its_owner(airalo, committed):
    esim = EsimFactory(order=EsimOrderFactory(completed=True, user=UserFactory()), usage_due_at=FAR_AHEAD)
    with committed():
        order = services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1")
    assert (order.type, order.quantity, order.user) == ("topup", 1, esim.order.user)
    assert list(esim.topups.all()) == [order]
    esim.refresh_from_db()
    assert esim.usage_due_at <= database.db_now()  # there is more to use than was known
    assert services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1") == order
    assert len(airalo.orders) == 1


def test_other_topup_with_same_key_conflicts(airalo):
    esim = EsimFactory()
    services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1")
    for other, package_id in ((EsimFactory(), TOPUP), (esim, "another-topup")):
        with pytest.raises(IdempotencyConflictError):
            services.place_topup(other, package_id=package_id, idempotency_key="topup-1")
    with pytest.raises(IdempotencyConflictError, match="type"):
        services.place_order(package_id=TOPUP, idempotency_key="topup-1")


def test_topup_for_unknown_esim_is_refused(airalo):
    gone = EsimFactory()
    Esim.objects.all().delete()
    for wrong in (gone, Esim(iccid="8900000000000000001"), gone.iccid, None):
        with pytest.raises(ValidationError) as refused:
            services.place_topup(wrong, package_id=TOPUP)
        assert set(refused.value.message_dict) == {"esim"}
    assert not EsimOrder.objects.filter(type="topup").exists()


@pytest.mark.parametrize("seen_in", [{"recycled_at": LONG_AGO}, {"usage_status": "recycled"}])
def test_topup_for_recycled_esim_is_refused(airalo, seen_in):
    esim = EsimFactory()
    known = services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1")
    Esim.objects.update(**seen_in)
    with pytest.raises(ValidationError) as refused:
        services.place_topup(esim, package_id=TOPUP)
    assert "recycled" in str(refused.value.message_dict["esim"])
    assert services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1") == known


@pytest.mark.parametrize(
    ("package", "message"),
    [
        ({"type": "sim"}, "not a top-up"),
        ({"type": "topup", "withdrawn_at": FAR_AHEAD}, "withdrawn"),
        ({"type": "topup"}, None),
        (None, None),  # the catalogue need not know top-ups
    ],
)
def test_known_package_must_be_topup_on_sale(airalo, package, message):
    PackageFactory()
    if package:
        PackageFactory(package_id=TOPUP, **package)
    if message is None:
        assert services.place_topup(EsimFactory(), package_id=TOPUP).package_id == TOPUP
        return
    with pytest.raises(ValidationError, match=message):
        services.place_topup(EsimFactory(), package_id=TOPUP)


def test_order_of_topup_package_is_refused(airalo):
    PackageFactory(package_id=TOPUP, type="topup")
    with pytest.raises(ValidationError, match="place_topup"):
        services.place_order(package_id=TOPUP)


@pytest.mark.parametrize(("description", "key"), [("x" * 223, None), ("", ""), ("\x00", None)])
def test_invalid_description_or_key_of_topup_is_refused(airalo, description, key):
    with pytest.raises(ValidationError):
        services.place_topup(EsimFactory(), package_id=TOPUP, description=description, idempotency_key=key)


@pytest.mark.parametrize("status", ["failed", "refunded"])
def test_topup_listed_as_failed_or_refunded_fails(airalo, status):
    order = EsimOrderFactory(unconfirmed=True, type="topup", esim=EsimFactory())
    at_airalo(airalo, order, type="topup", sims=[], status={"name": status, "slug": status})
    assert services.sync_order(order).status == "failed"


def test_listed_topup_creates_no_esims(airalo):
    """Were Airalo to list the eSIM with its top-up."""
    esim = EsimFactory()
    order = EsimOrderFactory(unconfirmed=True, type="topup", esim=esim)
    at_airalo(airalo, order, type="topup", sims=[{"iccid": esim.iccid}, {"iccid": "8900000000000000099"}])
    order = services.sync_order(order)
    assert (order.status, order.attention) == ("completed", "")
    assert Esim.objects.get() == esim


def test_topup_is_sent_for_esim_that_cannot_be_decrypted(airalo, settings, committed):
    esim = EsimFactory()
    settings.AIRALO_ENCRYPTION_KEYS = ["Zm9yLXRlc3RzLW9ubHktZm9yLXRlc3RzLW9ubHktMTI="]
    with committed():
        order = services.place_topup(Esim.objects.without_secrets().get(pk=esim.pk), package_id=TOPUP)
    order.refresh_from_db()
    assert order.status == "completed"


# What can be bought


class Counting(FakeAiralo):
    def __init__(self):
        super().__init__()
        self.asked = 0
        self.refusal = None

    def _handle(self, request):
        if request.path_url.endswith("/topups") and request.method == "GET":
            self.asked += 1
            if self.refusal:
                return respond(*self.refusal)
        return super()._handle(request)


@pytest.fixture
def counting():
    # The fake turns the cache off, so that no test sees what another was offered.
    with Counting() as fake, mock.patch.object(conf, "TOPUP_CACHE_SECONDS", 300):
        yield fake


def test_topup_packages_of_esim_are_cached(counting):
    counting.topup_packages = [package_payload(id="a-topup"), package_payload(id="b-topup", price=9)]
    esim, other = EsimFactory(), EsimFactory()
    for _ in range(3):
        packages = services.list_topup_packages(esim)
    assert [package.id for package in packages] == ["a-topup", "b-topup"]
    assert packages[1].price == 9
    assert counting.asked == 1
    services.list_topup_packages(other)
    assert counting.asked == 2


def test_empty_list_of_topup_packages_is_cached(counting):
    counting.topup_packages = []
    esim = EsimFactory()
    assert services.list_topup_packages(esim) == services.list_topup_packages(esim) == ()
    assert counting.asked == 1


def test_recycled_esim_is_recorded_and_error_is_not_cached(counting):
    esim = EsimFactory(usage_due_at=FAR_AHEAD)
    counting.refusal = (422, {"code": 73, "reason": "The eSIM has been recycled."})
    for _ in range(2):
        with pytest.raises(RecycledEsimError):
            services.list_topup_packages(esim)
    assert counting.asked == 2
    esim.refresh_from_db()
    assert esim.recycled_at is not None
    assert esim.usage_due_at - database.db_now() < timedelta(seconds=1)
