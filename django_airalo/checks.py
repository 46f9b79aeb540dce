"""System checks: every setting, without touching the database or the network."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .conf import conf
from .exceptions import AiraloConfigurationError
from .models.fields import cipher

#: Caches that are not shared between processes.
_PRIVATE_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")
#: Task backends that run in the caller's process, or not at all.
_INLINE_BACKENDS = ("immediate.ImmediateBackend", "dummy.DummyBackend")

#: What stands in an address as it is (RFC 3986 calls it unreserved).
_PATH_SEGMENT = re.compile(r"[A-Za-z0-9_.~-]+")

_TEXTS = (
    "CLIENT_ID",
    "CLIENT_SECRET",
    "BASE_URL",
    "CATALOGUE_LANGUAGE",
    "CACHE_ALIAS",
    "WEBHOOK_URL",
    "WEBHOOK_URL_TOKEN",
    "TASK_QUEUE_NAME",
)
_POSITIVE = (
    "CONNECT_TIMEOUT",
    "READ_TIMEOUT",
    "TOKEN_LIFETIME",
    "TOKEN_REQUESTS_PER_MINUTE",
    "WEBHOOK_MAX_BYTES",
    "CATALOGUE_MAX_AGE",
    "EXCHANGE_RATE_MAX_AGE",
    "LOOKUPS_PER_MINUTE",
    "PACKAGE_REQUESTS_PER_MINUTE",
    "ESIM_REQUESTS_PER_MINUTE",
    "USAGE_REQUESTS_PER_SECOND",
    "PRODUCT_INFORMATION_REQUESTS_PER_MINUTE",
    "BALANCE_INTERVAL",
    "SUBMIT_LEASE",
    "OVERDUE_AFTER",
    "UNCONFIRMED_GRACE",
    "SIGNAL_LEASE",
    "FUTURE_ORDER_INTERVAL",
    "TOPUP_CACHE_SECONDS",
    "USAGE_INTERVAL",
    "INSTRUCTIONS_MAX_AGE",
)
#: Numbers that may also be 0.
_NOT_NEGATIVE = (
    "BALANCE_CHECK_INTERVAL",
    "LOW_BALANCE",
    "REFUND_INTERVAL",
    "SIMULATOR_INTERVAL",
    "UNAVAILABLE_WAIT",
)
#: Counts: half a request would be none.
_WHOLE = (
    "TOKEN_REQUESTS_PER_MINUTE",
    "LOOKUPS_PER_MINUTE",
    "PACKAGE_REQUESTS_PER_MINUTE",
    "ESIM_REQUESTS_PER_MINUTE",
    "USAGE_REQUESTS_PER_SECOND",
    "PRODUCT_INFORMATION_REQUESTS_PER_MINUTE",
    "WEBHOOK_MAX_BYTES",
)
_DELAYS = ("RETRY_DELAYS", "LOOKUP_DELAYS")
_TEXT_LISTS = ("WEBHOOK_SECRETS", "ENCRYPTION_KEYS", "REFUND_REASONS")


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Wrong types and values: errors. Missing credentials: a warning, since images are built without secrets."""
    wrong_types = list(_check_types())
    if wrong_types:
        return wrong_types
    return [
        *_check_time_zones(),
        *_check_values(),
        *_check_webhook_url_token(),
        *_check_encryption_keys(),
        *_missing_credentials(Warning, "W001"),
    ]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """What would break the promise in production."""
    if any(_check_types()):
        return []
    return [
        *_missing_credentials(Error, "E010"),
        *_check_webhook_url(),
        *_check_cache(),
        *_check_tasks(),
        *_check_keys(),
    ]


def _raw(name: str) -> Any:
    return getattr(settings, f"AIRALO_{name}", None)


def _number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value)


