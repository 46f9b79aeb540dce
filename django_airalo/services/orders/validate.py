"""Validate the arguments of new orders, without the database and the clock."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext_lazy as _

from django_airalo.conf import conf
from django_airalo.models import EsimOrder
from django_airalo.models.orders import MAX_QUANTITY
from django_airalo.models.references import REFERENCE_LENGTH
from django_airalo.services.core.redaction import redact

#: The lengths of the columns. Django's validators for addresses accept longer ones.
COLUMN_LENGTHS = {"brand_settings_name": 255, "to_email": 254, "webhook_url": 500}

#: How the keys begin that this package stores: of orders imported from Airalo, and of refused orders without a valid
#: key.
KEY_OF_IMPORTED, KEY_OF_REFUSED = "airalo-order-", "refused:"

#: Takes the field, the message of the error and its parameters.
Refuse = Callable[..., None]


class _Shown(reprlib.Repr):
    """Shortens long and deeply nested values, and never raises."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 100

    def repr_int(self, value: int, level: int) -> str:
        # Python does not convert an integer of thousands of digits to decimal.
        return super().repr_int(value, level) if abs(value) < 10**100 else f"<an integer of {value.bit_length()} bits>"


def shown(value: Any) -> str:
    """Return the ``repr()`` of a value for an error message, shortened and without the shop's secrets."""
    return redact(_Shown().repr(value))


def wrong(field: str, message: Any, **params: Any) -> ValidationError:
    """Return the error that a field's value is wrong. A lazy ``message`` is translated when the error is shown."""
    return ValidationError({field: [ValidationError(message, params=params)]})


def joined(errors: Iterable[tuple[str, ValidationError]]) -> ValidationError:
    """Return several errors as one.

    Args:
        errors: pairs of a prefix for the names of the fields, such as ``"2."``, and the error.
    """
    together: dict[str, list[ValidationError]] = {}
    for prefix, error in errors:
        for field, found in error.error_dict.items():
            together.setdefault(f"{prefix}{field}", []).extend(found)
    return ValidationError(dict(together))


def validate_content(content: Mapping[str, Any], idempotency_key: Any) -> None:
    """Validate the arguments of ``place_order()``.

    Raises:
        ValidationError: arguments are wrong; it has the errors of all of them.
    """
    errors: dict[str, list[ValidationError]] = {}

    def refuse(field: str, message: Any, **params: Any) -> None:
        errors.setdefault(field, []).append(ValidationError(message, params=params))

    _validate_types(content, refuse)
    if errors:
        raise ValidationError(dict(errors))
    package_id = content["package_id"]
    if not package_id.strip() or len(package_id) > 255:
        refuse(
            "package_id",
            _("%(value)s is no package id. Give the id of a package in Airalo's catalogue, of at most 255 characters."),
            value=shown(package_id),
        )
    quantity = content["quantity"]
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MAX_QUANTITY:
        refuse(
            "quantity",
            _("%(value)s is not a whole number from 1 to %(max)d. Place several orders for more."),
            value=shown(quantity),
            max=MAX_QUANTITY,
        )
    _validate_way(content["mode"], content["due_date"], refuse)
    _validate_key(idempotency_key, refuse)
    room = max(0, conf.DESCRIPTION_MAX_LENGTH - REFERENCE_LENGTH - 1)
    longest = {"description": room, **COLUMN_LENGTHS}
    for field, length in longest.items():
        if len(content[field]) > length:
            refuse(
                field,
                _("%(value)s has %(length)d characters, which are too many: shorten it to %(max)d."),
                value=shown(content[field]),
                length=len(content[field]),
                max=length,
            )
    _validate_contacts(content, refuse)
    if errors:
        raise ValidationError(dict(errors))


def can_be_stored(text: str) -> bool:
    """Return whether every database can store a text: it has no NUL and no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def is_key(value: Any) -> TypeGuard[str]:
    """Return whether a value can be a shop's key: storable text of 1 to 255 characters, not like our own keys."""
    is_text = isinstance(value, str) and 1 <= len(value) <= 255 and can_be_stored(value)
    return is_text and not value.startswith((KEY_OF_IMPORTED, KEY_OF_REFUSED))


