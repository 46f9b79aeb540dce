from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.functional import SimpleLazyObject

from django_airalo import services
from django_airalo.conf import conf
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.services.orders.validate import COLUMN_LENGTHS
from tests.factories import PackageFactory, UserFactory

pytestmark = pytest.mark.django_db

PACKAGE = "test-mobile-7days-1gb"
LONG_EMAIL = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example.com"

BAD_INPUT = [
    ("quantity", {"quantity": 0}),
    ("quantity", {"quantity": 51}),
    ("quantity", {"quantity": -1}),
    ("quantity", {"quantity": "two"}),
    ("quantity", {"quantity": "1"}),
    ("quantity", {"quantity": 1.5}),
    ("quantity", {"quantity": 1.0}),
    ("quantity", {"quantity": True}),
    ("quantity", {"quantity": None}),
    ("quantity", {"quantity": 10**40}),
    ("package_id", {"package_id": ""}),
    ("package_id", {"package_id": "  "}),
    ("package_id", {"package_id": None}),
    ("package_id", {"package_id": 7}),
    ("package_id", {"package_id": "a" * 256}),
    ("package_id", {"package_id": "test\x00"}),
    ("description", {"description": "x" * 10_000}),
    ("description", {"description": "x" * 223}),
    ("description", {"description": "NUL \x00"}),
    ("description", {"description": "lone surrogate \ud800"}),
    ("description", {"description": None}),
    ("description", {"description": b"bytes"}),
    ("brand_settings_name", {"brand_settings_name": "x" * 256}),
    ("brand_settings_name", {"brand_settings_name": None}),
    ("brand_settings_name", {"brand_settings_name": "\x00"}),
    ("to_email", {"to_email": "nobody", "sharing_option": ["link"]}),
    ("to_email", {"to_email": "a@b@example.com", "sharing_option": ["link"]}),
    ("to_email", {"to_email": LONG_EMAIL, "sharing_option": ["link"]}),
    ("to_email", {"to_email": None}),
    ("sharing_option", {"to_email": "a@example.com"}),
    ("sharing_option", {"to_email": "a@example.com", "sharing_option": "link"}),
    ("sharing_option", {"to_email": "a@example.com", "sharing_option": ["fax"]}),
    ("sharing_option", {"to_email": "a@example.com", "sharing_option": [["link"]]}),
    ("sharing_option", {"sharing_option": None}),
    ("sharing_option", {"sharing_option": 5}),
    ("sharing_option", {"sharing_option": {"link": 1}}),
    ("copy_address", {"copy_address": "a@example.com"}),
    ("copy_address", {"copy_address": ["nobody"]}),
    ("copy_address", {"copy_address": [5]}),
    ("copy_address", {"copy_address": [None]}),
    ("copy_address", {"copy_address": None}),
    ("copy_address", {"copy_address": 5}),
    ("copy_address", {"copy_address": ["a@example.com\x00"]}),
    ("webhook_url", {"webhook_url": "no address"}),
    ("webhook_url", {"webhook_url": "ftp://example.com/"}),
    ("webhook_url", {"webhook_url": None}),
    ("webhook_url", {"webhook_url": "https://example.com/" + "a" * 500}),
    ("idempotency_key", {"idempotency_key": ""}),
    ("idempotency_key", {"idempotency_key": 7}),
    ("idempotency_key", {"idempotency_key": "x" * 256}),
    ("idempotency_key", {"idempotency_key": "NUL \x00"}),
    ("idempotency_key", {"idempotency_key": "lone surrogate \udfff"}),
    ("mode", {"mode": "later"}),
    ("mode", {"mode": ""}),
    ("mode", {"mode": 1}),
    ("due_date", {"due_date": "2027-01-01"}),
    ("user", {"user": UserFactory.build()}),
    ("user", {"user": 5}),
    ("user", {"user": "somebody"}),
]


