"""What all admins but that of pricing rules share: Airalo and the services are the authority, so nothing is edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
        """Return whether the user may run actions: Django's change permission, which only opens no form here."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def url_of(self, page: str, *args: Any) -> str:
        """Return the address of one of our pages on this admin's own site; empty if that site does not have it.

        It raises nothing, since it is also asked for after something was done that an error would hide.
        """
        try:
            return reverse(f"admin:django_airalo_{page}", args=args, current_app=self.admin_site.name)
        except NoReverseMatch:
            return ""

    def link_to(self, page: str, text: object, *args: Any) -> SafeString:
        """Return the text, as a link to one of our pages if this admin's site has it."""
        url = self.url_of(page, *args)
        return format_html('<a href="{}">{}</a>', url, text) if url else format_html("{}", text)
