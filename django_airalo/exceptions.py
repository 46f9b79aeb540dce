"""All exceptions that django_airalo raises.

``AiraloAPIError`` and its subclasses come from a call to Airalo. Their ``may_have_acted`` says whether Airalo may have
carried out the request. A purchase that Airalo may have carried out must be looked up before it is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation


class AiraloError(Exception):
    """Base class of all errors of django_airalo."""


class AiraloConfigurationError(AiraloError, ImproperlyConfigured):
    """A setting is missing or wrong. The message names the setting and the remedy."""


class IdempotencyConflictError(AiraloError, ValueError):
    """A service got the ``idempotency_key`` of an order, top-up or voucher with other arguments than before."""


class IllegalTransitionError(AiraloError):
    """The status of an order, refund or voucher does not allow the action.

    The text names the row, its status and what is possible.
    """


class DecryptionError(AiraloError):
    """A stored secret cannot be decrypted with any configured key."""


class SyncRunningError(AiraloError):
    """Another process is running the same sync. There is nothing to do."""


class WebhookVerificationError(AiraloError, SuspiciousOperation):
    """A webhook's signature (or the secret in its URL) is missing or wrong."""


class WebhookOverloadError(WebhookVerificationError):
    """A webhook's signature was not verified, since too many others did not fit. Answer 503: Airalo sends it again."""


class PayloadError(AiraloError, ValueError):
    """A JSON document lacks a required field. The message names the field, never the content."""


class AiraloAPIError(AiraloError):
    """A call to Airalo did not succeed.

    Attributes:
        status_code: the HTTP status of the response; ``None`` if there was no response.
        code: Airalo's error code (11, 13, 14, 23, 33, 34, 43, 53, 73 or 89); ``None`` if it gave none.
        reason: Airalo's reason, at most 500 characters; empty if it gave none.
        field_errors: Airalo's message for each field that it refused; ``{}`` if it named none.
        retry_after: the seconds to wait before the next call, as Airalo says; ``None`` if it does not say.
        may_have_acted: ``True`` if Airalo may have carried out the request.
    """

    #: What an operator can do about it, in one sentence.
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
        self.reason: str = reason[:500]
        self.field_errors: dict[str, str] = dict(field_errors or {})
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
    """There was no response.

    For a POST or PUT, ``may_have_acted`` is ``False`` only if no connection was made. Then nothing was sent, and the
    message says so. For a GET it is always ``False``.
    """


class AiraloTimeoutError(AiraloConnectionError):
    """Airalo did not accept the connection, or did not respond, in time."""


class AiraloResponseError(AiraloAPIError):
    """The response cannot be understood: HTML, incomplete JSON, or a success without a required field."""


class AiraloProxyError(AiraloAPIError):
    """A 4xx whose body is not Airalo's: a proxy, such as the one in front of Airalo, responded instead.

    What Airalo did is unknown.
    """

    remedy = "A proxy between this server and Airalo sent it: find out what blocks the request."


class AiraloAuthenticationError(AiraloAPIError):
    """HTTP 401. The credentials or the token were refused, or (for orders) the object is another company's."""

    remedy = "Check AIRALO_CLIENT_ID and AIRALO_CLIENT_SECRET."


class AiraloTokenError(AiraloAPIError):
    """No access token could be obtained, so the request itself was not sent."""


class AiraloCacheError(AiraloAPIError):
    """The cache that holds the token could not be used, so the request itself was not carried out.

    Either it was not sent, or the response was a 401.
    """

    remedy = "Check that the cache named in AIRALO_CACHE_ALIAS works."


class AiraloPermissionError(AiraloAPIError):
    """HTTP 403."""


class IPAddressNotAllowedError(AiraloPermissionError):
    """Code 89: this server's address is not on the company's IP allow-list."""

    remedy = "Add this server's address to the API IP allow-list in Airalo's Partner Platform."


class AiraloNotFoundError(AiraloAPIError):
    """HTTP 404."""


class MissingIccidError(AiraloNotFoundError):
    """The eSIM has no ICCID, which all URLs of an eSIM need, so no request was sent."""

    def __init__(self, message: str = "This eSIM has no ICCID, so it cannot be requested from Airalo.") -> None:
        super().__init__(message)


class AiraloRateLimitError(AiraloAPIError):
    """HTTP 429, or the client's own limit was reached. The request was not carried out."""


class AiraloServerError(AiraloAPIError):
    """HTTP 5xx. The outcome of a purchase is unknown."""


class AiraloServiceUnavailableError(AiraloServerError):
    """HTTP 503. As with any 5xx, the request may have been carried out."""


class AiraloRefusedError(AiraloAPIError):
    """Airalo refused the request: HTTP 400 or 422, or 200 with error messages instead of the result.

    ``field_errors`` or ``code`` and ``reason`` say why.
    """


class InsufficientCreditError(AiraloRefusedError):
    """Code 11: the balance does not cover the order."""

    remedy = "Top up the Airalo balance."


class OperatorMaintenanceError(AiraloRefusedError):
    """Code 13: the operator is under maintenance. A later attempt may succeed."""

    remedy = "Try again in a few minutes."


class InvalidChecksumError(AiraloRefusedError):
    """Code 14: invalid checksum."""


class TopupDisabledError(AiraloRefusedError):
    """Code 23: the operator has disabled this top-up."""

    remedy = "Choose another top-up."


class InsufficientStockError(AiraloRefusedError):
    """Code 33: fewer eSIMs are in stock than were ordered."""

    remedy = "Order fewer eSIMs or try later."


class PackageUnavailableError(AiraloRefusedError):
    """Code 34: the package is invalid or out of stock."""

    remedy = "Sync the catalogue and choose another package."


class BadRequestError(AiraloRefusedError):
    """Code 43: bad request."""


class UnexpectedAiraloError(AiraloAPIError):
    """Code 53: something unexpected happened at Airalo. The order may exist nevertheless."""

    remedy = "Look the order up before anything else."


class RecycledEsimError(AiraloRefusedError):
    """Code 73: the eSIM has been recycled and can never be used again."""

    remedy = "Sell a new eSIM."


#: Airalo's error codes (documented on its error page) and their classes.
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
