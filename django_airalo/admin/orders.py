from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_airalo import money, services
from django_airalo.exceptions import AiraloError, AiraloRateLimitError, DecryptionError
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.models.esims import SECRETS
from django_airalo.services import operations
from django_airalo.services.core import restore_check

from .base import ReadOnly, ReadOnlyAdmin, TabularInline
from .order_decisions import MOST_EXPLAINED, DecisionActions, in_doubt_until, is_in_doubt
from .refused_orders import RefusedFilter, call_as_shown
from .unconfirmed_orders import what_is_known


class AttentionFilter(admin.SimpleListFilter):
    title: Any = gettext_lazy("needs attention")
    parameter_name: str = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> QuerySet[EsimOrder]:
        if self.value() == "yes":
            return queryset.exclude(attention="")
        return queryset.filter(attention="") if self.value() == "no" else queryset


class EsimInline(ReadOnly, TabularInline):
    model: type[Esim] = Esim
    fields: ClassVar[tuple[str, ...]] = ("iccid", "airalo_id", "has_code", "smdp_address", "msisdn", "created_at")
    readonly_fields: ClassVar[tuple[str, ...]] = fields
    extra = 0
    show_change_link = True

    @admin.display(description=gettext_lazy("activation code"), boolean=True)
    def has_code(self, esim: Esim) -> bool:
        return bool(esim.code_key)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Esim]:
        return super().get_queryset(request).defer(*SECRETS)


