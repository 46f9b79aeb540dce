"""Send requests to Airalo: timeouts, token, connection reuse, repetition of GETs, errors."""

from __future__ import annotations

import logging
import random
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from json import loads
from typing import Any
from urllib.parse import urlsplit

import requests
from django.views.decorators.debug import sensitive_variables
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError
from urllib3.util import Retry

from django_airalo.exceptions import (
    AiraloAPIError,
    AiraloConfigurationError,
    AiraloConnectionError,
    AiraloResponseError,
    AiraloTimeoutError,
    AiraloTokenError,
)

from .connections import Adapter
from .errors import error_for, refuses_token
from .limits import RateLimit
from .token import TokenStore

logger: logging.Logger = logging.getLogger("django_airalo.client")

#: The most bytes of a decompressed response: several times the size of the whole catalogue.
MAX_ANSWER = 64 * 1024 * 1024

_BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
)


#: urllib3 repeats nothing.
RETRY = Retry(0, read=False)
#: The methods that are repeated after a failure. A second POST to Airalo is a second purchase.
REPEATED = frozenset({"GET", "HEAD"})
#: The seconds to wait before each repetition; up to half as much is added, so that processes do not repeat together.
PAUSES = (0, 0.6, 1.2)
#: A request is repeated only if it failed within this many seconds, since a customer may be waiting.
QUICK = 5
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})


class _Authorization(AuthBase):
    """Set the token, if there is one. It is passed as ``auth=``, or requests would use a .netrc file."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def build_session(pool_size: int = 10) -> requests.Session:
    """Return a session that pools connections, stores no cookies and never sends a POST twice."""
    session = requests.Session()
    adapter = Adapter(max_retries=RETRY, pool_connections=2, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


class Transport:
    """Sends requests to Airalo and returns the parsed JSON of a success.

    Everything else raises ``AiraloAPIError``, whose ``may_have_acted`` says whether the request may have been carried
    out.
    """

    def __init__(
        self, base_url: str, *, session: requests.Session, timeout: tuple[float, float], user_agent: str
    ) -> None:
        self.base_url = base_url
        self._session = session
        self._timeout = timeout
        self._headers = {"Accept": "application/json", "User-Agent": user_agent}

    @sensitive_variables()  # also covers the functions it calls, which have the token too
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
        """Send a request and return the parsed JSON of a success.

        Args:
            method: the HTTP method.
            path: the path, with ``/v2``.
            tokens: authenticates the request. If the token is refused, the request is sent a second time with a new
                one. If none can be obtained within the time for one request, the refusal is raised.
            limits: count each request before it is sent, repetitions included. A request that exceeds one of them is
                not sent. The second request after a refused token is allowed even if the limit is one request.
            params: the query parameters.
            json: the body, sent as JSON.
            form: the body, sent as a form.
            headers: additional headers.
            patience: the factor by which the timeout for reading is multiplied.

        Raises:
            AiraloAPIError: for everything but a success.
            AiraloConfigurationError: if the base URL or the proxy's URL is invalid.
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
        except AiraloAPIError as error:
            if not refuses_token(error):
                raise
            try:
                replacement = tokens.replace(token)
            except AiraloTokenError as no_token:
                error.retry_after = no_token.retry_after
                raise error from no_token  # the 401 may have another cause, such as another company's order
            # An order's lease is long enough for two requests, but not for a late second one.
            if replacement is None or time.monotonic() - started > sum(self._timeout):
                raise
        return attempt(replacement, RateLimit.take_again)

    def _send_once(self, method: str, path: str, token: str | None, **arguments: Any) -> Any:
        changes = method not in REPEATED
        started = time.monotonic()
        handled = sys.exception()  # the exception that the caller is handling, if it calls from an except block
        try:
            response, body = self._ask(method, path, auth=_Authorization(token), **arguments)
        except _BAD_ADDRESS as error:
            raise AiraloConfigurationError(_bad_address(self.base_url)) from error
        except requests.RequestException as error:
            sent = not _nothing_was_sent(error, handled)
            kind = AiraloTimeoutError if _came_too_late(error, handled) else AiraloConnectionError
            outcome = "sent, no answer" if sent else "nothing was sent"
            host = urlsplit(self.base_url).netloc.rpartition("@")[2]
            text = f"{method} {path}: {type(error).__name__} at {host}{_reason_of(error, handled)}, {outcome}."
            logger.warning(text)
            raise kind(text, may_have_acted=changes and sent) from error
        logger.info("%s %s -> %d in %d ms", method, path, response.status_code, (time.monotonic() - started) * 1000)
        return _interpret(response, body, method, path, changes=changes)

    def _ask(self, method: str, path: str, **arguments: Any) -> tuple[requests.Response, bytes | None]:
        """Return the response and its body, which is ``None`` if it is too long."""
        url = self.base_url + path
        # ``with`` returns the connection to the pool if it was read to its end, and closes it otherwise.
        with self._session.request(method, url, allow_redirects=False, stream=True, **arguments) as response:
            return response, _read(response)


