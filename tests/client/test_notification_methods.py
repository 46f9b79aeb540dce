"""Opt-ins, and the simulator of webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from django_airalo.client import AiraloClient
from tests.scripted_server import Answer, ScriptedServer

from .support import META, sent

NOTIFICATION = {"type": "webhook_credit_limit", "contact_point": "https://shop.example.com/", "levels": [50, "90", "x"]}


def test_opt_in(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/notifications/opt-in", Answer(200, {"data": {"notification": NOTIFICATION}, "meta": META}))

    notification = client.opt_in("webhook_credit_limit", webhook_url="https://shop.example.com/", levels=[50, 90])

    assert sent(server, "POST", "/v2/notifications/opt-in").json() == {
        "type": "webhook_credit_limit",
        "webhook_url": "https://shop.example.com/",
        "levels": [50, 90],
    }
    assert notification is not None
    assert notification.type == "webhook_credit_limit"
    assert notification.contact_point == "https://shop.example.com/"
    assert notification.levels == (50, 90)
    assert notification.language == ""


def test_opt_in_by_mail(client: AiraloClient, server: ScriptedServer) -> None:
    told = {"type": "email_low_data", "contact_point": "desk@example.com", "language": "de", "levels": None}
    server.on("/v2/notifications/opt-in", Answer(200, {"data": {"notification": told}}))

    notification = client.opt_in("email_low_data", email="desk@example.com", language="de")

    body = {"type": "email_low_data", "email": "desk@example.com", "language": "de"}
    assert sent(server, "POST", "/v2/notifications/opt-in").json() == body
    assert notification is not None
    assert (notification.language, notification.levels) == ("de", ())


@pytest.mark.parametrize(
    ("data", "kind"),
    [({"notification": NOTIFICATION}, "webhook_credit_limit"), ({"notification": None}, None), ([], None)],
)
def test_get_opt_in(client: AiraloClient, server: ScriptedServer, data: Any, kind: str | None) -> None:
    server.on("/v2/notifications/opt-in", Answer(200, {"data": data, "meta": META}))

    notification = client.get_opt_in()

    assert (notification.type if notification else None) == kind
    sent(server, "GET", "/v2/notifications/opt-in")


def test_opt_out(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/notifications/opt-out", Answer(204))

    client.opt_out("async_orders")

    assert sent(server, "POST", "/v2/notifications/opt-out").json() == {"type": "async_orders"}


def test_simulate_webhook(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/simulator/webhook", Answer(200, {"success": "Notification sent"}))

    said = client.simulate_webhook(
        "low_data_notification",
        type="data_90",
        iccid="8900000000000000123",
        webhook_url="https://shop.example.com/",
    )

    assert said == "Notification sent"
    assert sent(server, "POST", "/v2/simulator/webhook").json() == {
        "event": "low_data_notification",
        "type": "data_90",
        "iccid": "8900000000000000123",
        "webhook_url": "https://shop.example.com/",
    }


@pytest.mark.parametrize("document", [{}, []])
def test_simulate_webhook_without_words(client: AiraloClient, server: ScriptedServer, document: Any) -> None:
    server.on("/v2/simulator/webhook", Answer(200, document))

    assert client.simulate_webhook("credit_limit_notification", level=80) == ""
    assert sent(server, "POST", "/v2/simulator/webhook").json() == {"event": "credit_limit_notification", "level": 80}
