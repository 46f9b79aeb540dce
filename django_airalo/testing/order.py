"""What the fake Airalo was asked for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Literal

from .payloads import order_payload

Kind = Literal["async", "sync", "topup", "future", "voucher", "refund"]


@dataclass
class FakeOrder:
    """Something that Airalo was asked for.

    Attributes:
        kind: ``async``, ``sync``, ``topup``, ``future``, ``voucher`` or ``refund``.
        body: what the client sent.
        request_id: Airalo's name for it.
        bought: whether it was carried out.
        payload: the order as Airalo lists it, once it is fulfilled.
        failed: whether ``fail()`` was called for it.
        cancelled: whether a future order was cancelled.
    """

    body: dict[str, Any]
    kind: Kind = "async"
    request_id: str = field(default_factory=lambda: secrets.token_hex(13)[:25])
    bought: bool = False
    payload: dict[str, Any] | None = None
    failed: bool = False
    cancelled: bool = False

    @property
    def description(self) -> str:
        """The reference of our order and the shop's words."""
        return str(self.body.get("description", ""))

    def fulfil(self, **overrides: Any) -> dict[str, Any]:
        """The order as Airalo lists it from now on. ``overrides`` change it."""
        values: dict[str, Any] = {"package_id": self.body["package_id"], "description": self.description}
        if self.kind == "topup":
            values |= {"type": "topup", "sims": None, "quantity": 1}
        else:
            values["quantity"] = int(self.body.get("quantity", 1))
        if self.payload is None or overrides:
            self.payload = order_payload(**{**values, **overrides})
            if self.payload["sims"] is None:
                del self.payload["sims"]
        return self.payload
