"""E-mails to customers. They contain no activation codes, but link to the page that shows them to their owner."""

from __future__ import annotations

from urllib.parse import urljoin

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from .models import OrderLine


def esim_ready(line: OrderLine) -> None:
    """Announce that the eSIM has arrived."""
    _send(line, _("Your eSIM for %(location)s is ready"), "esim_ready", path=line.order.get_absolute_url())


def esims_changed(line: OrderLine) -> None:
    """Announce that more eSIMs have arrived, or that one has a different code."""
    _send(line, _("Your eSIMs for %(location)s have changed"), "esims_changed", path=line.order.get_absolute_url())


def not_delivered(line: OrderLine) -> None:
    """Announce that the order failed and is refunded."""
    _send(line, _("Refund for your eSIM for %(location)s"), "not_delivered", path=line.order.get_absolute_url())


def low_data(line: OrderLine, *, level: str) -> None:
    """Warn that an eSIM runs low on data or days. ``level`` is Airalo's, such as ``90%``."""
    _send(line, _("Your eSIM for %(location)s is running low"), "low_data", path=reverse("shop:esims"), level=level)


def _send(line: OrderLine, subject: str, template: str, *, path: str, **context: str) -> None:
    url = urljoin(settings.SHOP_URL, path)
    body = render_to_string(f"shop/mail/{template}.txt", {"line": line, "url": url, **context})
    send_mail(subject % {"location": line.location}, body, None, [line.order.email])
