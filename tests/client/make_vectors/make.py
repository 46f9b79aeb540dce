"""Makes ../signature_vectors.json with PHP, Node and Python. Needs `php` and `node` on the PATH.

Each vector says: a body that arrives as ``body`` and is signed over ``encoded`` is recognised as ``reading``, the first
of the documented encodings that gives these bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECRET = "vector-secret-Ä-1"
ORDER = ("raw", "php", "php-arrays", "js-sdk", "javascript", "python")

ESIM = r"""{
  "id": 70001, "iccid": "8900000000000000123", "lpa": "lpa.example.com", "matching_id": "TEST-1",
  "qrcode": "LPA:1$lpa.example.com$TEST-1", "qrcode_url": "https://example.com/qr?expires=1&signature=ab",
  "apn": {"ios": {"apn_type": "automatic", "apn_value": null}, "android": {}}, "imsis": [], "is_roaming": true
}"""

#: Bodies as they might come over the wire: some pretty, some with the escapes of one encoder or the other.
BODIES = {
    "flat order": r"""{"id": 9001, "code": "20260102-009001", "package_id": "test-7days-1gb", "quantity": "1",
      "description": "REF/1", "price": 9.5, "net_price": "7.25", "sims": [SIM]}""".replace("SIM", ESIM),
    "enveloped order": r"""{"request_id": "abc-DEF_123", "data": {"id": 9002, "sims": [SIM, SIM], "text": null},
      "meta": {"message": "success"}}""".replace("SIM", ESIM),
    "accents": '{"title": "Curaçao à la carte", "operator": "Orléans Télécom", "city": "Zürich"}',
    "accents escaped": r'{"title": "Cura\u00e7ao", "city": "Z\u00FCrich"}',
    "emoji": '{"description": "Trip 🏝️ to 日本 👩‍👩‍👧", "😀": "key"}',
    "emoji escaped": r'{"description": "\ud83d\ude00 \u2028 \u2029"}',
    "slashes": r'{"url": "https://example.com/a/b", "escaped": "https:\/\/example.com\/a\/b", "a/b": "\\/"}',
    "html": r'{"html": "<p class=\"a\">Tap <b>&amp;</b> scan</p>\n\t<br/>"}',
    "controls": r'{"text": "\u0000\u0001\b\f\n\r\t\u001f\u007f\u0080"}',
    "quotes": r'{"text": "\"\\\u0022\u005c\u002f \u0027"}',
    "floats": '{"a": 9.5, "b": 9.0, "c": 0.1, "d": 225.35, "e": -0.5, "f": 3.0, "g": 1.10}',
    "large floats": '{"a": 1e25, "b": 1.5e30, "c": 1e15, "d": 1e16, "e": 123456789012345680.0, "f": 1e20, "g": 1e21}',
    "small floats": '{"a": 0.001, "b": 0.0001, "c": 0.00001, "d": 0.0000015, "e": 1e-7, "f": 2.5e-10}',
    "precise floats": '{"a": 0.30000000000000004, "b": 1.7976931348623157e308, "c": 5e-324, "d": 100.10000000000001}',
    "zeros": '{"a": 0, "b": 0.0, "c": -0.0, "d": 0e10}',
    "exponents of whole numbers": '{"a": 1E2, "b": 1e+2, "c": 12e-1}',
    "integers": '{"a": 9007199254740992, "b": -9007199254740992, "c": 8900000000000000123, "d": 0}',
    "huge integers": '{"a": 123456789012345678901234567890, "b": 18446744073709551616, "c": -9223372036854775809}',
    "empty containers": '{"a": {}, "b": [], "c": [{}], "d": {"e": {}}, "f": "a {} and a [] in text"}',
    "numbered keys": '{"data": {"0": "first", "1": "second"}, "steps": {"1": "one", "2": "two"}}',
    "empty object": "{}",
    "empty list": "[]",
    "empty key": '{"": 1}',
    "duplicate keys": '{"a": 1, "b": 2, "a": 3}',
    "spaces": ' {\r\n "a" :\t[ 1 , 2 ] } \n',
    "scalars": '[true, false, null, "", "null", 1]',
    "text alone": '"a/ü"',
    "number alone": "9.0",
    "lone surrogate": r'{"text": "a\ud800é/"}',
    "deep": "[" * 60 + '"x/"' + "]" * 60,
}


def python_vectors() -> list[dict[str, str]]:
    """What Airalo's Python sample makes of the bodies."""
    vectors = []
    for name, body in BODIES.items():
        encoded = json.dumps(json.loads(body), separators=(",", ":"))
        vectors.append({"name": name, "reading": "python", "encoded": encoded, "signature": _signature(encoded)})
    return vectors


def raw_vectors() -> list[dict[str, str]]:
    """The bodies signed as they are."""
    return [
        {"name": name, "reading": "raw", "encoded": body, "signature": _signature(body)}
        for name, body in BODIES.items()
    ]


def other_vectors(*command: str) -> list[dict[str, str]]:
    """What another language makes of the bodies."""
    question = json.dumps({"secret": SECRET, "bodies": BODIES})
    answer = subprocess.run(command, input=question.encode(), capture_output=True, check=True, cwd=HERE)
    vectors: list[dict[str, str]] = json.loads(answer.stdout)
    return vectors


def _signature(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()


def main() -> None:
    """Write the file."""
    found = raw_vectors() + other_vectors("php", "-n", "encode.php") + other_vectors("node", "encode.js")
    found += python_vectors()
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for vector in sorted(found, key=lambda vector: ORDER.index(vector["reading"])):
        first.setdefault((vector["name"], vector["signature"]), {**vector, "body": BODIES[vector["name"]]})
    document = {"secret": SECRET, "vectors": list(first.values())}
    path = HERE.parent / "signature_vectors.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
