from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime, now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_airalo import services
from django_airalo.exceptions import AiraloError, AiraloRateLimitError, DecryptionError
from django_airalo.models import Esim, EsimInstructions, EsimPackage, UsageRecord
from django_airalo.models.esims import SECRETS
from django_airalo.qr import qr_svg
from django_airalo.services import operations

from .base import ReadOnly, ReadOnlyAdmin, TabularInline
from .confirmation import ask_first, is_confirmed
from .refund_form import RefundForm

#: Rows of the history on an eSIM's page; the rest is in the list of usage records.
HISTORY_ROWS = 20
SECRETS_OF_ESIM = tuple(f"esim__{name}" for name in SECRETS)


class EndFilter(admin.SimpleListFilter):
    title: Any = gettext_lazy("end")
    parameter_name: str = "end"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("1", _("Within a day")),
            ("3", _("Within three days")),
            ("low", _("Less than a quarter left")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Esim]) -> QuerySet[Esim]:
        active = queryset.filter(usage_status="active")
        if self.value() == "low":
            return active.filter(remaining__lt=F("total") / 4).exclude(is_unlimited=True)
        if self.value() in ("1", "3"):
            return active.filter(expires_at__range=(now(), now() + timedelta(days=int(self.value() or 0))))
        return queryset


class BrandForm(ActionForm):
    brand: forms.CharField = forms.CharField(
        label=gettext_lazy("Brand"), required=False, max_length=255, help_text=gettext_lazy("For the action Set brand.")
    )


