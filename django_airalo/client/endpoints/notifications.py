"""Endpoints that set which webhooks and e-mails Airalo sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from django_airalo.client.payloads import NotificationData

from .base import Endpoints, filled

NotificationType = Literal[
    "async_orders", "webhook_low_data", "email_low_data", "webhook_credit_limit", "email_credit_limit"
]


class NotificationEndpoints(Endpoints):
    def opt_in(
        self,
        type: NotificationType,
        *,
        webhook_url: str | None = None,
        email: str | None = None,
        language: str | None = None,
        levels: Sequence[int] | None = None,
    ) -> NotificationData | None:
        """POST /v2/notifications/opt-in. ``levels`` are per cent of the credit limit: 50, 70, 80 or 90."""
        body = filled(
            {"type": type, "webhook_url": webhook_url, "email": email, "language": language, "levels": levels}
        )
        document = self._call("POST", "/v2/notifications/opt-in", json=body)
        return NotificationData.from_json(self._changed(document, key="notification"))

    def get_opt_in(self) -> NotificationData | None:
        """GET /v2/notifications/opt-in: return an opt-in or ``None``.

        Airalo does not document which one it returns if there are several.
        """
        return NotificationData.from_json(
            self._changed(self._call("GET", "/v2/notifications/opt-in"), key="notification")
        )

    def opt_out(self, type: NotificationType) -> None:
        """POST /v2/notifications/opt-out."""
        self._changed(self._call("POST", "/v2/notifications/opt-out", json={"type": type}))

    def simulate_webhook(
        self,
        event: Literal["low_data_notification", "credit_limit_notification", "async_order_notification"],
        *,
        type: str | None = None,
        level: int | None = None,
        iccid: str | None = None,
        webhook_url: str | None = None,
    ) -> str:
        """POST /v2/simulator/webhook: make Airalo send a test webhook. Return Airalo's message.

        ``type`` (of low data) is data_75, data_90, expire_1 or expire_3. ``level`` (of the credit limit) is 50, 70, 80
        or 90.
        """
        body = filled({"event": event, "type": type, "level": level, "iccid": iccid, "webhook_url": webhook_url})
        document = self._call("POST", "/v2/simulator/webhook", limits=[self._limits.simulator], json=body)
        self._changed(document, key="success")
        return str(document.get("success", "")) if isinstance(document, dict) else ""
