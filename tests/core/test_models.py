from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import ProtectedError

from django_airalo.iccids import is_plain, normalised
from django_airalo.models import Esim, EsimOrder, OrderEvent, Package, SubmissionPause, WebhookEvent
from django_airalo.models.references import new_reference, reference_in
from tests.factories import (
    EsimFactory,
    EsimOrderFactory,
    OrderEventFactory,
    PackageFactory,
    UserFactory,
    WebhookEventFactory,
)

pytestmark = pytest.mark.django_db


def test_no_migration_is_missing():
    call_command("makemigrations", "django_airalo", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("quantity", [0, 51, 1000, -1])
def test_database_refuses_invalid_quantity(quantity):
    with pytest.raises(DatabaseError), transaction.atomic():
        EsimOrderFactory(quantity=quantity)
    order = EsimOrderFactory(quantity=50)
    with pytest.raises(DatabaseError), transaction.atomic():
        EsimOrder.objects.filter(pk=order.pk).update(quantity=quantity)


@pytest.mark.parametrize("status", ["", "unknown"])
def test_database_refuses_unknown_status(status):
    order = EsimOrderFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        EsimOrder.objects.filter(pk=order.pk).update(status=status)


def test_database_allows_every_known_status():
    for status in EsimOrder.Status.values:
        EsimOrderFactory(status=status)
    assert EsimOrder.objects.count() == 8


@pytest.mark.parametrize(
    ("factory", "field", "value"),
    [
        (EsimOrderFactory, "reference", "a" * 32),
        (EsimOrderFactory, "idempotency_key", "line-1"),
        (EsimOrderFactory, "request_id", "request-1"),
        (EsimFactory, "public_id", "12345678-1234-5678-1234-567812345678"),
        (OrderEventFactory, "event_id", "12345678-1234-5678-1234-567812345678"),
        (WebhookEventFactory, "digest", "d" * 64),
        (WebhookEventFactory, "event_id", "12345678-1234-5678-1234-567812345678"),
        (PackageFactory, "package_id", "test-mobile-7days-1gb"),
    ],
)
def test_database_enforces_unique_fields(factory, field, value):
    factory(**{field: value})
    with pytest.raises(IntegrityError), transaction.atomic():
        factory(**{field: value})


def test_iccid_is_unique_within_order_only():
    esim = EsimFactory(iccid="8900000000000000123")
    EsimFactory(iccid="8900000000000000123")
    with pytest.raises(IntegrityError), transaction.atomic():
        EsimFactory(iccid="8900-000000000000123F", order=esim.order)


def test_several_orders_may_lack_key_and_request_id():
    for _ in range(2):
        EsimOrderFactory(idempotency_key=None, request_id=None)
    assert EsimOrder.objects.count() == 2


def test_at_most_one_pause_is_active():
    SubmissionPause.objects.create(reason="first", is_active=None)
    SubmissionPause.objects.create(reason="second", is_active=None)
    SubmissionPause.objects.create(reason="third")
    with pytest.raises(IntegrityError), transaction.atomic():
        SubmissionPause.objects.create(reason="fourth")


def test_references_are_distinct_hex_of_fixed_length():
    references = {new_reference() for _ in range(1000)}
    assert len(references) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", reference) for reference in references)


@pytest.mark.parametrize(
    ("description", "found"),
    [
        ("a" * 32, True),
        ("a" * 32 + " words", True),
        ("a" * 32 + "\twords", False),
        ("a" * 33, False),
        ("a" * 31, False),
        ("A" * 32, False),
        ("g" * 32, False),
        (" " + "a" * 32, False),
        ("", False),
        ("words " + "a" * 32, False),
    ],
)
def test_reference_is_read_only_from_start_of_description(description, found):
    assert reference_in(description) == ("a" * 32 if found else "")


def test_description_sent_to_airalo_starts_with_reference():
    order = EsimOrderFactory.build(description="line 7")
    assert order.airalo_description == f"{order.reference} line 7"
    assert reference_in(order.airalo_description) == order.reference
    assert EsimOrderFactory.build().airalo_description != order.airalo_description
    assert len(EsimOrderFactory.build().airalo_description) == 32


@pytest.mark.parametrize("iccid", ["8" * 16, "8" * 22, "8900000000000000123"])
def test_plain_iccid_is_its_own_key(iccid):
    assert is_plain(iccid)
    assert normalised(iccid) == iccid


@pytest.mark.parametrize(
    ("iccid", "key"),
    [
        ("", ""),
        (" -.", ""),
        ("8" * 15, "8" * 15),
        ("8" * 18 + "\n", "8" * 18),
        ("8" * 18 + "F", "8" * 18),
        ("8" * 18 + "f", "8" * 18),
        ("8" * 18 + "FF", "8" * 18 + "FF"),
        ("89ab cdef", "89ABCDEF"),
        ("8900-0000 00", "8900000000"),
        ("８９", "89"),
        ("8" * 48, "8" * 48),
    ],
)
def test_odd_iccid_is_normalised(iccid, key):
    assert not is_plain(iccid)
    assert normalised(iccid) == key


@pytest.mark.parametrize("iccid", ["٨" * 19, "8" * 49, "é" * 5])
def test_iccid_that_is_not_ascii_or_too_long_becomes_digest(iccid):
    key = normalised(iccid)
    assert key.startswith("ODD")
    assert (key.isascii(), key == key.upper(), len(key)) == (True, True, 43)
    assert normalised(iccid + "1") != key


def test_querysets_filter_by_user_and_status():
    user = UserFactory()
    mine = EsimFactory(order__user=user)
    EsimFactory(order__user=UserFactory())
    guest = EsimFactory()
    assert list(Esim.objects.for_user(user)) == [mine]
    assert list(EsimOrder.objects.for_user(user)) == [mine.order]
    for nobody in (None, AnonymousUser()):
        assert not Esim.objects.for_user(nobody).exists()
        assert not EsimOrder.objects.for_user(nobody).exists()
    assert list(Esim.objects.for_user(user.pk)) == [mine]
    waiting = [EsimOrderFactory(**{status: True}) for status in ("pending", "accepted", "scheduled")]
    unconfirmed = EsimOrderFactory(unconfirmed=True, attention="Look.")
    assert set(EsimOrder.objects.waiting()) == {*waiting, unconfirmed}
    assert list(EsimOrder.objects.unconfirmed()) == [unconfirmed]
    assert list(EsimOrder.objects.needing_attention()) == [unconfirmed]
    assert guest.order.is_final
    assert not unconfirmed.is_final
    on_sale, _ = PackageFactory(), PackageFactory(withdrawn_at="2026-01-01T00:00:00Z")
    assert list(Package.objects.on_sale()) == [on_sale]


def test_deleting_user_keeps_orders():
    esim = EsimFactory(order__user=UserFactory())
    esim.order.user.delete()
    assert Esim.objects.get().order.user is None


def test_str_of_models_is_readable():
    order = EsimOrderFactory(quantity=2, reference="a" * 32)
    assert str(order) == f"{'a' * 32} (2 × test-mobile-7days-1gb)"
    assert str(OrderEventFactory(old_status="pending", new_status="submitting")) == "Pending → Submitting"
    assert str(OrderEventFactory(kind="placed")) == "Placed"
    assert str(PackageFactory(title="1 GB")) == "Testland: 1 GB"
    assert str(WebhookEventFactory(request_id="request-1", kind="async_order")) == "Asynchronous order request-1"
    assert OrderEvent.objects.count() == 2
    assert WebhookEvent.objects.count() == 1
    assert "why" in str(SubmissionPause(reason="why"))


def test_order_is_deleted_only_after_the_topups_of_its_esims():
    """A top-up may be on its way to Airalo, and is paid for."""
    esim, other = EsimFactory(), EsimOrderFactory()
    topup = EsimOrderFactory(type="topup", esim=esim)
    for row in (esim, esim.order):
        with pytest.raises(ProtectedError):
            row.delete()
    topup.delete()
    esim.order.delete()
    assert list(EsimOrder.objects.values_list("pk", flat=True)) == [other.pk]
    assert not Esim.objects.exists()
    assert not OrderEvent.objects.filter(order=topup.pk).exists()
