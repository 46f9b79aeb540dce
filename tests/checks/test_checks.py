from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from django.core.checks import registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.urls import resolve, reverse

from django_airalo.check_storage import check_database
from django_airalo.checks import check_deployment, check_settings
from django_airalo.conf import conf

KEY = Fernet.generate_key().decode()
NUMBERS = [
    "CONNECT_TIMEOUT",
    "READ_TIMEOUT",
    "OVERDUE_AFTER",
    "UNCONFIRMED_GRACE",
]


def ids(check):
    return [message.id.removeprefix("django_airalo.") for message in check()]


#: Setting, value, the ids of the check of every start.
SETTINGS = [
    *[(name, 5, ["E001"]) for name in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL", "CACHE_ALIAS", "WEBHOOK_URL")],
    *[(name, ["x"], ["E001"]) for name in ("WEBHOOK_URL_TOKEN", "TASK_BACKEND", "TASK_QUEUE_NAME")],
    *[(name, value, ["E002"]) for name in NUMBERS for value in (0, -1, "5", True, float("nan"), float("inf"), [])],
    ("READ_TIMEOUT", 0.5, []),
    *[
        (name, value, ["E002"])
        for name in ("BALANCE_CHECK_INTERVAL", "LOW_BALANCE")
        for value in (-1, "5", True, float("nan"), Decimal("inf"), [])
    ],
    ("BALANCE_CHECK_INTERVAL", 0, []),
    *[("LOW_BALANCE", value, []) for value in (0, 0.1, 100, Decimal("99.90"))],
    *[("LOOKUP_DELAYS", value, ["E003"]) for value in ([], 5, "5", [-1], ["5"], [True], [float("inf")], {5})],
    ("LOOKUP_DELAYS", (0,), []),
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
    *[(name, value, ["E005"]) for name in ("SUBMIT", "CHECK_SERVER") for value in ("no", 0)],
    *[(name, False, []) for name in ("SUBMIT", "CHECK_SERVER")],
    ("LISTING_DELAY", 0, []),
    ("LISTING_DELAY", -1, ["E002"]),
    *[("RATE_LIMITS", value, ["E006"]) for value in ("40/min", 40, ["lookups"], {"lookups"})],
    *[
        ("RATE_LIMITS", {"lookups": value}, ["E021"])
        for value in (
            "",
            "40",
            40,
            "0/min",
            "-1/min",
            "1.5/s",
            "40/week",
            "40/",
            "/min",
            " 40/min",
            "40 / min",
            b"1/s",
            True,
        )
    ],
    *[("RATE_LIMITS", {"lookups": value}, []) for value in (None, "1/s", "40/min", "7/m", "9/hour", "5000/day")],
    ("RATE_LIMITS", {}, []),
    *[("RATE_LIMITS", {name: "40/min"}, ["E009"]) for name in ("look_ups", "", "LOOKUPS", 5, None)],
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
    ("READ_TIMEOUT", 600, []),
    *[(name, value, ["W013"]) for name in ("CLIENT_ID", "CLIENT_SECRET") for value in (" x", "x\n", "\tx")],
    *[("BASE_URL", f"{a}https://api.example.com{b}", ["W013"]) for a, b in ((" ", ""), ("", "\n"))],
    ("BASE_URL", "https://api.example.com/", []),
    *[("WEBHOOK_SECRETS", ["new", value], ["W013"]) for value in (" old", "old\n")],
    ("CACHE_ALIAS", "none", ["E011"]),
    *[("ENCRYPTION_KEYS", value, ["E012"]) for value in (["short"], [KEY, "short"], ["é" * 44])],
    ("ENCRYPTION_KEYS", [KEY], []),
    *[
        ("DEPLOYMENT", value, ["E020"])
        for value in ("production", "x" * 64, "abc" * 20, f" {'0123456789abcdef' * 2} "[:32])
    ],
    *[("DEPLOYMENT", value, []) for value in ("", "0123456789abcdef" * 2, f" {'0123456789abcdef' * 2}\n")],
    ("DEPLOYMENT", 5, ["E001"]),
    ("CLIENT_ID", "", ["W001"]),
    ("CLIENT_ID", "  \n", ["W001"]),
    ("CLIENT_SECRET", "", ["W001"]),
]


@pytest.mark.parametrize(("name", "value", "expected"), SETTINGS)
def test_settings(settings, name, value, expected):
    setattr(settings, f"AIRALO_{name}", value)
    assert ids(check_settings) == expected
    if expected:
        assert f"AIRALO_{name}" in str(check_settings()[0].msg)
    check_deployment()  # whatever is wrong, it does not fail


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("WEBHOOK_SECRET", "Did you mean AIRALO_WEBHOOK_SECRETS?"),
        ("CLIENTID", "Did you mean AIRALO_CLIENT_ID?"),
        ("DEPLOYMENTS", "Did you mean AIRALO_DEPLOYMENT?"),
        ("LOOKUP_DELAY", "Did you mean AIRALO_LOOKUP_DELAYS?"),
        ("XYZ", "If it is the shop's own, give it another prefix."),
    ],
)
def test_a_name_that_is_no_setting_is_told_with_the_nearest_one(settings, name, hint):
    setattr(settings, f"AIRALO_{name}", "s3cret-value")
    [message] = check_settings()
    assert (message.id, message.hint) == ("django_airalo.W012", hint)
    assert f"AIRALO_{name} is no setting" in message.msg
    assert "s3cret" not in str(message)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("look_ups", "Did you mean lookups?"),
        ("refund", "Did you mean refunds?"),
        ("xyz", "Known are packages, lookups, usage, esims, product_information, refunds, simulator, tokens."),
    ],
)
def test_an_unknown_limit_is_told_with_the_nearest_one(settings, key, hint):
    settings.AIRALO_RATE_LIMITS = {key: "40/min"}
    [message] = check_settings()
    assert (message.msg, message.hint) == (f"AIRALO_RATE_LIMITS limits {key!r}, which is unknown.", hint)


