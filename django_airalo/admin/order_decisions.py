"""What an operator decides about orders in doubt: many at once, each by itself, and each in the log of the admin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_airalo.client.payloads import OrderData
from django_airalo.conf import conf
from django_airalo.exceptions import AiraloError, IllegalTransitionError
from django_airalo.models import EsimOrder
from django_airalo.services import operations
from django_airalo.services.account import pauses
from django_airalo.services.core import database, deployment

from .base import ReadOnlyAdmin
from .confirmation import ask_first, is_confirmed

#: Orders that an action left as they were, of which it says why; of the others it says how many they are.
MOST_EXPLAINED = 10


class ForceForm(forms.Form):
    """Why an order is not to wait."""

    reason: forms.CharField = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text=gettext_lazy(
            "Why Airalo cannot have taken them, for example what its support said. Kept in the log."
        ),
    )


def is_in_doubt(order: EsimOrder) -> bool:
    """Return whether Airalo need not list yet what an attempt may have bought."""
    return order.in_doubt_until is not None and order.in_doubt_until > database.db_now()


def in_doubt_until(order: EsimOrder) -> str:
    """Return that moment as it is shown."""
    return str(localize(localtime(order.in_doubt_until))) if order.in_doubt_until else ""


class DecisionActions(ReadOnlyAdmin):
    """The actions for unconfirmed orders, whose outcome at Airalo is unknown."""

    def has_force_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may have an order submitted that may have been bought already."""
        return request.user.has_perm("django_airalo.force_submission")

    # An order's own page warns before its buttons are shown, so it sends them as confirmed.

    @admin.action(description=gettext_lazy("Unconfirmed: mark as never placed, submit again …"), permissions=["act"])
    def resubmit_unconfirmed(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> TemplateResponse | None:
        if is_confirmed(request):
            decide = partial(operations.resubmit_unconfirmed, decided_by=str(request.user))
            self._decide(request, queryset, decide, _("Marked as never placed."))
            return None
        return ask_first(
            self,
            request,
            queryset,
            action="resubmit_unconfirmed",
            title=_("Mark as never placed?"),
            warning=_(
                "Each order is looked up once more and submitted again. If Airalo did take one and lists it only "
                "later, it is bought and paid twice."
            ),
            yes=_("They were never placed: submit again"),
            describe=_with_doubt,
        )

    @admin.action(description=gettext_lazy("Unconfirmed: mark as failed …"), permissions=["act"])
    def mark_failed(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> TemplateResponse | None:
        if is_confirmed(request):
            decide = partial(operations.mark_failed, decided_by=str(request.user))
            self._decide(request, queryset, decide, _("Marked as failed."))
            return None
        return ask_first(
            self,
            request,
            queryset,
            action="mark_failed",
            title=_("Mark as failed?"),
            warning=_(
                "The orders are given up. If Airalo did take one, it is paid anyway; an eSIM that arrives later "
                "completes its order as late."
            ),
            yes=_("Give them up: mark as failed"),
        )

    @admin.action(description=gettext_lazy("In doubt: submit again without waiting …"), permissions=["force"])
    def force_submission(self, request: HttpRequest, queryset: QuerySet[EsimOrder]) -> TemplateResponse | None:
        form = ForceForm(request.POST if is_confirmed(request) else None)
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            decide = partial(_force, decided_by=str(request.user), force_reason=reason)
            self._decide(request, queryset, decide, _("Submitted again without waiting: %s") % reason)
            return None
        return ask_first(
            self,
            request,
            queryset,
            action="force_submission",
            title=_("Submit again without waiting?"),
            warning=_(
                "An attempt to send these orders may have been carried out, and Airalo may not list it yet. Each is "
                "looked up once more and then sent. What Airalo lists only later is bought and paid twice, and "
                "Airalo does not have to give the money back."
            ),
            yes=_("I take the risk: submit again"),
            describe=_with_doubt,
            form=form,
        )

    def _decide(
        self, request: HttpRequest, orders: QuerySet[EsimOrder], decide: Callable[[EsimOrder], EsimOrder], log: str
    ) -> None:
        done, left = self.decide_each(request, orders, decide, log)
        if done:
            text = ngettext("%(count)d order: %(decided)s", "%(count)d orders: %(decided)s", done)
            self.message_user(request, text % {"count": done, "decided": log}, messages.SUCCESS)
        self.explain(request, left)

    def decide_each(
        self, request: HttpRequest, orders: Iterable[EsimOrder], decide: Callable[[EsimOrder], EsimOrder], log: str
    ) -> tuple[int, list[EsimOrder]]:
        """Decide about each order. Return how many were decided about, and those of which it was not possible."""
        done, left = 0, list[EsimOrder]()
        for order in orders:
            try:
                decide(order)
            except IllegalTransitionError:
                left.append(order)
            else:
                done += 1
                self.log_change(request, order, log)
        return done, left

    def explain(self, request: HttpRequest, left: Sequence[EsimOrder]) -> None:
        """Say why orders were left as they were."""
        for order in left[:MOST_EXPLAINED]:
            self.message_user(request, why_not_decided(order), messages.WARNING)
        if more := len(left[MOST_EXPLAINED:]):
            text = ngettext("%d more order was left as it was.", "%d more orders were left as they were.", more)
            self.message_user(request, text % more, messages.WARNING)

    # Two purchases of one order

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.choose_view)
        return [path("<path:object_id>/choose/", view, name="django_airalo_esimorder_choose"), *super().get_urls()]

    def choose_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the page on which an operator completes an order with one of those that Airalo lists for it."""
        order = self.get_object(request, object_id)
        if order is None:
            raise Http404
        if not self.has_act_permission(request):
            raise PermissionDenied
        back = self.url_of("esimorder_change", order.pk)
        try:
            if request.method == "POST":
                self._choose(request, order)
                return HttpResponseRedirect(back)
            purchases = operations.list_purchases(order)
        except AiraloError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "order": order,
            "title": _("Choose the purchase of this order"),
            "purchases": [_as_row(item) for item in purchases],
            "back": back,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_airalo/esimorder/choose.html", context)

    def _choose(self, request: HttpRequest, order: EsimOrder) -> None:
        chosen = request.POST.get("airalo_order_id", "")
        number = int(chosen) if chosen.isascii() and chosen.isdigit() else 0
        try:
            operations.choose_purchase(order, airalo_order_id=number, decided_by=str(request.user))
        except IllegalTransitionError:
            text = _("It was not chosen: Airalo does not list it for this order, or the order is completed.")
            self.message_user(request, text, messages.WARNING)
        else:
            self.log_change(request, order, _("Airalo's order %s was chosen.") % number)
            self.message_user(request, _("The order is now Airalo's order %s.") % number, messages.SUCCESS)


def why_not_decided(order: EsimOrder) -> str:
    """Return why a decision left an order as it was."""
    values = {"order": order, "status": order.get_status_display(), "until": in_doubt_until(order)}
    is_pending = order.status == EsimOrder.Status.PENDING
    if is_pending and (not conf.SUBMIT or pauses.active_pause()):
        return _("%(order)s: not possible, since no order is sent at present.") % values
    if is_pending and order.deployment != deployment.identity().stamp:
        return _("%(order)s: not possible, since another deployment sends it.") % values
    if is_in_doubt(order):
        text = _("%(order)s: not possible, since what was sent may appear on Airalo's list until %(until)s.")
        return text % values
    if order.status == EsimOrder.Status.UNCONFIRMED:
        return _("%(order)s: not possible, since Airalo is known to have it.") % values
    return _("%(order)s: not possible, since its status is: %(status)s.") % values


def _force(order: EsimOrder, **how: Any) -> EsimOrder:
    if order.status == EsimOrder.Status.PENDING:
        return operations.retry_now(order, **how)
    return operations.resubmit_unconfirmed(order, **how)


def _with_doubt(order: EsimOrder) -> str:
    line = f"{order} – {order.get_status_display()}"
    if not is_in_doubt(order):
        return line
    return _("%(order)s, in doubt until %(until)s") % {"order": line, "until": in_doubt_until(order)}


def _as_row(data: OrderData) -> dict[str, Any]:
    return {
        "id": data.id,
        "code": data.code,
        "status": data.status,
        "created_at": data.created_at,
        "package_id": data.package_id,
        "price": f"{data.price} {data.currency}" if data.price is not None else "",
        "iccids": ", ".join(sim.iccid for sim in data.sims) or "-",
    }
