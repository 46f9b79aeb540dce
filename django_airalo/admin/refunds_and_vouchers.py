from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_airalo.exceptions import DecryptionError, IllegalTransitionError
from django_airalo.models import Refund, Voucher
from django_airalo.services import operations

from .base import ReadOnlyAdmin
from .confirmation import ask_first, is_confirmed


def _is_readable(voucher: Voucher | None) -> bool:
    """Return whether the voucher's codes can be decrypted."""
    try:
        return voucher is None or voucher.codes is not None
    except DecryptionError:
        return False


class OutgoingAdmin(ReadOnlyAdmin):
    """What the admins of refunds and vouchers share: an operator's decisions."""

    def decide(
        self, request: HttpRequest, rows: Iterable[Any], service: Callable[..., Any], *, only: str = "", **how: Any
    ) -> None:
        """Call a service with each row, and say what came of it.

        Args:
            only: the status that a row must have for it, of those that the service takes.
        """
        for row in rows:
            try:
                if only:
                    self._require(row, only)
                service(row, decided_by=str(request.user), **how)
            except IllegalTransitionError:
                text = _("%(row)s: not possible, since its status is: %(status)s.")
                values = {"row": row, "status": row.get_status_display()}
                self.message_user(request, text % values, messages.WARNING)
            else:
                self.message_user(request, f"{row}: {row.get_status_display()}", messages.SUCCESS)

    def _require(self, row: Any, status: str) -> None:
        # Those before it may have taken long to be sent.
        row.refresh_from_db(from_queryset=self.model.primary.all())
        if row.status != status:
            raise IllegalTransitionError

    def if_sent_twice(self) -> str:
        """Return what it means to send again what Airalo did receive."""
        raise NotImplementedError

    def retry(self, row: Any, *, decided_by: str) -> Any:
        """Send a row again."""
        raise NotImplementedError

    @admin.action(description=gettext_lazy("Retry: Airalo never received it …"), permissions=["act"])
    def retry_unconfirmed(self, request: HttpRequest, queryset: QuerySet[Any]) -> TemplateResponse | None:
        if is_confirmed(request):
            self.decide(request, queryset, self.retry, only="unconfirmed")
            return None
        return ask_first(
            self,
            request,
            queryset,
            action="retry_unconfirmed",
            title=_("Retry?"),
            warning=self.if_sent_twice(),
            yes=_("Airalo never received them: retry"),
        )


@admin.register(Refund)
class RefundAdmin(OutgoingAdmin):
    list_display: tuple[str, ...] = (
        "created_at",
        "status",
        "reason",
        "number_of_esims",
        "refund_id",
        "proposed_outcome",
        "error",
    )
    list_filter: ClassVar[tuple[str, ...]] = ("status", "proposed_outcome", "reason", "created_at")
    search_fields: ClassVar[tuple[str, ...]] = (
        "=refund_id",
        "=esims__iccid",
        "=esims__iccid_key",
        "=esims__order__reference",
    )
    search_help_text: ClassVar[Any] = gettext_lazy("Airalo's refund id, ICCID or reference in full")
    actions: tuple[str, ...] = ("approve", "decline", "confirm", "retry_unconfirmed", "cancel")
    exclude: ClassVar[tuple[str, ...]] = ("esims",)
    readonly_fields: ClassVar[tuple[str, ...]] = ("esim_links",)

    def if_sent_twice(self) -> str:
        return _(
            "They are sent to Airalo once more. If Airalo did receive them, it is asked twice for the same refund. "
            "It has no endpoint to look that up: ask its support first."
        )

    def retry(self, row: Refund, *, decided_by: str) -> Refund:
        return operations.retry_refund(row, decided_by=decided_by)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(_esims=Count("esims", distinct=True))

    @admin.display(description=gettext_lazy("Airalo eSIMs"))
    def number_of_esims(self, refund: Any) -> int:
        return int(refund._esims)

    @admin.display(description=gettext_lazy("Airalo eSIMs"))
    def esim_links(self, refund: Refund) -> SafeString:
        # Without their secrets, whose key may be lost.
        esims = refund.esims.only("iccid", "airalo_id").order_by("pk")
        return format_html_join(", ", "{}", ((self.link_to("esim_change", esim, esim.pk),) for esim in esims))

    @admin.action(description=gettext_lazy("Airalo approved it"), permissions=["act"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        self.decide(request, queryset, operations.resolve_refund, approved=True)

    @admin.action(description=gettext_lazy("Airalo declined it"), permissions=["act"])
    def decline(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        self.decide(request, queryset, operations.resolve_refund, approved=False)

    @admin.action(description=gettext_lazy("Airalo has it (unconfirmed refunds)"), permissions=["act"])
    def confirm(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        self.decide(request, queryset, operations.confirm_refund)

    @admin.action(description=gettext_lazy("Cancel (pending and unconfirmed refunds)"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        self.decide(request, queryset, operations.cancel_refund)


@admin.register(Voucher)
class VoucherAdmin(OutgoingAdmin):
    list_display: tuple[str, ...] = (
        "created_at",
        "kind",
        "status",
        "package_id",
        "quantity",
        "amount",
        "idempotency_key",
        "error",
    )
    list_filter: ClassVar[tuple[str, ...]] = ("status", "kind", "created_at")
    search_fields: ClassVar[tuple[str, ...]] = ("=idempotency_key", "package_id__startswith")
    search_help_text: ClassVar[Any] = gettext_lazy("Idempotency key in full; the beginning of a package id")
    actions: tuple[str, ...] = ("retry_refused", "retry_unconfirmed", "cancel")

    def if_sent_twice(self) -> str:
        return _(
            "They are sent to Airalo once more. If Airalo did receive them, they are bought twice, and may be paid "
            "twice. It has no endpoint to look that up: ask its support first."
        )

    def retry(self, row: Voucher, *, decided_by: str) -> Voucher:
        return operations.retry_voucher(row, decided_by=decided_by)

    @admin.action(description=gettext_lazy("Retry (refused vouchers)"), permissions=["act"])
    def retry_refused(self, request: HttpRequest, queryset: QuerySet[Voucher]) -> None:
        self.decide(request, queryset, self.retry, only=Voucher.Status.REFUSED)

    @admin.action(description=gettext_lazy("Cancel (pending and unconfirmed vouchers)"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Voucher]) -> None:
        self.decide(request, queryset, operations.cancel_voucher)

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
            return _("Cannot be decrypted with any configured key.")
        return "••••••••" if voucher.codes else ""
