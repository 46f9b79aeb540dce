"""Rows as a shop's database holds them, and Airalo's side of them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_airalo.device_names import key_of
from django_airalo.models import (
    CatalogueSync,
    CompatibleDevice,
    Esim,
    EsimInstructions,
    EsimOrder,
    EsimPackage,
    Operator,
    OrderEvent,
    Package,
    PricingRule,
    UsageRecord,
    WebhookEvent,
)
from django_airalo.testing import FakeAiralo, FakeOrder, order_payload

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)

_request_numbers = itertools.count(1)


class UserFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = get_user_model()

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")


class OperatorFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Operator

    airalo_id = factory.Sequence(lambda n: 1000 + n)
    title = "Test Mobile"
    synced_at = factory.LazyFunction(timezone.now)


class PackageFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Package

    package_id = factory.Sequence(lambda n: f"test-mobile-{n}-7days-1gb")
    title = "1 GB - 7 Days"
    operator = factory.SubFactory(OperatorFactory)
    location = "Testland"
    location_slug = "testland"
    country_code = "TL"
    price = "4.50"
    synced_at = factory.LazyFunction(timezone.now)


class EsimOrderFactory(factory.django.DjangoModelFactory):
    """A pending order that is due. Statuses by trait: ``EsimOrderFactory(accepted=True)``."""

    class Meta:
        model = EsimOrder

    package_id = "test-mobile-7days-1gb"
    due_at = LONG_AGO

    class Params:
        pending = factory.Trait(status="pending")
        submitting = factory.Trait(status="submitting", attempt=1, due_at=FAR_AHEAD)
        accepted = factory.Trait(
            status="accepted",
            attempt=1,
            request_id=factory.LazyFunction(lambda: f"request-{next(_request_numbers):017d}"),
            accepted_at=factory.LazyFunction(timezone.now),
        )
        unconfirmed = factory.Trait(status="unconfirmed", attempt=1, unconfirmed_at=factory.LazyFunction(timezone.now))
        completed = factory.Trait(status="completed", attempt=1, due_at=None)
        failed = factory.Trait(status="failed", attempt=1, due_at=None, error_code=34, error_reason="Out of stock.")
        cancelled = factory.Trait(status="cancelled", due_at=None)
        scheduled = factory.Trait(status="scheduled", attempt=1, due_at=None)


class EsimFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Esim

    order = factory.SubFactory(EsimOrderFactory, completed=True)
    iccid = factory.Sequence(lambda n: f"8900000{n:012d}")
    smdp_address = "rsp.example.com"
    matching_id = factory.LazyAttribute(lambda esim: f"MATCHING-{esim.iccid}")
    activation_code = factory.LazyAttribute(lambda esim: f"LPA:1${esim.smdp_address}${esim.matching_id}")
    confirmation_code = factory.LazyAttribute(lambda esim: f"CONFIRM-{esim.iccid}")
    apple_installation_url = factory.LazyAttribute(
        lambda esim: f"https://esimsetup.example.com/?carddata={esim.activation_code}"
    )
    sharing_link = factory.LazyAttribute(lambda esim: f"https://share.example.com/{esim.iccid}")
    sharing_access_code = factory.LazyAttribute(lambda esim: f"ACCESS-{esim.iccid}")


class UsageRecordFactory(factory.django.DjangoModelFactory):
    """A change of an eSIM's usage."""

    class Meta:
        model = UsageRecord

    esim = factory.SubFactory(EsimFactory)
    source = "look-up"
    old_status = "not_active"
    status = "active"
    remaining = 1024
    total = 2048


class EsimPackageFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = EsimPackage

    esim = factory.SubFactory(EsimFactory)
    airalo_id = factory.Sequence(lambda n: n)
    package_id = "test-mobile-7days-1gb"
    title = "1 GB - 7 Days"
    status = "active"
    remaining = 512
    amount = 1024


class EsimInstructionsFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = EsimInstructions

    esim = factory.SubFactory(EsimFactory)
    language = "en"
    content = factory.LazyAttribute(lambda kept: f'{{"secret": "LPA:1$rsp.example.com${kept.esim.iccid}"}}')


class OrderEventFactory(factory.django.DjangoModelFactory):
    """A change of status whose signal is due."""

    class Meta:
        model = OrderEvent

    order = factory.SubFactory(EsimOrderFactory)
    kind = OrderEvent.Kind.STATUS_CHANGED
    old_status = "pending"
    new_status = "submitting"
    signal_due_at = LONG_AGO


class WebhookEventFactory(factory.django.DjangoModelFactory):
    """A webhook that was kept and is to be interpreted."""

    class Meta:
        model = WebhookEvent

    digest = factory.Sequence(lambda n: f"{n:064x}")
    body = factory.LazyAttribute(lambda event: f'{{"reason": "secret of {event.digest}"}}')
    signature_reading = "raw"
    due_at = LONG_AGO


def at_airalo(airalo: FakeAiralo, order: EsimOrder, **overrides: object) -> FakeOrder:
    """Have Airalo list ``order``, though no request of this test asked for it."""
    description = str(overrides.pop("description", order.airalo_description))
    fake = FakeOrder({"description": description}, bought=True)
    fake.payload = order_payload(
        **{"package_id": order.package_id, "quantity": order.quantity, "description": description, **overrides}
    )
    airalo.orders.append(fake)
    return fake


def due_now(*orders: EsimOrder) -> None:
    """Let the orders' waiting time be over."""
    EsimOrder.objects.filter(pk__in=[order.pk for order in orders]).update(due_at=LONG_AGO)


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)


class PricingRuleFactory(factory.django.DjangoModelFactory):
    """Net price and half of it again, for everything."""

    class Meta:
        model = PricingRule

    name = factory.Sequence(lambda n: f"Rule {n}")
    markup = "50"


class CatalogueSyncFactory(factory.django.DjangoModelFactory):
    """A sync of the packages that went well."""

    class Meta:
        model = CatalogueSync

    kind = "packages"
    started_at = factory.LazyFunction(timezone.now)
    finished_at = factory.LazyFunction(timezone.now)


class CompatibleDeviceFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = CompatibleDevice

    os = "android"
    brand = "Example"
    name = factory.Sequence(lambda n: f"Phone {n}")
    key = factory.LazyAttribute(lambda device: f"{device.os}:{key_of(device.brand, device.name)}")
