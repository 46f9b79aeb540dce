"""What an order may say. Looks at no database and at no clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _

from django_airalo.conf import conf
from django_airalo.models import EsimOrder
from django_airalo.models.orders import MAX_QUANTITY, REFERENCE_LENGTH

#: What the columns hold. Django's own validators for addresses let more through.
COLUMN_LENGTHS = {"brand_settings_name": 255, "to_email": 254, "webhook_url": 500}


def validate_content(content: dict[str, Any], idempotency_key: str | None) -> None:
    errors: dict[str, list[str]] = {}

    def refuse(field: str, message: str) -> None:
        errors.setdefault(field, []).append(message)

    for field in ("package_id", "description", "brand_settings_name", "to_email", "webhook_url"):
        value = content[field]
        if not isinstance(value, str):
            refuse(field, _("%(value)r is not text.") % {"value": value})
        elif not _can_be_stored(value):
            refuse(field, _("The text holds a character that cannot be stored."))
    for field in ("sharing_option", "copy_address"):
        value = content[field]
        # A string is a sequence of letters, but nobody means that.
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            refuse(field, _("%(value)r is not a list of texts.") % {"value": value})
    # A primary key, say, would else be taken for a guest.
    if content["user"] is not None and not hasattr(content["user"], "is_authenticated"):
        refuse("user", _("%(value)r is not a user.") % {"value": content["user"]})
    elif getattr(content["user"], "is_authenticated", False) and content["user"].pk is None:
        refuse("user", _("%(value)r has not been saved.") % {"value": content["user"]})
    if errors:
        raise ValidationError(errors)
    if not content["package_id"].strip() or len(content["package_id"]) > 255:
        refuse("package_id", _("Give the id of a package of Airalo's catalogue, 255 characters at most."))
    quantity = content["quantity"]
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MAX_QUANTITY:
        refuse(
            "quantity",
            _("%(value)r is not a whole number from 1 to %(max)d.") % {"value": quantity, "max": MAX_QUANTITY},
        )
    _validate_way(content["mode"], content["due_date"], refuse)
    if idempotency_key is not None:
        if not isinstance(idempotency_key, str) or not 1 <= len(idempotency_key) <= 255:
            refuse("idempotency_key", _("Give text of 1 to 255 characters, or None."))
        elif not _can_be_stored(idempotency_key):
            refuse("idempotency_key", _("The text holds a character that cannot be stored."))
    room = max(0, conf.DESCRIPTION_MAX_LENGTH - REFERENCE_LENGTH - 1)
    if len(content["description"]) > room:
        refuse(
            "description",
            _("%(length)d characters are too many: %(room)d at most, since the reference goes before it.")
            % {"length": len(content["description"]), "room": room},
        )
    for field, longest in COLUMN_LENGTHS.items():
        if len(content[field]) > longest:
            refuse(field, _("%(max)d characters at most.") % {"max": longest})
    _validate_contacts(content, refuse)
    if errors:
        raise ValidationError(errors)


def _validate_way(mode: Any, due_date: Any, refuse: Callable[[str, str], None]) -> None:
    if mode is not None and mode not in EsimOrder.Mode.values:
        refuse("mode", _("%(value)r: only 'async' and 'sync' exist.") % {"value": mode})
    if due_date is None:
        return
    if not isinstance(due_date, datetime) or due_date.utcoffset() is None:
        refuse("due_date", _("%(value)r is not a datetime with a time zone.") % {"value": due_date})
    else:
        try:
            due_date.astimezone(UTC)
        except OverflowError:  # the last hours of the year 9999, the first of the year 1
            refuse("due_date", _("%(value)r is no date in UTC.") % {"value": due_date})
    if mode == EsimOrder.Mode.SYNC:
        refuse("mode", _("A future order cannot be synchronous."))


def _validate_contacts(content: dict[str, Any], refuse: Callable[[str, str], None]) -> None:
    to_email, sharing = content["to_email"], content["sharing_option"]
    addresses = [("to_email", to_email)] if to_email else []
    addresses += [("copy_address", address) for address in content["copy_address"]]
    for field, address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            refuse(field, _("%(value)r is not an e-mail address.") % {"value": address})
    if not set(sharing) <= {"link", "pdf"}:
        refuse("sharing_option", _("%(value)r: only 'link' and 'pdf' exist.") % {"value": sharing})
    if to_email and not sharing:
        refuse("sharing_option", _("Airalo needs 'link', 'pdf' or both together with to_email."))
    if content["webhook_url"]:
        try:
            URLValidator(schemes=["http", "https"])(content["webhook_url"])
        except ValidationError:
            refuse("webhook_url", _("%(value)r is not a web address.") % {"value": content["webhook_url"]})


def _can_be_stored(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return "\x00" not in value
