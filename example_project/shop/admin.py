from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from .models import Order, OrderLine, ReceivedSignal


class ReadOnly:
    """Makes rows read-only: customers create orders, and signals change them."""

    def has_add_permission(self, *args: Any) -> bool:
        """Forbid adding."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Forbid changing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Forbid deleting."""
        return False


class OrderLineInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # generic in stubs only
    """The lines of an order, with links to their eSIM orders."""

    model = OrderLine
    extra = 0
    fields = ("location", "title", "package_id", "quantity", "price", "status", "esim_order")


@admin.register(Order)
class OrderAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs only
    """The orders of the shop."""

    list_display = ("__str__", "user", "email", "total", "created_at")
    list_filter = ("lines__status", "created_at")
    search_fields = ("number", "email", "user__username", "lines__location", "lines__esim_order__reference")
    date_hierarchy = "created_at"
    inlines = (OrderLineInline,)

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the orders with the related rows that the list shows."""
        return super().get_queryset(request).select_related("user").prefetch_related("lines")


@admin.register(ReceivedSignal)
class ReceivedSignalAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # generic in stubs only
    """The signals that the shop has handled."""

    list_display = ("signal", "line", "event_id", "received_at")
    list_filter = ("signal",)
    search_fields = ("event_id", "line__esim_order__reference")
    list_select_related = ("line",)
