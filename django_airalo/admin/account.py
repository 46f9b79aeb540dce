from __future__ import annotations

from typing import ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_airalo.models import BalanceRecord, Heartbeat, SubmissionPause
from django_airalo.services import operations

from .base import ReadOnlyAdmin


@admin.register(SubmissionPause)
class SubmissionPauseAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "paused_at",
        "kind",
        "is_active",
        "due_at",
        "balance",
        "reason",
        "resumed_at",
        "resumed_by",
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("order",)
    actions: tuple[str, ...] = ("resume",)

    @admin.action(description=gettext_lazy("Send orders to Airalo again"), permissions=["act"])
    def resume(self, request: HttpRequest, queryset: QuerySet[SubmissionPause]) -> None:
        kinds = queryset.filter(is_active=True).values_list("kind", flat=True)
        ended = [operations.resume_submission(resumed_by=str(request.user), kind=kind) for kind in kinds]
        if any(ended):
            self.message_user(request, _("Orders are sent again, beginning with the next sweep."), messages.SUCCESS)
        else:
            self.message_user(request, _("None of these pauses is active."), messages.WARNING)


@admin.register(BalanceRecord)
class BalanceRecordAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = ("at", "amount", "currency", "low", "source", "signalled_at")
    list_filter: ClassVar[tuple[str, ...]] = ("at", "source")

    @admin.display(description=gettext_lazy("low"), boolean=True)
    def low(self, record: BalanceRecord) -> bool | None:
        # None is a grey mark; an operator looks for the red one.
        return False if record.is_low else None


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = ("name", "at")
