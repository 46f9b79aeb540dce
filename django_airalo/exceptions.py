"""Everything that django_airalo raises, as one tree.

``AiraloAPIError`` and its children come from a call to Airalo and say, in ``may_have_acted``, whether Airalo
may have carried the request out. For a call that buys, that is the difference between "try again" and
"look it up first".
"""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation


class AiraloError(Exception):
    """Base of every error that django_airalo raises itself."""


class AiraloConfigurationError(AiraloError, ImproperlyConfigured):
    """A setting is missing or wrong. The text names the setting and the remedy."""


class IdempotencyConflictError(AiraloError, ValueError):
    """A service was given a key that is known, with other content: the ``idempotency_key`` of an order or top-up, or
    the ``booking_reference`` of a voucher."""


class IllegalTransitionError(AiraloError):
    """A status change that the table of transitions does not allow. A programming error."""


class DecryptionError(AiraloError):
    """A stored secret cannot be decrypted with any configured key."""


class SyncRunningError(AiraloError):
    """Another process runs the same sync. There is nothing to do."""


class WebhookVerificationError(AiraloError, SuspiciousOperation):
    """A webhook's signature (or the secret in its URL) is missing or wrong."""


class PayloadError(AiraloError, ValueError):
    """A JSON document lacks what it must have. The text names the field, never the content."""


class AiraloAPIError(AiraloError):
    """A call to Airalo did not succeed.

    Attributes:
        status_code: HTTP status of the answer, ``None`` if there was none.
        code: Airalo's business code (11, 13, 14, 23, 33, 34, 43, 53, 73, 89), ``None`` if it gave none.
        reason: Airalo's own words, at most 500 characters; empty if it gave none.
        field_errors: Airalo's message for each refused field, ``{}`` if it named none.
        retry_after: seconds to wait before the next call, as told by Airalo; ``None`` if not told.
        may_have_acted: ``True`` if Airalo may have carried the request out.
    """

    #: What to do about it, in a sentence, shown to operators.
    remedy = ""

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int | None = None,
        code: int | None = None,
        reason: str = "",
        field_errors: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        may_have_acted: bool = False,
    ) -> None:
        self.status_code = status_code
        self.code = code
        self.reason = reason[:500]
        self.field_errors = dict(field_errors or {})
        self.retry_after = retry_after
        self.may_have_acted = may_have_acted
        super().__init__(message or self._describe())

    def _describe(self) -> str:
        parts = []
        if self.status_code is not None:
            parts.append(f"HTTP {self.status_code}")
        if self.code is not None:
            parts.append(f"code {self.code}")
        details = [self.reason] if self.reason else []
        details += [f"{field}: {message}" for field, message in self.field_errors.items()]
        text = "Airalo answered " + (", ".join(parts) or "with an error")
        if details:
            text += ": " + " ".join(details)
        return f"{text} {self.remedy}".strip()


class AiraloConnectionError(AiraloAPIError):
    """No answer came. Of a POST or PUT, ``may_have_acted`` is ``False`` only if no connection was made.

    Then nothing was sent, as the text says. Of a GET it is always ``False``.
    """


class AiraloTimeoutError(AiraloConnectionError):
    """Airalo did not connect or did not answer in time."""


class AiraloResponseError(AiraloAPIError):
    """An answer came that cannot be understood: HTML, cut-off JSON, or a success that lacks what it must have."""


class AiraloAuthenticationError(AiraloAPIError):
    """HTTP 401. Credentials or token refused, or (as documented for orders) the object is another company's."""

    remedy = "Check AIRALO_CLIENT_ID and AIRALO_CLIENT_SECRET."


class AiraloTokenError(AiraloAPIError):
    """No access token could be had, so the request itself was not sent."""


class AiraloCacheError(AiraloAPIError):
    """The cache that holds the token could not be used, so the request itself was not carried out.

    It was not sent, or was answered with a 401 before.
    """

    remedy = "See that the cache named in AIRALO_CACHE_ALIAS works."


class AiraloPermissionError(AiraloAPIError):
    """HTTP 403."""


class IPAddressNotAllowedError(AiraloPermissionError):
    """Code 89: this server's address is not on the company's IP allow-list."""

    remedy = "Add this server's address to the API IP allow-list in Airalo's Partner Platform."


class AiraloNotFoundError(AiraloAPIError):
    """HTTP 404."""


class AiraloRateLimitError(AiraloAPIError):
    """HTTP 429, or our own guard that keeps below a limit. The request was not carried out."""


class AiraloServerError(AiraloAPIError):
    """HTTP 5xx. The outcome of a call that buys is unknown."""


class AiraloServiceUnavailableError(AiraloServerError):
    """HTTP 503: Airalo says that it does not take requests now."""


class AiraloRefusedError(AiraloAPIError):
    """Airalo refused the request: HTTP 400 or 422, or 200 with messages for fields in place of what was asked for.

    ``field_errors`` or ``code`` and ``reason`` say why.
    """


class InsufficientCreditError(AiraloRefusedError):
    """Code 11: the balance does not cover the order."""

    remedy = "Top up the Airalo balance."


class OperatorMaintenanceError(AiraloRefusedError):
    """Code 13: the operator is under maintenance; later it may work."""

    remedy = "Try again in some minutes."


class InvalidChecksumError(AiraloRefusedError):
    """Code 14: invalid checksum."""


class TopupDisabledError(AiraloRefusedError):
    """Code 23: the operator has disabled this top-up."""

    remedy = "Choose another top-up."


class InsufficientStockError(AiraloRefusedError):
    """Code 33: fewer eSIMs are left than were ordered."""

    remedy = "Order fewer eSIMs or try later."


class PackageUnavailableError(AiraloRefusedError):
    """Code 34: the package is invalid or out of stock."""

    remedy = "Sync the catalogue and choose another package."


class BadRequestError(AiraloRefusedError):
    """Code 43: bad request."""


class UnexpectedAiraloError(AiraloAPIError):
    """Code 53: something unexpected happened at Airalo; the order may exist all the same."""

    remedy = "Look the order up before anything else."


class RecycledEsimError(AiraloRefusedError):
    """Code 73: the eSIM has been recycled and can never be used again."""

    remedy = "Sell a new eSIM."


#: Airalo's business codes (documented on its error page) and their classes.
ERROR_FOR_CODE: dict[int, type[AiraloAPIError]] = {
    11: InsufficientCreditError,
    13: OperatorMaintenanceError,
    14: InvalidChecksumError,
    23: TopupDisabledError,
    33: InsufficientStockError,
    34: PackageUnavailableError,
    43: BadRequestError,
    53: UnexpectedAiraloError,
    73: RecycledEsimError,
    89: IPAddressNotAllowedError,
}
