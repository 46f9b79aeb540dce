"""Endpoints that buy eSIMs, future orders and top-ups, and list what was bought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from django_airalo.client.payloads import AcceptedOrder, FutureOrderData, OrderData, Page, ScheduledOrder
from django_airalo.exceptions import AiraloResponseError

from .base import Endpoints, filled, utc_minute

#: Airalo's limit of future orders in one cancellation.
MAX_CANCELLED = 10


class OrderEndpoints(Endpoints):
    def submit_order_async(
        self, *, package_id: str, quantity: int, description: str = "", **optional: Any
    ) -> AcceptedOrder:
        """POST /v2/orders-async: buy eSIMs, which Airalo delivers later. It is never sent twice.

        Optional: ``brand_settings_name``, ``to_email``, ``sharing_option`` and ``copy_address`` (lists),
        ``webhook_url`` (overrides the URL of the opt-in). Without a ``webhook_url`` or an opt-in Airalo refuses.
        """
        body = filled(
            {
                "package_id": package_id,
                "quantity": quantity,
                "type": "sim",
                "description": description,
                **optional,
            }
        )
        return self._bought(AcceptedOrder.from_json, self._call("POST", "/v2/orders-async", json=body))

    def submit_order(self, *, package_id: str, quantity: int, description: str = "", **optional: Any) -> OrderData:
        """POST /v2/orders: buy eSIMs and wait for them. It is never sent twice.

        Optional: ``brand_settings_name``, ``to_email``, ``sharing_option`` and ``copy_address`` (lists).
        """
        body = filled(
            {
                "package_id": package_id,
                "quantity": quantity,
                "type": "sim",
                "description": description,
                **optional,
            }
        )
        return self._order("/v2/orders", body)

    def submit_topup(self, *, package_id: str, iccid: str, description: str = "") -> OrderData:
        """POST /v2/orders/topups: buy a package for an eSIM and wait for it. It is never sent twice.

        There is no asynchronous endpoint. The response has neither eSIMs nor the ICCID. A recycled eSIM raises
        ``RecycledEsimError``.
        """
        body = filled({"package_id": package_id, "iccid": iccid, "description": description})
        return self._order("/v2/orders/topups", body)

    def _order(self, path: str, body: dict[str, Any]) -> OrderData:
        document = self._call("POST", path, json=body)
        order = OrderData.from_json(document)
        if order.id is None and not order.sims:  # eSIMs prove that it was bought
            self._refuse_purchase(document)
            raise AiraloResponseError(f"The answer to POST {path} has no data.id.", may_have_acted=True)
        return order

    def list_orders(
        self,
        *,
        description: str | None = None,
        code: str | None = None,
        iccid: str | None = None,
        order_status: str | None = None,
        created_at: str | None = None,
        include: Sequence[str] = ("sims", "status"),
        limit: int | None = None,
        page: int | None = None,
    ) -> Page[OrderData]:
        """GET /v2/orders: return one page. ``description``, ``code`` and ``iccid`` match parts of the field (``LIKE``).

        ``order_status`` is a slug (``completed``, ``failed``, ``refunded`` or ``partially_refunded``). ``created_at``
        is a range, such as ``"2026-01-01 - 2026-01-31"``.
        """
        params: dict[str, Any] = {
            "filter[description]": description,
            "filter[code]": code,
            "filter[iccid]": iccid,
            "filter[order_status]": order_status,
            "filter[created_at]": created_at,
            "include": ",".join(include),
            "limit": limit,
            "page": page,
        }
        document = self._call("GET", "/v2/orders", limits=[self._limits.lookups], params=params)
        return self._page(document, OrderData.from_json, page)

    def get_order(self, order_id: int, *, include: Sequence[str] = ("sims", "status")) -> OrderData:
        """GET /v2/orders/{id}, by Airalo's numeric id. Airalo responds to a foreign or unknown id with a 401."""
        document = self._call("GET", f"/v2/orders/{int(order_id)}", params={"include": ",".join(include)})
        return self._object(OrderData.from_json, document)

    # Future orders

    def submit_future_order(
        self, *, package_id: str, quantity: int, due_date: datetime, description: str = "", **optional: Any
    ) -> ScheduledOrder:
        """POST /v2/future-orders: order eSIMs that Airalo delivers at ``due_date``. It is never sent twice.

        ``due_date`` is an aware datetime to the minute, from the day after tomorrow to a year ahead in UTC. Optional:
        ``brand_settings_name``, ``to_email``, ``sharing_option`` and ``copy_address`` (lists), ``webhook_url``. The
        eSIMs are delivered by webhook, like those of ``submit_order_async()``.
        """
        body = filled(
            {
                "package_id": package_id,
                "quantity": quantity,
                "due_date": utc_minute(due_date),
                "description": description,
                **optional,
            }
        )
        return self._bought(ScheduledOrder.from_json, self._call("POST", "/v2/future-orders", json=body))

    def list_future_orders(
        self,
        *,
        status: Literal["pending", "failed", "retry"] | None = None,
        from_due_date: datetime | None = None,
        to_due_date: datetime | None = None,
        limit: int | None = None,
        page: int | None = None,
    ) -> Page[FutureOrderData]:
        """GET /v2/future-orders: return one page of a status, by default ``pending``. Fulfilled ones are not listed."""
        params: dict[str, Any] = {
            "status": status,
            "from_due_date": utc_minute(from_due_date) if from_due_date else None,
            "to_due_date": utc_minute(to_due_date) if to_due_date else None,
            "limit": limit,
            "page": page,
        }
        return self._page(self._call("GET", "/v2/future-orders", params=params), FutureOrderData.from_json, page)

    def cancel_future_orders(self, request_ids: Sequence[str]) -> None:
        """POST /v2/cancel-future-orders: cancel at most ten orders, each at least a day before it is due.

        A refusal names each order by its index (``request_ids.0``). Airalo does not document whether the other orders
        of the call are cancelled then.
        """
        ids = list(request_ids)
        if not 0 < len(ids) <= MAX_CANCELLED:
            raise ValueError(f"A call cancels 1 to {MAX_CANCELLED} future orders, not {len(ids)}.")
        self._changed(self._call("POST", "/v2/cancel-future-orders", json={"request_ids": ids}))
