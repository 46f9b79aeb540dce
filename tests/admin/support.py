"""Rows of every model, their pages, and what an operator does on them."""

from __future__ import annotations

from uuid import uuid4

from django.urls import reverse

from django_airalo.models import (
    BalanceRecord,
    CompatibleDevice,
    Country,
    Deployment,
    Esim,
    EsimInstructions,
    EsimOrder,
    EsimPackage,
    ExchangeRate,
    Heartbeat,
    ListedPurchase,
    Operator,
    OrderEvent,
    Package,
    PricingRule,
    Refund,
    SubmissionPause,
    SyncRun,
    UsageRecord,
    Voucher,
    WebhookEvent,
)
from django_airalo.models.esims import SECRETS
from tests.factories import (
    LONG_AGO,
    CompatibleDeviceFactory,
    EsimFactory,
    EsimInstructionsFactory,
    EsimOrderFactory,
    EsimPackageFactory,
    OrderEventFactory,
    PackageFactory,
    PricingRuleFactory,
    SyncRunFactory,
    UsageRecordFactory,
    UserFactory,
    WebhookEventFactory,
)

MODELS = [EsimOrder, Esim, OrderEvent, WebhookEvent, Package, SubmissionPause, BalanceRecord, Heartbeat]
MODELS += [Refund, Voucher, Deployment, ListedPurchase]
MODELS += [UsageRecord, EsimPackage, EsimInstructions]
MODELS += [Operator, Country, ExchangeRate, SyncRun, CompatibleDevice]
#: What an operator sets.
EDITABLE = [PricingRule]


def url(model, page="changelist", *args):
    return reverse(f"admin:django_airalo_{model._meta.model_name}_{page}", args=args)


def fill(count=1):
    """Rows of every model, each order with two eSIMs, events and webhooks."""
    for number in range(count):
        order = EsimOrderFactory(accepted=True, user=UserFactory(), attention="Look." if number % 2 else "")
        EsimFactory(order=order)
        esim = EsimFactory(order=order, usage_status="active", remaining=100, total=1000)
        UsageRecordFactory(esim=esim)
        EsimPackageFactory(esim=esim)
        EsimInstructionsFactory(esim=esim)
        OrderEventFactory(order=order)
        OrderEventFactory(order=order, kind="attention", detail="Look.")
        WebhookEventFactory(order=order, request_id=order.request_id)
        _fill_catalogue(PackageFactory())
        SubmissionPause.objects.create(reason="Lack of credit.", is_active=None, order=order)
        Refund.objects.create(reason="NO_COVERAGE", error="Look.").esims.set(order.esims.all())
        Voucher.objects.create(kind="esim", package_id="test", status="created", codes=f"VOUCHER-{number}")
        BalanceRecord.objects.create(amount=number, currency="USD", threshold=1)
        Deployment.objects.get_or_create(pk=1)
        ListedPurchase.objects.create(reference=uuid4().hex, airalo_order_id=number)
        Heartbeat.objects.create(name=f"beat {Heartbeat.objects.count()}", at=LONG_AGO)


def _fill_catalogue(package):
    country, _ = Country.objects.get_or_create(code="TL", defaults={"title": "Testland"})
    package.operator.countries.add(country)
    package.history.create(price="4.50", recorded_at=LONG_AGO)
    for scope in ({}, {"package": package}, {"operator": package.operator}, {"country": country}):
        PricingRuleFactory(**scope)
    ExchangeRate.objects.get_or_create(currency="EUR", defaults={"rate": "0.9", "synced_at": LONG_AGO})
    SyncRunFactory(error="AiraloTimeoutError: no answer")
    SyncRunFactory(finished_at=LONG_AGO)
    CompatibleDeviceFactory()


def secrets():
    for esim in Esim.objects.all():
        yield from (getattr(esim, name) for name in SECRETS)
    for event in WebhookEvent.objects.all():
        yield event.body
    for voucher in Voucher.objects.all():
        yield voucher.codes


def act(client, model, action, *rows, **fields):
    data = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
    response = client.post(url(model), data, follow=True)
    return response, [str(message) for message in response.context["messages"]]
