"""One ``requests`` session to Airalo: timeouts, token, connection reuse, repetition of GETs, errors."""

from __future__ import annotations

import logging
import random
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.cookiejar import DefaultCookiePolicy
from json import loads
from typing import Any

import requests
from django.views.decorators.debug import sensitive_variables
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError
from urllib3.util import Retry

from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloAuthenticationError,
    AiraloConfigurationError,
    AiraloConnectionError,
    AiraloResponseError,
    AiraloTimeoutError,
    AiraloTokenError,
)

from .connections import Adapter
from .errors import error_for
from .limits import RateLimit
from .token import TokenStore

logger = logging.getLogger("django_airalo.client")

#: Bytes of an answer at most, unpacked: several times the whole catalogue.
MAX_ANSWER = 64 * 1024 * 1024

_BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)


#: What urllib3 repeats by itself: nothing.
RETRY = Retry(0, read=False)
#: What is sent again if it fails. With Airalo, a second POST is a second purchase.
REPEATED = frozenset({"GET", "HEAD"})
#: Seconds to wait before each repetition; up to half as long again, so that processes do not keep step.
PAUSES = (0, 0.6, 1.2)
#: Seconds in which a request must have failed to be repeated: a customer may be waiting for what fails slowly.
QUICK = 5
PASSING_STATUSES = frozenset({500, 502, 503, 504})


