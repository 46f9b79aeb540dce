from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy

from django_airalo.models import Package

from .base import ReadOnlyAdmin


@admin.register(Package)
class PackageAdmin(ReadOnlyAdmin):
    list_display = ("package_id", "location", "title", "operator", "price", "net_price", "withdrawn_at")
    list_filter = ("type", "reach", "is_unlimited", ("withdrawn_at", admin.EmptyFieldListFilter))
    search_fields = ("package_id__startswith", "location__startswith", "=country_code")
    search_help_text = gettext_lazy("The beginning of a package id or of a country; a country code")
