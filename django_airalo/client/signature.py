"""The ``airalo-signature`` header: HMAC-SHA512 in lower-case hex, keyed with the client secret.

Airalo documents no exact byte string: its samples sign a parsed and re-encoded payload, and its PHP, JavaScript and
Python samples re-encode differently. The raw body comes first here, then the documented re-encodings.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_HEX = re.compile(rb"[0-9a-f]{128}")


def sign(body: bytes, secret: str) -> str:
    """The signature of ``body``: 128 lower-case hex digits."""
    return hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()


def verify(body: bytes, signature: str, secrets: Sequence[str]) -> str | None:
    """Which reading of ``body`` the signature fits, with any of ``secrets``.

    Returns:
        ``"raw"``, ``"php"``, ``"php-arrays"``, ``"js-sdk"``, ``"javascript"`` or ``"python"``; ``None`` if it
        fits none.
    """
    # Compared as bytes: compare_digest refuses text that is not ASCII, and a header may hold anything.
    given = signature.encode("utf-8", "surrogateescape")
    if not _HEX.fullmatch(given):
        return None
    for name, candidate in _readings(body):
        for secret in secrets:
            if hmac.compare_digest(sign(candidate, secret).encode(), given):
                return name
    return None


def _readings(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "raw", body
    try:
        document = json.loads(body, parse_constant=_refuse)
        plain = _dump(document, ascii_only=True)
        integral = _integral(document)
        php = _dump(integral, ascii_only=True).replace("/", r"\/")
        raw_utf8 = _dump(integral, ascii_only=False)
        readings = (
            ("php", php),
            ("php-arrays", php.replace("{}", "[]")),
            ("js-sdk", raw_utf8.replace("/", r"\/")),
            ("javascript", raw_utf8),
            ("python", plain),
        )
        encoded = [(name, text.encode("utf-8")) for name, text in readings]
    except (
        ValueError,
        RecursionError,
    ):  # not JSON, NaN, too deep, a lone surrogate: then only raw bytes can match
        return
    yield from encoded


def _dump(document: Any, *, ascii_only: bool) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=ascii_only)


def _integral(value: Any) -> Any:
    """``9.0`` as ``9``, the way PHP and JavaScript write it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    if isinstance(value, list):
        return [_integral(item) for item in value]
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
