"""The ``airalo-signature`` header: HMAC-SHA512 in lower-case hex, keyed with the client secret.

Airalo does not document the exact bytes. Its samples sign a payload that was parsed and encoded again, and the PHP,
JavaScript and Python samples encode differently. So the raw body is tried first, then each of the documented encodings.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import Any

#: Longer bodies are only compared raw. An order of 50 eSIMs has about 50 kB.
REENCODE_MAX_BYTES = 64 * 1024

_HEX = re.compile(r"[0-9a-f]{128}")


def sign(body: bytes, secret: str) -> str:
    """Return the signature of ``body``: 128 lower-case hex digits."""
    return hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()


def is_well_formed(signature: str) -> bool:
    """Return whether a text can be a signature."""
    return _HEX.fullmatch(signature) is not None


def verify(body: bytes, signature: str, secrets: Sequence[str]) -> str | None:
    """Return the encoding of ``body`` that the signature matches, however long that takes."""
    return Verifier(burst=math.inf).verify(body, signature, secrets)


class Verifier:
    """Verify signatures, with a limit on the CPU time that forged ones can cost.

    Comparing the raw body is cheap and always done. Encoding a body again is expensive, so a process spends at most a
    share of its time on it. The encoding that matched last is tried first.

    Args:
        share: the part of the time that may be spent, 0.05 for 5 %.
        burst: seconds of CPU time that may be spent at once after a quiet time.
    """

    def __init__(self, share: float = 0.05, burst: float = 0.25) -> None:
        self.share, self.burst = share, burst
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Forget what was spent, and which encoding matched last."""
        self._left = self.burst
        self._updated_at = time.monotonic()
        self._last_match = ""

    def verify(self, body: bytes, signature: str, secrets: Sequence[str]) -> str | None:
        """Return the encoding of ``body`` that the signature matches, with any of ``secrets``.

        Returns:
            ``"raw"``, ``"php"``, ``"php-arrays"``, ``"js-sdk"``, ``"javascript"`` or ``"python"``; ``None`` if it
            matches none.

        Raises:
            TimeoutError: the raw body does not match, and no time is left to encode it again.
        """
        if not is_well_formed(signature):
            return None
        if _matches(body, signature, secrets):
            return "raw"
        if len(body) > REENCODE_MAX_BYTES:
            return None
        if self._spend(0) <= 0:
            raise TimeoutError("too many webhooks with signatures that do not fit")
        started = time.thread_time()
        match = _matching_encoding(body, signature, secrets, self._last_match)
        self._spend(time.thread_time() - started)
        self._last_match = match or self._last_match
        return match

    def _spend(self, seconds: float) -> float:
        """Return the CPU time that is left after spending so much."""
        with self._lock:
            now = time.monotonic()
            earned = self.share * (now - self._updated_at)
            self._updated_at = now
            self._left = min(self._left + earned, self.burst) - seconds
            return self._left


def _matches(candidate: bytes, signature: str, secrets: Sequence[str]) -> bool:
    return any(hmac.compare_digest(sign(candidate, secret), signature) for secret in secrets)


def _matching_encoding(body: bytes, signature: str, secrets: Sequence[str], first: str) -> str | None:
    for name in sorted(_ENCODINGS, key=lambda name: name != first):
        try:
            candidate = _ENCODINGS[name].encode(body)
        except (ValueError, OverflowError, RecursionError):
            # Not JSON, NaN, too large or too deep for every encoding: only the raw body can match.
            return None
        if _matches(candidate, signature, secrets):
            return name
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


class _UnusualNumberError(Exception):
    """A number that languages write differently."""


def _usual_int(digits: str) -> int:
    number = int(digits)
    if abs(number) > 2**53:
        raise _UnusualNumberError
    return number


def _usual_float(digits: str) -> int | float:
    """Return an integer for a float without fraction, as PHP and JavaScript write it without one."""
    number = float(digits)
    if number.is_integer() and 0 < abs(number) < 2**53:
        return int(number)
    if not 1e-4 <= abs(number) < 2**53:
        raise _UnusualNumberError
    return number


@dataclass(frozen=True)
class _Encoding:
    """How one language parses a body and encodes it as JSON without spaces.

    Python's C encoder writes what the languages write alike, and is ten times as fast. ``numbers`` writes the rest.
    """

    numbers: Callable[[int | float], str]
    ascii_only: bool
    escape: Callable[[str], str] = str
    arrays: bool = False  # whether objects with the keys 0, 1, 2 … (or none) become lists

    def encode(self, body: bytes) -> bytes:
        try:
            document = self._parse(body, parse_int=_usual_int, parse_float=_usual_float)
        except _UnusualNumberError:
            text = self._encode_slowly(self._parse(body))
        else:
            text = self._dump(document)
        return text.encode()

    def _parse(self, body: bytes, **how: Any) -> Any:
        hook = _lists_of_numbered if self.arrays else None
        return json.loads(body, parse_constant=_refuse, object_hook=hook, **how)

    def _dump(self, value: Any) -> str:
        text = json.dumps(value, ensure_ascii=self.ascii_only, separators=(",", ":"))
        # A lone surrogate is written as an escape.
        return self.escape(text.encode("utf-8", "backslashreplace").decode())

    def _encode_slowly(self, value: Any) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.numbers(value)
        if isinstance(value, list):
            return "[" + ",".join(map(self._encode_slowly, value)) + "]"
        if isinstance(value, dict):
            items = (f"{self._dump(key)}:{self._encode_slowly(item)}" for key, item in value.items())
            return "{" + ",".join(items) + "}"
        return self._dump(value)


class _PythonEncoding:
    def encode(self, body: bytes) -> bytes:
        return json.dumps(json.loads(body, parse_constant=_refuse), separators=(",", ":")).encode()


def _lists_of_numbered(value: dict[str, Any]) -> Any:
    if all(key == str(index) for index, key in enumerate(value)):
        return list(value.values())
    return value


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


def _escape_slashes(text: str) -> str:
    return text.replace("/", r"\/")


def _escape_as_php(text: str) -> str:
    if r"\u007f" in text:  # PHP does not escape it; "\\\\" comes first, so that an escaped backslash stays one
        text = re.sub(r"\\\\|\\u007f", lambda match: "\x7f" if match[0] == r"\u007f" else match[0], text)
    return _escape_slashes(text)


_ENCODINGS: dict[str, _Encoding | _PythonEncoding] = {
    "php": _Encoding(_php_number, ascii_only=True, escape=_escape_as_php),
    "php-arrays": _Encoding(_php_number, ascii_only=True, escape=_escape_as_php, arrays=True),
    "js-sdk": _Encoding(_javascript_number, ascii_only=False, escape=_escape_slashes),
    "javascript": _Encoding(_javascript_number, ascii_only=False),
    "python": _PythonEncoding(),
}
