"""System checks of all settings, without the database and the network."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import InvalidCacheBackendError, caches
from django.core.checks import CheckMessage, Error, Warning

from django_airalo.services.core import task_backend
from django_airalo.services.core.enqueue import task_problem

from .check_storage import check_losing_cache, check_private_cache
from .conf import DEFAULT_RATE_LIMITS, NAMES, conf, parse_rate
from .exceptions import AiraloConfigurationError
from .models.fields import cipher

#: Task backends that run in the caller's process, or not at all.
_INLINE_BACKENDS = ("immediate.ImmediateBackend", "dummy.DummyBackend")

#: The characters that need no quoting in a URL (RFC 3986 calls them unreserved).
_PATH_SEGMENT = re.compile(r"[A-Za-z0-9_.~-]+")

_TEXTS = (
    "CLIENT_ID",
    "CLIENT_SECRET",
    "BASE_URL",
    "CATALOGUE_LANGUAGE",
    "DEPLOYMENT",
    "CACHE_ALIAS",
    "WEBHOOK_URL",
    "WEBHOOK_URL_TOKEN",
    "TASK_BACKEND",
    "TASK_QUEUE_NAME",
)
_POSITIVE = (
    "CONNECT_TIMEOUT",
    "READ_TIMEOUT",
    "CATALOGUE_MAX_AGE",
    "EXCHANGE_RATE_MAX_AGE",
    "OVERDUE_AFTER",
    "UNCONFIRMED_GRACE",
)
#: Numbers that may also be 0.
_NOT_NEGATIVE = ("BALANCE_CHECK_INTERVAL", "LOW_BALANCE", "LISTING_DELAY")
#: The minimum length of AIRALO_DEPLOYMENT, and the minimum number of different characters. 32 hex digits are enough.
SHORTEST_DEPLOYMENT, FEWEST_CHARACTERS = 32, 8
NEW_DEPLOYMENT = "Set the string that manage.py airalo_deployment --new prints, another one for each deployment."

_BOOLEANS = ("SANDBOX", "SUBMIT", "CHECK_SERVER", "UNIVERSAL_PACKAGES")
_TEXT_LISTS = ("WEBHOOK_SECRETS", "ENCRYPTION_KEYS", "REFUND_REASONS")


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Return errors for wrong values. Missing credentials only warn, since images are built without secrets."""
    wrong_types = list(_check_types())
    if wrong_types:
        return wrong_types
    return [
        *_check_time_zones(),
        *_check_values(),
        *_check_names(),
        *_check_blanks(),
        *_check_webhook_url_token(),
        *_check_deployment_string(),
        *_check_encryption_keys(),
        *_missing_credentials(Warning, "W001"),
        *_check_task_problem(),
        *check_losing_cache(),
    ]


