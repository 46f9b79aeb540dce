"""What all endpoints share: sending a request, and checking that the response has what it must have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from django_airalo.client.errors import refusal_in
from django_airalo.client.limits import Limits, RateLimit
from django_airalo.client.payloads import Page, as_mapping, unwrap
from django_airalo.client.token import TokenStore
from django_airalo.client.transport import Transport
from django_airalo.exceptions import AiraloConfigurationError, AiraloResponseError, PayloadError

T = TypeVar("T")


class Endpoints:
    """The base of the endpoints. ``AiraloClient`` sets the attributes."""

    _client_id: str
    _client_secret: str
    _transport: Transport
    _tokens: TokenStore
    _limits: Limits

    def _call(
        self,
        method: str,
        path: str,
        *,
        limits: Sequence[RateLimit] = (),
        params: dict[str, Any] | None = None,
        json: Any = None,
        language: str | None = None,
        patience: int = 1,
    ) -> Any:
        """Send an authenticated request and return the JSON of the response.

        Raises:
            ValueError: if ``language`` is not a valid header value.
        """
        if language and not (language.isascii() and language.isprintable()):
            raise ValueError(f"{language!r} is not a language code.")
        self._require_credentials()
        document = self._transport.send(
            method,
            path,
            tokens=self._tokens,
            limits=limits,
            params=filled(params or {}),
            json=json,
            headers={"Accept-Language": language.strip()} if language else None,
            patience=patience,
        )
        # No success has a code. Messages for fields are recognised later, by what the endpoint expects.
        if isinstance(document, dict) and not document.get("data"):
            _raise_refusal(document, changes=method != "GET")
        return document

    def _require_credentials(self) -> None:
        for name, value in (
            ("AIRALO_CLIENT_ID", self._client_id),
            ("AIRALO_CLIENT_SECRET", self._client_secret),
        ):
            if not value:
                raise AiraloConfigurationError(
                    f"{name} is empty: set it to the credentials of Airalo's Partner Platform."
                )

    def _page(self, document: Any, parse: Callable[[Any], T], number: int | None = None) -> Page[T]:
        """Return a page of a list.

        ``data`` must be a list or an object keyed by index. The page must be the requested one: after another page,
        rows would be missed, or the loop over pages would not end.
        """
        try:
            page = Page.from_json(document, parse)
        except PayloadError as error:
            _raise_refusal(document, changes=False)
            raise AiraloResponseError(str(error)) from error
        if number and page.current_page not in (None, number):
            raise AiraloResponseError(f"Page {number} was requested, but Airalo sent page {page.current_page}.")
        return page

    def _object(self, parse: Callable[[Any], T], document: Any) -> T:
        """Return one object, which must not be empty: it would read as if all values were gone."""
        if not as_mapping(unwrap(document)):
            raise AiraloResponseError("The field data must be an object.")
        if _is_marked_as_refused(document):
            _raise_refusal(document, changes=False)
        return parse(document)

    def _bought(self, parse: Callable[[Any], T], document: Any) -> T:
        """Return what was bought. If the response does not say, the purchase may have been made."""
        try:
            return parse(document)
        except PayloadError as error:
            self._refuse_purchase(document)
            raise AiraloResponseError(str(error), may_have_acted=True) from error

    def _refuse_purchase(self, document: Any) -> None:
        """Raise the refusal of a purchase, if Airalo marks it as one. Other texts may be part of a success."""
        if _is_marked_as_refused(document):
            _raise_refusal(document)

    def _changed(self, document: Any, *, key: str = "") -> Any:
        """Return the response unless it is a refusal. Only a success has the field ``key``."""
        if key not in as_mapping(unwrap(document)):
            _raise_refusal(document)
        return document


def _raise_refusal(document: Any, *, changes: bool = True) -> None:
    if refusal := refusal_in(document, changes=changes):
        raise refusal


def _is_marked_as_refused(document: Any) -> bool:
    """Return whether Airalo's message in ``meta`` is not that of a success."""
    message = as_mapping(as_mapping(document).get("meta")).get("message")
    return isinstance(message, str) and message.strip().lower() not in ("", "success")


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that are not ``None`` or empty, since Airalo validates even null values."""
    return {key: value for key, value in values.items() if value not in (None, "", [], ())}


def segment(value: str) -> str:
    """Return a value quoted as one segment of a path.

    Raises:
        ValueError: if it would lead to another path.
    """
    if value.strip(". ") == "":
        raise ValueError(f"{value!r} cannot be part of a URL.")
    return quote(value, safe="")


def utc_minute(moment: datetime) -> str:
    """Return a time in UTC as Airalo expects it for future orders, such as ``"2026-01-02 03:04"``.

    Raises:
        ValueError: if the time is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("The time needs a time zone.")
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
