"""From an HTTP answer to an exception: the six shapes of Airalo's errors become one tree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from django_airalo.exceptions import (
    ERROR_FOR_CODE,
    AiraloAPIError,
    AiraloAuthenticationError,
    AiraloNotFoundError,
    AiraloPermissionError,
    AiraloRateLimitError,
    AiraloRefusedError,
    AiraloServerError,
    AiraloServiceUnavailableError,
    UnexpectedAiraloError,
)

from .payloads import as_int, as_mapping, as_text

#: Statuses that say "not carried out". Any other error leaves the outcome of a call that changes something open.
REFUSED_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429})

#: Seconds of a Retry-After at most, so that whoever adds them to a date gets one.
LONGEST_WAIT = 365 * 24 * 3600.0

_ERROR_FOR_STATUS: dict[int, type[AiraloAPIError]] = {
    400: AiraloRefusedError,
    401: AiraloAuthenticationError,
    403: AiraloPermissionError,
    404: AiraloNotFoundError,
    422: AiraloRefusedError,
    429: AiraloRateLimitError,
    503: AiraloServiceUnavailableError,
}


def error_for(status: int, headers: Mapping[str, str], document: Any, *, changes: bool) -> AiraloAPIError:
    """The exception for an answer that is no success.

    Args:
        document: the parsed JSON body, or ``None`` if it was not JSON.
        changes: whether the request could change anything at Airalo (any method but GET and HEAD).
    """
    code, reason, field_errors = _read(document)
    kind = _ERROR_FOR_STATUS.get(status, AiraloServerError if status >= 500 else AiraloAPIError)
    if code is not None and status in (400, 403, 422):
        kind = ERROR_FOR_CODE.get(code, kind)
    return kind(
        status_code=status,
        code=code,
        reason=reason,
        field_errors=field_errors,
        retry_after=_retry_after(headers.get("Retry-After", ""), headers.get("Date", "")),
        may_have_acted=changes and (status not in REFUSED_STATUSES or kind is UnexpectedAiraloError),
    )


def refusal_in(document: Any) -> AiraloRefusedError | None:
    """The refusal in an answer with status 200 that has messages for fields in ``data``, where objects should be."""
    _, reason, field_errors = _read(document)
    data = document.get("data") if isinstance(document, Mapping) else None
    if not field_errors or any(isinstance(value, Mapping | list) for value in as_mapping(data).values()):
        return None
    return AiraloRefusedError(status_code=200, reason=reason, field_errors=field_errors)


def _read(document: Any) -> tuple[int | None, str, dict[str, str]]:
    """Code, reason and field errors of any of the six shapes."""
    if not isinstance(document, Mapping):
        return None, "", {}
    data, meta = document.get("data"), document.get("meta")
    fields: dict[str, str] = {}
    if isinstance(data, Mapping):
        fields = {as_text(key): _message(value) for key, value in data.items()}
    reason = next((text for key in ("reason", "error", "message") if (text := as_text(document.get(key)))), "")
    if not reason and not fields and isinstance(meta, Mapping):
        reason = as_text(meta.get("message"))
    return as_int(document.get("code")), reason, fields


def _message(value: Any) -> str:
    """A field's message; Laravel, which Airalo runs on, may also give several in a list."""
    return " ".join(map(as_text, value)) if isinstance(value, list) else as_text(value)


def _retry_after(value: str, date: str) -> float | None:
    """Seconds from a ``Retry-After`` header, which is a number or an HTTP date.

    A date is compared with the answer's own ``date``: this machine's clock may be an hour off.
    """
    value = value.strip()
    if value.isdecimal():
        return min(float(value), LONGEST_WAIT)
    until = _moment(value)
    if until is None:
        return None
    wait = (until - (_moment(date) or datetime.now(UTC))).total_seconds()
    return min(max(0.0, wait), LONGEST_WAIT)


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # OverflowError: a year of twenty digits
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
