from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from django_airalo import services
from django_airalo.models import WebhookEvent

from .base import ReadOnlyAdmin


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "received_at",
        "kind",
        "status",
        "request_id",
        "order",
        "deliveries",
        "error",
    )
    list_filter: ClassVar[tuple[str, ...]] = ("status", "kind", "signature_encoding", "received_at")
    list_select_related: ClassVar[tuple[str, ...]] = ("order",)
    search_fields: ClassVar[tuple[str, ...]] = ("=request_id", "=order__reference", "=digest")
    search_help_text: ClassVar[Any] = gettext_lazy("request_id, reference or digest in full")
    exclude: ClassVar[tuple[str, ...]] = ("body",)
    actions: tuple[str, ...] = ("process_again",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEvent]:
        return super().get_queryset(request).defer("body")

    @admin.action(description=gettext_lazy("Process again"), permissions=["act"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[WebhookEvent]) -> None:
        for event in queryset:
            current = services.process_webhook_event(event, again=True)
            level = messages.SUCCESS if current.processed_at else messages.WARNING
            self.message_user(request, f"{current}: {current.get_status_display()} {current.error}", level)
