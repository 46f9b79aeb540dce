"""Rows as a shop's database holds them, and Airalo's side of them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import factory
from django.contrib.auth import get_user_model
from django.utils import timezone

from django_airalo.conf import conf
from django_airalo.device_names import key_of
from django_airalo.models import (
    CompatibleDevice,
    Deployment,
    Esim,
    EsimInstructions,
    EsimOrder,
    EsimPackage,
    Operator,
    OrderEvent,
    Package,
    PricingRule,
    Refund,
    SyncRun,
    UsageRecord,
    Voucher,
    WebhookEvent,
)
from django_airalo.services.core import database, deployment
from django_airalo.services.esims.identity import CodeKeys
from django_airalo.testing import FakeOrder
from tests.fakes import FakeAiralo

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)

_request_numbers = itertools.count(1)


def stamp() -> str:
    """The name of this deployment, whose database is alive: it has sent orders before."""
    row = deployment.state()
    Deployment.objects.filter(pk=row.pk, alive_at=None).update(alive_at=database.db_now())
    return deployment.identity_of(row).stamp


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
    deployment = factory.LazyFunction(stamp)
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
        unconfirmed = factory.Trait(
            status="unconfirmed",
            attempt=1,
            unconfirmed_at=factory.LazyFunction(timezone.now),
            in_doubt_until=factory.LazyFunction(lambda: timezone.now() + timedelta(seconds=conf.UNCONFIRMED_GRACE)),
        )
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
    code_key = factory.LazyAttribute(lambda esim: CodeKeys().of(esim.activation_code))
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


class RefundFactory(factory.django.DjangoModelFactory):
    """A refund that is to be sent."""

    class Meta:
        model = Refund

    reason = "NO_COVERAGE"
    deployment = factory.LazyFunction(stamp)
    due_at = LONG_AGO


class VoucherFactory(factory.django.DjangoModelFactory):
    """A voucher that is to be bought."""

    class Meta:
        model = Voucher

    kind = "esim"
    package_id = "test-mobile-7days-1gb"
    deployment = factory.LazyFunction(stamp)
    due_at = LONG_AGO


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
    signature_encoding = "raw"
    due_at = LONG_AGO


def at_airalo(airalo: FakeAiralo, order: EsimOrder, **overrides: object) -> FakeOrder:
    """Have Airalo list ``order``, though no request of this test asked for it."""
    known = {"description": order.airalo_description, "package_id": order.package_id, "quantity": order.quantity}
    return airalo.add_order(**{**known, **overrides})


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


class SyncRunFactory(factory.django.DjangoModelFactory):
    """A sync of the packages that went well."""

    class Meta:
        model = SyncRun

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

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        device = model_class(*args, **kwargs)
        device.set_words()
        device.save()
        return device
