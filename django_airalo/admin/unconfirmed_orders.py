"""What an operator sees of an unconfirmed order, and what may be decided."""

from __future__ import annotations

from datetime import timedelta

from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_airalo.conf import conf
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.services.core import database


def what_is_known(order: EsimOrder) -> SafeString:
    """Return the attempts, what was sent, what was found, and how long until an operator must decide."""
    lines = [
        _("Sent: %(quantity)d × %(package)s, description “%(description)s”")
        % {"quantity": order.quantity, "package": order.package_id, "description": order.airalo_description}
    ]
    for event in order.events.order_by("id"):
        if event.new_status == EsimOrder.Status.SUBMITTING:
            lines.append(_("Attempt %(number)d: %(at)s") % {"number": event.attempt, "at": _at(event)})
        elif event.kind == OrderEvent.Kind.LOOKED_UP:
            lines.append(_("Look-up, %(at)s: %(found)s") % {"at": _at(event), "found": event.detail})
    if order.lookups:
        lines.append(
            ngettext("Looked up %(count)d time.", "Looked up %(count)d times.", order.lookups)
            % {"count": order.lookups}
        )
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ([line] for line in [*lines, _grace(order)])))


def _grace(order: EsimOrder) -> str:
    now = database.db_now()
    left = (order.in_doubt_until or now) - now
    if left <= timedelta():
        return _("The grace period is over. Look-ups go on.")
    minutes = round(left.total_seconds() / 60)
    if conf.UNCONFIRMED_POLICY == "resubmit":
        text = ngettext(
            "Grace period: %(minutes)d more minute. If Airalo does not list it by then, it is submitted again.",
            "Grace period: %(minutes)d more minutes. If Airalo does not list it by then, it is submitted again.",
            minutes,
        )
    else:
        text = ngettext(
            "Grace period: %(minutes)d more minute. If Airalo does not list it by then, an operator must decide.",
            "Grace period: %(minutes)d more minutes. If Airalo does not list it by then, an operator must decide.",
            minutes,
        )
    return text % {"minutes": minutes}


def _at(event: OrderEvent) -> str:
    return str(localize(localtime(event.created_at)))
