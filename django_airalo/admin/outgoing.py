from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_airalo import services
from django_airalo.exceptions import DecryptionError
from django_airalo.models import Refund, Voucher

from .base import ReadOnlyAdmin
from .confirmation import ask_first, is_confirmed


def _is_readable(voucher: Voucher | None) -> bool:
    """Whether the voucher's codes can be decrypted."""
    try:
        return voucher is None or voucher.codes is not None
    except DecryptionError:
        return False


class OutgoingAdmin(ReadOnlyAdmin):
    """What the admins of refunds and vouchers share: a person's decisions."""

    def decide(self, request: HttpRequest, queryset: QuerySet[Any], status: str) -> None:
        verb: Any = services.decide_refund if self.model is Refund else services.decide_voucher
        for row in queryset:
            if verb(row, status, decided_by=str(request.user)):
                self.message_user(request, f"{row}: {row.get_status_display()}", messages.SUCCESS)
            else:
                text = _("%(row)s: not possible, since its status is: %(status)s.")
                values = {"row": row, "status": row.get_status_display()}
                self.message_user(request, text % values, messages.WARNING)

    def if_sent_twice(self) -> str:
        """What it means to send again what Airalo has got after all."""
        raise NotImplementedError

    @admin.action(description=gettext_lazy("Airalo never got it: send again …"), permissions=["act"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> TemplateResponse | None:
        if is_confirmed(request):
            self.decide(request, queryset, "pending")
            return None
        return ask_first(
            self,
            request,
            queryset,
            action="send_again",
            title=_("Send again?"),
            warning=self.if_sent_twice(),
            yes=_("Airalo never got them: send again"),
        )

    @admin.action(description=gettext_lazy("Cancel: do not send"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.decide(request, queryset, "cancelled")


@admin.register(Refund)
class RefundAdmin(OutgoingAdmin):
    list_display = ("created_at", "status", "reason", "number_of_esims", "refund_id", "error", "decided_by")
    list_filter = ("status", "reason", "created_at")
    search_fields = ("=refund_id", "=esims__iccid", "=esims__order__reference")
    search_help_text = gettext_lazy("Airalo's refund id, ICCID or reference in full")
    actions = ("approve", "decline", "confirm", "send_again", "cancel")
    exclude = ("esims",)
    readonly_fields = ("esim_links",)

    def if_sent_twice(self) -> str:
        return _(
            "They are sent to Airalo once more. If it has got them after all, it is asked twice for the same refund. "
            "Airalo has no endpoint to look that up: ask its support first."
        )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(_esims=Count("esims", distinct=True))

    @admin.display(description=gettext_lazy("Airalo eSIMs"))
    def number_of_esims(self, refund: Any) -> int:
        return int(refund._esims)

    @admin.display(description=gettext_lazy("Airalo eSIMs"))
    def esim_links(self, refund: Refund) -> SafeString:
        # Without their secrets, whose key may be lost.
        esims = refund.esims.only("iccid").order_by("pk")
        links = ((reverse("admin:django_airalo_esim_change", args=[esim.pk]), esim) for esim in esims)
        return format_html_join(", ", '<a href="{}">{}</a>', links)

    @admin.action(description=gettext_lazy("Airalo approved it"), permissions=["act"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        self.decide(request, queryset, Refund.Status.APPROVED)

    @admin.action(description=gettext_lazy("Airalo declined it"), permissions=["act"])
    def decline(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        self.decide(request, queryset, Refund.Status.DECLINED)

    @admin.action(description=gettext_lazy("Unconfirmed: Airalo has it"), permissions=["act"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        self.decide(request, queryset, Refund.Status.REQUESTED)


@admin.register(Voucher)
class VoucherAdmin(OutgoingAdmin):
    list_display = ("created_at", "kind", "status", "package_id", "quantity", "amount", "booking_reference", "error")
    list_filter = ("status", "kind", "created_at")
    search_fields = ("=booking_reference", "package_id__startswith")
    search_help_text = gettext_lazy("Booking reference in full; the beginning of a package id")
    actions = ("send_again", "cancel")

    def if_sent_twice(self) -> str:
        return _(
            "They are sent to Airalo once more. Those that are unconfirmed may be made already: then they are bought "
            "twice, and may be paid twice. Airalo has no endpoint to look that up: ask its support first."
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Voucher]:
        return super().get_queryset(request).defer(*Voucher.SECRETS)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = request.user.has_perm("django_airalo.view_voucher_codes") and _is_readable(obj)
        names = [field.name for field in self.opts.fields if field.name not in ("id", "codes")]
        return [*names, "codes" if shown else "masked_codes"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description=gettext_lazy("codes"))
    def masked_codes(self, voucher: Voucher) -> str:
        if not _is_readable(voucher):
            return _("It fits none of the encryption keys.")
        return "••••••••" if voucher.codes else ""
