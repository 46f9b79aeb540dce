"""Webhook bodies that nobody should send: documented shapes with hostile values, and damaged ones.

The same seed and batch give the same bodies. Runs in a process of its own, since hypothesis keeps a tree of all that
it has generated, which would hide what the webhook's process itself takes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st

#: Orders that each batch names, each with its own ``request_id`` and reference.
ORDERS_PER_BATCH = 10
LIMIT = 1024 * 1024
#: Stands in hostile markup, so that a page that shows it unescaped can be told.
MARK = "fuzz0mark"

HTML = [
    f"<script>{MARK}</script>",
    f"<img src=x onerror={MARK}>",
    f'"><svg/onload={MARK}>',
    f"<p onclick={MARK}>x",
    f'<a href="javascript:{MARK}">x</a>',
    "<p><b>" * 700,
]
TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "\u202e\u0661",
    "٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧٨٩",
    "🎉" * 50,
    "' OR 1=1 --",
    "%s%n{0}{{ 7*7 }}{% debug %}",
    "../../etc/passwd",
    "null",
    "NaN",
    "-0",
    "1e400",
    "0x10",
    "1_000",
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30 00:00:00",
    "x" * 300,
    "y" * 5000,
    "9" * 5000,
    "completed",
    "failed",
    "USD",
    "\r\nSet-Cookie: a=b",
    "f1:gAAAAA",
    "8" * 17,
    "8" * 22,
    "8" * 23,
    *HTML,
]
#: What json.dumps cannot write; put in afterwards.
NUMBERS = {
    "@1@": b"9" * 4000,
    "@2@": b"9" * 5000,
    "@3@": b"1e400",
    "@4@": b"-1E-400",
    "@5@": b"1e2147483648",
    "@6@": b"-0",
    "@7@": b"0." + b"1" * 3000,
    "@8@": b"9223372036854775808",
    "@9@": b"007",
}
SIGNIFICANT = (
    "request_id",
    "data",
    "meta",
    "reason",
    "code",
    "sims",
    "iccid",
    "level",
    "remaining",
    "message",
    "description",
    "id",
)


def reference_of(seed: int, batch: int, number: int) -> str:
    """The reference of an order of a batch."""
    return hashlib.md5(f"{seed} {batch} {number}".encode(), usedforsecurity=False).hexdigest()


def request_id_of(seed: int, batch: int, number: int) -> str:
    """The ``request_id`` of an order of a batch."""
    return f"Fuzz-{seed}_{batch:05d}-{number:02d}"


def batch(seed: int, number: int, size: int) -> list[bytes]:
    """``size`` bodies. A few of each batch are about as large as is let in, or larger."""
    chance = random.Random(f"{seed} {number}")
    names = [(seed, past, order) for past in {number, max(0, number - 1)} for order in range(ORDERS_PER_BATCH)]
    bodies = [_large(chance, names)] if number % 2 == 0 else []
    documents = _documents(seed * 100_000 + number, size // 4, names)
    for number_of_body in range(size - len(bodies)):
        body = _encode(chance, documents[number_of_body % len(documents)])
        if number_of_body >= len(documents) and chance.random() < 0.7:
            body = chance.choice(DAMAGES)(chance, body)
        bodies.append(body)
    chance.shuffle(bodies)
    return bodies


def _documents(seed: int, count: int, names: list[tuple[int, int, int]]) -> list[Any]:
    found: list[Any] = []

    @with_seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_shapes(names))
    def collect(document: Any) -> None:
        found.append(document)

    collect()
    return found


def _shapes(names: list[tuple[int, int, int]]) -> st.SearchStrategy[Any]:
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(),
        st.text(max_size=30),
        st.sampled_from(TEXTS),
        st.sampled_from(sorted(NUMBERS)),
    )
    anything = st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(SIGNIFICANT) | st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=12,
    )

    def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(usual, usual, usual, anything)

    request_ids = mostly(st.sampled_from([request_id_of(*name) for name in names]))
    descriptions = mostly(
        st.builds(
            "{}{}{}".format,
            st.sampled_from([reference_of(*name) for name in names]),
            st.sampled_from([" ", "", "  ", "\x00", " line 7"]),
            st.sampled_from(TEXTS),
        )
    )
    iccids = mostly(st.integers(0, 400).map("890000000000000{:04d}".format))
    texts = mostly(st.sampled_from(TEXTS))
    sim = st.fixed_dictionaries(
        {"iccid": iccids},
        optional={
            "id": anything,
            "lpa": texts,
            "matching_id": texts,
            "qrcode": texts,
            "qrcode_url": texts,
            "apn": anything,
            "apn_type": texts,
            "apn_value": texts,
            "confirmation_code": texts,
            "msisdn": texts,
            "is_roaming": anything,
            "direct_apple_installation_url": texts,
        },
    )
    sims = mostly(st.lists(mostly(sim), max_size=4) | st.dictionaries(st.sampled_from("012"), sim, max_size=3))
    order = st.fixed_dictionaries(
        {},
        optional={
            "sims": sims,
            "description": descriptions,
            "id": anything,
            "code": texts,
            "currency": texts,
            "price": anything,
            "net_price": anything,
            "quantity": anything,
            "package_id": texts,
            "status": anything,
            "created_at": texts,
            "validity": anything,
            "manual_installation": texts,
            "qrcode_installation": texts,
            "request_id": request_ids,
        },
    )
    order_now = st.fixed_dictionaries({"sims": st.lists(sim, min_size=1, max_size=2), "description": descriptions})
    return st.one_of(
        st.fixed_dictionaries({"data": mostly(order), "request_id": request_ids}, optional={"meta": anything}),
        st.fixed_dictionaries({"data": order_now, "request_id": request_ids}),
        order,
        st.fixed_dictionaries({"data": order}),
        st.fixed_dictionaries({"reason": texts}, optional={"request_id": request_ids, "code": anything, "data": order}),
        st.fixed_dictionaries({"level": texts, "iccid": iccids}, optional={"remaining_percentage": anything}),
        st.fixed_dictionaries({"message": texts, "remaining": anything}, optional={"level": anything}),
        anything,
    )


def _encode(chance: random.Random, document: Any) -> bytes:
    """The document as JSON, or what passes for it: NaN and Infinity, lone surrogates, numbers of any length."""
    text = json.dumps(
        document, ensure_ascii=chance.random() < 0.5, separators=chance.choice([(",", ":"), (", ", ": ")])
    )
    body = text.encode("utf-8", "surrogatepass" if chance.random() < 0.5 else "replace")
    for name, number in NUMBERS.items():
        body = body.replace(f'"{name}"'.encode(), number)
    return body


def _flip(chance: random.Random, body: bytes) -> bytes:
    damaged = bytearray(body or b"{}")
    for _ in range(chance.randint(1, 8)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def _repeat_keys(chance: random.Random, body: bytes) -> bytes:
    key, value = (
        chance.choice(SIGNIFICANT).encode(),
        chance.choice([b"null", b"{}", b"[]", b'"x"', b"1", b'[{"iccid":"1"}]']),
    )
    return body.replace(b"{", b'{"%s":%s,' % (key, value), chance.randint(1, 3))


def _nest(chance: random.Random, body: bytes) -> bytes:
    depth = chance.choice([3, 100, 900, 1100, 20_000])
    before, after = chance.choice([(b"[", b"]"), (b'{"data":', b"}"), (b'{"sims":[', b"]}")])
    return before * depth + body + after * depth


DAMAGES: list[Callable[[random.Random, bytes], bytes]] = [
    _flip,
    _repeat_keys,
    _nest,
    lambda chance, body: body[: chance.randrange(len(body) + 1)],
    lambda chance, body: body + body,
    lambda chance, body: chance.randbytes(chance.randint(0, 300)),
    lambda chance, body: b"\xef\xbb\xbf" + body,
    lambda chance, body: gzip.compress(body, 1, mtime=0),
    lambda chance, body: zlib.compress(body, 1),
    lambda chance, body: body.decode("utf-8", "replace").encode(
        chance.choice(["utf-16", "utf-16-be", "utf-32", "utf-32-le", "utf-7"])
    ),
    lambda chance, body: body.decode("utf-8", "replace").encode("latin-1", "replace"),
    lambda chance, body: body.replace(b'"', chance.choice([b"'", b"", b"\x00", b'\\"']), chance.randint(1, 9)),
    lambda chance, body: b" " * chance.randint(1, 2000) + body + b"\n" * chance.randint(0, 9),
    lambda chance, body: b"request_id=x&data=" + body,
]


def _large(chance: random.Random, names: list[tuple[int, int, int]]) -> bytes:
    """A body of about as many bytes as are let in, or one more."""
    size = LIMIT + chance.choice([-1, 0, 0, 1, 2, 4096])
    request_id = request_id_of(*chance.choice(names))
    kind = chance.randrange(8)
    if kind == 0:
        return b"[" * size
    if kind == 1:
        return b"9" * size
    if kind == 2:
        return chance.randbytes(size)
    start = {
        3: b"[",
        4: b'{"message":"',
        5: b'{"request_id":"%s","data":{"sims":[' % request_id.encode(),
        6: b'{"request_id":"%s","data":{"sims":[' % request_id.encode(),
        7: b'{"request_id":"%s","reason":"' % request_id.encode(),
    }[kind]
    end = {3: b"0]", 4: b'","remaining":1}', 5: b"null]}}", 6: b"null]}}", 7: b'"}'}[kind]
    unit = {3: b"[],", 4: b"<b>", 5: b'{"iccid":"%019d"},', 6: b'{"iccid":"1"},', 7: b"\\u0000"}[kind]
    room = size - len(start) - len(end)
    if kind == 5:
        first = chance.randrange(10**6) * 10**5
        units = [unit % (89 * 10**17 + first + number) for number in range(room // len(unit % 0))]
    else:
        units = [unit] * (room // len(unit))
    filled = b"".join(units)
    return start + filled + b" " * (room - len(filled) if kind in (3, 5, 6) else 0) + end
