"""The access token, shared by all processes through Django's cache.

Airalo issues at most three tokens a minute. So one process at a time requests a new one, before the old one expires,
and all others use the one in the cache.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from django.views.decorators.debug import sensitive_variables

from django_airalo.conf import Rate
from django_airalo.exceptions import AiraloAPIError, AiraloAuthenticationError, AiraloRefusedError, AiraloTokenError

from .cache import SharedCache
from .payloads import TokenData

logger: logging.Logger = logging.getLogger("django_airalo.client")

#: A token is replaced after this fraction of its lifetime.
REFRESH_AT = 0.9
#: A token that is younger than these seconds is not replaced after a 401, which must have another cause.
FRESH = 5.0
#: The seconds after Airalo refused the credentials during which no token is requested with them.
REFUSED_FOR = 60.0


class TokenStore:
    """Gets, shares and replaces the token of one pair of credentials.

    Args:
        fetch: requests a new token from Airalo; raises ``AiraloAPIError``.
        cache: the cache that all processes share.
        identity: the address and the credentials; only their hash is used.
        lifetime: the maximum seconds for which a token is used, even if its ``expires_in`` is longer.
        limit: how many tokens may be requested.
        patience: the seconds to wait for another process that is requesting a token.
    """

    def __init__(
        self,
        fetch: Callable[[], TokenData],
        *,
        cache: SharedCache,
        identity: str,
        lifetime: float,
        limit: Rate,
        patience: float,
    ) -> None:
        key = hashlib.sha256(identity.encode()).hexdigest()
        self._fetch = fetch
        self._cache = cache
        self._key = f"django_airalo:token:{key}"
        self._lock_key = f"django_airalo:token-lock:{key}"
        self._refusal_key = f"django_airalo:token-refusal:{key}"
        self._recent_key = f"django_airalo:token-requests:{key}"
        self._lifetime = lifetime
        self._limit = limit
        self._patience = patience

    @sensitive_variables()
    def get(self) -> str:
        """Return a valid token, from the cache or from Airalo.

        Raises:
            AiraloTokenError: no token could be obtained.
        """
        entry = self._cached()
        if entry is None:
            return self._replace(None)
        if time.time() >= entry["refresh_at"]:
            return self._refresh_ahead(entry["token"])
        return str(entry["token"])

    @sensitive_variables()
    def replace(self, refused: str) -> str | None:
        """Return another token than ``refused``, after Airalo responded with 401 to that one.

        Returns:
            ``None`` if the refused token is so young that a new one would be refused as well.

        Raises:
            AiraloTokenError: no token could be obtained.
        """
        entry = self._cached()
        # A date in the future comes from a machine whose clock is wrong, so it does not show the age.
        if entry and entry["token"] == refused and abs(time.time() - entry["obtained_at"]) < FRESH:
            return None
        return self._replace(refused)

    def _cached(self) -> dict[str, Any] | None:
        entry = self._cache.get(self._key)
        return entry if entry and time.time() < entry["expires_at"] else None

    @sensitive_variables()
    def _refresh_ahead(self, current: str) -> str:
        owner = secrets.token_hex(8)
        if not self._cache.add(self._lock_key, owner, self._patience):
            return current
        try:
            entry = self._cached()
            if entry and time.time() < entry["refresh_at"]:
                return str(entry["token"])  # refreshed by another process just before we got the lock
            return self._obtain()
        except AiraloTokenError as error:
            logger.warning("Could not refresh Airalo's token ahead of time, keeping the old one: %s", error)
            return current
        finally:
            self._unlock(owner)

    @sensitive_variables()
    def _replace(self, refused: str | None) -> str:
        owner = secrets.token_hex(8)
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            locked = self._cache.add(self._lock_key, owner, self._patience)
            try:
                entry = self._cached()
                if entry and entry["token"] != refused:
                    return str(entry["token"])
                if locked:
                    return self._obtain()
            finally:
                if locked:
                    self._unlock(owner)
            time.sleep(0.05)
        raise AiraloTokenError("Another process has been asking Airalo for a token for too long.")

    @sensitive_variables()
    def _obtain(self) -> str:
        self._raise_known_refusal()
        self._keep_below_limit()
        try:
            token = self._fetch()
        except AiraloAPIError as error:
            remedy = AiraloAuthenticationError.remedy if isinstance(error, AiraloRefusedError) else ""
            content: dict[str, Any] = {
                "status_code": error.status_code,
                "code": error.code,
                "reason": error.reason,
                "field_errors": error.field_errors,
                "retry_after": error.retry_after,
            }
            message = f"Airalo gave no token: {error} {remedy}".strip()
            if error.status_code == 401:
                self._cache.set(self._refusal_key, {"message": message, **content}, REFUSED_FOR)
            raise AiraloTokenError(message, **content) from error
        now = time.time()
        lifetime = min(token.expires_in or self._lifetime, self._lifetime)
        self._cache.set(
            self._key,
            {
                "token": token.access_token,
                "obtained_at": now,
                "refresh_at": now + lifetime * REFRESH_AT,
                "expires_at": now + lifetime,
            },
            lifetime,
        )
        return token.access_token

    def _raise_known_refusal(self) -> None:
        """Raise the last refusal of these credentials again, if it is less than a minute old."""
        refusal = self._cache.get(self._refusal_key)
        if refusal:
            content = dict(refusal)
            raise AiraloTokenError(content.pop("message"), **content)

    def _keep_below_limit(self) -> None:
        """Count a request, or raise ``AiraloTokenError`` if there were too many. Call with the lock held."""
        count, period = self._limit.count, self._limit.period
        if not period:
            return
        now = time.time()
        recent = [moment for moment in self._cache.get(self._recent_key, ()) if 0 <= now - moment < period]
        if len(recent) >= count:
            raise AiraloTokenError(
                f"{count} tokens were asked for within {period:g} seconds; the limit allows no more.",
                retry_after=period - (now - recent[0]),
            )
        self._cache.set(self._recent_key, [*recent, now], period)

    def _unlock(self, owner: str) -> None:
        if self._cache.get(self._lock_key) == owner:
            self._cache.delete(self._lock_key)
