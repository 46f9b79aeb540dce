"""An order whose row was lost is imported like one made outside. The shop's repeated call must not buy it again."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from django_airalo import services
from django_airalo.models import EsimOrder, ListedPurchase
from django_airalo.services import operations
from tests.factories import ago, at_airalo

from .future_support import Failing

pytestmark = pytest.mark.django_db

CALL = {"package_id": "test", "idempotency_key": "line-1"}


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 4
    settings.AIRALO_LISTING_DELAY = 0


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


def lost(airalo, **overrides):
    """Airalo lists an order of ours that is not in this database."""
    order = services.place_order(**CALL)
    at_airalo(airalo, order, **overrides)
    order.delete()
    return order.reference


def repeat(committed, **content):
    with committed():
        order = services.place_order(**{**CALL, **content})
    order.refresh_from_db()
    return order


def bought(airalo):
    return [request for request in airalo.asked if request.startswith("POST /v2/orders")]


def test_imported_purchase_is_adopted_by_repeated_call_and_both_orders_are_flagged(airalo, heard, committed):
    reference = lost(airalo)
    assert operations.import_orders().imported == 1
    imported = EsimOrder.objects.get()
    order = repeat(committed)
    assert bought(airalo) == []
    assert (order.reference, order.status, order.esims.count()) == (reference, "completed", 1)
    assert heard.names(order)[-1] == "esim_order_completed"
    imported.refresh_from_db()
    for row in (order, imported):
        assert "for more than one order" in row.attention
    # And the import that comes next knows both.
    report = operations.import_orders()
    assert (report.known, report.imported, report.flawed) == (1, 0, 0)
    assert EsimOrder.objects.count() == 2


def test_call_repeated_much_later_buys_nothing(airalo, committed):
    lost(airalo)
    operations.import_orders()
    ListedPurchase.objects.update(seen_at=ago(86400))
    services.sweep()
    assert repeat(committed).status == "completed"
    assert bought(airalo) == []


def test_undelivered_purchase_is_not_imported_but_adopted_by_repeated_call(airalo, committed):
    lost(airalo, sims=[])
    assert operations.import_orders().unfinished == 1
    order = repeat(committed)
    assert (order.status, bought(airalo)) == ("accepted", [])


def test_imported_purchase_with_other_content_is_adopted_and_flagged(airalo, committed):
    lost(airalo, package_id="another", quantity=2)
    operations.import_orders()
    order = repeat(committed)
    assert (order.status, bought(airalo)) == ("completed", [])
    assert "package another, not test" in order.attention
    assert "2 eSIMs, 1 were ordered" in order.attention


def test_purchase_listed_as_failed_is_not_bought_again(airalo, committed):
    lost(airalo, sims=[], status={"slug": "failed"})
    operations.import_orders()
    order = repeat(committed)
    assert (order.status, bought(airalo)) == ("failed", [])


def test_call_with_other_key_buys(airalo, committed):
    lost(airalo)
    operations.import_orders()
    assert repeat(committed, idempotency_key="line-2").status == "accepted"
    assert len(bought(airalo)) == 1


def test_dry_run_of_import_records_no_listed_purchases(airalo):
    lost(airalo)
    operations.import_orders(dry_run=True)
    assert not ListedPurchase.objects.exists()


def test_shops_key_must_not_look_like_one_of_an_import(airalo):
    for key in ("airalo-order-5", "refused:5"):
        with pytest.raises(ValidationError, match="begins like a key of django_airalo's own"):
            services.place_order(package_id="test", idempotency_key=key)
    assert services.place_order(package_id="test", idempotency_key="shop-airalo-order-5").status == "pending"
