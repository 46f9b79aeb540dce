"""Which webhooks and mails Airalo sends, and test webhooks."""

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

#: What Airalo can be told to send: orders, low data and credit limit by webhook, the last two by mail.
TYPES: tuple[str, ...] = get_args(NotificationType)
WEBHOOK_TYPES = tuple(kind for kind in TYPES if not kind.startswith("email_"))
#: Per cent of the credit limit.
LEVELS = (50, 70, 80, 90)
#: The simulator's events and what each takes as ``level``.
EVENTS: dict[str, tuple[str, ...]] = {
    "low_data_notification": ("data_75", "data_90", "expire_1", "expire_3"),
    "credit_limit_notification": tuple(map(str, LEVELS)),
    "async_order_notification": (),
}


def webhook_status() -> NotificationData | None:
    """The opt-in that Airalo tells of, ``None`` if it tells of none.

    Airalo documents one opt-in in the answer and no way to ask for another, so there may be more than it tells.

    Raises:
        AiraloAPIError: Airalo could not be asked.
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
    """Have Airalo send notifications of one type; replaces what was told it for that type.

    Airalo asks a webhook's address with HEAD first, and refuses it if the answer is not 200.

    Args:
        type: ``async_orders``, ``webhook_low_data``, ``webhook_credit_limit``, ``email_low_data`` or
            ``email_credit_limit``.
        webhook_url: default the shop's own address, of ``AIRALO_WEBHOOK_URL`` and its token.
        email: where mails go, for the types by mail.
        language: of the mails.
        levels: per cent of the credit limit, of 50, 70, 80 and 90; default all.

    Returns:
        The opt-in, as Airalo repeated it. Its ``contact_point`` may hold the address's secret token.

    Raises:
        ValidationError: a value is wrong. Airalo was not asked.
        AiraloAPIError: Airalo refused it or could not be asked.
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
            raise ValidationError({"levels": _("Only 50, 70, 80 and 90 exist.")})
        arguments["levels"] = list(levels or LEVELS)
    return get_client().opt_in(type, **arguments)  # type: ignore[arg-type]  # known by now


def opt_out(type: str) -> None:
    """Have Airalo send no more notifications of one type.

    Raises:
        ValidationError: there is no such type. Airalo was not asked.
        AiraloAPIError: Airalo refused it or could not be asked.
    """
    _known_type(type)
    get_client().opt_out(type)  # type: ignore[arg-type]  # known by now


def simulate_webhook(event: str, *, level: str = "", iccid: str = "", webhook_url: str = "") -> str:
    """Have Airalo send a test webhook at once. It is signed, and the shop takes it for a real one.

    Airalo's limit is narrow: one in ``AIRALO_SIMULATOR_INTERVAL`` seconds.

    Args:
        event: ``low_data_notification``, ``credit_limit_notification`` or ``async_order_notification``.
        level: for low data ``data_75``, ``data_90``, ``expire_1`` or ``expire_3``; for the credit limit ``50``, ``70``,
            ``80`` or ``90``. Default the first of these.
        iccid: which eSIM it speaks of.
        webhook_url: default the shop's own address. Given an address, Airalo asks for no opt-in.

    Returns:
        Airalo's words.

    Raises:
        ValidationError: a value is wrong. Airalo was not asked.
        AiraloAPIError: Airalo refused it, could not push it, or could not be asked.
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
    address = webhook_url or conf.delivery_url
    if not address:
        raise ValidationError({"webhook_url": _("Set AIRALO_WEBHOOK_URL or give an address.")})
    try:
        URLValidator(schemes=["http", "https"])(address)
    except ValidationError as error:
        message = _("%(value)r is not a web address.") % {"value": webhook_url or conf.WEBHOOK_URL}
        raise ValidationError({"webhook_url": message}) from error
    return address
