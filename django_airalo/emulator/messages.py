"""A request and a response of the imitated API, and PHP's way of writing JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlsplit


def php_json(value: Any) -> bytes:
    r"""Return ``value`` as PHP's ``json_encode`` writes it by default: compact, ``\/`` and ``\uXXXX``.

    Airalo is written in PHP; its answers and the bytes it signs look like this. Like PHP, a float without a
    fraction is written as an integer (9.0 becomes 9).
    """
    text = json.dumps(_php_floats(value), separators=(",", ":"), ensure_ascii=True)
    return text.replace("/", "\\/").encode("ascii")


def _php_floats(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _php_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_php_floats(item) for item in value]
    return value


@dataclass
class Request:
    """One call to the emulator, with its body parsed whatever of the three accepted forms it came in."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes = b""
    remote: str = ""
    scheme: str = "http"
    params: tuple[str, ...] = ()  # what the route caught from the path
    path: str = field(init=False)
    query: dict[str, str] = field(init=False)
    data: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.data = parse_body(self.headers.get("content-type", ""), self.body)

    @property
    def base_url(self) -> str:
        """The address the caller used, without a path."""
        return f"{self.scheme}://{self.headers.get('host', '127.0.0.1')}"

    @property
    def bearer(self) -> str:
        """The access token sent, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme == "Bearer" else ""

    def text(self, name: str) -> str:
        """Return a field of the body as text; missing, null and empty are all the empty string."""
        value = self.data.get(name)
        return "" if value is None else str(value)


@dataclass
class Response:
    """What is sent back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of(cls, status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
        """Return a JSON response, written as PHP would write it."""
        return cls(status, php_json(content), headers or {})


def success(data: Any, status: int = 200) -> Response:
    """Return ``data`` in Airalo's usual envelope."""
    return Response.of(status, {"data": data, "meta": {"message": "success"}})


def parse_body(content_type: str, body: bytes) -> dict[str, Any]:
    """Return the fields of a body sent as multipart, form or JSON; an unreadable body has no fields.

    Airalo documents multipart for some calls and JSON for others, but its own SDKs send JSON to all of them
    and integrators send forms, so all three are taken everywhere. ``name[]`` fields become lists, as in PHP.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return {}
    if kind == "multipart/form-data":
        return _fold(_multipart_pairs(content_type, body))
    if kind == "application/x-www-form-urlencoded":
        return _fold(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        value = json.loads(body)
        # PHP's json_decode refuses halves of surrogate pairs; Python's does not.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _multipart_pairs(content_type: str, body: bytes) -> list[tuple[str, str]]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    pairs = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            pairs.append((name, payload.decode("utf-8", "replace")))
    return pairs


def _fold(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name.endswith("[]"):
            fields.setdefault(name[:-2], []).append(value)
        else:
            fields[name] = value
    return fields