def _check_types() -> Iterator[CheckMessage]:
    for name in _TEXTS:
        if _raw(name) is not None and not isinstance(_raw(name), str):
            yield Error(f"AIRALO_{name} must be a string, not {type(_raw(name)).__name__}.", id="django_airalo.E001")
    for name in _POSITIVE:
        if _raw(name) is not None and not (_number(_raw(name)) and _raw(name) > 0):
            yield Error(f"AIRALO_{name} must be a number above 0, not {_raw(name)!r}.", id="django_airalo.E002")
    for name in _NOT_NEGATIVE:
        if _raw(name) is not None and not (_number(_raw(name)) and _raw(name) >= 0):
            yield Error(f"AIRALO_{name} must be a number of 0 or more, not {_raw(name)!r}.", id="django_airalo.E002")
    for name in _WHOLE:
        if _number(_raw(name)) and 0 < _raw(name) < 1:
            yield Error(f"AIRALO_{name} must be 1 or more, not {_raw(name)!r}.", id="django_airalo.E002")
    for name in _DELAYS:
        value = _raw(name)
        if value is not None and not (
            isinstance(value, list | tuple) and value and all(_number(item) and item >= 0 for item in value)
        ):
            yield Error(
                f"AIRALO_{name} must be a list of at least one number of seconds, not {value!r}.",
                id="django_airalo.E003",
            )
    for name in _TEXT_LISTS:
        value = _raw(name)
        if value is not None and not (
            isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value)
        ):
            # A string would be taken for a list of letters. The value may be a secret, so it is not shown.
            yield Error(f"AIRALO_{name} must be a list of strings that are not empty.", id="django_airalo.E004")
    if _raw("SANDBOX") is not None and not isinstance(_raw("SANDBOX"), bool):
        yield Error(f"AIRALO_SANDBOX must be True or False, not {_raw('SANDBOX')!r}.", id="django_airalo.E005")
    length = _raw("DESCRIPTION_MAX_LENGTH")
    if length is not None and not (isinstance(length, int) and length >= 32):
        yield Error(
            f"AIRALO_DESCRIPTION_MAX_LENGTH must be 32 or more (the length of a reference), not {length!r}.",
            id="django_airalo.E006",
        )


def _check_time_zones() -> Iterator[CheckMessage]:
    if not settings.USE_TZ:
        yield Error(
            "USE_TZ is False, but leases and dates are compared as moments, so every datetime must know its time zone.",
            hint="Set USE_TZ = True, which is Django's default.",
            id="django_airalo.E016",
        )


def _check_values() -> Iterator[CheckMessage]:
    if not _is_web_address(conf.BASE_URL):
        yield Error(f"AIRALO_BASE_URL is not a web address: {conf.BASE_URL!r}.", id="django_airalo.E007")
    elif urlsplit(conf.BASE_URL).path.endswith("/v2"):
        yield Error(
            f"AIRALO_BASE_URL ends in /v2, which is put behind it once more: {conf.BASE_URL!r}.",
            hint="Leave /v2 out.",
            id="django_airalo.E017",
        )
    if conf.WEBHOOK_URL and not _is_web_address(conf.WEBHOOK_URL):
        yield Error(f"AIRALO_WEBHOOK_URL is not a web address: {conf.WEBHOOK_URL!r}.", id="django_airalo.E007")
    if conf.UNCONFIRMED_POLICY not in ("hold", "resubmit"):
        yield Error(
            f"AIRALO_UNCONFIRMED_POLICY must be 'hold' or 'resubmit', not {conf.UNCONFIRMED_POLICY!r}.",
            id="django_airalo.E008",
        )
    if conf.ORDER_MODE not in ("async", "sync"):
        yield Error(f"AIRALO_ORDER_MODE must be 'async' or 'sync', not {conf.ORDER_MODE!r}.", id="django_airalo.E015")
    longest = conf.CONNECT_TIMEOUT + conf.READ_TIMEOUT + conf.sending_time  # a token has to be fetched first
    if longest > conf.SUBMIT_LEASE:
        yield Error(
            f"AIRALO_SUBMIT_LEASE ({conf.SUBMIT_LEASE:g} s) is shorter than three requests can take ({longest:g} s).",
            hint="Raise it, or lower AIRALO_CONNECT_TIMEOUT and AIRALO_READ_TIMEOUT.",
            id="django_airalo.E009",
        )
    try:
        caches[conf.CACHE_ALIAS]
    except InvalidCacheBackendError:
        yield Error(f"AIRALO_CACHE_ALIAS: there is no cache {conf.CACHE_ALIAS!r} in CACHES.", id="django_airalo.E011")


