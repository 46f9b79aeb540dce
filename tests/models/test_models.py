from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, transaction

from django_airalo.models import Esim, EsimOrder, OrderEvent, Package, SubmissionPause, WebhookEvent
from django_airalo.models.esims import validate_iccid
from django_airalo.models.orders import new_reference
from django_airalo.services.fulfilment import reference_in
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
def test_the_database_itself_refuses_a_wrong_quantity(quantity):
    with pytest.raises(DatabaseError), transaction.atomic():
        EsimOrderFactory(quantity=quantity)
    order = EsimOrderFactory(quantity=50)
    with pytest.raises(DatabaseError), transaction.atomic():
        EsimOrder.objects.filter(pk=order.pk).update(quantity=quantity)


@pytest.mark.parametrize("status", ["", "unknown"])
def test_the_database_itself_refuses_an_unknown_status(status):
    order = EsimOrderFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        EsimOrder.objects.filter(pk=order.pk).update(status=status)


def test_every_known_status_is_allowed():
    for status in EsimOrder.Status.values:
        EsimOrderFactory(status=status)
    assert EsimOrder.objects.count() == 8


@pytest.mark.parametrize(
    ("factory", "field", "value"),
    [
        (EsimOrderFactory, "reference", "a" * 32),
        (EsimOrderFactory, "idempotency_key", "line-1"),
        (EsimOrderFactory, "request_id", "request-1"),
        (EsimFactory, "iccid", "8900000000000000123"),
        (EsimFactory, "public_id", "12345678-1234-5678-1234-567812345678"),
        (OrderEventFactory, "event_id", "12345678-1234-5678-1234-567812345678"),
        (WebhookEventFactory, "digest", "d" * 64),
        (WebhookEventFactory, "event_id", "12345678-1234-5678-1234-567812345678"),
        (PackageFactory, "package_id", "test-mobile-7days-1gb"),
    ],
)
def test_unique_fields_are_unique_in_the_database(factory, field, value):
    factory(**{field: value})
    with pytest.raises(IntegrityError), transaction.atomic():
        factory(**{field: value})


def test_unknown_keys_and_request_ids_may_be_many():
    for _ in range(2):
        EsimOrderFactory(idempotency_key=None, request_id=None)
    assert EsimOrder.objects.count() == 2


def test_one_pause_at_most_is_active():
    SubmissionPause.objects.create(reason="first", is_active=None)
    SubmissionPause.objects.create(reason="second", is_active=None)
    SubmissionPause.objects.create(reason="third")
    with pytest.raises(IntegrityError), transaction.atomic():
        SubmissionPause.objects.create(reason="fourth")


def test_references_are_hex_of_one_length_and_never_the_same():
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
def test_a_reference_is_read_only_from_the_front(description, found):
    assert reference_in(description) == ("a" * 32 if found else "")


def test_the_description_sent_to_airalo():
    order = EsimOrderFactory.build(description="line 7")
    assert order.airalo_description == f"{order.reference} line 7"
    assert reference_in(order.airalo_description) == order.reference
    assert EsimOrderFactory.build().airalo_description != order.airalo_description
    assert len(EsimOrderFactory.build().airalo_description) == 32


@pytest.mark.parametrize("iccid", ["8" * 17, "8" * 22, "8900000000000000123"])
def test_an_iccid(iccid):
    validate_iccid(iccid)


@pytest.mark.parametrize("iccid", ["8" * 16, "8" * 23, "", "8" * 18 + "\n", "8" * 18 + "F", "٨" * 19, " " + "8" * 18])
def test_no_iccid(iccid):
    with pytest.raises(ValidationError):
        validate_iccid(iccid)


def test_querysets():
    user = UserFactory()
    mine = EsimFactory(order__user=user)
    EsimFactory(order__user=UserFactory())
    guest = EsimFactory()
    assert list(Esim.objects.of_user(user)) == [mine]
    assert list(EsimOrder.objects.of_user(user)) == [mine.order]
    for nobody in (None, AnonymousUser()):
        assert not Esim.objects.of_user(nobody).exists()
        assert not EsimOrder.objects.of_user(nobody).exists()
    assert list(Esim.objects.of_user(user.pk)) == [mine]
    waiting = [EsimOrderFactory(**{status: True}) for status in ("pending", "accepted", "scheduled")]
    unconfirmed = EsimOrderFactory(unconfirmed=True, attention="Look.")
    assert set(EsimOrder.objects.waiting()) == {*waiting, unconfirmed}
    assert list(EsimOrder.objects.unconfirmed()) == [unconfirmed]
    assert list(EsimOrder.objects.needing_attention()) == [unconfirmed]
    assert guest.order.is_final
    assert not unconfirmed.is_final
    on_sale, _ = PackageFactory(), PackageFactory(withdrawn_at="2026-01-01T00:00:00Z")
    assert list(Package.objects.on_sale()) == [on_sale]


def test_deleting_a_user_keeps_the_orders():
    esim = EsimFactory(order__user=UserFactory())
    esim.order.user.delete()
    assert Esim.objects.get().order.user is None


def test_words_for_people():
    order = EsimOrderFactory(quantity=2, reference="a" * 32)
    assert str(order) == f"{'a' * 32} (2 × test-mobile-7days-1gb)"
    assert str(OrderEventFactory(old_status="pending", new_status="submitting")) == "Pending → Submitting"
    assert str(OrderEventFactory(kind="placed")) == "Placed"
    assert str(PackageFactory(title="1 GB")) == "Testland: 1 GB"
    assert str(WebhookEventFactory(request_id="request-1", kind="async_order")) == "Asynchronous order request-1"
    assert OrderEvent.objects.count() == 2
    assert WebhookEvent.objects.count() == 1
    assert "why" in str(SubmissionPause(reason="why"))


def test_an_order_can_be_deleted_with_its_esims_and_their_topups():
    esim = EsimFactory()
    topup = EsimOrderFactory(type="topup", esim=esim)
    other = EsimOrderFactory()
    esim.order.delete()
    assert list(EsimOrder.objects.values_list("pk", flat=True)) == [other.pk]
    assert not Esim.objects.exists()
    assert not OrderEvent.objects.filter(order=topup.pk).exists()
