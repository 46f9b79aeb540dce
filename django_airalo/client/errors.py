"""Turn HTTP responses into exceptions. Airalo's errors have six shapes."""

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
    AiraloProxyError,
    AiraloRateLimitError,
    AiraloRefusedError,
    AiraloServerError,
    AiraloServiceUnavailableError,
    UnexpectedAiraloError,
)

from .payloads import as_int, as_mapping, as_text

#: With these statuses in a response of Airalo, the request was not carried out. After any other error, the outcome of a
#: request that changes something is unknown.
REFUSED_STATUSES = frozenset({400, 401, 403, 404, 405, 413, 415, 422, 429})

#: The longest ``Retry-After`` in seconds, so that adding it to a date cannot overflow.
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


def error_for(
    status: int, headers: Mapping[str, str], document: Any, *, changes: bool, is_empty: bool
) -> AiraloAPIError:
    """Return the exception for a response that is not a success.

    Args:
        status: the HTTP status.
        headers: the headers of the response.
        document: the parsed JSON body; ``None`` if it was not JSON.
        changes: whether the request could change something at Airalo (any method but GET and HEAD).
        is_empty: whether the body was empty.
    """
    retry_after = _retry_after(headers.get("Retry-After", ""), headers.get("Date", ""))
    if _is_of_a_proxy(status, document, is_empty=is_empty):
        return AiraloProxyError(
            f"HTTP {status} with a body that is not Airalo's. {AiraloProxyError.remedy}",
            status_code=status,
            retry_after=retry_after,
            may_have_acted=changes,
        )
    code, reason, field_errors = _read(document)
    kind = _ERROR_FOR_STATUS.get(status, AiraloServerError if status >= 500 else AiraloAPIError)
    if code is not None and status in (400, 403, 422):
        kind = ERROR_FOR_CODE.get(code, kind)
    return kind(
        status_code=status,
        code=code,
        reason=reason,
        field_errors=field_errors,
        retry_after=retry_after,
        may_have_acted=changes and (status not in REFUSED_STATUSES or kind is UnexpectedAiraloError),
    )


def refuses_token(error: AiraloAPIError) -> bool:
    """Return whether Airalo may have refused the token, so that a new one may help.

    Airalo documents the 403 "Unauthenticated." for product information, where it can mean a refused token or a company
    without access. Only a request with a new token tells which.
    """
    if isinstance(error, AiraloAuthenticationError):
        return True
    is_without_code = isinstance(error, AiraloPermissionError) and error.code is None
    return is_without_code and error.reason.rstrip(".").lower() == "unauthenticated"


def _is_of_a_proxy(status: int, document: Any, *, is_empty: bool) -> bool:
    """Return whether a refusal has a body that Airalo does not send.

    Cloudflare is in front of Airalo's API, and a shop may have a proxy of its own. Their pages are HTML, or JSON in
    none of the six shapes. A 429 means the same from both. A 401 that is empty or any JSON counts as Airalo's:
    otherwise a revoked token would be used until it expires.
    """
    if status == 401:
        return document is None and not is_empty
    return status in REFUSED_STATUSES and status != 429 and not _is_airalos(document)


def _is_airalos(document: Any) -> bool:
    """Return whether a body has one of the six shapes: a reason, messages for fields, or a documented code."""
    code, reason, field_errors = _read(document)
    return bool(reason) or any(field_errors.values()) or code in ERROR_FOR_CODE


def refusal_in(document: Any, *, changes: bool = True) -> AiraloAPIError | None:
    """Return the refusal in a response with the status 200, ``None`` if there is none.

    Airalo documents some errors with the status 200. Such a refusal is a code with a reason and no ``data``, or
    messages for fields in ``data`` instead of objects. Call this only for a response that lacks what a success has,
    since some successes have texts in ``data`` too.
    """
    code, reason, field_errors = _read(document)
    data = document.get("data") if isinstance(document, Mapping) else None
    if code is not None and reason and not data:
        kind = ERROR_FOR_CODE.get(code, AiraloRefusedError)
        may_have_acted = changes and kind is UnexpectedAiraloError
        return kind(status_code=200, code=code, reason=reason, may_have_acted=may_have_acted)
    if not any(field_errors.values()) or not all(map(_is_message, as_mapping(data).values())):
        return None
    return AiraloRefusedError(status_code=200, reason=reason, field_errors=field_errors)


def _is_message(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(part, str) for part in value))


def _read(document: Any) -> tuple[int | None, str, dict[str, str]]:
    """Return the code, the reason and the field errors of any of the six shapes."""
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
    """Return the message of a field. Laravel, which Airalo uses, may also send a list of messages."""
    return " ".join(map(as_text, value)) if isinstance(value, list) else as_text(value)


def _retry_after(value: str, date: str) -> float | None:
    """Return the seconds of a ``Retry-After`` header, which is a number or an HTTP date.

    A date is compared with the ``Date`` of the response, since the clock of this machine may be wrong.
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
    except (ValueError, OverflowError):  # OverflowError: the year is too large
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