def _validate_types(content: Mapping[str, Any], refuse: Refuse) -> None:
    for field in ("package_id", "description", "brand_settings_name", "to_email", "webhook_url"):
        value = content[field]
        if not isinstance(value, str):
            refuse(field, _("%(value)s is not text. Give text."), value=shown(value))
        elif not can_be_stored(value):
            refuse(
                field,
                _("%(value)s holds a NUL or half of a surrogate pair, which no database stores. Leave it out."),
                value=shown(value),
            )
    for field in ("sharing_option", "copy_address"):
        value = content[field]
        # A string is a sequence, too, but it is passed by mistake.
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            refuse(field, _("%(value)s is not a list of texts. Give a list, also for one."), value=shown(value))
    user = content["user"]
    # Otherwise a primary key, for example, would be taken for a guest.
    if user is not None and not hasattr(user, "is_authenticated"):
        refuse("user", _("%(value)s is not a user. Give the user itself, or None for a guest."), value=shown(user))
    elif getattr(user, "is_authenticated", False) and user.pk is None:
        refuse("user", _("%(value)s has not been saved. Save the user first."), value=shown(user))


def _validate_way(mode: Any, due_date: Any, refuse: Refuse) -> None:
    if mode is not None and mode not in EsimOrder.Mode.values:
        refuse("mode", _("%(value)s is no mode. Give 'async', 'sync' or None."), value=shown(mode))
    if due_date is None:
        return
    if not isinstance(due_date, datetime) or due_date.utcoffset() is None:
        refuse(
            "due_date",
            _("%(value)s is not a datetime with a time zone. Give an aware datetime."),
            value=shown(due_date),
        )
    elif in_utc(due_date) is None:
        refuse("due_date", _("%(value)s is no date in UTC. Give one within a year."), value=shown(due_date))
    if mode == EsimOrder.Mode.SYNC:
        refuse(
            "mode",
            _("%(value)s: a future order cannot be synchronous. Leave the mode or the date out."),
            value=shown(mode),
        )


def in_utc(moment: datetime) -> datetime | None:
    """Return an aware datetime in UTC; ``None`` if it is out of range there, as on the last day of the year 9999."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


def _validate_key(idempotency_key: Any, refuse: Refuse) -> None:
    if idempotency_key is None or is_key(idempotency_key):
        return
    if isinstance(idempotency_key, str) and idempotency_key.startswith((KEY_OF_IMPORTED, KEY_OF_REFUSED)):
        refuse(
            "idempotency_key",
            _("%(value)s begins like a key of django_airalo's own. Put something of the shop's before it."),
            value=shown(idempotency_key),
        )
    else:
        refuse(
            "idempotency_key",
            _("%(value)s is no key. Give text of 1 to 255 characters without NUL, or None."),
            value=shown(idempotency_key),
        )


def _validate_contacts(content: Mapping[str, Any], refuse: Refuse) -> None:
    to_email, sharing, webhook_url = content["to_email"], content["sharing_option"], content["webhook_url"]
    addresses = [("to_email", to_email)] if to_email else []
    addresses += [("copy_address", address) for address in content["copy_address"]]
    for field, address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            refuse(field, _("%(value)s is not an e-mail address. Correct it or leave it out."), value=shown(address))
    if not set(sharing) <= {"link", "pdf"}:
        refuse("sharing_option", _("%(value)s: give 'link', 'pdf' or both."), value=shown(sharing))
    if to_email and not sharing:
        refuse(
            "sharing_option",
            _("%(value)s: give 'link', 'pdf' or both, which Airalo needs together with to_email."),
            value=shown(sharing),
        )
    if webhook_url:
        try:
            URLValidator(schemes=["http", "https"])(webhook_url)
        except ValidationError:
            refuse(
                "webhook_url",
                _("%(value)s is not a web address. Give one that begins with https://, or none."),
                value=shown(webhook_url),
            )
