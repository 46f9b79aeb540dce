from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Count, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_airalo import services
from django_airalo.exceptions import AiraloError
from django_airalo.models import (
    CompatibleDevice,
    Country,
    ExchangeRate,
    Operator,
    Package,
    PackagePrice,
    SyncRun,
)
from django_airalo.services import operations
from django_airalo.services.catalogue.prices import PriceList
from django_airalo.services.core import database

from .base import ReadOnly, ReadOnlyAdmin, TabularInline


class PackagePriceInline(ReadOnly, TabularInline):
    model: type[PackagePrice] = PackagePrice
    extra = 0
    fields: ClassVar[tuple[str, ...]] = ("recorded_at", "price", "net_price")


@admin.register(Package)
class PackageAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "package_id",
        "location",
        "title",
        "operator",
        "price",
        "net_price",
        "withdrawn_at",
    )
    list_filter: ClassVar[tuple[Any, ...]] = (
        "type",
        "reach",
        "is_unlimited",
        ("withdrawn_at", admin.EmptyFieldListFilter),
    )
    search_fields: ClassVar[tuple[str, ...]] = ("package_id__startswith", "location__startswith", "=country_code")
    search_help_text: ClassVar[Any] = gettext_lazy("The beginning of a package id or of a country; a country code")
    inlines: ClassVar[tuple[type[Any], ...]] = (PackagePriceInline,)
    readonly_fields: ClassVar[tuple[str, ...]] = ("selling_price", "retail_price_list", "net_price_list")
    exclude: ClassVar[tuple[str, ...]] = ("retail_prices", "net_prices", "digest")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Package]:
        packages: QuerySet[Package] = super().get_queryset(request)
        return packages.select_related("operator").defer("operator__coverages")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say above the list how old it is."""
        return super().changelist_view(request, {"subtitle": _last_sync(), **(extra_context or {})})

    @admin.display(description=gettext_lazy("selling price"))
    def selling_price(self, package: Package) -> str:
        prices = PriceList("USD")
        price = prices.price(package)
        return f"{price} – {price.explanation}" if price else prices.why_none(package)

    @admin.display(description=gettext_lazy("retail prices"))
    def retail_price_list(self, package: Package) -> SafeString:
        return _amounts(package.retail_prices)

    @admin.display(description=gettext_lazy("net prices"))
    def net_price_list(self, package: Package) -> SafeString:
        return _amounts(package.net_prices)


def _amounts(prices: dict[str, str]) -> SafeString:
    return format_html_join(" · ", "{} {}", ((amount, currency) for currency, amount in sorted(prices.items())))


def _last_sync() -> str:
    """When the catalogue was mirrored last, and what became of the sync after that, for the head of the list."""
    syncs = SyncRun.objects
    good = syncs.successes(SyncRun.Kind.PACKAGES).order_by("-id").values("started_at")[:1]
    newest: Any = syncs.filter(kind=SyncRun.Kind.PACKAGES).annotate(good_at=Subquery(good)).order_by("-id").first()
    if newest is None:
        return _("Never synced: run airalo_sync_packages.")
    text = _("Last sync: %(when)s") % {"when": _shown(newest.good_at)} if newest.good_at else _("Never synced.")
    return text if newest.succeeded else f"{text} {_trouble(newest)}"


def _trouble(run: SyncRun) -> str:
    """Return what became of a sync that did not go well, or not yet."""
    values = {"when": _shown(run.started_at), "error": run.error[:200]}
    if run.error:
        return _("The sync of %(when)s failed: %(error)s") % values
    if run.lease_until and run.lease_until > database.db_now():
        return _("A sync has been running since %(when)s.") % values
    return _("The sync of %(when)s died or hangs.") % values


def _shown(moment: datetime) -> str:
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")


@admin.register(Operator)
class OperatorAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "title",
        "type",
        "plan_type",
        "rechargeability",
        "is_kyc_verify",
        "country_count",
        "synced_at",
    )
    list_filter: ClassVar[tuple[str, ...]] = ("type", "plan_type", "rechargeability", "is_kyc_verify")
    search_fields: ClassVar[tuple[str, ...]] = ("title__istartswith", "=countries__code", "=airalo_id")
    search_help_text: ClassVar[Any] = gettext_lazy(
        "The beginning of a title; the code of a country it covers; Airalo's id"
    )
    exclude: ClassVar[tuple[str, ...]] = ("digest",)
    ordering: ClassVar[tuple[str, ...]] = ("title", "airalo_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operator]:
        operators: QuerySet[Operator] = super().get_queryset(request)
        return operators.annotate(covered=Count("countries", distinct=True))

    @admin.display(description=gettext_lazy("countries"), ordering="covered")
    def country_count(self, operator: Any) -> int:
        return int(operator.covered)


@admin.register(Country)
class CountryAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = ("title", "code")
    search_fields: ClassVar[tuple[str, ...]] = ("title__istartswith", "=code")


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = ("currency", "rate", "date", "synced_at")
    search_fields: ClassVar[tuple[str, ...]] = ("=currency",)


@admin.register(CompatibleDevice)
class CompatibleDeviceAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = ("brand", "name", "os")
    list_display_links: tuple[str, ...] = ("name",)
    list_filter: ClassVar[tuple[str, ...]] = ("os",)
    search_fields: ClassVar[tuple[str, ...]] = ("brand__istartswith", "name__icontains")


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "kind",
        "started_at",
        "finished_at",
        "went_well",
        "added",
        "changed",
        "withdrawn",
        "unchanged",
        "error_text",
    )
    list_filter: ClassVar[tuple[Any, ...]] = ("kind", ("error", admin.EmptyFieldListFilter), "started_at")
    actions: tuple[str, ...] = ("sync_now",)

    @admin.display(description=gettext_lazy("succeeded"), boolean=True)
    def went_well(self, run: SyncRun) -> bool | None:
        return run.succeeded

    @admin.display(description=gettext_lazy("error"))
    def error_text(self, run: SyncRun) -> SafeString:
        return format_html('<span title="{}">{}</span>', run.error, run.error[:80])

    @admin.action(description=gettext_lazy("Sync the same again now"), permissions=["act"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[SyncRun]) -> None:
        """In this request: it takes some seconds. What can take longer belongs to the command."""
        verbs = {
            SyncRun.Kind.PACKAGES: services.sync_packages,
            SyncRun.Kind.EXCHANGE_RATES: operations.sync_exchange_rates,
            SyncRun.Kind.DEVICES: operations.sync_devices,
        }
        for kind in queryset.order_by("kind").values_list("kind", flat=True).distinct():
            label = SyncRun.Kind(kind).label
            try:
                report = verbs[SyncRun.Kind(kind)]()
            except AiraloError as error:
                self.message_user(request, f"{label}: {error}", messages.ERROR)
            else:
                text = _("%(kind)s: %(added)d added, %(changed)d changed, %(withdrawn)d withdrawn.")
                self.message_user(request, text % {"kind": label, **vars(report)}, messages.SUCCESS)
