"""Every ``AIRALO_*`` setting, read lazily, with its default: the only reader of them.

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

#: What Airalo documents, and 40 a minute where it documents nothing.
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
#: Seconds of the periods, in the order of the pattern's groups.
_PERIODS = (1, 60, 3600, 24 * 3600)


@dataclass(frozen=True)
class Rate:
    """At most ``count`` requests within ``period`` seconds; with a period of 0 there is no limit."""

    count: int
    period: float


NO_LIMIT: Rate = Rate(0, 0)


def parse_rate(value: Any) -> Rate:
    """Return what a rate such as ``"40/min"`` says, or ``NO_LIMIT`` for ``None``.

    Raises:
        ValueError: it is no rate; the message says what it must be.
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
    """Return the shop's value; the default also for ``None``, which is what ``os.environ.get()`` leaves behind."""
    value = getattr(settings, f"AIRALO_{name}", None)
    return default if value is None else value


def _flag(name: str, default: bool) -> bool:
    """Return a bool. A text out of the environment is refused: ``"False"`` would count as true."""
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
    """Return a list of texts. One text would be taken for a list of its letters, each of which would do as a secret."""
    value = _setting(name, ())
    if value and isinstance(value, str | bytes):
        raise AiraloConfigurationError(f"AIRALO_{name} must be a list of strings, not one string.")
    return tuple(value)


class Constants:
    """What the package decides, since no shop has a reason to choose it. Durations are in seconds."""

    #: A token is used no longer, whatever Airalo says of its life: its documents name both a day and a year.
    TOKEN_LIFETIME: float = 24 * 3600.0
    #: How much longer than one request a process waits for the token that another one is asking for.
    TOKEN_MARGIN: float = 5.0
    #: The time that receivers of a signal may take, beside one exchange with Airalo.
    RECEIVER_SECONDS: float = 120.0
    #: A larger webhook is refused.
    WEBHOOK_MAX_BYTES: int = 1024 * 1024
    #: Characters of a ``description``, the reference included. Airalo documents no limit.
    DESCRIPTION_MAX_LENGTH: int = 255
    #: Between two tries to send what surely was not carried out; the last one is used for all tries after that.
    RETRY_DELAYS: Sequence[float] = (5, 15, 60, 300, 900)
    #: Until it is seen whether Airalo answers again, in a pause because of unknown outcomes.
    BREAKER_DELAYS: Sequence[float] = (60, 120, 240, 480, 900)
    #: Between two looks at the list of future orders, for an order whose date is to come.
    FUTURE_ORDER_INTERVAL: float = 6 * 3600.0
    #: Between two looks at the balance, in a pause for lack of credit.
    BALANCE_INTERVAL: float = 60.0
    #: Instructions for installing an eSIM are fetched again when they are older.
    INSTRUCTIONS_MAX_AGE: float = 30 * 24 * 3600.0
    #: How long the cache keeps what Airalo offers for an eSIM.
    TOPUP_CACHE_SECONDS: float = 900.0


class Settings(Constants):
    """One typed property per setting. What each means is in docs/reference/settings.md."""

    @property
    def CLIENT_ID(self) -> str:
        return str(_setting("CLIENT_ID", "")).strip()

    @property
    def CLIENT_SECRET(self) -> str:
        # Credentials pasted with a line break cost integrators days of 401s, so blanks never count.
        return str(_setting("CLIENT_SECRET", "")).strip()

    @property
    def BASE_URL(self) -> str:
        return str(_setting("BASE_URL", "https://partners-api.airalo.com")).strip().rstrip("/")

    @property
    def SANDBOX(self) -> bool:
        # A bad value costs a few requests; raising would withhold what Airalo delivers. The checks name it.
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
        # None means something here: no task backend.
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
            # By way of text, so that 0.1 means 0.1.
            return None if value is None else Decimal(str(value))
        except InvalidOperation:
            raise AiraloConfigurationError(f"AIRALO_LOW_BALANCE must be a number, not {value!r}.") from None

    @property
    def REFUND_REASONS(self) -> Sequence[str]:
        return _texts("REFUND_REASONS")

    @property
    def max_send_seconds(self) -> float:
        """Seconds that sending can take: one request, and the same once more if its token is refused."""
        return 2 * (self.CONNECT_TIMEOUT + self.READ_TIMEOUT)

    @property
    def submit_lease(self) -> float:
        """Seconds that a worker may hold what it sends; the outcome of what it holds longer counts as unknown.

        There is room for a look-up, for a wait for the token that another process is asking for, for asking for one,
        and for sending.
        """
        request = self.CONNECT_TIMEOUT + self.READ_TIMEOUT
        return request + (request + self.TOKEN_MARGIN) + request + self.max_send_seconds

    @property
    def signal_lease(self) -> float:
        """Seconds that receivers may take: one that sends an order is not called again while it does."""
        return self.submit_lease + self.RECEIVER_SECONDS

    @property
    def usage_interval(self) -> float:
        """Seconds between two look-ups of one eSIM's usage: Airalo answers from a cache that is as old."""
        return 60 * 60 if self.SANDBOX else 20 * 60

    @property
    def names_a_task_backend(self) -> bool:
        """Whether the shop itself says which task backend to use."""
        return bool(getattr(settings, "AIRALO_TASK_BACKEND", None))

    @property
    def webhook_delivery_url(self) -> str:
        """The webhook address sent to Airalo: ``WEBHOOK_URL`` with the secret path part, if there is one."""
        if self.WEBHOOK_URL and self.WEBHOOK_URL_TOKEN:
            return f"{self.WEBHOOK_URL.rstrip('/')}/{self.WEBHOOK_URL_TOKEN}/"
        return self.WEBHOOK_URL

    def rate(self, name: str) -> Rate:
        """Return a limit of ``RATE_LIMITS`` as a count and a period.

        Raises:
            AiraloConfigurationError: the shop's value is no rate.
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
