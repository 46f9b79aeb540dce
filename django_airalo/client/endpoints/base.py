"""What all endpoints share: how a call is made, and what becomes of an answer that lacks what it must have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

from django_airalo.client.limits import Limits, RateLimit
from django_airalo.client.payloads import Page, as_mapping, unwrap
from django_airalo.client.token import TokenStore
from django_airalo.client.transport import Transport
from django_airalo.exceptions import AiraloConfigurationError, AiraloResponseError, PayloadError

T = TypeVar("T")


class Endpoints:
    """A caller of Airalo's API. ``AiraloClient`` sets the attributes."""

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
        """Make a call. Raises ``ValueError`` for a ``language`` that cannot stand in a header."""
        if language and not (language.isascii() and language.isprintable()):
            raise ValueError(f"{language!r} is not the code of a language.")
        self._require_credentials()
        return self._transport.send(
            method,
            path,
            tokens=self._tokens,
            limits=limits,
            params=filled(params or {}),
            json=json,
            headers={"Accept-Language": language.strip()} if language else None,
            patience=patience,
        )

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
        """A list; it must have a list (or an object keyed by index) in ``data``, and be the page that was asked for:
        who reads on from another one would miss rows, or read for ever."""
        try:
            page = Page.from_json(document, parse)
        except PayloadError as error:
            raise AiraloResponseError(str(error)) from error
        if number and page.current_page not in (None, number):
            raise AiraloResponseError(f"Airalo was asked for page {number} and sent page {page.current_page}.")
        return page

    def _object(self, parse: Callable[[Any], T], document: Any) -> T:
        """One object; there must be something in it, or the parsed one would say that all is gone."""
        if not as_mapping(unwrap(document)):
            raise AiraloResponseError("An object was expected in the field data.")
        return parse(document)

    def _bought(self, parse: Callable[[Any], T], document: Any) -> T:
        """What was bought; an answer that does not say is no proof that nothing was."""
        try:
            return parse(document)
        except PayloadError as error:
            raise AiraloResponseError(str(error), may_have_acted=True) from error


def filled(values: dict[str, Any]) -> dict[str, Any]:
    """Without the values that are ``None`` or empty: Airalo validates what it is sent, even if it is null."""
    return {key: value for key, value in values.items() if value not in (None, "", [], ())}


def segment(value: str) -> str:
    """A value as one segment of a path. Raises ``ValueError`` for what would lead to another path."""
    if value.strip(". ") == "":
        raise ValueError(f"{value!r} cannot stand in an address.")
    return quote(value, safe="")


def utc_minute(moment: datetime) -> str:
    """``"2026-01-02 03:04"`` in UTC, as Airalo wants times of future orders. Raises ``ValueError`` for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("The time needs a time zone.")
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
