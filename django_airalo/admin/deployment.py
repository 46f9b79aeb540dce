from __future__ import annotations

from typing import ClassVar

from django.contrib import admin

from django_airalo.models import Deployment, ListedPurchase

from .base import ReadOnlyAdmin


@admin.register(Deployment)
class DeploymentAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = ("alive_at", "server", "behind_since", "behind_because", "list_read_at")
    exclude: ClassVar[tuple[str, ...]] = ("key",)


@admin.register(ListedPurchase)
class ListedPurchaseAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = ("reference", "airalo_order_id", "package_id", "seen_at")
    search_fields: ClassVar[tuple[str, ...]] = ("=reference", "=airalo_order_id")
