"""Opt-ins and test webhooks, against the emulator."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError


def test_opt_in_with_the_shops_own_address(emulated_airalo, receiver):
    assert services.webhook_status() is None
    told = services.opt_in("webhook_credit_limit", levels=[80, 90])
    assert (told.type, told.contact_point, told.levels) == ("webhook_credit_limit", f"{receiver.url}s3cret/", (80, 90))
    assert receiver.heads == 1
    assert services.webhook_status().type == "webhook_credit_limit"
    services.opt_out("webhook_credit_limit")
    assert services.webhook_status() is None


@pytest.mark.parametrize("kind", ["async_orders", "webhook_low_data"])
def test_opt_in_without_levels(emulated_airalo, kind):
    assert services.opt_in(kind).levels == ()


def test_opt_in_by_mail(emulated_airalo):
    told = services.opt_in("email_credit_limit", email="a@example.com", language="fr")
    assert (told.contact_point, told.language, told.levels) == ("a@example.com", "fr", (50, 70, 80, 90))
    assert services.opt_in("email_low_data", email="a@example.com").language == "en"


def test_an_address_that_does_not_answer_is_refused_by_airalo(emulated_airalo, receiver):
    receiver.head_status = 404
    with pytest.raises(AiraloAPIError, match="HEAD"):
        services.opt_in("async_orders")


def test_a_test_webhook_arrives_without_opt_in(emulated_airalo, receiver):
    assert services.simulate_webhook("low_data_notification", iccid="8900000000000000123") == "Notification sent"
    services.simulate_webhook("credit_limit_notification", level="90")
    services.simulate_webhook("async_order_notification")
    bodies = [delivery.body for delivery in receiver.deliveries]
    assert b'"75%"' in bodies[0]
    assert b"8900000000000000123" in bodies[0]
    assert b"90%" in bodies[1]
    assert b"sims" in bodies[2]


@pytest.mark.parametrize(
    ("verb", "arguments", "field"),
    [
        (services.opt_in, {"type": "sms"}, "type"),
        (services.opt_out, {"type": "sms"}, "type"),
        (services.opt_in, {"type": "email_low_data"}, "email"),
        (services.opt_in, {"type": "email_low_data", "email": "nobody"}, "email"),
        (services.opt_in, {"type": "webhook_credit_limit", "levels": [55]}, "levels"),
        (services.opt_in, {"type": "async_orders", "webhook_url": "ftp://x"}, "webhook_url"),
        (services.simulate_webhook, {"event": "sim_installed"}, "event"),
        (services.simulate_webhook, {"event": "low_data_notification", "level": "50"}, "level"),
        (services.simulate_webhook, {"event": "async_order_notification", "level": "50"}, "level"),
    ],
)
def test_what_is_wrong_is_said_before_airalo_is_asked(verb, arguments, field):
    with pytest.raises(ValidationError) as refused:  # nothing listens at AIRALO_BASE_URL
        verb(**arguments)
    assert list(refused.value.message_dict) == [field]


def test_without_an_address_there_is_no_opt_in(settings):
    settings.AIRALO_WEBHOOK_URL = ""
    with pytest.raises(ValidationError, match="AIRALO_WEBHOOK_URL"):
        services.opt_in("async_orders")