def _check_webhook_url_token() -> Iterator[CheckMessage]:
    """Webhooks must arrive at the address that the two settings make. The token is a secret, so it is not shown."""
    if not conf.WEBHOOK_URL_TOKEN:
        return
    if not _PATH_SEGMENT.fullmatch(conf.WEBHOOK_URL_TOKEN):
        yield Error(
            "AIRALO_WEBHOOK_URL_TOKEN has a character that cannot stand in a part of an address as it is, so Airalo's "
            "webhooks would not arrive.",
            hint="Use letters, digits and - . _ ~ only, such as secrets.token_urlsafe() makes.",
            id="django_airalo.E018",
        )
    if "?" in conf.WEBHOOK_URL or "#" in conf.WEBHOOK_URL:
        yield Error(
            "AIRALO_WEBHOOK_URL has a query or a fragment, and AIRALO_WEBHOOK_URL_TOKEN would be put behind it.",
            hint="Leave out what begins with ? or #.",
            id="django_airalo.E019",
        )


def _check_encryption_keys() -> Iterator[CheckMessage]:
    try:
        cipher()
    except AiraloConfigurationError as error:
        yield Error(str(error), id="django_airalo.E012")


def _missing_credentials(kind: type[Error | Warning], number: str) -> Iterator[CheckMessage]:
    for name, value in (("AIRALO_CLIENT_ID", conf.CLIENT_ID), ("AIRALO_CLIENT_SECRET", conf.CLIENT_SECRET)):
        if not value:
            yield kind(
                f"{name} is empty: no order can be sent to Airalo.",
                hint="Airalo's Partner Platform shows it under the API credentials.",
                id=f"django_airalo.{number}",
            )


def _check_webhook_url() -> Iterator[CheckMessage]:
    if not conf.WEBHOOK_URL:
        yield Warning(
            "AIRALO_WEBHOOK_URL is empty: unless Airalo was told an address by opt-in, it refuses asynchronous orders.",
            hint="Set it to the public address of the view django_airalo:webhook.",
            id="django_airalo.W002",
        )
    elif not conf.WEBHOOK_URL.lower().startswith("https://"):
        yield Warning(
            "AIRALO_WEBHOOK_URL is not https: activation codes would travel in clear.", id="django_airalo.W003"
        )
    if not conf.BASE_URL.startswith("https://"):
        yield Warning("AIRALO_BASE_URL is not https: credentials would travel in clear.", id="django_airalo.W004")


def _check_cache() -> Iterator[CheckMessage]:
    try:
        backend = type(caches[conf.CACHE_ALIAS])
    except InvalidCacheBackendError:
        return  # E011 says it
    if f"{backend.__module__}.{backend.__qualname__}".endswith(_PRIVATE_CACHES):
        yield Warning(
            f"The cache {conf.CACHE_ALIAS!r} is not shared between processes, but Airalo gives three tokens a minute.",
            hint="Use Redis, Memcached or the database cache, or name another cache in AIRALO_CACHE_ALIAS.",
            id="django_airalo.W005",
        )


def _check_tasks() -> Iterator[CheckMessage]:
    inline = "so a customer's request waits for Airalo."
    hint = "Configure a backend with workers in TASKS, such as django-tasks-db."
    if conf.TASK_BACKEND is None or not (find_spec("django.tasks") or find_spec("django_tasks")):
        yield Warning(f"There is no task backend, {inline}", hint=hint, id="django_airalo.W006")
        return
    try:
        backend = _task_backends()[conf.TASK_BACKEND]
    except ImproperlyConfigured as error:
        yield Error(f"AIRALO_TASK_BACKEND fits no backend in TASKS: {error}", id="django_airalo.E013")
        return
    if backend.queues and conf.TASK_QUEUE_NAME not in backend.queues:
        yield Error(
            f"AIRALO_TASK_QUEUE_NAME: the task backend {conf.TASK_BACKEND!r} has no queue {conf.TASK_QUEUE_NAME!r}.",
            hint="Add it to QUEUES of that backend in TASKS.",
            id="django_airalo.E014",
        )
    kind = type(backend)
    if f"{kind.__module__}.{kind.__qualname__}".endswith(_INLINE_BACKENDS):
        yield Warning(
            f"The task backend runs tasks in the caller's process, {inline}", hint=hint, id="django_airalo.W006"
        )


def _task_backends() -> Any:
    if find_spec("django.tasks"):
        return import_string("django.tasks.task_backends")
    return import_string("django_tasks.task_backends")


def _check_keys() -> Iterator[CheckMessage]:
    if not conf.ENCRYPTION_KEYS:
        yield Warning(
            "AIRALO_ENCRYPTION_KEYS is empty: activation codes are encrypted with a key derived from SECRET_KEY.",
            hint="Set keys of their own, so that a new SECRET_KEY does not make stored activation codes unreadable.",
            id="django_airalo.W007",
        )


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:  # an IPv6 address that is none
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
