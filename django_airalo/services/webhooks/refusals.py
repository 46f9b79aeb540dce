"""The webhooks that this process refused, counted in memory: a forged webhook causes no statement."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from threading import Lock

from django.core import signing

#: With this header the doctor asks the webhook view for the counts, and its unsigned POST is not counted.
DOCTOR_HEADER = "X-Airalo-Doctor"
COUNTS_HEADER = "X-Airalo-Refused-Webhooks"
#: Seconds for which the header of a doctor is valid.
DOCTOR_MAX_AGE = 300

_signer = signing.TimestampSigner(salt="django_airalo.doctor")


class Reason(StrEnum):
    """Why a webhook was refused."""

    SIGNATURE = "signature"
    URL_TOKEN = "url_token"  # noqa: S105  the name of a reason, not a token
    TOO_LARGE = "too_large"
    CUT_SHORT = "cut_short"
    CHUNKED = "chunked"
    OVERLOAD = "overload"


_lock = Lock()
_since = datetime.now(UTC)
_counts: Counter[str] = Counter()


def count(reason: Reason) -> None:
    """Count a refused webhook."""
    with _lock:
        _counts[reason] += 1


def reset() -> None:
    """Start to count again."""
    with _lock:
        _counts.clear()


def report() -> str:
    """Return the counts as JSON: the process, the time since when it counts, and a number for each reason."""
    with _lock:
        counts = dict(_counts)
    return json.dumps({"process": os.getpid(), "since": _since.isoformat(timespec="seconds"), "counts": counts})


def doctor_headers() -> dict[str, str]:
    """Return the headers by which the view recognises the doctor of this shop."""
    return {DOCTOR_HEADER: _signer.sign("doctor")}


def is_doctor(headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from the doctor of this shop."""
    try:
        _signer.unsign(headers.get(DOCTOR_HEADER, ""), max_age=DOCTOR_MAX_AGE)
    except signing.BadSignature:
        return False
    return True
