from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_airalo import services
from django_airalo.exceptions import AiraloError
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.models.esims import SECRETS

from .base import ReadOnly, ReadOnlyAdmin, TabularInline
from .confirmation import ask_first, is_confirmed
from .unconfirmed import what_is_known


class AttentionFilter(admin.SimpleListFilter):
    title = gettext_lazy("needs attention")
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> QuerySet[EsimOrder]:
        if self.value() == "yes":
            return queryset.exclude(attention="")
        return queryset.filter(attention="") if self.value() == "no" else queryset


class EsimInline(ReadOnly, TabularInline):
    model = Esim
    fields = ("iccid", "smdp_address", "msisdn", "created_at")
    readonly_fields = fields
    extra = 0
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Esim]:
        return super().get_queryset(request).defer(*SECRETS)


class OrderEventInline(ReadOnly, TabularInline):
    model = OrderEvent
    fields = ("created_at", "kind", "old_status", "new_status", "source", "detail", "late", "attempt", "signalled_at")
    readonly_fields = fields
    extra = 0


@admin.register(EsimOrder)
class EsimOrderAdmin(ReadOnlyAdmin):
    list_display = (
        "reference",
        "status",
        "flagged",
        "type",
        "package_id",
        "quantity",
        "user",
        "created_at",
        "due_date",
        "request_id",
    )
    list_filter = ("status", AttentionFilter, "type", "created_at", "due_date", "is_imported")
    list_select_related = ("user",)
    search_fields = (
        "=reference",
        "=request_id",
        "=esims__iccid",
        "=esim__iccid",
        "to_email__startswith",
        "user__email__startswith",
    )
    search_help_text = gettext_lazy("Reference, request_id or ICCID in full; the beginning of an e-mail address")
    inlines = (EsimInline, OrderEventInline)
    exclude = ("manual_installation", "qrcode_installation", "esim")
    readonly_fields = ("topped_up_esim", "instructions_by_hand", "instructions_by_qr_code")
    actions = ("submit", "look_up", "cancel_orders", "mark_never_placed", "mark_failed")

    def get_fields(self, request: HttpRequest, obj: EsimOrder | None = None) -> Any:
        fields = [name for name in super().get_fields(request, obj) if name != "what_is_known"]
        return ["what_is_known", *fields] if obj and obj.status == EsimOrder.Status.UNCONFIRMED else fields

    def get_readonly_fields(self, request: HttpRequest, obj: EsimOrder | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "what_is_known")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        order = self.get_object(request, object_id)
        in_doubt = order is not None and order.status == EsimOrder.Status.UNCONFIRMED
        context = {
            "decisions": in_doubt and self.has_act_permission(request),
            "changelist_url": reverse("admin:django_airalo_esimorder_changelist"),
        }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @admin.display(description=gettext_lazy("what is known"))
    def what_is_known(self, order: EsimOrder) -> SafeString:
        return what_is_known(order)

    @admin.display(description=gettext_lazy("needs attention"), boolean=True)
    def flagged(self, order: EsimOrder) -> bool | None:
        # None is a grey mark, True a green one; a person looks for the red one.
        return False if order.attention else None

    @admin.display(description=gettext_lazy("topped up eSIM"))
    def topped_up_esim(self, order: EsimOrder) -> SafeString | str:
        # Not by the relation, which would decrypt the eSIM's secrets.
        esim = Esim.objects.only("iccid").filter(pk=order.esim_id).first() if order.esim_id else None
        if esim is None:
            return "-"
        return format_html('<a href="{}">{}</a>', reverse("admin:django_airalo_esim_change", args=[esim.pk]), esim)

    @admin.display(description=gettext_lazy("instructions by hand"))
    def instructions_by_hand(self, order: EsimOrder) -> SafeString:
        return order.manual_installation_html

    @admin.display(description=gettext_lazy("instructions by QR code"))
    def instructions_by_qr_code(self, order: EsimOrder) -> SafeString:
        return order.qrcode_installation_html

    @admin.action(description=gettext_lazy("Submit to Airalo now"), permissions=["act"])
    def submit(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> None:
        orders = list(queryset)
        sent = sum(services.submit_soon(order) for order in orders)
        skipped = len(orders) - sent
        if sent:
            text = ngettext("%d order is being submitted.", "%d orders are being submitted.", sent)
            self.message_user(request, text % sent, messages.SUCCESS)
        if skipped:
            text = ngettext(
                "%d order is not pending, or no order is sent for lack of credit.",
                "%d orders are not pending, or no order is sent for lack of credit.",
                skipped,
            )
            self.message_user(request, text % skipped, messages.WARNING)

    @admin.action(description=gettext_lazy("Look up at Airalo"), permissions=["act"])
    def look_up(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> None:
        for order in queryset:
            try:
                current = services.sync_order(order, source="operator")
            except AiraloError as error:
                self.message_user(request, f"{order}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{order}: {current.get_status_display()}", messages.SUCCESS)

    @admin.action(description=gettext_lazy("Cancel, if not sent yet or to come"), permissions=["act"])
    def cancel_orders(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> None:
        orders = list(queryset)
        services.cancel_orders(orders)
        for order in orders:
            if order.status == EsimOrder.Status.CANCELLED:
                self.message_user(request, f"{order}: {order.get_status_display()}", messages.SUCCESS)
            elif order.cancel_requested_at:
                text = _("%(order)s: Airalo is being asked to cancel it.")
                self.message_user(request, text % {"order": order}, messages.SUCCESS)
            else:
                text = _("%(order)s: %(status)s, so it cannot be cancelled.")
                values = {"order": order, "status": order.get_status_display()}
                self.message_user(request, text % values, messages.WARNING)

    # An order's own page warns before its buttons are shown, so it sends them as confirmed.

    @admin.action(description=gettext_lazy("Unconfirmed: mark as never placed, submit again …"), permissions=["act"])
    def mark_never_placed(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> TemplateResponse | None:
        if is_confirmed(request):
            self._decide(request, queryset, services.mark_never_placed)
            return None
        return ask_first(
            self,
            request,
            queryset,
            action="mark_never_placed",
            title=_("Mark as never placed?"),
            warning=_(
                "Each order is looked up once more and submitted again. If Airalo did take one and lists it only "
                "later, it is bought and paid twice."
            ),
            yes=_("They were never placed: submit again"),
        )

    @admin.action(description=gettext_lazy("Unconfirmed: mark as failed …"), permissions=["act"])
    def mark_failed(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> TemplateResponse | None:
        if is_confirmed(request):
            self._decide(request, queryset, services.mark_failed)
            return None
        return ask_first(
            self,
            request,
            queryset,
            action="mark_failed",
            title=_("Mark as failed?"),
            warning=_(
                "The orders are given up. If Airalo did take one, it is paid all the same; an eSIM that arrives later "
                "completes its order as late."
            ),
            yes=_("Give them up: mark as failed"),
        )

    def _decide(self, request: HttpRequest, queryset: QuerySet[EsimOrder], decide: Callable[..., bool]) -> None:
        for order in queryset:
            if decide(order, decided_by=str(request.user)):
                self.message_user(request, f"{order}: {order.get_status_display()}", messages.SUCCESS)
            else:
                text = _("%(order)s: %(status)s, so there is nothing to decide.")
                values = {"order": order, "status": order.get_status_display()}
                self.message_user(request, text % values, messages.WARNING)


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "order_link", "kind", "old_status", "new_status", "source", "detail", "signalled_at")
    list_filter = ("kind", "new_status", "late", ("signal_due_at", admin.EmptyFieldListFilter))
    list_select_related = ("order",)
    search_fields = ("=order__reference", "=order__request_id", "=event_id")
    search_help_text = gettext_lazy("Reference, request_id or event id in full")
    ordering = ("-id",)

    @admin.display(description=gettext_lazy("order"), ordering="order")
    def order_link(self, event: OrderEvent) -> SafeString:
        return format_html("<code>{}</code>", event.order.reference[:8])
