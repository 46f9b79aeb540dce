"""A copy of the database under another name sends nothing; one key has one reference, even after its order is lost."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import Deployment, EsimOrder
from django_airalo.services import operations
from django_airalo.services.core import deployment
from django_airalo.services.core.redaction import redact
from tests.factories import EsimFactory, EsimOrderFactory, RefundFactory, VoucherFactory, due_now
from tests.orders.future_support import Failing, in_days

pytestmark = pytest.mark.django_db

PRODUCTION, STAGING = "p" * 43, "s" * 43


@pytest.fixture
def airalo():
    with Failing() as fake:
        yield fake


@pytest.fixture
def production(settings):
    settings.AIRALO_DEPLOYMENT = PRODUCTION


def refund():
    refund = RefundFactory()
    refund.esims.add(EsimFactory())
    return refund


def cancellation():
    """A future order that Airalo is to be asked to cancel."""
    order = services.submit_order(services.place_order(package_id="test", due_date=in_days(30)))
    EsimOrder.objects.filter(pk=order.pk).update(cancel_requested_at=order.created_at)
    due_now(order)
    return order


#: All that changes something at Airalo by itself: how it is made, and how it is sent.
SENT = {
    "order": (EsimOrderFactory, services.submit_order),
    "refund": (refund, operations.send_refund),
    "voucher": (VoucherFactory, operations.send_voucher),
    "cancellation": (cancellation, lambda order: operations.sync_future_orders()),
}


def posts(airalo):
    return [request for request in airalo.asked if not request.startswith("GET") and request != "POST /v2/token"]


@pytest.mark.parametrize("what", SENT)
def test_database_copy_under_another_name_sends_nothing(airalo, production, settings, what):
    make, send = SENT[what]
    row = make()
    airalo.asked.clear()
    settings.AIRALO_DEPLOYMENT = STAGING
    send(row)
    services.sweep()
    assert posts(airalo) == []
    settings.AIRALO_DEPLOYMENT = PRODUCTION
    if what == "cancellation":
        due_now(row)
    send(row)
    assert len(posts(airalo)) == 1


@pytest.mark.parametrize("what", ["order", "refund", "voucher"])
def test_sweep_sends_own_rows_despite_rows_of_another_deployment(airalo, production, settings, what):
    make, _ = SENT[what]
    settings.AIRALO_DEPLOYMENT = STAGING
    for _number in range(3):
        make()
    settings.AIRALO_DEPLOYMENT = PRODUCTION
    make()
    services.sweep(limit=1)
    assert len(posts(airalo)) == 1


def test_retry_now_of_order_of_another_deployment_is_refused(airalo, production, settings):
    order = EsimOrderFactory()
    settings.AIRALO_DEPLOYMENT = STAGING
    with pytest.raises(IllegalTransitionError, match=f"only the deployment {order.deployment} sends it"):
        operations.retry_now(order)


def test_expired_lease_of_another_deployment_makes_voucher_unconfirmed(airalo, production, settings):
    row = VoucherFactory(status="sending", attempt=1)
    settings.AIRALO_DEPLOYMENT = STAGING
    services.sweep()
    row.refresh_from_db()
    assert row.status == "unconfirmed"


def test_placed_rows_carry_deployment_stamp(airalo, production, committed):
    stamp = deployment.identity().stamp
    esim = EsimFactory()
    rows = [
        services.place_order(package_id="test"),
        *services.place_orders([{"package_id": "test"}]),
        services.place_topup(esim, package_id="test-topup"),
        *services.request_refund([esim], reason="NO_COVERAGE"),
        services.create_esim_vouchers(package_id="test"),
        services.create_airmoney_voucher(amount=5),
    ]
    assert {row.deployment for row in rows} == {stamp}
    assert len(stamp) == 12
    assert PRODUCTION not in stamp


# References


def test_same_key_gives_same_reference_after_order_is_lost(production):
    esim = EsimFactory()
    first = services.place_order(package_id="test", idempotency_key="line-1").reference
    second = services.place_topup(esim, package_id="test-topup", idempotency_key="line-2").reference
    EsimOrder.objects.filter(idempotency_key__startswith="line").delete()
    assert services.place_topup(esim, package_id="test-topup", idempotency_key="line-2").reference == second
    assert services.place_order(package_id="test", idempotency_key="line-1").reference == first
    assert len({first, second}) == 2
    assert set(first) <= set("0123456789abcdef")
    assert len(first) == 32


def test_same_key_gives_other_reference_in_another_deployment(production, settings):
    first = services.place_order(package_id="test", idempotency_key="line-1").reference
    EsimOrder.objects.all().delete()
    settings.AIRALO_DEPLOYMENT = STAGING
    assert services.place_order(package_id="test", idempotency_key="line-1").reference != first


def test_reference_is_random_without_key(production):
    orders = services.place_orders([{"package_id": "test"}] * 2)
    assert len({order.reference for order in orders}) == 2


def test_key_finds_its_order_after_deployment_setting_changes(production, settings):
    first = services.place_order(package_id="test", idempotency_key="line-1")
    settings.AIRALO_DEPLOYMENT = STAGING
    assert services.place_order(package_id="test", idempotency_key="line-1") == first


# Without a string


def test_rotated_secret_key_changes_neither_deployment_nor_reference(airalo, settings):
    order = services.place_order(package_id="test", idempotency_key="line-1")
    settings.SECRET_KEY = "another"
    settings.SECRET_KEY_FALLBACKS = []
    services.submit_order(order)
    assert len(posts(airalo)) == 1
    EsimOrder.objects.all().delete()
    assert services.place_order(package_id="test", idempotency_key="line-1").reference == order.reference


def test_deployment_row_that_is_recreated_gets_another_stamp():
    first = deployment.identity().stamp
    assert deployment.identity().stamp == first
    Deployment.objects.all().delete()
    assert deployment.identity().stamp != first


def test_deployment_setting_is_redacted(production):
    assert PRODUCTION not in redact(f"Refused: {PRODUCTION}")
    assert PRODUCTION not in repr(deployment.identity())
