"""What all admins but that of pricing rules share: Airalo and the services are the authority, so nothing is edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
else:  # not subscriptable at run time
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline


class ReadOnly:
    """View, search, filter and act; but add, change or delete nothing."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    show_full_result_count = False  # counting millions of rows for a footnote
    list_per_page = 50

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the user may run actions: Django's change permission, which only opens no form here."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")