class EsimPackageInline(ReadOnly, TabularInline):
    model: type[EsimPackage] = EsimPackage
    fields: ClassVar[tuple[str, ...]] = (
        "package_id",
        "type",
        "title",
        "status",
        "data",
        "activated_at",
        "expires_at",
        "finished_at",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = fields
    extra = 0


def _is_readable(esim: Esim | None) -> bool:
    """Return whether the eSIM's secrets can be decrypted."""
    try:
        return esim is None or bool(Esim.objects.filter(pk=esim.pk).values_list(*SECRETS).get())
    except DecryptionError:
        return False


def _in_a_line(esim: Esim) -> str:
    return f"{esim.iccid} – {esim.order.package_id}, {esim.get_usage_status_display()}"


@admin.register(Esim)
class EsimAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "iccid",
        "order",
        "usage_status",
        "data",
        "expires_at",
        "usage_synced_at",
        "created_at",
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("order",)
    list_filter: ClassVar[tuple[Any, ...]] = (
        "usage_status",
        EndFilter,
        "is_unlimited",
        ("usage_error", admin.EmptyFieldListFilter),
        "created_at",
    )
    search_fields: ClassVar[tuple[str, ...]] = (
        "=iccid",
        "=iccid_key",
        "=order__reference",
        "=order__request_id",
        "order__to_email__startswith",
    )
    search_help_text: ClassVar[Any] = gettext_lazy(
        "ICCID, reference or request_id in full; the beginning of an e-mail address"
    )
    inlines: ClassVar[tuple[type[Any], ...]] = (EsimPackageInline,)
    actions: tuple[str, ...] = ("refresh_usage", "set_brand", "ask_for_refund")
    action_form = BrandForm
    fields: ClassVar[tuple[str, ...]] = (
        "iccid",
        "order",
        "smdp_address",
        "masked_code",
        "msisdn",
        "apn",
        "is_roaming",
        "brand_settings_name",
        "airalo_id",
        "created_at",
        "details_synced_at",
        "details_due_at",
        "other_code_at",
        "usage_status",
        "data",
        "voice",
        "text",
        "expires_at",
        "usage_synced_at",
        "usage_due_at",
        "usage_error",
        "recycled_at",
        "packages_synced_at",
        "history",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Esim]:
        return super().get_queryset(request).defer(*SECRETS)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if not request.user.has_perm("django_airalo.view_activation_code") or not _is_readable(obj):
            return self.fields
        shown = ["activation_code", "confirmation_code", "sharing_link", "sharing_access_code", "qr"]
        return [name for field in self.fields for name in (shown if field == "masked_code" else [field])]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("data"), ordering="remaining")
    def data(self, esim: Esim) -> str:
        return str(esim.data) or "-"

    @admin.display(description=gettext_lazy("voice"))
    def voice(self, esim: Esim) -> str:
        return str(esim.voice) or "-"

    @admin.display(description=gettext_lazy("texts"))
    def text(self, esim: Esim) -> str:
        return str(esim.text) or "-"

    @admin.display(description=gettext_lazy("activation code"))
    def masked_code(self, esim: Esim) -> str:
        return "••••••••" if _is_readable(esim) else _("Cannot be decrypted with any configured key.")

    @admin.display(description=gettext_lazy("QR code"))
    def qr(self, esim: Esim) -> SafeString:
        return qr_svg(esim, scale=4)

    @admin.display(description=gettext_lazy("history"))
    def history(self, esim: Esim) -> SafeString | str:
        records = esim.usage_records.all()[:HISTORY_ROWS]
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (
                    date_format(localtime(record.created_at), "SHORT_DATETIME_FORMAT"),
                    record.get_source_display(),
                    record.get_status_display(),
                    str(record.data),
                    record.level,
                )
                for record in records
            ),
        )
        return format_html("<table>{}</table>", rows) if rows else "-"

    @admin.action(description=gettext_lazy("Refresh usage"), permissions=["act"])
    def refresh_usage(self, request: HttpRequest, queryset: QuerySet[Esim]) -> None:
        self._ask(request, queryset, services.sync_usage)

    @admin.action(description=gettext_lazy("Set brand (empty: none)"), permissions=["act"])
    def set_brand(self, request: HttpRequest, queryset: QuerySet[Esim]) -> None:
        brand = request.POST.get("brand", "").strip()
        self._ask(request, queryset, lambda esim: operations.set_brand(esim, name=brand or None))

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may ask for refunds: who may decide about them."""
        return request.user.has_perm("django_airalo.change_refund")

    @admin.action(description=gettext_lazy("Ask Airalo for a refund …"), permissions=["refund"])
    def ask_for_refund(self, request: HttpRequest, queryset: QuerySet[Esim]) -> TemplateResponse | None:
        esims = list(queryset)
        form = RefundForm(request.POST if is_confirmed(request) else None)
        if is_confirmed(request) and (refunds := form.request_refund(esims)):
            text = ngettext("%d refund was asked for.", "%d refunds were asked for.", len(refunds)) % len(refunds)
            self.message_user(request, self.link_to("refund_changelist", text), messages.SUCCESS)
            return None
        return ask_first(
            self,
            request,
            esims,
            action="ask_for_refund",
            title=_("Ask Airalo for a refund"),
            warning=_(
                "Airalo is asked for a refund of these eSIMs, five in each request. People at Airalo decide, and what "
                "they give back is credit. Your customer gets nothing by this."
            ),
            yes=_("Ask for a refund"),
            describe=_in_a_line,
            form=form,
        )

    def _ask(self, request: HttpRequest, queryset: QuerySet[Esim], act: Callable[[Esim], Esim]) -> None:
        done = 0
        for esim in queryset:
            try:
                act(esim)
                done += 1
            except AiraloError as error:
                self.message_user(request, f"{esim}: {error}", messages.ERROR)
                if isinstance(error, AiraloRateLimitError):
                    break
        if done:
            text = ngettext("%d eSIM is up to date.", "%d eSIMs are up to date.", done)
            self.message_user(request, text % done, messages.SUCCESS)


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "created_at",
        "esim",
        "source",
        "old_status",
        "status",
        "data",
        "level",
        "signalled_at",
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("esim",)
    list_filter: ClassVar[tuple[Any, ...]] = (
        "status",
        "source",
        ("signal_due_at", admin.EmptyFieldListFilter),
        "created_at",
    )
    search_fields: ClassVar[tuple[str, ...]] = ("=esim__iccid", "=esim__iccid_key", "=event_id")
    search_help_text: ClassVar[Any] = gettext_lazy("ICCID or event id in full")

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageRecord]:
        return super().get_queryset(request).select_related("esim").defer(*SECRETS_OF_ESIM)

    @admin.display(description=gettext_lazy("data"), ordering="remaining")
    def data(self, record: UsageRecord) -> str:
        return str(record.data) or "-"


@admin.register(EsimPackage)
class EsimPackageAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "airalo_id",
        "esim",
        "package_id",
        "type",
        "status",
        "data",
        "activated_at",
        "expires_at",
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("esim",)
    list_filter: ClassVar[tuple[str, ...]] = ("status", "type", "is_unlimited")
    search_fields: ClassVar[tuple[str, ...]] = ("=esim__iccid", "=esim__iccid_key", "package_id__startswith")
    search_help_text: ClassVar[Any] = gettext_lazy("ICCID in full; the beginning of a package id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[EsimPackage]:
        return super().get_queryset(request).select_related("esim").defer(*SECRETS_OF_ESIM)

    @admin.display(description=gettext_lazy("data"), ordering="remaining")
    def data(self, package: EsimPackage) -> str:
        return str(package.data) or "-"


@admin.register(EsimInstructions)
class EsimInstructionsAdmin(ReadOnlyAdmin):
    """Which instructions are kept. Their content is a secret, and for the customer."""

    list_display: tuple[str, ...] = ("esim", "language", "fetched_at", "refresh_at")
    list_select_related: ClassVar[tuple[str, ...]] = ("esim",)
    list_filter: ClassVar[tuple[str, ...]] = ("language", "fetched_at")
    search_fields: ClassVar[tuple[str, ...]] = ("=esim__iccid", "=esim__iccid_key")
    search_help_text: ClassVar[Any] = gettext_lazy("ICCID in full")
    exclude: ClassVar[tuple[str, ...]] = ("content",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[EsimInstructions]:
        return super().get_queryset(request).select_related("esim").defer("content", *SECRETS_OF_ESIM)