def test_a_bad_rate_is_told_with_its_key_and_a_good_one(settings):
    settings.AIRALO_RATE_LIMITS = {"lookups": "40 a minute", "refunds": 5}
    assert [message.msg for message in check_settings()] == [
        f"AIRALO_RATE_LIMITS[{key!r}] must be a rate such as '40/min' or '5/s', or None for no limit, not {value!r}."
        for key, value in settings.AIRALO_RATE_LIMITS.items()
    ]


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
    found = resolve(urlsplit(conf.webhook_delivery_url).path)
    assert (found.view_name, found.kwargs) == ("django_airalo:webhook", {"token": "abc-._~XYZ019"})


def test_the_settings_of_the_tests_are_right():
    assert ids(check_settings) == []


@pytest.mark.parametrize(
    "name", ["CLIENT_SECRET", "WEBHOOK_SECRETS", "ENCRYPTION_KEYS", "WEBHOOK_URL_TOKEN", "DEPLOYMENT"]
)
def test_no_message_shows_a_secret(settings, name):
    for value in ("s3cret-value", "s3cret-value/", ["s3cret-value", ""], ["s3cret-value"], {"s3cret-value": 1}):
        setattr(settings, f"AIRALO_{name}", value)
        assert "s3cret-value" not in str(check_settings() + check_deployment())


@pytest.fixture
def production(settings):
    """Settings that the deployment check finds nothing in."""
    settings.AIRALO_BASE_URL = "https://partners-api.example.com"
    settings.AIRALO_ENCRYPTION_KEYS = [KEY]
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        },
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
    ({"AIRALO_DEPLOYMENT": ""}, ["W010"]),
    ({"AIRALO_SUBMIT": False}, ["W011"]),
    ({"AIRALO_CACHE_ALIAS": "local"}, ["W005"]),
    ({"AIRALO_CACHE_ALIAS": "none"}, []),
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


@pytest.mark.parametrize(
    ("backend", "options", "loss"),
    [
        ("dummy.DummyCache", {}, "stores nothing"),
        ("db.DatabaseCache", {}, "drops entries from 300 on"),
        ("db.DatabaseCache", {"MAX_ENTRIES": 9_999}, "drops entries from 9999 on"),
        ("filebased.FileBasedCache", {}, "drops entries from 300 on"),
        ("redis.RedisCache", {"IGNORE_EXCEPTIONS": True}, "hides its errors"),
        ("redis.RedisCache", {}, ""),
        ("locmem.LocMemCache", {}, ""),
        ("db.DatabaseCache", {"MAX_ENTRIES": 10_000}, ""),
    ],
)
def test_cache_that_loses_entries(settings, backend, options, loss):
    backend = f"django.core.cache.backends.{backend}"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1", "OPTIONS": options}}
    found = [message for message in check_settings() if message.id == "django_airalo.W015"]
    assert [f"The cache 'default' {loss}, so" in message.msg for message in found] == [True] * bool(loss)


def test_cache_of_django_redis_that_hides_its_errors(settings):
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = True
    assert "W015" in ids(check_settings)


def test_django_checks_the_tables_when_it_migrates():
    assert check_database in registry.registry.get_checks()
    assert "database" in check_database.tags


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
