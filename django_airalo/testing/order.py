"""What the fake Airalo was asked for."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any, Literal

from django_airalo.emulator import EmulatorCore, future
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.ledger import Row
from django_airalo.emulator.messages import Request, Response
from django_airalo.emulator.order_bodies import answer
from django_airalo.emulator.orders import fulfil, new_request_id

Kind = Literal["async", "sync", "topup", "future", "voucher", "refund"]

#: A webhook is sent when the test says so.
SILENT: Fault = Fault(webhook="none")
#: A purchase behind another answer is in no list until the test says so. Seconds.
HIDDEN: Fault = Fault(webhook="none", listing_delay=10.0**9)


class FakeOrder:
    """Something that Airalo was asked for.

    Attributes:
        body: what the client sent.
        kind: ``async``, ``sync``, ``topup``, ``future``, ``voucher`` or ``refund``.
        request_id: Airalo's name for it.
        purchase_id: Airalo's id of the order, once it is bought.
    """

    def __init__(self, core: EmulatorCore, kind: Kind, body: dict[str, Any], request: Request | None = None) -> None:
        self.body: dict[str, Any] = body
        self.kind: Kind = kind
        self.request_id: str = new_request_id()
        self.purchase_id: int | None = None
        self._core = core
        self._request = request
        self._was_carried_out = False

    def __repr__(self) -> str:
        return f"<FakeOrder {self.kind} {self.request_id}>"

    @property
    def description(self) -> str:
        """The reference of our order and the shop's words."""
        return str(self.body.get("description") or "")

    # --- carrying it out ---

    def send(self, fault: Fault = SILENT) -> Response | None:
        """Have Airalo carry it out; return its answer."""
        if self._request is None:
            raise RuntimeError("no request asked for this")
        response = self._core.dispatch(self._request, fault).response
        if response is not None and response.status < 300:
            self._was_carried_out = True
            data = json.loads(response.body).get("data")
            self.note(data if isinstance(data, dict) else {})
        return response

    def note(self, data: dict[str, Any]) -> None:
        """Keep the names that Airalo's answer has for it."""
        self.request_id = data.get("request_id") or data.get("refund_id") or self.request_id
        if self.kind in ("sync", "topup"):
            self.purchase_id = data.get("id")

    def buy(self) -> None:
        """Have Airalo carry it out, whatever the client is answered; in no list before ``fulfil()``.

        Raises:
            AssertionError: if Airalo refuses it.
        """
        if self.bought:
            return
        response = self.send(HIDDEN)
        if response is None or response.status >= 300:
            text = response.body.decode() if response else "no answer"
            raise AssertionError(f"Airalo refuses what was asked for, so that nothing is bought: {text}")

    def fulfil(self, **overrides: Any) -> dict[str, Any]:
        """Have Airalo deliver it, also if it had failed; return it as its answer and its webhook have it.

        Args:
            overrides: fields of Airalo's order from now on, such as ``sims=[]``.

        Raises:
            AssertionError: if Airalo does not sell it.
        """
        self.buy()
        core, ledger = self._core, self._core.ledger
        if self.kind == "future":
            self._process()
        row = self._row()
        if row["status"] == "failed":
            ledger.execute("UPDATE purchases SET status = 'pending' WHERE id = ?", (row["id"],))
        fulfil(core.state, row["id"])
        ledger.execute("UPDATE purchases SET listed_at = ? WHERE id = ?", (time.time(), row["id"]))
        if overrides:
            self.override(**overrides)
        return self.payload or {}

    def _process(self) -> None:
        """Buy a future order now."""
        row = self._future()
        if row is None or row["purchase_id"]:
            return
        self._set_future("pending")
        number = future.process(self._core.state, self.request_id)
        if number is None:
            raise AssertionError("Airalo does not sell this future order any more.")

    def override(self, **fields: Any) -> None:
        """Change what Airalo says of it: the fields of the answer to an order, or of the list of future orders."""
        row = self._purchase()
        if row is not None:
            new_id = self._core.override_order(row["id"], **fields)
            self.purchase_id = new_id if self.kind in ("sync", "topup") else None
        else:
            future.change(self._core.state, self.request_id, fields)

    # --- what became of it ---

    @property
    def bought(self) -> bool:
        """Whether it was carried out. May be set: False takes the purchase back."""
        if self.kind in ("voucher", "refund"):
            return self._was_carried_out
        return self._future() is not None if self.kind == "future" else self._purchase() is not None

    @bought.setter
    def bought(self, bought: bool) -> None:
        if bought:
            self.buy()
            return
        row, ledger = self._purchase(), self._core.ledger
        with ledger.transaction():
            ledger.execute("DELETE FROM future_orders WHERE request_id = ?", (self.request_id,))
            if row is not None:
                self._core.ledger.balance += Decimal(row["price"])
                ledger.execute("DELETE FROM esims WHERE purchase_id = ?", (row["id"],))
                ledger.execute("DELETE FROM esim_packages WHERE purchase_id = ?", (row["id"],))
                ledger.execute("DELETE FROM purchases WHERE id = ?", (row["id"],))

    @property
    def payload(self) -> dict[str, Any] | None:
        """The order as its answer and its webhook have it, once it is fulfilled."""
        row = self._purchase()
        if row is None or row["status"] in ("pending", "failed"):
            return None
        return answer(self._core.state, row, row["fulfilled_at"])

    @property
    def failed(self) -> bool:
        """Whether Airalo could not deliver it. May be set."""
        row = self._purchase() or self._future()
        return row is not None and row["status"] == "failed"

    @failed.setter
    def failed(self, failed: bool) -> None:
        row, ledger = self._purchase(), self._core.ledger
        if row is None:
            self._set_future("failed" if failed else "pending")
        elif failed and row["status"] != "failed":
            ledger.balance += Decimal(row["price"])
            ledger.execute("UPDATE purchases SET status = 'failed', price = '0.00' WHERE id = ?", (row["id"],))
        elif not failed:
            ledger.execute("UPDATE purchases SET status = 'pending' WHERE id = ?", (row["id"],))

    @property
    def cancelled(self) -> bool:
        """Whether a future order was cancelled. May be set."""
        row = self._future()
        return row is not None and row["status"] == "cancelled"

    @cancelled.setter
    def cancelled(self, cancelled: bool) -> None:
        if cancelled != self.cancelled:
            self._set_future("cancelled" if cancelled else "pending")

    def _set_future(self, status: str) -> None:
        sql = "UPDATE future_orders SET status = ? WHERE request_id = ?"
        self._core.ledger.execute(sql, (status, self.request_id))

    def _future(self) -> Row | None:
        return future.find(self._core.state, self.request_id) if self.kind == "future" else None

    def _purchase(self) -> Row | None:
        if self.purchase_id is not None:
            return self._core.ledger.row("SELECT * FROM purchases WHERE id = ?", (self.purchase_id,))
        return self._core.ledger.row("SELECT * FROM purchases WHERE request_id = ?", (self.request_id,))

    def _row(self) -> Row:
        row = self._purchase()
        if row is None:
            raise AssertionError(f"Airalo has no order for {self!r}")
        return row