def _repeat(method: str, send: Callable[[], Any]) -> Any:
    """Send a request. Repeat a GET as long as it fails quickly and the failure may be transient."""
    started = time.monotonic()
    for pause in PAUSES if method in REPEATED else ():
        try:
            return send()
        except AiraloAPIError as error:
            if not _is_transient(error) or time.monotonic() - started > QUICK:
                raise
        time.sleep(pause * random.uniform(1, 1.5))  # noqa: S311  it spreads requests and is not for security
    return send()


def _is_transient(error: AiraloAPIError) -> bool:
    """Return whether a repetition may succeed. A timeout is not repeated, since the caller has waited once."""
    if isinstance(error, AiraloConnectionError):
        return not isinstance(error, AiraloTimeoutError)
    return error.status_code in TRANSIENT_STATUSES


def _read(response: requests.Response) -> bytes | None:
    if response.raw is None:  # a test double made in memory
        return response.content
    body = bytearray()
    for piece in response.iter_content(64 * 1024):
        body += piece
        if len(body) > MAX_ANSWER:
            return None
    return bytes(body)


def _bad_address(base_url: str) -> str:
    """Return which URL is invalid: the setting's or the proxy's. The latter is not shown; it may contain a password."""
    try:
        requests.Request("GET", base_url).prepare()
    except _BAD_ADDRESS:
        is_ours = True
    else:
        is_ours = not base_url.lower().startswith(("http://", "https://"))
    if is_ours:
        return f"AIRALO_BASE_URL is not a valid URL: {base_url!r}"
    return "The environment names a proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) whose URL is not valid."


def _interpret(response: requests.Response, body: bytes | None, method: str, path: str, *, changes: bool) -> Any:
    if response.status_code == 204:
        return None
    try:
        document = None if body is None else loads(body)
    except (ValueError, RecursionError):  # ValueError: not JSON, not text, or an integer with thousands of digits
        document = None
    if not 200 <= response.status_code < 300:
        is_empty = body is not None and not body.strip()
        raise error_for(response.status_code, response.headers, document, changes=changes, is_empty=is_empty)
    if not isinstance(document, dict | list):
        what = "of more than 64 MB" if body is None else "that is not JSON"
        raise AiraloResponseError(
            f"{method} {path}: HTTP {response.status_code} with a body {what}.",
            status_code=response.status_code,
            may_have_acted=changes,
        )
    return document


def _nothing_was_sent(error: BaseException, handled: BaseException | None) -> bool:
    """Return whether the failure certainly happened while connecting."""
    for cause in _causes(error, handled):
        # Certificates are only checked in the handshake; with the other two no connection was made.
        if isinstance(cause, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError):
            return True
    return False


def _reason_of(error: BaseException, handled: BaseException | None) -> str:
    """Return the operating system's words for a failure, in parentheses: the error's own may contain a proxy's URL."""
    for cause in _causes(error, handled):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f" ({cause.verify_message})"
        if isinstance(cause, RemoteDisconnected):
            return " (the connection was closed)"
        if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) and cause.strerror:
            return f" ({cause.strerror})"
    return ""


def _came_too_late(error: BaseException, handled: BaseException | None) -> bool:
    """Return whether it was a timeout. requests does not report a timeout within the body as one."""
    return any(
        isinstance(cause, requests.Timeout | ReadTimeoutError | ConnectTimeoutError)
        and not isinstance(cause, NewConnectionError)
        for cause in _causes(error, handled)
    )


def _causes(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and the errors that it wraps.

    requests stores urllib3's error in ``args``, and urllib3 stores its cause in ``reason``. ``handled`` is skipped:
    Python adds it as the context of every exception, but it is the failure of another request.
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
