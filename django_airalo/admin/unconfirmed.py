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
from django_airalo.services import database


def what_is_known(order: EsimOrder) -> SafeString:
    """The attempts, what was sent, what the look-ups found, and how long they go on before a person must decide."""
    lines = [
        _("Sent: %(quantity)d × %(package)s, description “%(description)s”")
        % {"quantity": order.quantity, "package": order.package_id, "description": order.airalo_description}
    ]
    for event in order.events.order_by("id"):
        if event.new_status == EsimOrder.Status.SUBMITTING:
            lines.append(_("Attempt %(number)d: %(at)s") % {"number": event.attempt, "at": _at(event)})
        elif event.kind == OrderEvent.Kind.LOOKED_UP:
            lines.append(_("Look-up, %(at)s: %(found)s") % {"at": _at(event), "found": event.detail})
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ([line] for line in [*lines, _grace(order)])))


def _grace(order: EsimOrder) -> str:
    now = database.now()
    left = (order.unconfirmed_at or now) + timedelta(seconds=conf.UNCONFIRMED_GRACE) - now
    if left <= timedelta():
        return _("The grace period is over. Look-ups go on.")
    minutes = round(left.total_seconds() / 60)
    if conf.UNCONFIRMED_POLICY == "resubmit":
        text = ngettext(
            "Grace: %(minutes)d minute more. If Airalo does not list it by then, it is submitted again.",
            "Grace: %(minutes)d minutes more. If Airalo does not list it by then, it is submitted again.",
            minutes,
        )
    else:
        text = ngettext(
            "Grace: %(minutes)d minute more. If Airalo does not list it by then, a person must decide.",
            "Grace: %(minutes)d minutes more. If Airalo does not list it by then, a person must decide.",
            minutes,
        )
    return text % {"minutes": minutes}


def _at(event: OrderEvent) -> str:
    return str(localize(localtime(event.created_at)))
