"""The emulator as an object: start it in a thread, make things go wrong, read its ledger."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import control
from .courier import Courier, local_address
from .faults import FaultBook
from .ledger import Ledger, Row
from .limits import RateLimits
from .options import Options
from .refunds import settle
from .server import Server, tls_context
from .world import World


class PortTakenError(Exception):
    """The port cannot be listened on. The text is one line for a person."""


class Emulator:
    """A running stand-in for Airalo's Partner API.

    ::

        with Emulator(webhook_delay=0) as emulator:
            settings.AIRALO_BASE_URL = emulator.url
            ...
            assert len(emulator.purchases()) == 1

    Keywords are the fields of ``Options``. Everything may be called from any thread.
    """

    def __init__(self, options: Options | None = None, *, script: Path | str | None = None, **keywords: Any) -> None:
        self.options = replace(options, **keywords) if options else Options(**keywords)
        faults = FaultBook(self.options.fault_rate, self.options.seed)
        if script:
            faults.load(script)
        self._faults = faults
        self._script = script
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._world: World | None = None

    # --- life ---

    def start(self) -> Self:
        """Open the ledger, listen, and take up what was pending. Raises PortTakenError if the port is busy.

        Also ValueError for a ledger that knows packages of another seed.
        """
        options = self.options
        tls = tls_context(options.tls_certificate, options.tls_key)
        ledger = Ledger(options.ledger, options.balance)
        made_with = ledger.first_value("seed", str(options.seed))
        if made_with != str(options.seed):
            ledger.close()
            raise ValueError(
                f"The ledger {options.ledger} was made with the catalogue of seed {made_with}, not {options.seed}."
            )
        world = World(options, ledger, self._faults, RateLimits(options))
        try:
            self._server = Server((options.host, options.port), world, tls)
        except (OSError, OverflowError) as error:
            ledger.close()
            reason = getattr(error, "strerror", None) or error
            raise PortTakenError(f"Cannot listen on {options.host}:{options.port}: {reason}.") from error
        world.courier = Courier(world)
        self._world = world
        world.courier.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="airalo-emulator", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and delivering, and close the ledger. Harmless when not running."""
        if self._server is None or self._thread is None:
            return
        self.world.stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()
        self.world.courier.stop()
        self.world.ledger.close()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def world(self) -> World:
        """What the handlers share. Raises RuntimeError before the start."""
        if self._world is None:
            raise RuntimeError("the emulator was not started")
        return self._world

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._server is None:
            raise RuntimeError("the emulator is not running")
        return self._server.server_port

    @property
    def url(self) -> str:
        """The address in place of ``https://partners-api.airalo.com``: no path, no slash at the end."""
        scheme = "https" if self.options.tls_certificate else "http"
        return local_address(scheme, self.options.host, self.port)

    @property
    def client_id(self) -> str:
        """The partner's client id."""
        return self.options.client_id

    @property
    def client_secret(self) -> str:
        """The partner's client secret; also the key of webhook signatures."""
        return self.options.client_secret

    # --- faults ---

    def script(self, rules: list[dict[str, Any]]) -> None:
        """Add rules, as in a script file. Raises ValueError if one is not understood; then none is added."""
        self._faults.add(rules)

    def fault(self, do: str | dict[str, Any], endpoint: str | None = None, **rule: Any) -> None:
        """Add one rule: what goes wrong (a preset's name or a dict), and with which calls; once unless ``times``."""
        self._faults.add([{"do": do, "endpoint": endpoint, **rule}])

    def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    # --- reading the ledger ---

    @property
    def ledger(self) -> Ledger:
        """The ledger itself."""
        return self.world.ledger

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
        """Return the refunds asked for: status asked, approved or refused."""
        return self.ledger.table("refunds")

    def vouchers(self) -> list[Row]:
        """Return the vouchers made: kind esim or airmoney, and what each cost."""
        return self.ledger.table("vouchers")

    def pushes(self, purchase_id: int | None = None) -> list[Row]:
        """Return every try to deliver a webhook: url, body (bytes), status (None: no answer), error."""
        return [row for row in self.ledger.table("pushes") if purchase_id in (None, row["purchase_id"])]

    def webhooks(self) -> list[Row]:
        """Return the webhooks queued, delivered or given up, with their number of tries."""
        return self.ledger.table("webhooks")

    def requests(self, endpoint: str | None = None) -> list[Row]:
        """Return the calls seen, of one endpoint or of all; a status of None means the connection was closed."""
        return [row for row in self.ledger.table("requests") if endpoint in (None, row["endpoint"])]

    @property
    def balance(self) -> Decimal:
        """What the partner has left, in US dollars; may be set."""
        return self.ledger.balance

    @balance.setter
    def balance(self, amount: Decimal | int | str) -> None:
        control.set_balance(self.world, amount)

    # --- changing the world ---

    def revoke_tokens(self) -> None:
        """Make every access token issued so far invalid."""
        self.ledger.revoke_tokens()

    def set_stock(self, package_id: str, quantity: int | None) -> None:
        """Limit how many eSIMs of a package are left; None lifts the limit."""
        control.set_stock(self.world, package_id, quantity)

    def withdraw(self, package_id: str, withdrawn: bool = True) -> None:
        """Take a package out of the catalogue, or put it back."""
        control.withdraw(self.world, package_id, withdrawn)

    def make_due(self, request_id: str | None = None) -> int:
        """Let a pending future order, or all of them, be due now; return how many that were."""
        return control.make_due(self.world, request_id)

    def settle_refund(self, refund_id: str, approved: bool = True) -> None:
        """Decide about a refund, as a person at Airalo does; an approved one is given back as credit."""
        settle(self.world, refund_id, approved)

    def use(self, iccid: str, data: int = 0, voice: int = 0, text: int = 0) -> Row:
        """Use so many megabytes, minutes and messages of an eSIM; return its usage.

        The first use activates the eSIM, even one of nothing.
        """
        return control.set_usage(self.world, iccid, use=data, use_voice=voice, use_text=text, activate=True)

    def age(self, iccid: str, days: float) -> Row:
        """Let days pass for an active eSIM; return its usage."""
        return control.set_usage(self.world, iccid, age=days)

    def set_usage(self, iccid: str, **told: Any) -> Row:
        """Say what the usage of an eSIM is told to be, such as ``status="EXPIRED"``; return its usage."""
        return control.set_usage(self.world, iccid, **told)

    def recycle(self, iccid: str, recycled: bool = True) -> None:
        """Recycle an eSIM: it can no longer be used or topped up."""
        control.recycle(self.world, iccid, recycled)

    def push(self, order: int | str, **how: Any) -> int | None:
        """Send an order's webhook now and return the status it was answered with (None: no answer).

        ``order`` is an order id, code, request_id or description; ``how`` may have kind ("success",
        "failure"), shape, url, secret (another key; empty: unsigned) and the failure_… fields of a fault.
        """
        return control.push(self.world, order=order, **how)

    def reset(self) -> None:
        """Forget everything but tokens and options; the balance is what it was at the start."""
        control.reset(self.world)

    def wait_idle(self, timeout: float = 10.0) -> bool:
        """Wait until every order is fulfilled and every webhook was tried once; False if time ran out."""
        end = time.monotonic() + timeout
        while not self.world.courier.idle():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True