@pytest.mark.parametrize(("field", "arguments"), BAD_INPUT)
def test_invalid_input_names_field_and_writes_nothing(airalo, django_capture_on_commit_callbacks, field, arguments):
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(ValidationError) as refused:
        services.place_order(**{"package_id": PACKAGE, **arguments})
    assert list(refused.value.message_dict) == [field]
    assert not EsimOrder.objects.exists()
    assert not OrderEvent.objects.exists()
    assert airalo.orders == []


def test_all_invalid_fields_are_named_together(airalo):
    with pytest.raises(ValidationError) as refused:
        services.place_order(package_id="", quantity=0, copy_address=["nobody"], idempotency_key="")
    assert set(refused.value.message_dict) == {"package_id", "quantity", "copy_address", "idempotency_key"}


def test_package_must_be_on_sale_if_catalogue_exists(airalo):
    on_sale, withdrawn = PackageFactory(), PackageFactory(withdrawn_at="2026-01-01T00:00:00Z")
    topup = PackageFactory(type="topup").package_id
    others = ("unknown-package", on_sale.package_id.upper(), f"{on_sale.package_id} ")
    for package_id in (withdrawn.package_id, topup, *others):
        with pytest.raises(ValidationError) as refused:
            services.place_order(package_id=package_id)
        assert list(refused.value.message_dict) == ["package_id"]
        assert package_id in refused.value.messages[0]
    assert not EsimOrder.objects.exists()
    assert services.place_order(package_id=on_sale.package_id).package_id == on_sale.package_id


@pytest.mark.parametrize("description", ["for Zoë 🎉", "x" * 222, "%_ \\ \" '", "<script>", "日本"])
def test_valid_description_is_stored_and_sent_unchanged(airalo, committed, description):
    with committed():
        order = services.place_order(package_id=PACKAGE, description=description)
    order.refresh_from_db()
    assert order.description == description
    assert airalo.find(order).body["description"] == f"{order.reference} {description}"


def test_description_limit_of_reference_length_still_sends_reference(airalo, monkeypatch, committed):
    monkeypatch.setattr(conf, "DESCRIPTION_MAX_LENGTH", 32)
    with pytest.raises(ValidationError, match="too many"):
        services.place_order(package_id=PACKAGE, description="x")
    with committed():
        order = services.place_order(package_id=PACKAGE)
    assert airalo.find(order).body["description"] == order.reference


def test_all_optional_fields_are_sent(airalo, committed):
    with committed():
        order = services.place_order(
            package_id=PACKAGE,
            quantity=50,
            description="line 7",
            brand_settings_name="our brand",
            to_email="customer@example.com",
            sharing_option=("link", "pdf"),
            copy_address=["copy@example.com"],
            webhook_url="https://other.example.com/hook/",
        )
    assert airalo.find(order).body == {
        "package_id": PACKAGE,
        "quantity": 50,
        "type": "sim",
        "description": f"{order.reference} line 7",
        "brand_settings_name": "our brand",
        "to_email": "customer@example.com",
        "sharing_option": ["link", "pdf"],
        "copy_address": ["copy@example.com"],
        "webhook_url": "https://other.example.com/hook/",
    }


def test_order_without_optional_fields_sends_configured_webhook_url(airalo, committed, settings):
    settings.AIRALO_WEBHOOK_URL_TOKEN = "t0ken"
    with committed():
        order = services.place_order(package_id=PACKAGE)
    assert airalo.find(order).body == {
        "package_id": PACKAGE,
        "quantity": 1,
        "type": "sim",
        "description": order.reference,
        "webhook_url": "https://shop.example.com/airalo/webhook/t0ken/",
    }


def test_placed_order_is_pending_with_one_event(airalo):
    order = services.place_order(package_id=PACKAGE, idempotency_key="line-1")
    order.refresh_from_db()
    assert (order.status, order.attempt, order.idempotency_key) == ("pending", 0, "line-1")
    assert order.due_at == order.created_at
    event = order.events.get()
    assert (event.kind, event.source, event.old_status, event.new_status) == ("placed", "shop", "", "")
    assert event.signal_due_at is None
    assert airalo.orders == []


