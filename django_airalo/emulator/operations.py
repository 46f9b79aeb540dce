"""What a test or a demonstration reads of the emulator and does in Airalo's stead, beside the imitated API."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

from . import order_overrides, refunds, usage, webhooks
from .errors import ApiError
from .esims import change_code, find_esim
from .faults import Fault
from .ledger import Ledger, Row
from .orders import fulfil, webhook_body
from .state import EmulatorState

#: Field of a use: ending of its keyword.
USE = {"data": "", "voice": "_voice", "text": "_text"}


class Operations:
    """The ledger's rows, and what Airalo or a traveller does. May be called from any thread."""

    @property
    def state(self) -> EmulatorState:
        """What the handlers share."""
        raise NotImplementedError

    # --- reading the ledger ---

    @property
    def ledger(self) -> Ledger:
        """The ledger itself."""
        return self.state.ledger

    def purchases(self, description: str | None = None) -> list[Row]:
        """Return what was bought, oldest first; with ``description``, those whose description contains it."""
        rows = self.ledger.table("purchases")
        return [row for row in rows if description is None or description in (row["description"] or "")]

    def esims(self, purchase_id: int | None = None) -> list[Row]:
        """Return the eSIMs delivered, of one purchase or of all."""
        return [row for row in self.ledger.table("esims") if purchase_id in (None, row["purchase_id"])]

    def future_orders(self) -> list[Row]:
        """Return the future orders: status pending, failed, retry, processed (with its purchase_id) or cancelled."""
        return self.ledger.table("future_orders")

    def refunds(self) -> list[Row]:
        """Return the refunds requested: status requested, approved or refused."""
        return self.ledger.table("refunds")

    def vouchers(self) -> list[Row]:
        """Return the vouchers made: kind esim or airmoney, and what each cost."""
        return self.ledger.table("vouchers")

    def delivery_attempts(self, purchase_id: int | None = None) -> list[Row]:
        """Return every attempt to deliver a webhook: url, body (bytes), status (None: no answer), error."""
        rows = self.ledger.table("delivery_attempts")
        return [row for row in rows if purchase_id in (None, row["purchase_id"])]

    def webhooks(self) -> list[Row]:
        """Return the webhooks queued, delivered or given up, with their number of tries."""
        return self.ledger.table("webhooks")

    def requests(self, endpoint: str | None = None) -> list[Row]:
        """Return the calls seen, of one endpoint or of all; a status of None means the connection was closed."""
        return [row for row in self.ledger.table("requests") if endpoint in (None, row["endpoint"])]

    # --- account and catalogue ---

    @property
    def balance(self) -> Decimal:
        """What the partner has left, in US dollars; may be set. Levels of used credit count from what was set."""
        return self.ledger.balance

    @balance.setter
    def balance(self, amount: Decimal | float | str) -> None:
        self.ledger.balance = Decimal(str(amount))
        self.ledger.set_value("credit", str(self.ledger.balance))

    def revoke_tokens(self) -> None:
        """Make every access token issued so far invalid."""
        self.ledger.revoke_tokens()

    def set_stock(self, package_id: str, quantity: int | None) -> None:
        """Limit how many eSIMs of a package are left; None lifts the limit."""
        with self.ledger.transaction():
            self.ledger.execute("DELETE FROM stock WHERE package_id = ?", (package_id,))
            if quantity is not None:
                self.ledger.insert("stock", package_id=package_id, quantity=int(quantity))

    def withdraw(self, package_id: str, withdrawn: bool = True) -> None:
        """Take a package out of the catalogue (an order is refused with code 34, a top-up with 23), or put it back."""
        state = self.state
        if package_id not in state.catalogue.packages and package_id not in state.catalogue.topups:
            raise ValueError(f"there is no package {package_id}")
        (state.withdrawn.add if withdrawn else state.withdrawn.discard)(package_id)

    # --- orders ---

    def make_due(self, request_id: str | None = None) -> int:
        """Let a pending future order, or all of them, be due now; return how many that were."""
        now, found = time.time(), "status = 'pending' AND due_at > ? AND (? = '' OR request_id = ?)"
        values = (now, request_id or "", request_id or "")
        with self.ledger.transaction():
            rows = self.ledger.rows(f"SELECT request_id FROM future_orders WHERE {found}", values)
            self.ledger.execute(f"UPDATE future_orders SET due_at = ? WHERE {found}", (now, *values))
        if request_id and not rows:
            raise ValueError(f"there is no pending future order {request_id}")
        self.state.deliverer.wake()
        return len(rows)

    def override_order(self, order: int | str, **fields: Any) -> int:
        """Override what is answered of an order from now on, such as ``description`` or ``sims``; return its id.

        Args:
            order: an order id, code, request_id or description.
            fields: those of the answer to the order, in the form that they have there.
        """
        return order_overrides.override(self.state, self._order(order), fields)

    def push(
        self,
        order: int | str,
        *,
        kind: str = "success",
        shape: str | None = None,
        url: str | None = None,
        secret: str | None = None,
        **failure: Any,
    ) -> int | None:
        """Send an order's webhook now and return the status it was answered with (None: no answer).

        Args:
            order: an order id, code, request_id or description. A pending order is fulfilled first.
            kind: ``success``, ``failure``, or ``again``: the bytes of its first webhook, whatever has changed since.
            shape: ``enveloped``, ``flat`` or ``nested``.
            url: another address than the order's.
            secret: another key for the signature; empty leaves it out.
            failure: the ``failure_…`` fields of a fault.
        """
        if kind not in ("success", "failure", "again"):
            raise ValueError("kind must be success, failure or again")
        row = self._order(order)
        if kind == "success":
            fulfil(self.state, row["id"])
        address = url or row["webhook_url"]
        if not address:
            raise ValueError("the order has no webhook_url; give one as url")
        if kind == "again":
            sent = self.ledger.row("SELECT kind, body FROM webhooks WHERE purchase_id = ? ORDER BY id", (row["id"],))
            if sent is None:
                raise ValueError(f"no webhook of order {order} was sent yet")
            kind, body = sent["kind"], sent["body"]
        else:
            body = webhook_body(self.state, row["id"], kind, Fault.parse(failure), shape)
        return webhooks.send(self.state, address, body, kind, row["id"], secret=secret)

    def _order(self, order: int | str) -> Row:
        row = self.ledger.row(
            "SELECT * FROM purchases WHERE id = ? OR code = ? OR request_id = ? OR description = ?", (order,) * 4
        )
        if row is None:
            raise ValueError(f"there is no order {order}")
        return row

    def resolve_refund(self, refund_id: str, approved: bool = True) -> None:
        """Decide about a refund, as Airalo's staff do; an approved one is given back as credit."""
        refunds.resolve(self.state, refund_id, approved)

    # --- eSIMs ---

    def use(self, iccid: str, data: int = 0, voice: int = 0, text: int = 0) -> Row:
        """Use so many megabytes, minutes and messages of an eSIM; return its usage.

        The first use activates the eSIM, even one of nothing.
        """
        return self.set_usage(iccid, use=data, use_voice=voice, use_text=text, activate=True)

    def age(self, iccid: str, days: float) -> Row:
        """Let days pass for an active eSIM; return its usage."""
        return self.set_usage(iccid, age=days)

    def set_usage(self, iccid: str, **changes: Any) -> Row:
        """Override what is answered of the usage of an eSIM, such as ``status="EXPIRED"``; return its usage.

        ``override=None`` takes all overrides back. ``use`` (MB), ``use_voice`` and ``use_text`` use it, ``age`` lets
        so many days pass.
        """
        esim = self._esim(iccid)
        steps = {name: int(changes.pop(f"use{suffix}", 0)) for name, suffix in USE.items()}
        used = changes.pop("activate", False) or any(steps.values())
        days = float(changes.pop("age", 0))
        unknown = set(changes) - {*usage.SETTABLE, "override"}
        if unknown:
            raise ValueError(f"usage has no {', '.join(sorted(unknown))}")
        if changes.get("status") not in (None, *usage.STATUSES):
            raise ValueError(f"status must be one of {', '.join(usage.STATUSES)}")
        with self.ledger.transaction():
            if used:
                usage.use(self.state, esim, **steps)
            if days:
                usage.age(self.state, esim, days)
            override = {} if changes.pop("override", "") is None else json.loads(esim["usage"] or "{}")
            kept = json.dumps(override | changes)
            self.ledger.execute("UPDATE esims SET usage = ? WHERE id = ?", (kept, esim["id"]))
        self.state.usage_cache.pop(iccid, None)
        self.state.deliverer.wake()
        return usage.report(self.state, self._esim(iccid))

    def topup_elsewhere(self, iccid: str, package_id: str) -> Row:
        """Top an eSIM up as its traveller does in Airalo's own app, unseen by the shop; return its usage."""
        usage.topup_elsewhere(self.state, self._esim(iccid), package_id)
        return usage.report(self.state, self._esim(iccid))

    def recycle(self, iccid: str, recycled: bool = True) -> None:
        """Recycle an eSIM, as Airalo does with those long unused: it cannot be used or topped up. Or take that back."""
        at = time.time() if recycled else None
        self.ledger.execute("UPDATE esims SET recycled_at = ? WHERE id = ?", (at, self._esim(iccid)["id"]))
        self.state.usage_cache.pop(iccid, None)

    def change_code(self, iccid: str) -> Row:
        """Give an eSIM another activation code; return it as GET /v2/sims/{iccid} has it from now on."""
        return change_code(self.state, self._esim(iccid))

    def _esim(self, iccid: str) -> Row:
        try:
            return find_esim(self.state, iccid)
        except ApiError:
            raise ValueError(f"there is no eSIM {iccid}") from None

    # --- all ---

    def reset(self, balance: Decimal | float | str | None = None) -> None:
        """Forget everything but tokens and options; the balance is what it was at the start, or ``balance``."""
        self.ledger.reset()
        self.state.faults.clear()
        self.state.limits.reset()
        self.state.withdrawn.clear()
        self.state.usage_cache.clear()
        self.balance = self.state.options.balance if balance is None else balance