def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Return the errors and warnings that matter in production only (``check --deploy``)."""
    if any(_check_types()):
        return []
    return [
        *_missing_credentials(Error, "E010"),
        *_check_webhook_url(),
        *check_private_cache(),
        *_check_tasks(),
        *_check_keys(),
        *_missing_deployment_string(),
        *_check_switch(),
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
    delays = _raw("LOOKUP_DELAYS")
    if delays is not None and not (
        isinstance(delays, list | tuple) and delays and all(_number(item) and item >= 0 for item in delays)
    ):
        yield Error(
            f"AIRALO_LOOKUP_DELAYS must be a list of at least one number of seconds, not {delays!r}.",
            id="django_airalo.E003",
        )
    for name in _TEXT_LISTS:
        value = _raw(name)
        if value is not None and not (
            isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value)
        ):
            # A string would be taken for a list of letters. The value may be a secret, so it is not shown.
            yield Error(f"AIRALO_{name} must be a list of strings that are not empty.", id="django_airalo.E004")
    for name in _BOOLEANS:
        if _raw(name) is not None and not isinstance(_raw(name), bool):
            yield Error(f"AIRALO_{name} must be True or False, not {_raw(name)!r}.", id="django_airalo.E005")
    yield from _check_rates()


def _check_rates() -> Iterator[CheckMessage]:
    limits = _raw("RATE_LIMITS")
    if limits is None:
        return
    if not isinstance(limits, Mapping):
        yield Error(f"AIRALO_RATE_LIMITS must be a dict of rates, not {limits!r}.", id="django_airalo.E006")
        return
    for name, value in limits.items():
        try:
            parse_rate(value)
        except ValueError as error:
            yield Error(f"AIRALO_RATE_LIMITS[{name!r}] {error}", id="django_airalo.E021")


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
    try:
        caches[conf.CACHE_ALIAS]
    except InvalidCacheBackendError:
        yield Error(f"AIRALO_CACHE_ALIAS: there is no cache {conf.CACHE_ALIAS!r} in CACHES.", id="django_airalo.E011")


def _check_names() -> Iterator[CheckMessage]:
    """Warn about unknown settings: a misspelt name has no effect."""
    for name in sorted(set(conf.RATE_LIMITS) - set(DEFAULT_RATE_LIMITS), key=str):
        yield Error(
            f"AIRALO_RATE_LIMITS limits {name!r}, which is unknown.",
            hint=_did_you_mean(str(name), DEFAULT_RATE_LIMITS) or f"Known are {', '.join(DEFAULT_RATE_LIMITS)}.",
            id="django_airalo.E009",
        )
    names = {name.removeprefix("AIRALO_") for name in dir(settings) if name.startswith("AIRALO_")}
    for name in sorted(names - set(NAMES)):
        yield Warning(
            f"AIRALO_{name} is no setting of django-airalo, so it has no effect.",
            hint=_did_you_mean(name, NAMES, "AIRALO_") or "If it is the shop's own, give it another prefix.",
            id="django_airalo.W012",
        )


def _did_you_mean(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return a question that names the nearest known name; empty if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {prefix}{near[0]}?" if near else ""


def _check_blanks() -> Iterator[CheckMessage]:
    """Warn about blanks around credentials. The values are secrets, so they are not shown."""
    values = {name: [_raw(name)] for name in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL")}
    values["WEBHOOK_SECRETS"] = list(_raw("WEBHOOK_SECRETS") or ())
    for name, texts in values.items():
        if any(text and text.strip() not in ("", text) for text in texts):
            yield Warning(
                f"AIRALO_{name} has blanks or line breaks around it. They are removed before it is used.",
                hint="Remove them where the value comes from: other programs may not.",
                id="django_airalo.W013",
            )


def _check_webhook_url_token() -> Iterator[CheckMessage]:
    """Check that the webhook URL with its token is a valid address. The token is a secret, so it is not shown."""
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


def _check_deployment_string() -> Iterator[CheckMessage]:
    """Check that AIRALO_DEPLOYMENT, the key of references, is hard to guess. It is a secret, so it is not shown."""
    if conf.DEPLOYMENT and (
        len(conf.DEPLOYMENT) < SHORTEST_DEPLOYMENT or len(set(conf.DEPLOYMENT)) < FEWEST_CHARACTERS
    ):
        yield Error(
            f"AIRALO_DEPLOYMENT must be a random string of {SHORTEST_DEPLOYMENT} characters or more.",
            hint=NEW_DEPLOYMENT,
            id="django_airalo.E020",
        )


def _missing_deployment_string() -> Iterator[CheckMessage]:
    if not conf.DEPLOYMENT:
        yield Warning(
            "AIRALO_DEPLOYMENT is empty: a copy of the database, say for staging, would send the same orders.",
            hint=NEW_DEPLOYMENT,
            id="django_airalo.W010",
        )


def _check_switch() -> Iterator[CheckMessage]:
    if not conf.SUBMIT:
        yield Warning(
            "AIRALO_SUBMIT is False: no order, refund, voucher or cancellation is sent to Airalo.",
            hint="Remove the setting when they shall be sent again.",
            id="django_airalo.W011",
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
            "AIRALO_WEBHOOK_URL is empty: unless Airalo has an address from an opt-in, it refuses asynchronous orders.",
            hint="Set it to the public address of the view django_airalo:webhook.",
            id="django_airalo.W002",
        )
    elif not conf.WEBHOOK_URL.lower().startswith("https://"):
        yield Warning(
            "AIRALO_WEBHOOK_URL is not https: activation codes would travel in clear.", id="django_airalo.W003"
        )
    if not conf.BASE_URL.startswith("https://"):
        yield Warning("AIRALO_BASE_URL is not https: credentials would travel in clear.", id="django_airalo.W004")


def _check_task_problem() -> Iterator[CheckMessage]:
    """Check whether the tasks were defined when this process started, with the settings of that moment."""
    problem = task_problem()
    if problem is not None and not problem.is_a_choice:
        yield Warning(
            "None of the tasks of django_airalo is defined, so their work is done in the process where it comes up: "
            f"{problem.reason}",
            hint=problem.remedy,
            id="django_airalo.W008",
        )


def _check_tasks() -> Iterator[CheckMessage]:
    inline = "so a customer's request waits for Airalo."
    hint = "Configure a backend with workers in TASKS, such as django-tasks-db."
    problem = task_backend.find_problem()
    if problem is None:
        kind = type(task_backend.find_backend())
        if f"{kind.__module__}.{kind.__qualname__}".endswith(_INLINE_BACKENDS):
            yield Warning(
                f"The task backend runs tasks in the caller's process, {inline}", hint=hint, id="django_airalo.W006"
            )
    elif problem.kind == "no backend":
        yield Error(f"AIRALO_TASK_BACKEND fits no backend: {problem.reason}", problem.remedy, id="django_airalo.E013")
    elif problem.kind == "no queue":
        yield Error(f"AIRALO_TASK_QUEUE_NAME fits no queue: {problem.reason}", problem.remedy, id="django_airalo.E014")
    else:
        yield Warning(f"There is no task backend, {inline}", hint=hint, id="django_airalo.W006")


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
