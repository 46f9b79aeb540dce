"""Opt-ins and test webhooks, against the emulator."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from django_airalo.exceptions import AiraloAPIError
from django_airalo.services import operations


def test_opt_in_uses_configured_webhook_address(emulated_airalo, receiver):
    assert operations.get_opt_in() is None
    told = operations.opt_in("webhook_credit_limit", levels=[80, 90])
    assert (told.type, told.contact_point, told.levels) == ("webhook_credit_limit", f"{receiver.url}s3cret/", (80, 90))
    assert receiver.heads == 1
    assert operations.get_opt_in().type == "webhook_credit_limit"
    operations.opt_out("webhook_credit_limit")
    assert operations.get_opt_in() is None


@pytest.mark.parametrize("kind", ["async_orders", "webhook_low_data"])
def test_opt_in_of_types_without_levels_returns_no_levels(emulated_airalo, kind):
    assert operations.opt_in(kind).levels == ()


def test_opt_in_by_email_uses_address_language_and_default_levels(emulated_airalo):
    told = operations.opt_in("email_credit_limit", email="a@example.com", language="fr")
    assert (told.contact_point, told.language, told.levels) == ("a@example.com", "fr", (50, 70, 80, 90))
    assert operations.opt_in("email_low_data", email="a@example.com").language == "en"


def test_opt_in_with_address_that_does_not_answer_is_refused(emulated_airalo, receiver):
    receiver.head_status = 404
    with pytest.raises(AiraloAPIError, match="HEAD"):
        operations.opt_in("async_orders")


def test_simulated_webhook_arrives_without_opt_in(emulated_airalo, receiver):
    assert operations.simulate_webhook("low_data_notification", iccid="8900000000000000123") == "Notification sent"
    operations.simulate_webhook("credit_limit_notification", level="90")
    operations.simulate_webhook("async_order_notification")
    bodies = [delivery.body for delivery in receiver.deliveries]
    assert b'"75%"' in bodies[0]
    assert b"8900000000000000123" in bodies[0]
    assert b"90%" in bodies[1]
    assert b"sims" in bodies[2]


@pytest.mark.parametrize(
    ("verb", "arguments", "field"),
    [
        (operations.opt_in, {"type": "sms"}, "type"),
        (operations.opt_out, {"type": "sms"}, "type"),
        (operations.opt_in, {"type": "email_low_data"}, "email"),
        (operations.opt_in, {"type": "email_low_data", "email": "nobody"}, "email"),
        (operations.opt_in, {"type": "webhook_credit_limit", "levels": [55]}, "levels"),
        (operations.opt_in, {"type": "async_orders", "webhook_url": "ftp://x"}, "webhook_url"),
        (operations.simulate_webhook, {"event": "sim_installed"}, "event"),
        (operations.simulate_webhook, {"event": "low_data_notification", "level": "50"}, "level"),
        (operations.simulate_webhook, {"event": "async_order_notification", "level": "50"}, "level"),
    ],
)
def test_invalid_arguments_are_refused_before_any_request(verb, arguments, field):
    with pytest.raises(ValidationError) as refused:  # nothing listens at AIRALO_BASE_URL
        verb(**arguments)
    assert list(refused.value.message_dict) == [field]


def test_opt_in_without_webhook_address_is_refused(settings):
    settings.AIRALO_WEBHOOK_URL = ""
    with pytest.raises(ValidationError, match="AIRALO_WEBHOOK_URL"):
        operations.opt_in("async_orders")
