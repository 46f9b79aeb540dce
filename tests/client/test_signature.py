"""The airalo-signature header: vectors of PHP, JavaScript and Python, and what must never pass or raise."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from django_airalo.client import signature as signature_module
from django_airalo.client.signature import REENCODE_MAX_BYTES, Verifier, sign, verify

_DOCUMENT = json.loads(Path(__file__).with_name("signature_vectors.json").read_text(encoding="utf-8"))
SECRET: str = _DOCUMENT["secret"]
VECTORS: list[dict[str, str]] = _DOCUMENT["vectors"]
BODY = rb'{"url":"https:\/\/example.com\/","title":"Cura\u00e7ao"}'


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector['name']}, {vector['reading']}" for vector in VECTORS])
def test_vectors(vector: dict[str, str]) -> None:
    body, signature = vector["body"].encode(), vector["signature"]

    assert verify(body, signature, [SECRET]) == vector["reading"]
    # The encoded form, had it come over the wire, is its own raw form.
    encoded = vector["encoded"].encode()
    assert verify(encoded, signature, [SECRET]) == "raw"
    assert sign(encoded, SECRET) == signature
    assert verify(body, signature, ["another"]) is None


def test_the_vectors_cover_every_reading() -> None:
    readings = {vector["reading"] for vector in VECTORS}

    assert readings == {"raw", "php", "php-arrays", "js-sdk", "javascript", "python"}
    assert len(VECTORS) > 60


def test_sign_is_hmac_sha512_in_lower_case_hex() -> None:
    """By the first principles of RFC 2104, without the module hmac."""
    key = SECRET.encode().ljust(128, b"\0")
    inner = hashlib.sha512(bytes(byte ^ 0x36 for byte in key) + BODY).digest()
    outer = hashlib.sha512(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()

    assert sign(BODY, SECRET) == outer


def test_any_of_several_secrets_counts() -> None:
    old, new = sign(BODY, "old"), sign(BODY, "new")

    assert verify(BODY, old, ["new", "old"]) == "raw"
    assert verify(BODY, new, ["new", "old"]) == "raw"
    assert verify(BODY, old, ["new"]) is None
    assert verify(BODY, old, []) is None


def test_a_rotated_secret_counts_for_re_encodings_too() -> None:
    assert verify(b'{"url": "a/b"}', sign(rb'{"url":"a\/b"}', "old"), ["new", "old"]) == "php"


GOOD = sign(BODY, SECRET)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        GOOD.upper(),
        GOOD[:-1],
        GOOD + "0",
        GOOD + "\n",
        " " + GOOD,
        "sha512=" + GOOD,
        hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest(),
        "g" * 128,
        "é" * 128,
        "\uff11" * 128,  # digits, but not ASCII
        "\u0661" * 128,
        "\ud800" * 128,
        "\x00" * 128,
        "0" * 128,
        "[" * 100_000,
    ],
)
def test_headers_that_are_no_signature(signature: str) -> None:
    assert verify(BODY, signature, [SECRET]) is None
    assert verify(BODY, GOOD, [SECRET]) == "raw"


BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "not JSON": b"hello",
    "cut off": b'{"a": [1, 2',
    "two documents": b"{}{}",
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity, -Infinity]",
    "overflow": b"[1e400, -1e400]",
    "huge integer": b"1" * 6000,
    "huge integer within Python's limit": b"[" + b"1" * 4000 + b"]",
    "duplicate keys": b'{"a": 1, "a": 2}',
    "NUL": b'{"a\\u0000": "\\u0000"}',
    "raw NUL": b"\x00\x00\x00",
    "lone surrogates": rb'{"\ud800": "\udc00\ud800"}',
    "surrogate bytes": b'"\xed\xa0\x80"',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": "b"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"a": "b"}',
    "deep list": b"[" * 50_000 + b"]" * 50_000,
    "deep object": b'{"a":' * 16_000 + b"1" + b"}" * 16_000,
    "deeper than allowed to write": b"[" * 900 + b"]" * 900,
    "long": b'["' + b"x" * REENCODE_MAX_BYTES + b'"]',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
}


@pytest.mark.parametrize("name", BODIES)
def test_hostile_bodies_never_raise(name: str) -> None:
    body = BODIES[name]

    assert verify(body, "0" * 128, [SECRET]) is None
    assert verify(body, sign(body, SECRET), ["other", SECRET]) == "raw"
    assert verify(body + b" ", sign(body + b"\n", SECRET), ["another"]) is None


def test_long_body_is_not_encoded_again() -> None:
    """A forger must not be able to make us spend seconds."""
    document: Any = {"text": "x" * REENCODE_MAX_BYTES}
    compact = json.dumps(document, separators=(",", ":")).encode()
    short = json.dumps({"text": "x"}, separators=(",", ":")).encode()

    assert verify(json.dumps(document).encode(), sign(compact, SECRET), [SECRET]) is None
    assert verify(compact, sign(compact, SECRET), [SECRET]) == "raw"
    assert verify(b'{"text": "x"}', sign(short, SECRET), [SECRET]) == "php"


def test_the_signature_of_another_body_does_not_count() -> None:
    assert verify(BODY.replace(b"example.com", b"example.org"), GOOD, [SECRET]) is None


def test_comparison_is_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real = hmac.compare_digest

    def watched(first: Any, second: Any) -> bool:
        compared.append((first, second))
        return real(first, second)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    verify(BODY, "0" * 128, [SECRET])

    assert len(compared) == 6  # raw and five re-encodings


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{vector['name']}, {vector['reading']}" for vector in VECTORS])
def test_vectors_with_limited_time(vector: dict[str, str]) -> None:
    assert Verifier().verify(vector["body"].encode(), vector["signature"], [SECRET]) == vector["reading"]


@pytest.mark.parametrize("text", ["\x7f", r"\u007f", "\\\x7f", "\\\\u007f/"])
def test_php_writes_delete_as_it_is_and_an_escaped_backslash_as_two(text: str) -> None:
    """As ``php -n -r 'echo json_encode("\x7f");'`` prints it."""
    escaped = text.replace("\\", r"\\").replace("/", r"\/")
    encoded = f'["{escaped}"]'.encode()

    assert verify(json.dumps([text]).encode() + b" ", sign(encoded, SECRET), [SECRET]) == "php"


class Times:
    """The clock, and the CPU time that each encoding takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
        self.now = self.cpu = 0.0
        self.cost = cost
        self.tried: list[str] = []
        monkeypatch.setattr(signature_module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(signature_module.time, "thread_time", lambda: self.cpu)
        for name, encoding in signature_module._ENCODINGS.items():
            monkeypatch.setitem(signature_module._ENCODINGS, name, Costly(self, name, encoding.encode))


class Costly:
    def __init__(self, times: Times, name: str, encode: Any) -> None:
        self.times, self.name, self._encode = times, name, encode

    def encode(self, body: bytes) -> bytes:
        self.times.cpu += self.times.cost
        self.times.tried.append(self.name)
        encoded: bytes = self._encode(body)
        return encoded


FORGED = "0" * 128


def test_forged_bodies_cost_a_share_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    times = Times(monkeypatch, cost=0.01)
    verifier = Verifier(share=0.05, burst=0.25)
    refused = 0
    for _ in range(100 * 200):  # 200 a second for 100 seconds
        times.now += 1 / 200
        try:
            assert verifier.verify(b'{"a": "b/c"}', FORGED, [SECRET]) is None
        except TimeoutError:
            refused += 1

    assert refused > 19_000
    # One body may be begun while any time is left.
    assert times.cpu <= 0.25 + 0.05 * 100 + 5 * 0.01


@pytest.mark.parametrize("encoding", ["php", "php-arrays", "js-sdk", "javascript", "python"])
def test_encoding_that_matched_last_is_tried_first(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    body = '{"url": "a/b", "title": "Curaçao", "none": {}, "price": 9.0}'.encode()
    genuine = sign(signature_module._ENCODINGS[encoding].encode(body), SECRET)
    times = Times(monkeypatch, cost=0.001)
    verifier = Verifier()

    assert verifier.verify(body, genuine, [SECRET]) == encoding
    times.tried.clear()
    assert verifier.verify(body, genuine, [SECRET]) == encoding
    assert times.tried == [encoding]


def test_time_grows_back_after_it_was_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = Times(monkeypatch, cost=0.1)
    verifier = Verifier(share=0.05, burst=0.25)
    verifier.verify(b'{"a": 1}', FORGED, [SECRET])
    with pytest.raises(TimeoutError):
        verifier.verify(b'{"a": 1}', FORGED, [SECRET])

    times.now += 10
    assert verifier.verify(b'{"url": "a/b"}', sign(rb'{"url":"a\/b"}', SECRET), [SECRET]) == "php"


@pytest.mark.parametrize("body", [b"x" * (REENCODE_MAX_BYTES + 1), b"{}"])
def test_raw_body_and_too_long_ones_need_no_time(body: bytes) -> None:
    verifier = Verifier(share=0, burst=0)

    assert verifier.verify(body, sign(body, SECRET), [SECRET]) == "raw"
    assert verifier.verify(body, "no signature", [SECRET]) is None
    if len(body) > REENCODE_MAX_BYTES:
        assert verifier.verify(body, FORGED, [SECRET]) is None
