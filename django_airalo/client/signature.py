"""The ``airalo-signature`` header: HMAC-SHA512 in lower-case hex, keyed with the client secret.

Airalo does not document the exact bytes. Its samples sign a payload that was parsed and encoded again, and the PHP,
JavaScript and Python samples encode differently. So the raw body is tried first, then each of the documented encodings.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

#: Bodies with more bytes than this are only compared raw, so that forged webhooks cannot cost much CPU time. An order
#: of 50 eSIMs has about half of it.
REENCODE_MAX_BYTES = 100_000

_HEX = re.compile(r"[0-9a-f]{128}")


def sign(body: bytes, secret: str) -> str:
    """Return the signature of ``body``: 128 lower-case hex digits."""
    return hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()


def verify(body: bytes, signature: str, secrets: Sequence[str]) -> str | None:
    """Return the encoding of ``body`` that the signature matches, with any of ``secrets``.

    Returns:
        ``"raw"``, ``"php"``, ``"php-arrays"``, ``"js-sdk"``, ``"javascript"`` or ``"python"``; ``None`` if it
        matches none.
    """
    if not _HEX.fullmatch(signature):
        return None
    for name, candidate in _encodings(body):
        for secret in secrets:
            if hmac.compare_digest(sign(candidate, secret), signature):
                return name
    return None


def _encodings(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "raw", body
    if len(body) > REENCODE_MAX_BYTES:
        return
    try:
        document = json.loads(body, parse_constant=_refuse)
        encoded = [(name, encoder.encode(document).encode()) for name, encoder in _ENCODERS.items()]
    except (
        ValueError,
        OverflowError,
        RecursionError,
    ):  # not JSON, NaN, too large or too deep: only the raw body can match
        return
    yield from encoded


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


@dataclass(frozen=True)
class _Encoder:
    """How one language writes JSON without spaces. Python's ``json`` cannot write floats in other formats."""

    number: Callable[[int | float], str]
    text: Callable[[str], str]
    arrays: bool = False  # whether objects with the keys 0, 1, 2 … (or none) become lists

    def encode(self, value: Any) -> str:
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return json.dumps(value)
        if isinstance(value, int | float):
            return self.number(value)
        if isinstance(value, list):
            return "[" + ",".join(map(self.encode, value)) + "]"
        if self.arrays and all(key == str(index) for index, key in enumerate(value)):
            return self.encode(list(value.values()))
        return "{" + ",".join(f"{self.text(key)}:{self.encode(item)}" for key, item in value.items()) + "}"


def _shortest(number: float, *, lowest: int, highest: int, whole: str = "") -> str:
    """Return a float with the fewest digits that identify it.

    It has an exponent unless the decimal point is from ``lowest`` to ``highest`` places after the start of the digits.
    ``whole`` is added to a mantissa of one digit.
    """
    decimal = Decimal(repr(number)).normalize()
    sign, digits, exponent = decimal.as_tuple()
    point = len(digits) + int(exponent)
    if lowest <= point <= highest:
        return format(decimal, "f")
    fraction = "." + "".join(map(str, digits[1:])) if digits[1:] else whole
    return f"{'-' * sign}{digits[0]}{fraction}e{point - 1:+d}"


def _php_number(value: int | float) -> str:
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return str(value)
    return _shortest(float(value), lowest=-3, highest=17, whole=".0")


def _javascript_number(value: int | float) -> str:
    if isinstance(value, int) and abs(value) <= 2**53:
        return str(value)
    # All numbers are floats in JavaScript. Adding 0.0 removes the sign of a zero.
    return _shortest(float(value) + 0.0, lowest=-5, highest=21)


def _php_text(value: str) -> str:
    return json.dumps(value).replace("/", r"\/").replace(r"\u007f", "\x7f")


def _javascript_text(value: str) -> str:
    # A lone surrogate is written as an escape.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _js_sdk_text(value: str) -> str:
    return _javascript_text(value).replace("/", r"\/")


_ENCODERS = {
    "php": _Encoder(_php_number, _php_text),
    "php-arrays": _Encoder(_php_number, _php_text, arrays=True),
    "js-sdk": _Encoder(_javascript_number, _js_sdk_text),
    "javascript": _Encoder(_javascript_number, _javascript_text),
    "python": _Encoder(repr, json.dumps),
}