class _Authorization(AuthBase):
    """Sets the token, if there is one; as ``auth=``, since requests would otherwise put in what a .netrc file says."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def build_session(pool_size: int = 10) -> requests.Session:
    """A session with pooled connections that keeps no cookies and sends no POST twice."""
    session = requests.Session()
    adapter = Adapter(max_retries=RETRY, pool_connections=2, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class Transport:
    """Sends one request and returns the parsed JSON of a success.

    Raises ``AiraloAPIError`` for everything else; its ``may_have_acted`` says whether the request may have been
    carried out.
    """

    def __init__(
        self, base_url: str, *, session: requests.Session, timeout: tuple[float, float], user_agent: str
    ) -> None:
        self.base_url = base_url
        self._session = session
        self._timeout = timeout
        self._headers = {"Accept": "application/json", "User-Agent": user_agent}

    @sensitive_variables()  # also of all that it calls, down to the socket: each has the token somewhere
    def send(
        self,
        method: str,
        path: str,
        *,
        tokens: TokenStore | None = None,
        limits: Sequence[RateLimit] = (),
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: int = 1,
    ) -> Any:
        """Send a request; with ``tokens``, authenticated, and once more with a new token after a 401.

        Not once more if no token is to be had, or not within the time in which one request must be answered: then the
        401 is raised.

        With ``limits``, all that is sent is counted in each of them first, repetitions, too, and not sent if one has no
        room for it. Where a period has room for one, what is sent once more after a 401 is that one.

        The answer may take ``patience`` times the time-out for reading.
        """
        connect_timeout, read_timeout = self._timeout

        def send_once(token: str | None, count: Callable[[RateLimit], None]) -> Any:
            for limit in limits:
                count(limit)
            return self._send_once(
                method,
                path,
                token,
                params=params,
                json=json,
                data=form,
                headers={**self._headers, **(headers or {})},
                timeout=(connect_timeout, read_timeout * patience),
            )

        def attempt(token: str | None, count: Callable[[RateLimit], None] = RateLimit.take) -> Any:
            return _repeat(method, lambda: send_once(token, count))

        if tokens is None:
            return attempt(None)
        started = time.monotonic()
        token = tokens.get()
        try:
            return attempt(token)
        except AiraloAuthenticationError as error:
            try:
                replacement = tokens.replace(token)
            except AiraloTokenError as no_token:
                error.retry_after = no_token.retry_after
                raise error from no_token  # the 401 may be about something else, as that of a foreign order
            # It may have been long in coming, and an order's lease has room for two requests, not for one that is late.
            if replacement is None or time.monotonic() - started > sum(self._timeout):
                raise
        return attempt(replacement, RateLimit.take_again)

    def _send_once(self, method: str, path: str, token: str | None, **arguments: Any) -> Any:
        changes = method not in REPEATED
        started = time.monotonic()
        handled = sys.exception()  # what the caller is dealing with at this moment, if it calls from an except block
        try:
            response, body = self._ask(method, path, auth=_Authorization(token), **arguments)
        except _BAD_ADDRESS as error:
            raise AiraloConfigurationError(_bad_address(self.base_url)) from error
        except requests.RequestException as error:
            sent = not _nothing_was_sent(error, handled)
            logger.warning("%s %s: %s, %s", method, path, type(error).__name__, "sent" if sent else "not sent")
            kind = AiraloTimeoutError if _came_too_late(error, handled) else AiraloConnectionError
            outcome = "sent, no answer" if sent else "nothing was sent"
            raise kind(
                f"{method} {path}: {type(error).__name__}, {outcome}.", may_have_acted=changes and sent
            ) from error
        logger.info("%s %s -> %d in %d ms", method, path, response.status_code, (time.monotonic() - started) * 1000)
        return _interpret(response, body, method, path, changes=changes)

    def _ask(self, method: str, path: str, **arguments: Any) -> tuple[requests.Response, bytes | None]:
        """An answer and its body, which is ``None`` if it is too long."""
        url = self.base_url + path
        # Closed by ``with``: back into the pool if it was read to its end, else cut.
        with self._session.request(method, url, allow_redirects=False, stream=True, **arguments) as response:
            return response, _read(response)


def _repeat(method: str, send: Callable[[], Any]) -> Any:
    """Send a request, and a GET again while it fails quickly and in a way that may pass."""
    started = time.monotonic()
    for pause in PAUSES if method in REPEATED else ():
        try:
            return send()
        except AiraloAPIError as error:
            if not _may_pass(error) or time.monotonic() - started > QUICK:
                raise
        time.sleep(pause * random.uniform(1, 1.5))  # noqa: S311  spreads requests, guards nothing
    return send()


def _may_pass(error: AiraloAPIError) -> bool:
    """Not a time-out: whoever waits has waited for it once."""
    if isinstance(error, AiraloConnectionError):
        return not isinstance(error, AiraloTimeoutError)
    return error.status_code in PASSING_STATUSES


def _read(response: requests.Response) -> bytes | None:
    if response.raw is None:  # a stand-in's, made in memory
        return response.content
    body = bytearray()
    for piece in response.iter_content(64 * 1024):
        body += piece
        if len(body) > MAX_ANSWER:
            return None
    return bytes(body)


def _bad_address(base_url: str) -> str:
    """Whose address is bad: the setting's or the proxy's, which may have a password and is not shown."""
    try:
        requests.Request("GET", base_url).prepare()
    except _BAD_ADDRESS:
        is_ours = True
    else:
        is_ours = not base_url.lower().startswith(("http://", "https://"))
    if is_ours:
        return f"AIRALO_BASE_URL is not an address: {base_url!r}"
    return "The environment names a proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) whose address cannot be used."


def _interpret(response: requests.Response, body: bytes | None, method: str, path: str, *, changes: bool) -> Any:
    if response.status_code == 204:
        return None
    try:
        document = None if body is None else loads(body)
    except (ValueError, RecursionError):  # ValueError: no JSON, no text, or an integer of thousands of digits
        document = None
    if not 200 <= response.status_code < 300:
        raise error_for(response.status_code, response.headers, document, changes=changes)
    if not isinstance(document, dict | list):
        what = "of more than 64 MB" if body is None else "that is not JSON"
        raise AiraloResponseError(
            f"{method} {path}: HTTP {response.status_code} with a body {what}.",
            status_code=response.status_code,
            may_have_acted=changes,
        )
    return document


def _nothing_was_sent(error: BaseException, handled: BaseException | None) -> bool:
    """Whether the failure happened while connecting. When in doubt, it did not."""
    for cause in _causes(error, handled):
        # Certificates are checked in the handshake only; the other two are connections that were never made.
        if isinstance(cause, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError):
            return True
    return False


def _came_too_late(error: BaseException, handled: BaseException | None) -> bool:
    """Whether it was a time-out. Of one within the body requests itself does not say so."""
    return any(
        isinstance(cause, requests.Timeout | ReadTimeoutError | ConnectTimeoutError)
        and not isinstance(cause, NewConnectionError)
        for cause in _causes(error, handled)
    )


def _causes(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """The error and what it wraps: requests keeps urllib3's error in ``args``, urllib3 keeps its own in ``reason``.

    Not ``handled``, which Python adds as the context of all that is raised meanwhile: it is another request's failure.
    """
    seen: set[int] = {id(handled)}
    queue: list[Any] = [error]
    while queue:
        current = queue.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        queue += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]
