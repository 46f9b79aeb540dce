from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from django.core.checks import registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.urls import resolve, reverse

from django_airalo.checks import check_deployment, check_settings
from django_airalo.conf import conf

KEY = Fernet.generate_key().decode()
NUMBERS = [
    "CONNECT_TIMEOUT",
    "READ_TIMEOUT",
    "TOKEN_LIFETIME",
    "TOKEN_REQUESTS_PER_MINUTE",
    "WEBHOOK_MAX_BYTES",
    "LOOKUPS_PER_MINUTE",
    "PACKAGE_REQUESTS_PER_MINUTE",
    "BALANCE_INTERVAL",
    "SUBMIT_LEASE",
    "OVERDUE_AFTER",
    "UNCONFIRMED_GRACE",
    "SIGNAL_LEASE",
]


def ids(check):
    return [message.id.removeprefix("django_airalo.") for message in check()]


#: Setting, value, the ids of the check of every start.
SETTINGS = [
    *[(name, 5, ["E001"]) for name in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL", "CACHE_ALIAS", "WEBHOOK_URL")],
    *[(name, ["x"], ["E001"]) for name in ("WEBHOOK_URL_TOKEN", "TASK_QUEUE_NAME")],
    *[(name, value, ["E002"]) for name in NUMBERS for value in (0, -1, "5", True, float("nan"), float("inf"), [])],
    ("TOKEN_REQUESTS_PER_MINUTE", 0.5, ["E002"]),
    ("READ_TIMEOUT", 0.5, []),
    *[
        (name, value, ["E002"])
        for name in ("BALANCE_CHECK_INTERVAL", "LOW_BALANCE")
        for value in (-1, "5", True, float("nan"), Decimal("inf"), [])
    ],
    ("BALANCE_CHECK_INTERVAL", 0, []),
    *[("LOW_BALANCE", value, []) for value in (0, 0.1, 100, Decimal("99.90"))],
    *[
        (name, value, ["E003"])
        for name in ("RETRY_DELAYS", "LOOKUP_DELAYS")
        for value in ([], 5, "5", [-1], ["5"], [True], [float("inf")], {5})
    ],
    ("RETRY_DELAYS", (0,), []),
    *[
        (name, value, ["E004"])
        for name in ("WEBHOOK_SECRETS", "ENCRYPTION_KEYS")
        for value in ("text", [""], [5], [None], [b"bytes"], {"a"})
    ],
    ("WEBHOOK_SECRETS", [], []),
    ("WEBHOOK_SECRETS", ("new", "old"), []),
    ("SANDBOX", "yes", ["E005"]),
    ("SANDBOX", 1, ["E005"]),
    ("SANDBOX", True, []),
    *[("DESCRIPTION_MAX_LENGTH", value, ["E006"]) for value in (31, 0, -5, "255", 255.0, True)],
    ("DESCRIPTION_MAX_LENGTH", 32, []),
    *[("BASE_URL", value, ["E007"]) for value in ("", "airalo.com", "ftp://airalo.com", "https://", "http://[")],
    *[("BASE_URL", f"https://partners-api.example.com{path}", ["E017"]) for path in ("/v2", "/v2/", "/proxy/v2")],
    *[("BASE_URL", f"https://v2.example.com{path}", []) for path in ("", "/v2/proxy", "/apiv2")],
    *[("WEBHOOK_URL", value, ["E007"]) for value in ("shop", "//shop.example.com/", "http://[::1/")],
    ("WEBHOOK_URL", "", []),
    *[
        ("WEBHOOK_URL_TOKEN", value, ["E018"])
        for value in ("ab/cd", "ab+e", "a=", "a#b", "a?b", "a b", "a\nb", "é", "%41")
    ],
    *[("WEBHOOK_URL_TOKEN", value, []) for value in ("", "abc-._~XYZ019")],
    ("WEBHOOK_URL", "https://shop.example.com/airalo/webhook/?from=airalo", []),
    *[("UNCONFIRMED_POLICY", value, ["E008"]) for value in ("", "retry", "HOLD")],
    ("UNCONFIRMED_POLICY", "resubmit", []),
    ("SUBMIT_LEASE", 104, ["E009"]),
    ("SUBMIT_LEASE", 105, []),
    ("READ_TIMEOUT", 86, ["E009"]),
    ("CACHE_ALIAS", "none", ["E011"]),
    *[("ENCRYPTION_KEYS", value, ["E012"]) for value in (["short"], [KEY, "short"], ["é" * 44])],
    ("ENCRYPTION_KEYS", [KEY], []),
    ("CLIENT_ID", "", ["W001"]),
    ("CLIENT_ID", "  \n", ["W001"]),
    ("CLIENT_SECRET", "", ["W001"]),
]


@pytest.mark.parametrize(("name", "value", "expected"), SETTINGS)
def test_settings(settings, name, value, expected):
    setattr(settings, f"AIRALO_{name}", value)
    assert ids(check_settings) == expected
    if expected and expected[0] != "W001":
        assert f"AIRALO_{name}" in str(check_settings()[0].msg) or expected == ["E009"]
    check_deployment()  # whatever is wrong, it does not fail


def test_a_shop_without_time_zones_is_refused(settings):
    settings.USE_TZ = False
    assert ids(check_settings) == ["E016"]


@pytest.mark.parametrize("end", ["?from=airalo", "#part", "?", "#"])
def test_a_token_fits_behind_no_query(settings, end):
    settings.AIRALO_WEBHOOK_URL = f"https://shop.example.com/airalo/webhook/{end}"
    assert ids(check_settings) == []
    settings.AIRALO_WEBHOOK_URL_TOKEN = "a-token"
    assert ids(check_settings) == ["E019"]


def test_with_the_token_that_the_check_lets_pass_the_address_leads_to_the_view(settings):
    settings.AIRALO_WEBHOOK_URL_TOKEN = "abc-._~XYZ019"
    settings.AIRALO_WEBHOOK_URL = f"https://shop.example.com{reverse('django_airalo:webhook')}"
    assert ids(check_settings) == []
    found = resolve(urlsplit(conf.delivery_url).path)
    assert (found.view_name, found.kwargs) == ("django_airalo:webhook", {"token": "abc-._~XYZ019"})


def test_the_settings_of_the_tests_are_right():
    assert ids(check_settings) == []


@pytest.mark.parametrize("name", ["CLIENT_SECRET", "WEBHOOK_SECRETS", "ENCRYPTION_KEYS", "WEBHOOK_URL_TOKEN"])
def test_no_message_shows_a_secret(settings, name):
    for value in ("s3cret-value", "s3cret-value/", ["s3cret-value", ""], ["s3cret-value"], {"s3cret-value": 1}):
        setattr(settings, f"AIRALO_{name}", value)
        assert "s3cret-value" not in str(check_settings() + check_deployment())


@pytest.fixture
def production(settings):
    """Settings that the deployment check finds nothing in."""
    settings.AIRALO_BASE_URL = "https://partners-api.example.com"
    settings.AIRALO_ENCRYPTION_KEYS = [KEY]
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"},
        "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "none": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    }
    tasks = settings.TASKS["default"]["BACKEND"].partition(".backends")[0]
    settings.TASKS = {
        "default": {"BACKEND": f"{__name__}.Workers"},
        "inline": {"BACKEND": f"{tasks}.backends.immediate.ImmediateBackend"},
        "dummy": {"BACKEND": f"{tasks}.backends.dummy.DummyBackend"},
        "queues": {"BACKEND": f"{__name__}.Workers", "QUEUES": ["airalo"]},
    }
    return settings


def __getattr__(name):
    """``Workers``, a backend with workers, made at the first use, when Django is set up."""
    if name != "Workers":
        raise AttributeError(name)
    from importlib import import_module
    from importlib.util import find_spec

    package = "django.tasks" if find_spec("django.tasks") else "django_tasks"
    base = import_module(f"{package}.backends.base").BaseTaskBackend

    class Workers(base):
        def enqueue(self, task, args, kwargs):
            raise NotImplementedError

    return Workers


DEPLOYMENT = [
    ({}, []),
    ({"AIRALO_CLIENT_ID": ""}, ["E010"]),
    ({"AIRALO_CLIENT_ID": "", "AIRALO_CLIENT_SECRET": ""}, ["E010", "E010"]),
    ({"AIRALO_WEBHOOK_URL": ""}, ["W002"]),
    ({"AIRALO_WEBHOOK_URL": "http://shop.example.com/airalo/webhook/"}, ["W003"]),
    ({"AIRALO_BASE_URL": "http://127.0.0.1:8010"}, ["W004"]),
    ({"AIRALO_CACHE_ALIAS": "local"}, ["W005"]),
    ({"AIRALO_CACHE_ALIAS": "none"}, ["W005"]),
    ({"AIRALO_CACHE_ALIAS": "missing"}, []),
    ({"AIRALO_TASK_BACKEND": None}, ["W006"]),
    ({"AIRALO_TASK_BACKEND": ""}, ["W006"]),
    ({"AIRALO_TASK_BACKEND": "inline"}, ["W006"]),
    ({"AIRALO_TASK_BACKEND": "dummy"}, ["W006"]),
    ({"AIRALO_TASK_BACKEND": "missing"}, ["E013"]),
    ({"AIRALO_TASK_QUEUE_NAME": "missing"}, ["E014"]),
    ({"AIRALO_TASK_BACKEND": "queues"}, ["E014"]),
    ({"AIRALO_TASK_BACKEND": "queues", "AIRALO_TASK_QUEUE_NAME": "airalo"}, []),
    ({"AIRALO_ENCRYPTION_KEYS": []}, ["W007"]),
    ({"AIRALO_ENCRYPTION_KEYS": "not a list"}, []),
]


@pytest.mark.parametrize(("changes", "expected"), DEPLOYMENT)
def test_deployment(production, changes, expected):
    for name, value in changes.items():
        setattr(production, name, value)
    assert ids(check_deployment) == expected


def test_both_are_registered():
    assert check_settings in registry.registry.get_checks()
    assert check_deployment not in registry.registry.get_checks()
    assert check_deployment in registry.registry.get_checks(include_deployment_checks=True)


def test_the_check_command_passes_with_a_warning_and_fails_with_an_error(db, settings, capsys):
    settings.AIRALO_CLIENT_ID = ""
    call_command("check", "--tag", "airalo")
    assert "django_airalo.W001" in capsys.readouterr().err
    settings.AIRALO_SANDBOX = "yes"
    with pytest.raises(SystemCheckError, match=r"django_airalo\.E005"):
        call_command("check")


def test_the_check_command_for_deployment(db, production, capsys):
    call_command("check", "--tag", "airalo", deploy=True)
    assert "no issues" in capsys.readouterr().out
    production.AIRALO_CLIENT_SECRET = ""
    with pytest.raises(SystemCheckError, match=r"django_airalo\.E010"):
        call_command("check", deploy=True)
