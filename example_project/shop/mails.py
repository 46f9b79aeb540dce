"""E-mails to customers. No activation code is in them: they link to the page that shows it to its owner."""

from __future__ import annotations

from urllib.parse import urljoin

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from .models import OrderLine


def esim_ready(line: OrderLine) -> None:
    """The eSIM has arrived."""
    _send(line, _("Your eSIM for %(location)s is ready"), "esim_ready", path=line.order.get_absolute_url())


def not_delivered(line: OrderLine) -> None:
    """The order came to nothing."""
    _send(line, _("Your eSIM for %(location)s: your money back"), "not_delivered", path=line.order.get_absolute_url())


def low_data(line: OrderLine, *, level: str) -> None:
    """An eSIM runs low on data or days; ``level`` is Airalo's word for how low."""
    _send(line, _("Your eSIM for %(location)s is running low"), "low_data", path=reverse("shop:esims"), level=level)


def _send(line: OrderLine, subject: str, template: str, *, path: str, **context: str) -> None:
    url = urljoin(settings.SHOP_URL, path)
    body = render_to_string(f"shop/mail/{template}.txt", {"line": line, "url": url, **context})
    send_mail(subject % {"location": line.location}, body, None, [line.order.email])
