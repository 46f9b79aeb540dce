"""Settings are read when they are used, and have the documented defaults."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from django_airalo.conf import Settings, conf
from django_airalo.exceptions import AiraloConfigurationError
from django_airalo.services.masking import masked

DEFAULTS: dict[str, Any] = {
    "CLIENT_ID": "",
    "CLIENT_SECRET": "",
    "BASE_URL": "https://partners-api.airalo.com",
    "SANDBOX": False,
    "CONNECT_TIMEOUT": 5.0,
    "READ_TIMEOUT": 30.0,
    "CACHE_ALIAS": "default",
    "TOKEN_LIFETIME": 86400.0,
    "TOKEN_REQUESTS_PER_MINUTE": 3,
    "WEBHOOK_URL": "",
    "WEBHOOK_URL_TOKEN": "",
    "WEBHOOK_SECRETS": (),
    "WEBHOOK_MAX_BYTES": 1048576,
    "TASK_BACKEND": "default",
    "TASK_QUEUE_NAME": "default",
    "ENCRYPTION_KEYS": (),
    "LOOKUPS_PER_MINUTE": 40,
    "PACKAGE_REQUESTS_PER_MINUTE": 80,
    "UNCONFIRMED_POLICY": "hold",
    "delivery_url": "",
}


@pytest.fixture
def bare(settings: Any) -> None:
    """No AIRALO_* setting at all."""
    for name in dir(django_settings):
        if name.startswith("AIRALO_"):
            delattr(settings, name)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name: str) -> None:
    assert getattr(conf, name) == DEFAULTS[name]


@pytest.mark.usefixtures("bare")
def test_every_setting_has_a_default_of_its_type() -> None:
    names = [name for name, value in vars(Settings).items() if isinstance(value, property)]
    assert set(DEFAULTS) <= set(names)
    for name in names:
        getattr(conf, name)  # none raises


def test_settings_are_read_when_used() -> None:
    with override_settings(AIRALO_READ_TIMEOUT="7", AIRALO_SANDBOX=True, AIRALO_TASK_BACKEND=None):
        assert (conf.READ_TIMEOUT, conf.SANDBOX, conf.TASK_BACKEND) == (7.0, True, None)
        assert conf.LOOKUP_DELAYS[0] <= 5  # in the sandbox no webhook comes
    assert conf.SANDBOX is False
    assert conf.LOOKUP_DELAYS[0] >= 60


def test_blanks_around_credentials_do_not_count() -> None:
    with override_settings(AIRALO_CLIENT_ID="\tid\n", AIRALO_CLIENT_SECRET=" secret\r\n"):
        assert (conf.CLIENT_ID, conf.CLIENT_SECRET) == ("id", "secret")
    with override_settings(AIRALO_WEBHOOK_URL=" https://shop.example.com/hook/\n", AIRALO_WEBHOOK_URL_TOKEN="token\n"):
        assert (conf.WEBHOOK_URL_TOKEN, conf.delivery_url) == ("token", "https://shop.example.com/hook/token/")


@pytest.mark.parametrize(
    ("secrets", "client_secret", "expected"),
    [
        (["new", "old"], "client", ("new", "old")),
        (["", "old", None], "client", ("old",)),
        ([" new\n", " ", "old"], "client", ("new", "old")),
        ([], "client", ("client",)),
        ([""], " client\n", ("client",)),
        ([], "", ()),
    ],
)
def test_webhook_secrets(secrets: list[Any], client_secret: str, expected: tuple[str, ...]) -> None:
    with override_settings(AIRALO_WEBHOOK_SECRETS=secrets, AIRALO_CLIENT_SECRET=client_secret):
        assert expected == conf.WEBHOOK_SECRETS


@pytest.mark.parametrize("name", ["WEBHOOK_SECRETS", "ENCRYPTION_KEYS", "REFUND_REASONS"])
def test_one_text_is_no_list_of_letters(settings, name: str) -> None:
    setattr(settings, f"AIRALO_{name}", "s3cret-value")
    with pytest.raises(AiraloConfigurationError, match=f"AIRALO_{name} must be a list") as refused:
        getattr(conf, name)
    assert "s3cret" not in str(refused.value)
    assert masked("plain text") == "plain text"  # nothing else fails for it


@pytest.mark.parametrize("slash", ["", "/"])
def test_delivery_url(slash: str) -> None:
    with override_settings(AIRALO_WEBHOOK_URL=f"https://shop.example.com/hook{slash}"):
        assert conf.delivery_url == f"https://shop.example.com/hook{slash}"
        with override_settings(AIRALO_WEBHOOK_URL_TOKEN="abc"):
            assert conf.delivery_url == "https://shop.example.com/hook/abc/"


def test_the_tests_call_nobody_by_mistake() -> None:
    assert django_settings.AIRALO_BASE_URL == conf.BASE_URL == "http://127.0.0.1:9"


@pytest.mark.parametrize("name", sorted(set(DEFAULTS) - {"delivery_url"}))
def test_none_is_as_good_as_unset(settings, name):
    setattr(settings, f"AIRALO_{name}", None)
    if name == "TASK_BACKEND":
        assert conf.TASK_BACKEND is None  # none is what it says
    elif name == "WEBHOOK_SECRETS":
        assert conf.WEBHOOK_SECRETS == (conf.CLIENT_SECRET,)
    else:
        assert getattr(conf, name) == DEFAULTS[name]
