from __future__ import annotations

from datetime import datetime
from typing import Any

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
    CatalogueSync,
    CompatibleDevice,
    Country,
    ExchangeRate,
    Operator,
    Package,
    PackagePrice,
)
from django_airalo.models.pricing import PriceList
from django_airalo.services import database

from .base import ReadOnly, ReadOnlyAdmin, TabularInline


class PackagePriceInline(ReadOnly, TabularInline):
    model = PackagePrice
    extra = 0
    fields = ("recorded_at", "price", "net_price")


@admin.register(Package)
class PackageAdmin(ReadOnlyAdmin):
    list_display = ("package_id", "location", "title", "operator", "price", "net_price", "withdrawn_at")
    list_filter = ("type", "reach", "is_unlimited", ("withdrawn_at", admin.EmptyFieldListFilter))
    search_fields = ("package_id__startswith", "location__startswith", "=country_code")
    search_help_text = gettext_lazy("The beginning of a package id or of a country; a country code")
    inlines = (PackagePriceInline,)
    readonly_fields = ("selling_price", "retail_price_list", "net_price_list")
    exclude = ("retail_prices", "net_prices", "digest")

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
    syncs = CatalogueSync.objects
    good = syncs.successes(CatalogueSync.Kind.PACKAGES).order_by("-id").values("started_at")[:1]
    newest: Any = (
        syncs.filter(kind=CatalogueSync.Kind.PACKAGES).annotate(good_at=Subquery(good)).order_by("-id").first()
    )
    if newest is None:
        return _("Never synced: run airalo_sync_packages.")
    text = _("Last sync: %(when)s") % {"when": _shown(newest.good_at)} if newest.good_at else _("Never synced.")
    return text if newest.succeeded else f"{text} {_trouble(newest)}"


def _trouble(run: CatalogueSync) -> str:
    """What became of a sync that did not go well, or not yet."""
    values = {"when": _shown(run.started_at), "error": run.error[:200]}
    if run.error:
        return _("The one of %(when)s failed: %(error)s") % values
    if run.lease_until and run.lease_until > database.now():
        return _("One is running since %(when)s.") % values
    return _("The one of %(when)s died or hangs.") % values


def _shown(moment: datetime) -> str:
    return date_format(localtime(moment), "SHORT_DATETIME_FORMAT")


@admin.register(Operator)
class OperatorAdmin(ReadOnlyAdmin):
    list_display = ("title", "type", "plan_type", "rechargeability", "is_kyc_verify", "country_count", "synced_at")
    list_filter = ("type", "plan_type", "rechargeability", "is_kyc_verify")
    search_fields = ("title__istartswith", "=countries__code", "=airalo_id")
    search_help_text = gettext_lazy("The beginning of a title; the code of a country it covers; Airalo's id")
    exclude = ("digest",)
    ordering = ("title", "airalo_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Operator]:
        operators: QuerySet[Operator] = super().get_queryset(request)
        return operators.annotate(covered=Count("countries", distinct=True))

    @admin.display(description=gettext_lazy("countries"), ordering="covered")
    def country_count(self, operator: Any) -> int:
        return int(operator.covered)


@admin.register(Country)
class CountryAdmin(ReadOnlyAdmin):
    list_display = ("title", "code")
    search_fields = ("title__istartswith", "=code")


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ReadOnlyAdmin):
    list_display = ("currency", "rate", "date", "synced_at")
    search_fields = ("=currency",)


@admin.register(CompatibleDevice)
class CompatibleDeviceAdmin(ReadOnlyAdmin):
    list_display = ("brand", "name", "os")
    list_display_links = ("name",)
    list_filter = ("os",)
    search_fields = ("brand__istartswith", "name__icontains")


@admin.register(CatalogueSync)
class CatalogueSyncAdmin(ReadOnlyAdmin):
    list_display = (
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
    list_filter = ("kind", ("error", admin.EmptyFieldListFilter), "started_at")
    actions = ("sync_now",)

    @admin.display(description=gettext_lazy("went well"), boolean=True)
    def went_well(self, run: CatalogueSync) -> bool | None:
        return run.succeeded

    @admin.display(description=gettext_lazy("error"))
    def error_text(self, run: CatalogueSync) -> SafeString:
        return format_html('<span title="{}">{}</span>', run.error, run.error[:80])

    @admin.action(description=gettext_lazy("Sync the same again now"), permissions=["act"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[CatalogueSync]) -> None:
        """In this request: it takes some seconds. What can take longer belongs to the command."""
        verbs = {
            CatalogueSync.Kind.PACKAGES: services.sync_packages,
            CatalogueSync.Kind.EXCHANGE_RATES: services.sync_exchange_rates,
            CatalogueSync.Kind.DEVICES: services.sync_devices,
        }
        for kind in queryset.order_by("kind").values_list("kind", flat=True).distinct():
            label = CatalogueSync.Kind(kind).label
            try:
                report = verbs[CatalogueSync.Kind(kind)]()
            except AiraloError as error:
                self.message_user(request, f"{label}: {error}", messages.ERROR)
            else:
                text = _("%(kind)s: %(added)d added, %(changed)d changed, %(withdrawn)d withdrawn.")
                self.message_user(request, text % {"kind": label, **vars(report)}, messages.SUCCESS)
