"""Read the ``AIRALO_*`` settings lazily, with their defaults. No other module reads them.

``from django_airalo.conf import conf`` and use ``conf.CLIENT_ID``. Nothing is cached, so
``override_settings(AIRALO_CLIENT_ID=...)`` works everywhere. Durations are in seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings

from .exceptions import AiraloConfigurationError

#: Airalo's documented limits, and 40 a minute where it documents none.
DEFAULT_RATE_LIMITS: Mapping[str, str | None] = {
    "packages": "80/min",
    "lookups": "40/min",
    "usage": "5/s",
    "esims": "10/min",
    "product_information": "60/min",
    "refunds": "5/min",
    "simulator": "5/min",
    "tokens": "3/min",
}
_RATE = re.compile(r"0*([1-9][0-9]*)/(?:(s|sec|second)|(m|min|minute)|(h|hour)|(d|day))")
#: The seconds of the periods, in the sequence of the pattern's groups.
_PERIODS = (1, 60, 3600, 24 * 3600)


@dataclass(frozen=True)
class Rate:
    """At most ``count`` requests within ``period`` seconds; with a period of 0 there is no limit."""

    count: int
    period: float


NO_LIMIT: Rate = Rate(0, 0)


def parse_rate(value: Any) -> Rate:
    """Return the count and period of a rate such as ``"40/min"``; ``NO_LIMIT`` for ``None``.

    Raises:
        ValueError: the value is not a rate. The message says what it must be.
    """
    if value is None:
        return NO_LIMIT
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"must be a rate such as '40/min' or '5/s', or None for no limit, not {value!r}.")
    count, *units = found.groups()
    [period] = [seconds for unit, seconds in zip(units, _PERIODS, strict=True) if unit]
    return Rate(int(count), period)


def _setting(name: str, default: Any) -> Any:
    """Return the shop's value, or the default if it is missing or ``None``, as from ``os.environ.get()``."""
    value = getattr(settings, f"AIRALO_{name}", None)
    return default if value is None else value


def _flag(name: str, default: bool) -> bool:
    """Return a bool. Text, as from the environment, is refused, since ``"False"`` would count as true."""
    value = _setting(name, default)
    if not isinstance(value, bool):
        raise AiraloConfigurationError(f"AIRALO_{name} must be True or False, not {value!r}.")
    return value


