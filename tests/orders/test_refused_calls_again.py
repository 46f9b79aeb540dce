"""A refused call that is made again, in a batch and for top-ups: one order, even if the call has become valid."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services
from django_airalo.conf import conf
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import Esim, EsimOrder
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, PackageFactory, UserFactory

from .future_support import in_days
from .refusal_support import TOPUP, assert_recorded, place
from .test_place_order import PACKAGE

pytestmark = pytest.mark.django_db


# The key


def test_refused_call_repeated_with_same_key_is_recorded_and_signalled_once(airalo, committed, heard):
    with committed():
        orders = [place(quantity=0, idempotency_key="line-1") for _ in range(2)]
    with committed():
        orders.append(place(quantity=0, idempotency_key="line-1"))
    assert len(set(orders)) == EsimOrder.objects.count() == 1
    assert len(heard.of("esim_order_failed")) == 1


@pytest.mark.parametrize("on_refusal", ["raise", "record"])
def test_refused_call_stays_refused_after_it_becomes_valid(airalo, committed, heard, on_refusal):
    package = PackageFactory(withdrawn_at=LONG_AGO)
    call = {"package_id": package.package_id, "idempotency_key": "line-1", "user": UserFactory(), "quantity": 2}
    with committed():
        order = place(**call, sharing_option=("link",))
    package.withdrawn_at = None
    package.save()
    with committed():
        assert place(**call, sharing_option=["link"], on_refusal=on_refusal) == order
    assert_recorded(order, "package_id")
    assert airalo.orders == []
    assert len(heard.of("esim_order_failed")) == 1


def test_equivalent_refused_call_returns_same_order(airalo):
    moment = in_days(1)
    user = UserFactory()
    order = place(due_date=moment, idempotency_key="line-1", user=user)
    same = moment.astimezone(tz=None) + timedelta(seconds=30)
    assert place(due_date=same, idempotency_key="line-1", user=user, mode=None, description="") == order
    user.delete()
    assert place(due_date=same, idempotency_key="line-1") == order


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"quantity": 1}, "quantity"),
        ({"quantity": 0}, "quantity"),
        ({"description": "x" * 1000 + "y"}, "description"),
        ({"package_id": "other"}, "package_id"),
        ({"user": "another"}, "user"),
    ],
)
def test_other_call_with_key_of_refused_order_conflicts(airalo, change, named):
    call = {"quantity": 51, "description": "x" * 1001, "idempotency_key": "line-1", "user": UserFactory()}
    place(**call)
    with pytest.raises(IdempotencyConflictError, match=f"with another {named}"):
        place(**{**call, **change})
    esim = EsimFactory()
    with pytest.raises(IdempotencyConflictError, match="another type"):
        services.place_topup(esim, package_id=PACKAGE, idempotency_key="line-1", on_refusal="record")


def test_invalid_call_with_key_of_placed_order_leaves_it_unchanged(airalo, committed, heard, monkeypatch):
    with committed():
        order = place(quantity=2, description="line 1", idempotency_key="line-1")
    with pytest.raises(IdempotencyConflictError, match="another quantity"):
        place(quantity=0, description="line 1", idempotency_key="line-1")
    monkeypatch.setattr(conf, "DESCRIPTION_MAX_LENGTH", 33)  # the same call, which is not right any more
    assert place(quantity=2, description="line 1", idempotency_key="line-1") == order
    order.refresh_from_db()
    assert order.status == "accepted"
    assert heard.of("esim_order_failed") == []


@pytest.mark.parametrize("key", ["k" * 256, "NUL \x00", "half \udfff", 7, 1.5, ["line", 1], {"line": 1}])
def test_invalid_key_still_identifies_refused_order(airalo, key):
    order = place(idempotency_key=key)
    assert_recorded(order, "idempotency_key")
    assert place(idempotency_key=key) == order
    assert place(idempotency_key=f"{key!r}2" * 256) != order


@pytest.mark.parametrize("key", ["", 0, False, [], {}])
def test_empty_key_records_separate_orders(airalo, key):
    assert place(idempotency_key=key) != place(idempotency_key=key)


# Many


def test_refused_lines_do_not_block_other_lines(airalo, committed, heard):
    PackageFactory(package_id=PACKAGE)
    lines = [
        {"package_id": PACKAGE, "idempotency_key": "line-0"},
        {"package_id": PACKAGE, "idempotency_key": "line-1", "quantity": 0},
        {"package_id": "unknown", "idempotency_key": "line-2"},
        {},
        {"package_id": PACKAGE, "idempotency_key": "line-4"},
    ]
    with committed():
        orders = services.place_orders(lines, on_refusal="record")
    assert [order.idempotency_key for order in orders] == ["line-0", "line-1", "line-2", None, "line-4"]
    for order in orders:
        order.refresh_from_db()
    assert [order.status for order in orders] == ["accepted", "failed", "failed", "failed", "accepted"]
    assert_recorded(orders[1], "quantity")
    assert_recorded(orders[3], "package_id")
    assert [arguments["order"] for arguments in heard.of("esim_order_failed")] == [orders[1], orders[2], orders[3]]
    assert len(airalo.orders) == 2
    with committed():
        again = services.place_orders(lines[:3], on_refusal="record")
    assert again == orders[:3]


def test_conflict_in_batch_places_and_records_nothing(airalo):
    place(idempotency_key="line-1")
    lines = [
        {"package_id": PACKAGE, "quantity": 0},
        {"package_id": PACKAGE, "quantity": 2, "idempotency_key": "line-1"},
    ]
    with pytest.raises(IdempotencyConflictError, match="Order 1: "):
        services.place_orders(lines, on_refusal="record")
    assert EsimOrder.objects.count() == 1


# Top-ups


def test_topup_for_unknown_esim_is_recorded_without_esim(airalo, committed, heard):
    gone = EsimFactory()
    Esim.objects.all().delete()
    for esim in (None, gone, Esim(iccid="8900000000000000001"), gone.iccid, 5, {"esim": 1}):
        with committed():
            order = services.place_topup(esim, package_id=TOPUP, on_refusal="record")
        assert_recorded(order, "esim")
        assert (order.type, order.mode, order.esim, order.user, order.quantity) == ("topup", "sync", None, None, 1)
        assert set(order.refused_call) == {"esim", "package_id", "description", "idempotency_key"}
    assert len(heard.of("esim_order_failed")) == 6
    assert airalo.orders == []


@pytest.mark.parametrize("seen_in", [{"recycled_at": LONG_AGO}, {"usage_status": "recycled"}])
def test_topup_for_recycled_esim_is_recorded_for_owner(airalo, committed, seen_in):
    esim = EsimFactory(order=EsimOrderFactory(completed=True, user=UserFactory()), **seen_in)
    with committed():
        order = services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1", on_refusal="record")
    assert_recorded(order, "esim")
    assert (order.esim, order.user, order.refused_call["esim"]) == (None, esim.order.user, esim.pk)
    assert list(esim.topups.all()) == []
    assert services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1", on_refusal="record") == order
    Esim.objects.update(recycled_at=None, usage_status="active")
    assert services.place_topup(esim, package_id=TOPUP, idempotency_key="topup-1") == order
    with pytest.raises(IdempotencyConflictError, match="another esim"):
        services.place_topup(EsimFactory(), package_id=TOPUP, idempotency_key="topup-1", on_refusal="record")


def test_topup_refused_for_package_keeps_esim(airalo):
    esim = EsimFactory()
    PackageFactory(package_id=TOPUP, type="topup", withdrawn_at=LONG_AGO)
    order = services.place_topup(esim, package_id=TOPUP, on_refusal="record")
    assert_recorded(order, "package_id")
    assert order.esim == esim
