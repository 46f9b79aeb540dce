"""Orders that are refused after the customer has paid: kept as failed, signalled, never bought."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import translation

from django_airalo import services
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.services import operations
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, PackageFactory, UserFactory

from .refusal_support import NAMES, TOPUP, assert_recorded, place
from .test_place_order import BAD_INPUT, PACKAGE

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("field", "arguments"), BAD_INPUT)
def test_invalid_input_is_recorded_and_signalled_but_not_sent(airalo, committed, heard, field, arguments):
    with committed():
        order = place(**arguments)
    assert_recorded(order, field)
    assert heard.names(order) == ["esim_order_status_changed", "esim_order_failed"]
    assert heard.of("esim_order_failed")[0]["event_id"] == order.events.get(kind="status_changed").event_id
    assert set(order.refused_call) == set(NAMES)
    assert airalo.orders == []


def test_order_of_unavailable_package_is_recorded_as_refused(airalo, committed, heard):
    PackageFactory(package_id=PACKAGE)
    withdrawn, topup = PackageFactory(withdrawn_at=LONG_AGO), PackageFactory(type="topup")
    for package_id, words in (
        (withdrawn.package_id, "has withdrawn"),
        ("unknown", "no package"),
        (topup.package_id, "place_topup"),
    ):
        with committed():
            order = place(package_id=package_id, quantity=2)
        assert_recorded(order, "package_id")
        assert (order.package_id, order.quantity) == (package_id, 2)
        assert words in order.error_reason
    assert len(heard.of("esim_order_failed")) == 3
    assert airalo.orders == []


@pytest.mark.parametrize(
    ("quantity", "stored"),
    [(51, 51), (0, 0), (-1, 0), (10**6, 0), (10**5000, 0), ("2", 0)],
    ids=lambda value: repr(value)[:9] if value != 10**5000 else "huge",
)
def test_refused_quantity_is_stored_or_replaced_by_zero(airalo, quantity, stored):
    order = place(quantity=quantity)
    assert_recorded(order, "quantity")
    assert order.quantity == stored
    if abs(quantity if isinstance(quantity, int) else 0) < 10**9:
        assert order.refused_call["quantity"] == quantity


def test_database_rejects_invalid_quantity_of_order_not_refused(airalo):
    for quantity in (0, 51):
        with pytest.raises(IntegrityError), transaction.atomic():
            EsimOrderFactory(quantity=quantity)


def test_unstorable_texts_are_escaped_and_shortened(airalo):
    order = place(description="NUL \x00, half \ud800", package_id="p" * 300, webhook_url="https://example.com/" * 100)
    assert_recorded(order, "description")
    assert order.description == r"NUL \x00, half \ud800"
    assert order.package_id.startswith("ppp")
    assert "300 characters" in order.package_id
    assert len(order.webhook_url) == 500


def test_values_without_json_type_are_recorded(airalo):
    user = UserFactory()
    due_date = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    order = place(
        quantity=Decimal("1.5"),
        description=b"bytes",
        to_email=date(2026, 1, 2),
        copy_address=({1: float("nan"), "b": [10**400]},),
        brand_settings_name=object(),
        due_date=due_date,
        user=user,
    )
    order.refresh_from_db()
    call = order.refused_call
    assert call["quantity"] == "1.5"
    assert call["description"] == "b'bytes'"
    assert call["to_email"] == "2026-01-02"
    assert call["copy_address"][0]["1"] == "nan"
    assert call["copy_address"][0]["b"][0].startswith("0x")
    assert call["brand_settings_name"] == "<builtins.object>"
    assert call["due_date"] == "2026-01-02T03:04:00+00:00"
    assert (call["user"], order.user) == (user.pk, user)
    assert order.due_date is None


def test_secrets_are_not_recorded(airalo, settings, caplog):
    settings.AIRALO_WEBHOOK_URL_TOKEN = "s3cret-token"
    order = place(
        webhook_url="https://name:password@example.com/s3cret-token/ no", description="LPA:1$rsp.example.com$M"
    )
    topup = services.place_topup("LPA:1$rsp.example.com$MATCHING", package_id=TOPUP, on_refusal="record")
    for row in (order, topup):
        row.refresh_from_db()
    texts = [str(vars(order)), str(vars(topup)), *OrderEvent.objects.values_list("detail", flat=True), caplog.text]
    for secret in ("s3cret-token", "password", "$M", "MATCHING"):
        assert all(secret not in text for text in texts), secret


def test_error_reason_uses_language_of_shop(airalo):
    with translation.override("de"):
        order = place(quantity=0)
    assert "is not a whole number from 1 to 50" in order.error_reason


@pytest.mark.parametrize("gone", [False, True])
def test_owner_is_stored_unless_deleted(airalo, gone):
    user = UserFactory()
    if gone:
        get_user_model().objects.filter(pk=user.pk).delete()
    order = place(quantity=0, user=user)
    assert order.user_id == (None if gone else user.pk)
    assert order.refused_call["user"] == user.pk
    connection.check_constraints()


def test_invalid_call_raises_type_error(airalo):
    for arguments in ({"status": "completed"}, {"on_refusal": "ignore"}, {"on_refusal": None}):
        with pytest.raises(TypeError):
            place(**arguments)
    for call in (
        lambda: services.place_orders(["no mapping"], on_refusal="record"),
        lambda: services.place_orders([{"nonsense": 1}], on_refusal="record"),
        lambda: services.place_orders([], on_refusal="ignore"),
        lambda: services.place_topup(EsimFactory(), package_id=TOPUP, on_refusal="ignore"),
    ):
        with pytest.raises(TypeError):
            call()
    assert not EsimOrder.objects.filter(status="failed").exists()


def test_refusal_is_raised_by_default(airalo):
    for on_refusal in ({}, {"on_refusal": "raise"}):
        with pytest.raises(ValidationError):
            services.place_order(package_id=PACKAGE, quantity=0, **on_refusal)
    assert not EsimOrder.objects.exists()


def test_valid_order_is_placed_normally(airalo, committed):
    with committed():
        order = place(quantity=2)
    order.refresh_from_db()
    assert (order.status, order.refused_call, order.is_refused_at_placing) == ("accepted", None, False)


# The signal


@pytest.mark.django_db(transaction=True)
def test_refusal_is_signalled_after_commit_of_caller(airalo, heard):
    with transaction.atomic():
        order = place(quantity=0)
        assert heard == []
    assert heard.names(order) == ["esim_order_status_changed", "esim_order_failed"]
    heard.clear()
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012  the shop's own transaction
        place(quantity=0, idempotency_key="line-2")
        raise ZeroDivisionError
    assert heard == []
    assert not EsimOrder.objects.filter(idempotency_key="line-2").exists()


def test_unsent_refusal_signal_is_sent_once_by_sweep(airalo, committed, heard):
    order = place(quantity=0)  # what waits for the commit is never run
    OrderEvent.objects.filter(signal_due_at__isnull=False).update(signal_due_at=LONG_AGO)
    with committed():
        services.sweep()
    assert heard.names(order) == ["esim_order_status_changed", "esim_order_failed"]
    with committed():
        services.sweep()
    assert len(heard) == 2
    assert_recorded(order, "quantity")


# What cannot be done with it


def test_refused_order_is_never_sent_looked_up_or_in_doubt(airalo, committed):
    order = place(quantity=0, idempotency_key="line-1")
    EsimOrder.objects.update(created_at=LONG_AGO, failed_at=LONG_AGO)
    order.refresh_from_db()
    airalo.override_answer("GET", "/v2/orders", {"message": "Server Error"}, status=500)  # a look-up would raise
    with committed():
        assert services.submit_order(order).status == "failed"
        assert services.sync_order(order) == order
        for service in (
            operations.retry_now,
            services.cancel_order,
            operations.resubmit_unconfirmed,
            operations.mark_failed,
        ):
            with pytest.raises(IllegalTransitionError, match="is failed, so"):
                service(order)
        for _ in range(3):
            services.sweep()
    now = datetime.now(UTC)
    for rows in (
        EsimOrder.objects.due(now),
        EsimOrder.objects.overdue(now),
        EsimOrder.objects.waiting(),
        EsimOrder.objects.unconfirmed(),
        EsimOrder.objects.needing_attention(),
    ):
        assert not rows.exists()
    assert order.is_final
    assert airalo.orders == []