def _number(name: str, default: float) -> float:
    value = _setting(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise AiraloConfigurationError(f"AIRALO_{name} must be a number, not {value!r}.")
    return number


def _delays(name: str, default: Sequence[float]) -> tuple[float, ...]:
    value = _setting(name, default)
    if not (isinstance(value, list | tuple) and value and all(isinstance(item, int | float) for item in value)):
        raise AiraloConfigurationError(f"AIRALO_{name} must be a list of at least one number, not {value!r}.")
    return tuple(value)


def _texts(name: str) -> tuple[str, ...]:
    """Return a list of texts. A single text is refused, since each of its letters would be taken for a secret."""
    value = _setting(name, ())
    if value and isinstance(value, str | bytes):
        raise AiraloConfigurationError(f"AIRALO_{name} must be a list of strings, not one string.")
    return tuple(value)


class Constants:
    """Values that are not settings, since no shop has a reason to change them. Durations are in seconds."""

    #: The longest use of a token. Airalo's documents name both a day and a year.
    TOKEN_LIFETIME: float = 24 * 3600.0
    #: How much longer than one request a process waits for a token that another one is requesting.
    TOKEN_MARGIN: float = 5.0
    #: The time that the receivers of a signal may take, in addition to one request to Airalo.
    RECEIVER_SECONDS: float = 120.0
    #: The maximum size of a webhook.
    WEBHOOK_MAX_BYTES: int = 1024 * 1024
    #: The maximum length of a ``description``, with the reference. Airalo documents no limit.
    DESCRIPTION_MAX_LENGTH: int = 255
    #: Before each further attempt to send a request that was not carried out; the last one is for all later attempts.
    RETRY_DELAYS: Sequence[float] = (5, 15, 60, 300, 900)
    #: Before each check whether Airalo answers again, in a pause for unknown outcomes.
    BREAKER_DELAYS: Sequence[float] = (60, 120, 240, 480, 900)
    #: Between two look-ups of a future order before its date.
    FUTURE_ORDER_INTERVAL: float = 6 * 3600.0
    #: Between two look-ups of the balance, in a pause for lack of credit.
    BALANCE_INTERVAL: float = 60.0
    #: The age from which on the instructions of an eSIM are fetched again.
    INSTRUCTIONS_MAX_AGE: float = 30 * 24 * 3600.0
    #: How long the top-ups that Airalo offers for an eSIM are cached.
    TOPUP_CACHE_SECONDS: float = 900.0


class Settings(Constants):
    """One typed property for each setting. docs/reference/settings.md describes them."""

    @property
    def CLIENT_ID(self) -> str:
        return str(_setting("CLIENT_ID", "")).strip()

    @property
    def CLIENT_SECRET(self) -> str:
        # Credentials are often pasted with a line break, which Airalo would answer with 401.
        return str(_setting("CLIENT_SECRET", "")).strip()

    @property
    def BASE_URL(self) -> str:
        return str(_setting("BASE_URL", "https://partners-api.airalo.com")).strip().rstrip("/")

    @property
    def SANDBOX(self) -> bool:
        # An error here would withhold deliveries, while a wrong value only costs requests. A system check reports it.
        return bool(_setting("SANDBOX", False))

    @property
    def DEPLOYMENT(self) -> str:
        return str(_setting("DEPLOYMENT", "")).strip()

    @property
    def CATALOGUE_LANGUAGE(self) -> str:
        return str(_setting("CATALOGUE_LANGUAGE", ""))

    @property
    def UNIVERSAL_PACKAGES(self) -> bool:
        return _flag("UNIVERSAL_PACKAGES", False)

    @property
    def CATALOGUE_MAX_AGE(self) -> float:
        return _number("CATALOGUE_MAX_AGE", 24 * 3600)

    @property
    def EXCHANGE_RATE_MAX_AGE(self) -> float:
        return _number("EXCHANGE_RATE_MAX_AGE", 7 * 24 * 3600)

    @property
    def CONNECT_TIMEOUT(self) -> float:
        return _number("CONNECT_TIMEOUT", 5)

    @property
    def READ_TIMEOUT(self) -> float:
        return _number("READ_TIMEOUT", 30)

    @property
    def RATE_LIMITS(self) -> dict[str, str | None]:
        value = _setting("RATE_LIMITS", {})
        if not isinstance(value, Mapping):
            raise AiraloConfigurationError(f"AIRALO_RATE_LIMITS must be a dict of rates, not {value!r}.")
        return {**DEFAULT_RATE_LIMITS, **value}

    @property
    def CACHE_ALIAS(self) -> str:
        return str(_setting("CACHE_ALIAS", "default"))

    @property
    def WEBHOOK_URL(self) -> str:
        return str(_setting("WEBHOOK_URL", "")).strip()

    @property
    def WEBHOOK_URL_TOKEN(self) -> str:
        return str(_setting("WEBHOOK_URL_TOKEN", "")).strip()

    @property
    def WEBHOOK_SECRETS(self) -> Sequence[str]:
        secrets = tuple(stripped for secret in _texts("WEBHOOK_SECRETS") if secret and (stripped := secret.strip()))
        if secrets:
            return secrets
        return (self.CLIENT_SECRET,) if self.CLIENT_SECRET else ()

    @property
    def TASK_BACKEND(self) -> str | None:
        # Not _setting(), since None means that there is no task backend.
        alias = getattr(settings, "AIRALO_TASK_BACKEND", "default")
        return str(alias) if alias else None

    @property
    def TASK_QUEUE_NAME(self) -> str:
        return str(_setting("TASK_QUEUE_NAME", "default"))

    @property
    def ENCRYPTION_KEYS(self) -> Sequence[str]:
        return _texts("ENCRYPTION_KEYS")

    @property
    def ORDER_MODE(self) -> str:
        return str(_setting("ORDER_MODE", "async"))

    @property
    def SUBMIT(self) -> bool:
        return _flag("SUBMIT", True)

    @property
    def CHECK_SERVER(self) -> bool:
        return _flag("CHECK_SERVER", True)

    @property
    def LISTING_DELAY(self) -> float:
        return _number("LISTING_DELAY", 300)

    @property
    def LOOKUP_DELAYS(self) -> Sequence[float]:
        default = (5, 5, 10, 20, 30, 60) if self.SANDBOX else (60, 120, 300, 600, 1800, 3600, 6 * 3600)
        return _delays("LOOKUP_DELAYS", default)

    @property
    def OVERDUE_AFTER(self) -> float:
        return _number("OVERDUE_AFTER", 75 * 60)

    @property
    def UNCONFIRMED_POLICY(self) -> str:
        return str(_setting("UNCONFIRMED_POLICY", "hold"))

    @property
    def UNCONFIRMED_GRACE(self) -> float:
        return _number("UNCONFIRMED_GRACE", 75 * 60)

    @property
    def BALANCE_CHECK_INTERVAL(self) -> float:
        return _number("BALANCE_CHECK_INTERVAL", 900)

    @property
    def LOW_BALANCE(self) -> Decimal | None:
        value = _setting("LOW_BALANCE", None)
        try:
            # Converted through text, so that the float 0.1 becomes 0.1.
            return None if value is None else Decimal(str(value))
        except InvalidOperation:
            raise AiraloConfigurationError(f"AIRALO_LOW_BALANCE must be a number, not {value!r}.") from None

    @property
    def REFUND_REASONS(self) -> Sequence[str]:
        return _texts("REFUND_REASONS")

    @property
    def max_send_seconds(self) -> float:
        """The maximum seconds that sending takes: one request, and a second one if its token is refused."""
        return 2 * (self.CONNECT_TIMEOUT + self.READ_TIMEOUT)

    @property
    def submit_lease(self) -> float:
        """The seconds of the lease to send an order. If it expires, the outcome counts as unknown.

        It is long enough for a look-up, for a wait while another process requests a token, for requesting one, and for
        sending.
        """
        request = self.CONNECT_TIMEOUT + self.READ_TIMEOUT
        return request + (request + self.TOKEN_MARGIN) + request + self.max_send_seconds

    @property
    def signal_lease(self) -> float:
        """The seconds of the lease to send a signal: long enough for a receiver that itself sends an order."""
        return self.submit_lease + self.RECEIVER_SECONDS

    @property
    def usage_interval(self) -> float:
        """The seconds between two look-ups of an eSIM's usage, which Airalo caches for that long."""
        return 60 * 60 if self.SANDBOX else 20 * 60

    @property
    def names_a_task_backend(self) -> bool:
        """Whether the shop has set AIRALO_TASK_BACKEND."""
        return bool(getattr(settings, "AIRALO_TASK_BACKEND", None))

    @property
    def webhook_delivery_url(self) -> str:
        """The webhook address that Airalo gets: ``WEBHOOK_URL``, followed by the secret token if there is one."""
        if self.WEBHOOK_URL and self.WEBHOOK_URL_TOKEN:
            return f"{self.WEBHOOK_URL.rstrip('/')}/{self.WEBHOOK_URL_TOKEN}/"
        return self.WEBHOOK_URL

    def rate(self, name: str) -> Rate:
        """Return a limit of ``RATE_LIMITS`` as a count and a period.

        Raises:
            AiraloConfigurationError: the shop's value is not a rate.
        """
        try:
            return parse_rate(self.RATE_LIMITS[name])
        except ValueError as error:
            raise AiraloConfigurationError(f"AIRALO_RATE_LIMITS[{name!r}] {error}") from None


#: The names of all settings, without their prefix.
NAMES: tuple[str, ...] = tuple(
    name for name, item in vars(Settings).items() if isinstance(item, property) and name.isupper()
)

conf: Settings = Settings()
