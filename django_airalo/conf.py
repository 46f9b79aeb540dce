"""Every ``AIRALO_*`` setting, read lazily, with its default: the only reader of them.

``from django_airalo.conf import conf`` and use ``conf.CLIENT_ID``. Nothing is cached, so
``override_settings(AIRALO_CLIENT_ID=...)`` works everywhere. Durations are in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings

from .exceptions import AiraloConfigurationError


def _setting(name: str, default: Any) -> Any:
    """The shop's value; the default also for ``None``, which is what ``os.environ.get()`` leaves behind."""
    value = getattr(settings, f"AIRALO_{name}", None)
    return default if value is None else value


def _texts(name: str) -> tuple[str, ...]:
    """A list of texts. One text would be taken for a list of its letters, each of which would do as a secret."""
    value = _setting(name, ())
    if value and isinstance(value, str | bytes):
        raise AiraloConfigurationError(f"AIRALO_{name} must be a list of strings, not one string.")
    return tuple(value)


class Settings:
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
        return str(_setting("BASE_URL", "https://partners-api.airalo.com")).rstrip("/")

    @property
    def SANDBOX(self) -> bool:
        return bool(_setting("SANDBOX", False))

    @property
    def CATALOGUE_LANGUAGE(self) -> str:
        return str(_setting("CATALOGUE_LANGUAGE", ""))

    @property
    def CATALOGUE_MAX_AGE(self) -> float:
        return float(_setting("CATALOGUE_MAX_AGE", 24 * 3600))

    @property
    def EXCHANGE_RATE_MAX_AGE(self) -> float:
        return float(_setting("EXCHANGE_RATE_MAX_AGE", 7 * 24 * 3600))

    @property
    def CONNECT_TIMEOUT(self) -> float:
        return float(_setting("CONNECT_TIMEOUT", 5))

    @property
    def READ_TIMEOUT(self) -> float:
        return float(_setting("READ_TIMEOUT", 30))

    @property
    def CACHE_ALIAS(self) -> str:
        return str(_setting("CACHE_ALIAS", "default"))

    @property
    def TOKEN_LIFETIME(self) -> float:
        return float(_setting("TOKEN_LIFETIME", 24 * 3600))

    @property
    def TOKEN_REQUESTS_PER_MINUTE(self) -> int:
        return int(_setting("TOKEN_REQUESTS_PER_MINUTE", 3))

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
    def WEBHOOK_MAX_BYTES(self) -> int:
        return int(_setting("WEBHOOK_MAX_BYTES", 1024 * 1024))

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
    def DESCRIPTION_MAX_LENGTH(self) -> int:
        return int(_setting("DESCRIPTION_MAX_LENGTH", 255))

    @property
    def ORDER_MODE(self) -> str:
        return str(_setting("ORDER_MODE", "async"))

    @property
    def SUBMIT_LEASE(self) -> float:
        return float(_setting("SUBMIT_LEASE", 180))

    @property
    def RETRY_DELAYS(self) -> Sequence[float]:
        return tuple(_setting("RETRY_DELAYS", (5, 15, 60, 300, 900)))

    @property
    def LOOKUP_DELAYS(self) -> Sequence[float]:
        default = (5, 5, 10, 20, 30, 60) if self.SANDBOX else (60, 120, 300, 600, 1800, 3600, 6 * 3600)
        return tuple(_setting("LOOKUP_DELAYS", default))

    @property
    def UNAVAILABLE_WAIT(self) -> float:
        return float(_setting("UNAVAILABLE_WAIT", 300))

    @property
    def OVERDUE_AFTER(self) -> float:
        return float(_setting("OVERDUE_AFTER", 75 * 60))

    @property
    def FUTURE_ORDER_INTERVAL(self) -> float:
        return float(_setting("FUTURE_ORDER_INTERVAL", 6 * 3600))

    @property
    def UNCONFIRMED_POLICY(self) -> str:
        return str(_setting("UNCONFIRMED_POLICY", "hold"))

    @property
    def UNCONFIRMED_GRACE(self) -> float:
        return float(_setting("UNCONFIRMED_GRACE", 75 * 60))

    @property
    def BALANCE_INTERVAL(self) -> float:
        return float(_setting("BALANCE_INTERVAL", 60))

    @property
    def BALANCE_CHECK_INTERVAL(self) -> float:
        return float(_setting("BALANCE_CHECK_INTERVAL", 900))

    @property
    def LOW_BALANCE(self) -> Decimal | None:
        value = _setting("LOW_BALANCE", None)
        # By way of text, so that 0.1 means 0.1.
        return None if value is None else Decimal(str(value))

    @property
    def LOOKUPS_PER_MINUTE(self) -> int:
        return int(_setting("LOOKUPS_PER_MINUTE", 40))

    @property
    def PACKAGE_REQUESTS_PER_MINUTE(self) -> int:
        return int(_setting("PACKAGE_REQUESTS_PER_MINUTE", 80))

    @property
    def USAGE_INTERVAL(self) -> float:
        return float(_setting("USAGE_INTERVAL", 60 * 60 if self.SANDBOX else 20 * 60))

    @property
    def INSTRUCTIONS_MAX_AGE(self) -> float:
        return float(_setting("INSTRUCTIONS_MAX_AGE", 30 * 24 * 3600))

    @property
    def ESIM_REQUESTS_PER_MINUTE(self) -> int:
        return int(_setting("ESIM_REQUESTS_PER_MINUTE", 10))

    @property
    def USAGE_REQUESTS_PER_SECOND(self) -> int:
        return int(_setting("USAGE_REQUESTS_PER_SECOND", 5))

    @property
    def PRODUCT_INFORMATION_REQUESTS_PER_MINUTE(self) -> int:
        return int(_setting("PRODUCT_INFORMATION_REQUESTS_PER_MINUTE", 60))

    @property
    def REFUND_REASONS(self) -> Sequence[str]:
        return _texts("REFUND_REASONS")

    @property
    def REFUND_INTERVAL(self) -> float:
        return float(_setting("REFUND_INTERVAL", 300))

    @property
    def SIMULATOR_INTERVAL(self) -> float:
        return float(_setting("SIMULATOR_INTERVAL", 900))

    @property
    def TOPUP_CACHE_SECONDS(self) -> float:
        return float(_setting("TOPUP_CACHE_SECONDS", 900))

    @property
    def SIGNAL_LEASE(self) -> float:
        return float(_setting("SIGNAL_LEASE", 300))

    @property
    def sending_time(self) -> float:
        """Seconds that sending can take: one request, and the same once more if its token is refused."""
        return 2 * (self.CONNECT_TIMEOUT + self.READ_TIMEOUT)

    @property
    def delivery_url(self) -> str:
        """The webhook address sent to Airalo: ``WEBHOOK_URL`` with the secret path part, if there is one."""
        if self.WEBHOOK_URL and self.WEBHOOK_URL_TOKEN:
            return f"{self.WEBHOOK_URL.rstrip('/')}/{self.WEBHOOK_URL_TOKEN}/"
        return self.WEBHOOK_URL


conf = Settings()