@pytest.mark.django_db(transaction=True)
def test_rollback_leaves_no_order_and_sends_nothing(airalo):
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012  the shop's own transaction
        services.place_order(package_id=PACKAGE, idempotency_key="line-1")
        raise ZeroDivisionError
    assert not EsimOrder.objects.exists()
    assert airalo.orders == []
    # The same key is free again.
    order = services.place_order(package_id=PACKAGE, idempotency_key="line-1")
    order.refresh_from_db()
    assert order.status == "accepted"
    assert len(airalo.orders) == 1


@pytest.mark.django_db(transaction=True)
def test_order_is_sent_after_commit_of_caller(airalo):
    with transaction.atomic():
        order = services.place_order(package_id=PACKAGE)
        assert airalo.orders == []
    order.refresh_from_db()
    assert order.status == "accepted"


def test_owner_is_set_only_for_authenticated_user(airalo):
    user = UserFactory()
    assert services.place_order(package_id=PACKAGE, user=user).user == user
    assert services.place_order(package_id=PACKAGE, user=SimpleLazyObject(lambda: user)).user_id == user.pk
    assert services.place_order(package_id=PACKAGE, user=AnonymousUser()).user is None
    assert services.place_order(package_id=PACKAGE, user=SimpleLazyObject(AnonymousUser)).user is None
    assert services.place_order(package_id=PACKAGE, user=None).user is None


CONTENT = {
    "package_id": PACKAGE,
    "quantity": 2,
    "description": "line 7",
    "to_email": "a@example.com",
    "sharing_option": ["link", "pdf"],
}


def test_same_key_and_content_returns_same_order_sent_once(airalo, committed):
    user = UserFactory()
    with committed():
        first = services.place_order(idempotency_key="line-7", user=user, **CONTENT)
        second = services.place_order(idempotency_key="line-7", user=user, **CONTENT)
    with committed():
        third = services.place_order(
            idempotency_key="line-7", user=user, **{**CONTENT, "sharing_option": ("link", "pdf")}
        )
    assert first == second == third
    assert EsimOrder.objects.count() == 1
    assert len(airalo.orders) == 1
    assert list(first.events.values_list("kind", flat=True)).count("placed") == 1


def test_known_key_returns_order_after_package_withdrawal(airalo):
    package = PackageFactory(package_id=PACKAGE)
    order = services.place_order(package_id=PACKAGE, idempotency_key="line-7")
    package.withdrawn_at = package.synced_at
    package.save()
    assert services.place_order(package_id=PACKAGE, idempotency_key="line-7") == order


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"quantity": 3}, ["quantity"]),
        ({"package_id": "other"}, ["package_id"]),
        ({"description": ""}, ["description"]),
        ({"sharing_option": ["link"]}, ["sharing_option"]),
        ({"webhook_url": "https://example.com/", "copy_address": ["b@example.com"]}, ["copy_address", "webhook_url"]),
        ({"user": "another"}, ["user"]),
    ],
)
def test_same_key_with_other_content_conflicts(airalo, change, named):
    services.place_order(idempotency_key="line-7", user=UserFactory(), **CONTENT)
    user = UserFactory() if "user" in change else EsimOrder.objects.get().user
    with pytest.raises(IdempotencyConflictError) as refused:
        services.place_order(idempotency_key="line-7", **{**CONTENT, **change, "user": user})
    assert f"with another {', '.join(named)}." in str(refused.value)
    assert EsimOrder.objects.count() == 1


def test_keys_differing_only_in_case_are_not_mixed_up(airalo):
    first = services.place_order(idempotency_key="Line-7", **CONTENT)
    refused = None
    try:
        second = services.place_order(idempotency_key="line-7", **CONTENT)
    except IdempotencyConflictError as error:  # where the database's collation ignores case
        refused = str(error).split("with another")[1]
    assert "idempotency_key" in refused if refused else first != second


def test_call_without_key_always_places_new_order(airalo):
    assert services.place_order(**CONTENT) != services.place_order(**CONTENT)


def test_checked_lengths_match_column_lengths():
    assert {name: EsimOrder._meta.get_field(name).max_length for name in COLUMN_LENGTHS} == COLUMN_LENGTHS
