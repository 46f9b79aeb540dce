from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_airalo.models import WebhookEvent
from tests.factories import WebhookEventFactory

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("airalo_webhooks", *arguments, stdout=out)
    assert "s3cret" not in out.getvalue()
    return out.getvalue()


def test_all_webhooks_are_opted_in_and_out(emulated_airalo, receiver):
    text = run("opt-in")
    address = f"{receiver.url}•••/"
    assert text.splitlines() == [
        f"Opted in: async_orders -> {address}",
        f"Opted in: webhook_low_data -> {address}",
        f"Opted in: webhook_credit_limit -> {address} levels=50,70,80,90",
    ]
    text = run("status")
    assert f"Airalo returned this opt-in: webhook_credit_limit -> {address} levels=50,70,80,90" in text
    assert f"The shop's address: {address}" in text
    assert "not documented" in text
    assert "No webhook has arrived yet." in text
    assert run("opt-out").splitlines() == [
        "Opted out: async_orders",
        "Opted out: webhook_low_data",
        "Opted out: webhook_credit_limit",
    ]
    assert "Airalo returned this opt-in: –" in run("status")


def test_opt_in_of_one_type_accepts_its_options(emulated_airalo, receiver):
    text = run("opt-in", "--type", "webhook_credit_limit", "--level", "80", "--level=90")
    assert text == f"Opted in: webhook_credit_limit -> {receiver.url}•••/ levels=80,90\n"
    text = run("opt-in", "--type=email_low_data", "--email=a@example.com", "--language=de")
    assert text == "Opted in: email_low_data -> a@example.com language=de\n"
    assert run("opt-in", "--type=async_orders", f"--webhook-url={receiver.url}") == (
        f"Opted in: async_orders -> {receiver.url}\n"
    )


def test_status_shows_when_webhooks_arrived(emulated_airalo):
    WebhookEventFactory(kind="low_data")
    assert "Last webhook of the kind “Low data”: 20" in run("status")


def test_sandbox_mode_is_mentioned_in_status_and_opt_in(emulated_airalo, settings):
    assert "sandbox" not in run("status")
    settings.AIRALO_SANDBOX = True
    assert "sandbox mode" in run("status")
    assert "sandbox mode" in run("opt-in")


def test_simulate_sends_each_kind_of_webhook(emulated_airalo, receiver):
    assert run("simulate") == "Airalo says: Notification sent\n"
    run("simulate", "--event=credit_limit_notification", "--level=90")
    run("simulate", "--event=low_data_notification", "--level=expire_1", "--iccid=8900000000000000123")
    assert [b"75%" in receiver.deliveries[0].body, b"90%" in receiver.deliveries[1].body] == [True, True]
    assert b"8900000000000000123" in receiver.deliveries[2].body


def test_error_is_reported_without_secret(emulated_airalo, receiver):
    receiver.head_status = 500
    with pytest.raises(CommandError) as refused:
        run("opt-in", "--type=async_orders", "--type=webhook_low_data")
    assert str(refused.value).splitlines()[0].startswith("async_orders: Airalo answered HTTP 422: webhook_url:")
    assert str(refused.value).splitlines()[1].startswith("webhook_low_data: ")
    receiver.answers = [401]
    with pytest.raises(CommandError) as refused:
        run("simulate")
    assert "Could not push data to" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_failed_opt_in_of_one_type_does_not_stop_others(emulated_airalo):
    with pytest.raises(CommandError, match=r"^email_low_data: email: "):
        run("opt-in", "--type=email_low_data", "--type=async_orders")
    assert "async_orders" in run("status")


@pytest.mark.parametrize(
    "arguments",
    [
        ["reboot"],
        [],
        ["opt-in", "--type=sms"],
        ["simulate", "--event=x"],
        ["simulate", "--level=1"],
        ["simulate", "--level=data_75", "--level=data_90"],
    ],
)
def test_invalid_arguments_are_refused(arguments):
    with pytest.raises(CommandError):
        run(*arguments)
    assert WebhookEvent.objects.count() == 0


def test_opt_in_without_webhook_url_is_refused(settings):
    settings.AIRALO_WEBHOOK_URL = ""
    with pytest.raises(CommandError, match="AIRALO_WEBHOOK_URL"):
        run("opt-in")


def test_status_reports_unavailable_airalo():
    with pytest.raises(CommandError, match="nothing was sent"):
        run("status")
