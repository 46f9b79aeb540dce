from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_airalo.models import Package, PricingRule
from django_airalo.services.catalogue.prices import PriceList

from .base import ModelAdmin

#: How many packages the preview shows.
SAMPLES = 5


@admin.register(PricingRule)
class PricingRuleAdmin(ModelAdmin):
    """The one thing of the catalogue that an operator sets."""

    list_display: tuple[str, ...] = (
        "name",
        "is_active",
        "applies_to",
        "currency",
        "markup_text",
        "base",
        "rounding",
        "priority",
    )
    list_filter: ClassVar[tuple[str, ...]] = ("is_active", "markup_kind", "base")
    list_select_related: ClassVar[tuple[str, ...]] = ("package", "operator", "country")
    search_fields: ClassVar[tuple[str, ...]] = (
        "name",
        "=package__package_id",
        "operator__title__istartswith",
        "=country__code",
    )
    autocomplete_fields: ClassVar[tuple[str, ...]] = ("package", "operator", "country")
    readonly_fields: ClassVar[tuple[str, ...]] = ("preview",)
    fieldsets: ClassVar[tuple[Any, ...]] = (
        (None, {"fields": ("name", "is_active", "priority")}),
        (gettext_lazy("For"), {"fields": ("package", "operator", "country", "currency")}),
        (gettext_lazy("Price"), {"fields": ("base", "markup_kind", "markup", "rounding", "rounding_step")}),
        (gettext_lazy("Result"), {"fields": ("preview",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("package", "operator", "country")

    @admin.display(description=gettext_lazy("for"))
    def applies_to(self, rule: PricingRule) -> str:
        return str(rule.package or rule.operator or rule.country or _("everything"))

    @admin.display(description=gettext_lazy("markup"), ordering="markup")
    def markup_text(self, rule: PricingRule) -> str:
        return f"{rule.markup.normalize():f} {'%' if rule.markup_kind == rule.Kind.PERCENT else rule.currency}"

    @admin.display(description=gettext_lazy("examples"))
    def preview(self, rule: PricingRule) -> SafeString | str:
        """Some packages it is for, with the price it makes and why; and where another rule goes before it."""
        if rule._state.adding:
            return _("Save the rule to see examples.")
        samples = _samples(rule)
        if not samples:
            return _("No package on sale matches this rule.")
        prices = PriceList(rule.currency or "USD")
        rows = []
        for package in samples:
            price, winner = prices.price_by(rule, package), prices.rule_for(package)
            remark = "" if winner == rule else _("Not used here: another rule takes precedence, or this one is off.")
            explanation = price.explanation if price else prices.why_none(package)
            rows.append((package.package_id, price or "–", explanation, remark))
        return format_html(
            "<table>{}</table>",
            format_html_join("", "<tr><td>{}</td><td><b>{}</b></td><td>{} {}</td></tr>", rows),
        )


def _samples(rule: PricingRule) -> list[Package]:
    """Return the cheapest and the dearest package the rule is for, and some between."""
    packages = Package.objects.on_sale().filter(price__isnull=False)
    name, key = rule.scope()
    if name:
        column = {"package": "pk", "operator": "operator_id", "country": "country_code"}[name]
        packages = packages.filter(**{column: key})
    pks = list(packages.order_by("price", "pk").values_list("pk", flat=True))
    step = (len(pks) - 1) / (SAMPLES - 1)
    chosen = {pks[round(number * step)] for number in range(SAMPLES)} if len(pks) > SAMPLES else set(pks)
    return list(Package.objects.filter(pk__in=chosen).order_by("price", "pk"))