class OrderEventInline(ReadOnly, TabularInline):
    model: type[OrderEvent] = OrderEvent
    fields: ClassVar[tuple[str, ...]] = (
        "created_at",
        "kind",
        "old_status",
        "new_status",
        "source",
        "detail",
        "late",
        "attempt",
        "signalled_at",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = fields
    extra = 0


@admin.register(EsimOrder)
class EsimOrderAdmin(DecisionActions):
    list_display: tuple[str, ...] = (
        "reference",
        "status",
        "flagged",
        "type",
        "package_id",
        "quantity",
        "cost_as_shown",
        "user",
        "created_at",
        "due_date",
        "request_id",
    )
    list_filter: ClassVar[tuple[Any, ...]] = (
        "status",
        AttentionFilter,
        RefusedFilter,
        "type",
        "created_at",
        "due_date",
        "is_imported",
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("user",)
    search_fields: ClassVar[tuple[str, ...]] = (
        "=reference",
        "=request_id",
        "=esims__iccid",
        "=esims__iccid_key",
        "=esim__iccid",
        "=esim__iccid_key",
        "to_email__startswith",
        "user__email__startswith",
    )
    search_help_text: ClassVar[Any] = gettext_lazy(
        "Reference, request_id or ICCID in full; the beginning of an e-mail address"
    )
    inlines: ClassVar[tuple[type[Any], ...]] = (EsimInline, OrderEventInline)
    exclude: ClassVar[tuple[str, ...]] = (
        "manual_installation",
        "qrcode_installation",
        "esim",
        "refused_call",
        "delivered_quantity",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "topped_up_esim",
        "esims_there",
        "cost_as_shown",
        "call_that_was_refused",
        "duplicate_links",
        "instructions_by_hand",
        "instructions_by_qr_code",
    )
    actions: tuple[str, ...] = (
        "submit",
        "look_up",
        "cancel_orders",
        "resubmit_unconfirmed",
        "mark_failed",
        "force_submission",
    )

    def get_fields(self, request: HttpRequest, obj: EsimOrder | None = None) -> Any:
        fields = [name for name in super().get_fields(request, obj) if name != "what_is_known"]
        return ["what_is_known", *fields] if obj and obj.status == EsimOrder.Status.UNCONFIRMED else fields

    def get_readonly_fields(self, request: HttpRequest, obj: EsimOrder | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "what_is_known")

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        order = self.get_object(request, object_id)
        context = self._decisions(request, order) if order and self.has_act_permission(request) else {}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if request.method == "GET" and (text := restore_check.why_nothing_is_sent()):
            self.message_user(request, text, messages.WARNING)
        return super().changelist_view(request, extra_context)

    def _decisions(self, request: HttpRequest, order: EsimOrder) -> dict[str, Any]:
        """Return what the page offers to decide about an order."""
        is_unconfirmed, waits = order.status == EsimOrder.Status.UNCONFIRMED, is_in_doubt(order)
        can_be_sent = is_unconfirmed or order.status == EsimOrder.Status.PENDING
        choose = self.url_of("esimorder_choose", order.pk)
        return {
            "decisions": is_unconfirmed,
            "in_doubt_until": in_doubt_until(order) if can_be_sent and waits else "",
            "may_force": self.has_force_permission(request),
            "choose_url": choose if is_unconfirmed and order.attention else "",
            "changelist_url": self.url_of("esimorder_changelist"),
        }

    @admin.display(description=gettext_lazy("what is known"))
    def what_is_known(self, order: EsimOrder) -> SafeString:
        return what_is_known(order)

    @admin.display(description=gettext_lazy("needs attention"), boolean=True)
    def flagged(self, order: EsimOrder) -> bool | None:
        # None is a grey mark, True a green one; an operator looks for the red one.
        return False if order.attention else None

    @admin.display(description=gettext_lazy("topped up eSIM"))
    def topped_up_esim(self, order: EsimOrder) -> SafeString | str:
        # Not by the relation, which would decrypt the eSIM's secrets.
        esim = Esim.objects.only("iccid").filter(pk=order.esim_id).first() if order.esim_id else None
        if esim is None:
            return "-"
        return self.link_to("esim_change", esim, esim.pk)

    @admin.display(description=gettext_lazy("delivered"))
    def esims_there(self, order: EsimOrder) -> str:
        if order.is_topup:
            return "-"
        numbers = {"there": order.delivered_quantity, "ordered": order.quantity}
        return _("%(there)s of %(ordered)s eSIMs") % numbers

    @admin.display(description=gettext_lazy("duplicates"))
    def duplicate_links(self, order: EsimOrder) -> SafeString | str:
        links = (
            (self.url_of("esimorder_change", row.pk), row.airalo_order_id, row)
            for row in order.duplicates.order_by("pk")
        )
        return format_html_join(", ", '<a href="{}">{} ({})</a>', links) or "-"

    @admin.display(description=gettext_lazy("cost"))
    def cost_as_shown(self, order: EsimOrder) -> str:
        if order.cost is None:
            return "-"
        amount = money.as_shown(order.cost, order.cost_currency)
        return _("%(amount)s (estimated)") % {"amount": amount} if order.is_cost_estimated else amount

    @admin.display(description=gettext_lazy("refused call"))
    def call_that_was_refused(self, order: EsimOrder) -> SafeString | str:
        return call_as_shown(order)

    @admin.display(description=gettext_lazy("instructions by hand"))
    def instructions_by_hand(self, order: EsimOrder) -> SafeString:
        return order.manual_installation_html

    @admin.display(description=gettext_lazy("instructions by QR code"))
    def instructions_by_qr_code(self, order: EsimOrder) -> SafeString:
        return order.qrcode_installation_html

    @admin.action(description=gettext_lazy("Submit to Airalo now"), permissions=["act"])
    def submit(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> None:
        sent, left = self.decide_each(request, queryset, operations.retry_now, _("Submitted to Airalo now."))
        if sent:
            text = ngettext("%d order is being submitted.", "%d orders are being submitted.", sent)
            self.message_user(request, text % sent, messages.SUCCESS)
        self.explain(request, left)

    @admin.action(description=gettext_lazy("Look up at Airalo"), permissions=["act"])
    def look_up(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> None:
        orders, found = list(queryset), Counter[str]()
        for number, order in enumerate(orders):
            if order.is_refused_at_placing:
                text = _("%(order)s: refused when it was placed, so Airalo was never asked for it.")
                self.message_user(request, text % {"order": order}, messages.WARNING)
                continue
            try:
                current = services.sync_order(order, source="operator")
            except AiraloError as error:
                self.message_user(request, f"{order}: {error}", messages.ERROR)
                if isinstance(error, AiraloRateLimitError):
                    text = _("%d orders were not looked up now. The sweep looks them up.")
                    self.message_user(request, text % (len(orders) - number), messages.WARNING)
                    break
            else:
                self.log_change(request, order, _("Looked up at Airalo."))
                found[current.get_status_display()] += 1
                if len(orders) <= MOST_EXPLAINED:
                    self.message_user(request, f"{order}: {current.get_status_display()}", messages.SUCCESS)
        if len(orders) > MOST_EXPLAINED:
            counts = ", ".join(f"{status}: {count}" for status, count in sorted(found.items()))
            self.message_user(request, counts, messages.SUCCESS)

    @admin.action(description=gettext_lazy("Cancel (pending and future orders)"), permissions=["act"])
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
                self.message_user(request, _why_not_cancelled(order), messages.WARNING)


def _why_not_cancelled(order: EsimOrder) -> str:
    values = {"order": order, "status": order.get_status_display()}
    if order.status == EsimOrder.Status.PENDING:
        return _("%(order)s: cannot be cancelled, since an attempt to send it may have reached Airalo.") % values
    if order.status == EsimOrder.Status.SCHEDULED:
        return _("%(order)s: cannot be cancelled, since Airalo does not allow it (any more).") % values
    return _("%(order)s: cannot be cancelled, since its status is: %(status)s.") % values


@admin.register(OrderEvent)
class OrderEventAdmin(ReadOnlyAdmin):
    list_display: tuple[str, ...] = (
        "created_at",
        "order_link",
        "kind",
        "old_status",
        "new_status",
        "source",
        "detail",
        "signalled_at",
    )
    list_filter: ClassVar[tuple[Any, ...]] = (
        "kind",
        "new_status",
        "late",
        ("signal_due_at", admin.EmptyFieldListFilter),
    )
    list_select_related: ClassVar[tuple[str, ...]] = ("order",)
    search_fields: ClassVar[tuple[str, ...]] = ("=order__reference", "=order__request_id", "=event_id")
    search_help_text: ClassVar[Any] = gettext_lazy("Reference, request_id or event id in full")
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    exclude: ClassVar[tuple[str, ...]] = ("secret",)

    def get_fields(self, request: HttpRequest, obj: OrderEvent | None = None) -> Any:
        fields = [name for name in super().get_fields(request, obj) if name != "codes"]
        may_see = request.user.has_perm("django_airalo.view_activation_code")
        return [*fields, "codes"] if obj and may_see else fields

    def get_readonly_fields(self, request: HttpRequest, obj: OrderEvent | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "codes")

    @admin.display(description=gettext_lazy("codes"))
    def codes(self, event: OrderEvent) -> str:
        """Return the codes that an entry keeps, for those who may see them."""
        try:
            return event.secret or "-"
        except DecryptionError:
            return _("Cannot be decrypted with any configured key.")

    @admin.display(description=gettext_lazy("order"), ordering="order")
    def order_link(self, event: OrderEvent) -> SafeString:
        return format_html("<code>{}</code>", event.order.reference[:8])
