"""Manage the webhooks and mails that Airalo sends, and request test webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _

from django_airalo.client import get_client
from django_airalo.client.endpoints.notifications import NotificationType
from django_airalo.client.payloads import NotificationData
from django_airalo.conf import conf

#: The types of notification: orders, low data and credit limit by webhook, the last two also by mail.
TYPES: tuple[str, ...] = get_args(NotificationType)
WEBHOOK_TYPES = tuple(kind for kind in TYPES if not kind.startswith("email_"))
#: The percentages of the credit limit at which Airalo notifies.
LEVELS = (50, 70, 80, 90)
#: The simulator's events, with the values that each accepts as ``level``.
EVENTS: dict[str, tuple[str, ...]] = {
    "low_data_notification": ("data_75", "data_90", "expire_1", "expire_3"),
    "credit_limit_notification": tuple(map(str, LEVELS)),
    "async_order_notification": (),
}


def get_opt_in() -> NotificationData | None:
    """Return the opt-in that Airalo reports, or ``None``.

    Airalo's answer has one opt-in only, so there may be more.

    Raises:
        AiraloAPIError: the request failed.
        AiraloConfigurationError: credentials are missing.
    """
    return get_client().get_opt_in()


def opt_in(
    type: str,
    *,
    webhook_url: str = "",
    email: str = "",
    language: str = "",
    levels: Sequence[int] = (),
) -> NotificationData | None:
    """Subscribe to one type of notification. Replaces an earlier subscription to that type.

    Airalo first sends HEAD to a webhook's address, and refuses the address if the answer is not 200.

    Args:
        type: ``async_orders``, ``webhook_low_data``, ``webhook_credit_limit``, ``email_low_data`` or
            ``email_credit_limit``.
        webhook_url: the address for webhooks; default the shop's own, from ``AIRALO_WEBHOOK_URL`` and its token.
        email: the address for mails.
        language: the language of the mails.
        levels: percentages of the credit limit, out of 50, 70, 80 and 90; default all.

    Returns:
        The opt-in from Airalo's answer. Its ``contact_point`` may contain the address's secret token.

    Raises:
        ValidationError: a value is wrong. No request was sent.
        AiraloAPIError: Airalo refused the request, or it failed.
        AiraloConfigurationError: credentials are missing.
    """
    _known_type(type)
    arguments: dict[str, Any] = {}
    if type in WEBHOOK_TYPES:
        arguments["webhook_url"] = _address(webhook_url)
    else:
        try:
            validate_email(email)
        except ValidationError as error:
            raise ValidationError({"email": _("%(value)r is not an e-mail address.") % {"value": email}}) from error
        arguments |= {"email": email, "language": language or None}
    if type.endswith("credit_limit"):
        if not set(levels) <= set(LEVELS):
            raise ValidationError({"levels": _("Only 50, 70, 80 and 90 are possible.")})
        arguments["levels"] = list(levels or LEVELS)
    return get_client().opt_in(type, **arguments)  # type: ignore[arg-type]  # known by now


def opt_out(type: str) -> None:
    """Unsubscribe from one type of notification.

    Args:
        type: as for ``opt_in()``.

    Raises:
        ValidationError: there is no such type. No request was sent.
        AiraloAPIError: Airalo refused the request, or it failed.
        AiraloConfigurationError: credentials are missing.
    """
    _known_type(type)
    get_client().opt_out(type)  # type: ignore[arg-type]  # known by now


def simulate_webhook(event: str, *, level: str = "", iccid: str = "", webhook_url: str = "") -> str:
    """Request a test webhook from Airalo. It is signed, so the shop processes it like a real one.

    Airalo allows only a few requests: see ``simulator`` in ``AIRALO_RATE_LIMITS``.

    Args:
        event: ``low_data_notification``, ``credit_limit_notification`` or ``async_order_notification``.
        level: for low data ``data_75``, ``data_90``, ``expire_1`` or ``expire_3``; for the credit limit ``50``, ``70``,
            ``80`` or ``90``. Default the first of these.
        iccid: the eSIM that the webhook is about.
        webhook_url: default the shop's own address. With an address, Airalo requires no opt-in.

    Returns:
        Airalo's message.

    Raises:
        ValidationError: a value is wrong. No request was sent.
        AiraloAPIError: Airalo refused the request, could not deliver the webhook, or the request failed.
        AiraloConfigurationError: credentials are missing.
    """
    if event not in EVENTS:
        raise ValidationError({"event": _("It must be one of: %(names)s") % {"names": ", ".join(EVENTS)}})
    levels = EVENTS[event]
    if level and level not in levels:
        raise ValidationError({"level": _("It must be one of: %(names)s") % {"names": ", ".join(levels) or "–"}})
    level = level or (levels[0] if levels else "")
    by_percent = event == "credit_limit_notification"
    return get_client().simulate_webhook(
        event,  # type: ignore[arg-type]  # known by now
        type=None if by_percent else level or None,
        level=int(level) if by_percent else None,
        iccid=iccid or None,
        webhook_url=_address(webhook_url),
    )


def _known_type(type: str) -> None:
    if type not in TYPES:
        raise ValidationError({"type": _("It must be one of: %(names)s") % {"names": ", ".join(TYPES)}})


def _address(webhook_url: str) -> str:
    address = webhook_url or conf.webhook_delivery_url
    if not address:
        raise ValidationError({"webhook_url": _("Set AIRALO_WEBHOOK_URL or give an address.")})
    try:
        URLValidator(schemes=["http", "https"])(address)
    except ValidationError as error:
        message = _("%(value)r is not a web address.") % {"value": webhook_url or conf.WEBHOOK_URL}
        raise ValidationError({"webhook_url": message}) from error
    return address
