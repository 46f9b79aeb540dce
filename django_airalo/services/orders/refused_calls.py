"""Convert the arguments of a refused call, of any type, to JSON and columns that every database can store."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils import translation
from django.utils.functional import Promise

from django_airalo.services.core.redaction import redact

from .validate import COLUMN_LENGTHS, KEY_OF_REFUSED, in_utc, is_key

#: The maximum length of a text, and of the reason.
LONGEST, LONGEST_REASON = 500, 2000
#: The maximum depth and number of values of an argument. The rest is left out.
DEEPEST, MOST = 10, 100
LEFT_OUT = "…"
#: The arguments that are text columns, with the lengths of these.
_LENGTHS = {"package_id": 255, "description": LONGEST, **COLUMN_LENGTHS}
#: The highest number that fits a small integer column.
_HIGHEST = 2**15 - 1
#: Not every database can store larger integers as numbers in JSON.
_LARGEST = 2**53
_NOT_STORED = re.compile("[\x00\ud800-\udfff]")


def storable(text: str, longest: int = LONGEST) -> str:
    """Return a text in a form that every database can store: NUL and lone surrogates escaped, secrets redacted.

    A text that is too long is cut and ends with its length and a digest, so that different texts stay different.

    Args:
        text: the text.
        longest: the maximum number of characters.
    """
    escaped = _NOT_STORED.sub(lambda found: ascii(found[0])[1:-1], redact(text))
    if len(escaped) <= longest:
        return escaped
    ending = f"{LEFT_OUT} ({len(text)} characters, {_digest(text)[:16]})"
    return escaped[: longest - len(ending)] + ending


def recorded_call(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call as JSON: always the same for the same arguments, in any process and language."""
    with translation.override(settings.LANGUAGE_CODE):
        return {
            name: _Recorder().record(_identity(value) if name == "user" else value) for name, value in arguments.items()
        }


def recorded_key(key: Any) -> str | None:
    """Return the key to store for a refused order: the same call must not create two orders, even with an invalid key.

    Returns:
        ``None`` for values that do not identify an order: ``None``, ``""``, ``0`` and the like.
    """
    if key is None or is_key(key):
        return key
    text = key if isinstance(key, str) else json.dumps(_Recorder().record(key), sort_keys=True)
    return None if text in ("", "0", "0.0", "false", "[]", "{}") else f"{KEY_OF_REFUSED}{_digest(text)}"


def reason_of(refusal: ValidationError) -> str:
    """Return the texts of an error, in ``LANGUAGE_CODE``, since the active language may be a customer's."""
    with translation.override(settings.LANGUAGE_CODE):
        lines = [f"{field}: {' '.join(messages)}" for field, messages in refusal.message_dict.items()]
    return storable("\n".join(lines), LONGEST_REASON)


def refused_columns(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the order that records a refused call. Arguments that do not fit are left out or cut."""
    columns: dict[str, Any] = {name: _text_column(arguments.get(name), most) for name, most in _LENGTHS.items()}
    columns |= {name: _list_column(arguments.get(name)) for name in ("sharing_option", "copy_address")}
    quantity = arguments.get("quantity", 1)
    is_number = isinstance(quantity, int) and not isinstance(quantity, bool) and 0 <= quantity <= _HIGHEST
    columns["quantity"] = int(quantity) if is_number else 0
    return columns


def _text_column(value: Any, longest: int) -> str:
    return storable(value, longest) if isinstance(value, str) else ""


def _list_column(value: Any) -> list[str]:
    items = value if isinstance(value, list | tuple) else []
    return [storable(item) for item in items[:MOST] if isinstance(item, str)]


def _identity(user: Any) -> Any:
    """Return a user's primary key, ``None`` for a guest, or the value itself if it is not a user."""
    if not hasattr(user, "is_authenticated"):
        return user
    key = user.pk if user.is_authenticated else None
    return user if user.is_authenticated and key is None else key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Recorder:
    """Converts one argument to JSON."""

    def __init__(self) -> None:
        self._left = MOST

    def record(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            return LEFT_OUT
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            # Python does not convert an integer of thousands of digits to decimal, only to hexadecimal.
            return int(value) if abs(value) <= _LARGEST else storable(hex(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) and abs(value) <= _LARGEST else repr(float(value))
        if isinstance(value, Mapping):
            return {self._name(key): self.record(item, depth + 1) for key, item in self._some(value.items())}
        if isinstance(value, list | tuple):
            return [self.record(item, depth + 1) for item in self._some(value)]
        return _text(value)

    def _some(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            if self._left < 0:
                return
            yield item

    @staticmethod
    def _name(key: Any) -> str:
        return storable(key) if isinstance(key, str) else json.dumps(_Recorder().record(key))


def _text(value: Any) -> str:
    """Return a value that has no JSON type as text, without its memory address, which differs in each process."""
    if isinstance(value, str | Promise):
        return storable(str(value))
    if isinstance(value, datetime):
        moment = in_utc(value) if value.utcoffset() is not None else None
        # Without seconds, as in Airalo's dates, so that the same minute counts as the same call.
        return (moment.replace(second=0, microsecond=0) if moment else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta | Decimal | UUID):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return storable(repr(bytes(value)))
    if isinstance(value, Model):
        return storable(f"{value._meta.label_lower}:{value.pk}")
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
