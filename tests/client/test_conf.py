"""Settings are read when they are used, and have the documented defaults."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from django_airalo.client import AiraloClient
from django_airalo.conf import Rate, Settings, conf
from django_airalo.exceptions import AiraloConfigurationError
from django_airalo.services.core.redaction import redact

DEFAULTS: dict[str, Any] = {
    "CLIENT_ID": "",
    "CLIENT_SECRET": "",
    "BASE_URL": "https://partners-api.airalo.com",
    "SANDBOX": False,
    "CONNECT_TIMEOUT": 5.0,
    "READ_TIMEOUT": 30.0,
    "CACHE_ALIAS": "default",
    "RATE_LIMITS": {
        "packages": "80/min",
        "lookups": "40/min",
        "usage": "5/s",
        "esims": "10/min",
        "product_information": "60/min",
        "refunds": "5/min",
        "simulator": "5/min",
        "tokens": "3/min",
    },
    "WEBHOOK_URL": "",
    "WEBHOOK_URL_TOKEN": "",
    "WEBHOOK_SECRETS": (),
    "TASK_BACKEND": "default",
    "TASK_QUEUE_NAME": "default",
    "ENCRYPTION_KEYS": (),
    "UNCONFIRMED_POLICY": "hold",
    "webhook_delivery_url": "",
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
        assert (conf.WEBHOOK_URL_TOKEN, conf.webhook_delivery_url) == ("token", "https://shop.example.com/hook/token/")


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
def test_text_instead_of_list_is_refused(settings, name: str) -> None:
    setattr(settings, f"AIRALO_{name}", "s3cret-value")
    with pytest.raises(AiraloConfigurationError, match=f"AIRALO_{name} must be a list") as refused:
        getattr(conf, name)
    assert "s3cret" not in str(refused.value)
    assert redact("plain text") == "plain text"  # nothing else fails for it


BAD = {
    **dict.fromkeys(("SUBMIT", "CHECK_SERVER", "UNIVERSAL_PACKAGES"), ("False", 0, 1, [], object())),
    **dict.fromkeys(
        ("CONNECT_TIMEOUT", "READ_TIMEOUT", "CATALOGUE_MAX_AGE", "LISTING_DELAY", "BALANCE_CHECK_INTERVAL"),
        ("soon", "", [], {}, float("nan"), float("inf"), object()),
    ),
    "LOOKUP_DELAYS": (5, "5", "", [], ["5"], {}, object()),
    "LOW_BALANCE": ("little", "", [], object()),
    "RATE_LIMITS": ("40/min", 40, [], object()),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_value_raises_a_configuration_error_that_names_the_setting_the_value_and_what_it_must_be(
    settings, name: str, value: Any
) -> None:
    setattr(settings, f"AIRALO_{name}", value)
    with pytest.raises(AiraloConfigurationError) as refused:
        getattr(conf, name)
    text = str(refused.value)
    assert text.startswith(f"AIRALO_{name} must be ")
    assert text.endswith(f"not {value!r}.")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1/s", (1, 1)),
        ("5/sec", (5, 1)),
        ("5/second", (5, 1)),
        ("40/m", (40, 60)),
        ("40/min", (40, 60)),
        ("40/minute", (40, 60)),
        ("600/h", (600, 3600)),
        ("600/hour", (600, 3600)),
        ("9000/d", (9000, 86400)),
        ("9000/day", (9000, 86400)),
        (None, (0, 0)),
    ],
)
def test_a_rate_is_read_as_a_count_and_a_period(settings, value: str | None, expected: tuple[int, int]) -> None:
    settings.AIRALO_RATE_LIMITS = {"lookups": value}
    assert conf.rate("lookups") == Rate(*expected)
    assert conf.rate("usage") == Rate(5, 1)  # the shop's limits are merged over the defaults


@pytest.mark.parametrize("value", ["", "40", 40, "0/min", "-1/min", "1.5/s", "40/week", "40/min\n", "\u0664/s", b"1/s"])
def test_a_bad_rate_raises_a_configuration_error(settings, value: Any) -> None:
    settings.AIRALO_RATE_LIMITS = {"lookups": value}
    with pytest.raises(AiraloConfigurationError) as refused:
        conf.rate("lookups")
    assert str(refused.value) == (
        f"AIRALO_RATE_LIMITS['lookups'] must be a rate such as '40/min' or '5/s', or None for no limit, not {value!r}."
    )


@pytest.mark.parametrize(("connect", "read"), [(5, 30), (0.1, 0.1), (1, 2), (60, 600)])
def test_a_lease_is_longer_than_the_longest_exchange(settings, connect: float, read: float) -> None:
    """A look-up, a wait for another process's token, a token of its own, and the request twice."""
    settings.AIRALO_CONNECT_TIMEOUT, settings.AIRALO_READ_TIMEOUT = connect, read
    request = connect + read
    patience = AiraloClient()._tokens._patience
    assert conf.submit_lease >= request + patience + request + conf.max_send_seconds
    assert conf.max_send_seconds == 2 * request
    assert conf.signal_lease > conf.submit_lease


def test_the_leases_with_the_default_time_outs(settings) -> None:
    del settings.AIRALO_CONNECT_TIMEOUT
    del settings.AIRALO_READ_TIMEOUT
    assert (conf.submit_lease, conf.signal_lease) == (180, 300)


@pytest.mark.parametrize("slash", ["", "/"])
def test_delivery_url(slash: str) -> None:
    with override_settings(AIRALO_WEBHOOK_URL=f"https://shop.example.com/hook{slash}"):
        assert conf.webhook_delivery_url == f"https://shop.example.com/hook{slash}"
        with override_settings(AIRALO_WEBHOOK_URL_TOKEN="abc"):
            assert conf.webhook_delivery_url == "https://shop.example.com/hook/abc/"


def test_tests_use_unreachable_base_url() -> None:
    assert django_settings.AIRALO_BASE_URL == conf.BASE_URL == "http://127.0.0.1:9"


@pytest.mark.parametrize("name", sorted(set(DEFAULTS) - {"webhook_delivery_url"}))
def test_setting_of_none_uses_default(settings, name):
    setattr(settings, f"AIRALO_{name}", None)
    if name == "TASK_BACKEND":
        assert conf.TASK_BACKEND is None  # none is what it says
    elif name == "WEBHOOK_SECRETS":
        assert conf.WEBHOOK_SECRETS == (conf.CLIENT_SECRET,)
    else:
        assert getattr(conf, name) == DEFAULTS[name]
