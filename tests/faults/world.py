"""A shop, its Airalo and its processes, for one test."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from django.db import connections

from django_airalo.conf import Settings
from django_airalo.emulator import Emulator
from django_airalo.models import EsimOrder
from django_airalo.testing import sign_webhook
from tests.ports import free_port
from tests.waiting import wait_until

from .databases import CACHE_OPTIONS, Database, sqlite_config
from .ledgers import AiraloLedger, ShopLedger, judge
from .processes import Process, Zygote, start_afresh
from .shop.verbs import PACKAGE

ALIAS = "faults"
#: Waits are so short that a test need not wait; what gives up on something is so long that a busy machine does not run
#: into it by itself. A test of a time-out sets its own, and ``end_lease`` saves waiting for the end of a lease.
QUICK = {
    "AIRALO_CONNECT_TIMEOUT": 10,
    "AIRALO_READ_TIMEOUT": 30,
    "AIRALO_LOOKUP_DELAYS": [0.2, 0.3, 0.5],
    "AIRALO_UNCONFIRMED_GRACE": 0.5,
    "AIRALO_RATE_LIMITS": {"lookups": "700/min"},
}
#: The same of what is no setting.
QUICK_CONSTANTS = {
    "submit_lease": 150,
    "RETRY_DELAYS": [0.2, 0.4],
    "BREAKER_DELAYS": [0.2],
    "signal_lease": 1,
    "BALANCE_INTERVAL": 0.5,
    "FUTURE_ORDER_INTERVAL": 0.3,
}


class World:
    """What a test sets going and looks at."""

    def __init__(
        self, directory: Path, database: Database, cache: Path, emulator: Emulator, zygote: Zygote, **settings: Any
    ) -> None:
        self.directory = directory
        self.database = database
        self.emulator = emulator
        self.port = free_port()
        self.webhook_url = f"http://127.0.0.1:{self.port}/airalo/webhook/"
        self.flag = directory / "trouble"
        self.config: dict[str, Any] = {
            "database": database.config(),
            "cache": sqlite_config(cache, CACHE_OPTIONS),
            "trouble": {"while": str(self.flag)},
            "settings": {
                "AIRALO_BASE_URL": emulator.url,
                "AIRALO_CLIENT_ID": emulator.client_id,
                "AIRALO_CLIENT_SECRET": emulator.client_secret,
                "AIRALO_WEBHOOK_URL": self.webhook_url,
                **QUICK,
                **settings,
            },
            "constants": dict(QUICK_CONSTANTS),
        }
        self.signed: set[str] = set()
        self._zygote = zygote
        self._processes: list[Process] = []

    # --- processes ---

    def set(self, **settings: Any) -> None:
        """Change settings, for the processes started from now on."""
        unknown = [name for name in settings if not isinstance(vars(Settings).get(name), property)]
        assert not unknown, f"{unknown} are no settings: see set_constants()"
        self.config["settings"].update({f"AIRALO_{name}": value for name, value in settings.items()})

    def set_constants(self, **constants: Any) -> None:
        """Change what is no setting, for the processes started from now on."""
        unknown = [name for name in constants if not hasattr(Settings, name)]
        assert not unknown, f"{unknown} are no constants"
        self.config["constants"].update(constants)

    def start(self, *arguments: Any, **config: Any) -> Process:
        """Start a process that runs a verb of ``shop.verbs``."""
        name = f"{len(self._processes)}-{arguments[0]}"
        process = self._zygote.start(self.directory, {**self.config, **config}, name, *arguments)
        self._processes.append(process)
        return process

    def start_afresh(self, *arguments: Any, **how: Any) -> Process:
        """The same, in a new interpreter; see ``processes.start_afresh``."""
        name = f"{len(self._processes)}-afresh"
        process = start_afresh(self.directory, self.config, name, *arguments, **how)
        self._processes.append(process)
        return process

    def run(self, *arguments: Any, **config: Any) -> str:
        """Run a verb to its end and return what it printed."""
        process = self.start(*arguments, **config)
        assert process.wait() == 0, process.errors()
        return process.output()

    def serve(self, **config: Any) -> Process:
        """Start the webhook server and wait until it answers."""
        process = self.start("serve", self.port, **config)
        wait_until(self._answers, lambda: f"a webhook server: {process.errors()}")
        return process

    def _answers(self) -> bool:
        try:
            return requests.head(self.webhook_url, timeout=60).status_code == 200
        except requests.ConnectionError:
            return False

    def sweeper(self) -> Process:
        """Start a process that sweeps all the time."""
        return self.start("sweep", 0.1)

    def at_once(self, *calls: tuple[str, int]) -> list[str]:
        """Call services with orders at the same moment, each in a process of its own; what they printed."""
        start_file = self.directory / f"go-{len(self._processes)}"
        processes = [self.start("call", name, pk, start_file) for name, pk in calls]
        self.wait_ready(*processes)
        start_file.touch()
        assert [process.wait() for process in processes] == [0] * len(processes), self.logs()
        return [process.output().split()[-1] for process in processes]

    def wait_ready(self, *processes: Process) -> None:
        """Wait until processes that say so have begun."""
        for process in processes:
            wait_until(lambda process=process: "ready" in process.output(), process.errors)

    def stop_all(self) -> None:
        """Kill whatever runs."""
        for process in self._processes:
            process.kill()

    # --- the shop ---

    def place(self, count: int = 1, *, how: str = "", backend: str = "", **content: Any) -> list[int]:
        """Place orders in a process of the shop; their primary keys. It also submits them, without a ``backend``."""
        content = {"package_id": PACKAGE, **content}
        return list(json.loads(self.run("place", json.dumps([content] * count), how, backend=backend)))

    def place_only(self, count: int = 1, **content: Any) -> list[int]:
        """Place orders whose task is lost, so that they are still to be submitted."""
        content = {"package_id": PACKAGE, **content}
        return list(json.loads(self.run("place", json.dumps([content] * count), backend="BrokerAway")))

    def order(self, pk: int) -> EsimOrder:
        """An order as it is in the database now."""
        return EsimOrder.objects.using(ALIAS).get(pk=pk)

    def wait_status(self, pk: int, *statuses: str) -> EsimOrder:
        """Wait until an order has one of these statuses."""
        wait_until(lambda: self.order(pk).status in statuses, lambda: f"{self.order(pk).status}; {self.logs()}")
        return self.order(pk)

    def end_lease(self, pk: int) -> None:
        """The lease of an order that is being sent is over, as if its time had passed."""
        orders = EsimOrder.objects.using(ALIAS).filter(pk=pk, status="submitting")
        assert orders.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))

    def hurry(self, status: str = "scheduled") -> None:
        """The orders of this status are due, as if their time had passed."""
        orders = EsimOrder.objects.using(ALIAS).filter(status=status)
        orders.update(due_at=datetime(2020, 1, 1, tzinfo=UTC))

    def wait_call(self, endpoint: str, count: int = 1) -> None:
        """Wait until Airalo has seen so many requests of an endpoint."""
        wait_until(lambda: len(self.emulator.requests(endpoint)) >= count, f"{count} requests of {endpoint}")

    def wait_bought(self, count: int = 1) -> None:
        """Wait until Airalo has sold so many orders."""
        wait_until(lambda: len(self.emulator.purchases()) >= count, f"{count} purchases")

    # --- webhooks ---

    def post(self, body: bytes, signature: str | None = None, **headers: str) -> int:
        """Send a webhook; by default signed with the shop's secret. Returns the status."""
        if signature is None:
            signature = sign_webhook(body, self.emulator.client_secret)
            self.signed.add(hashlib.sha256(body).hexdigest())
        if signature:
            headers["airalo-signature"] = signature
        return requests.post(
            self.webhook_url, data=body, headers={"Content-Type": "application/json", **headers}, timeout=60
        ).status_code

    def push(self, order: int | str, **how: Any) -> int | None:
        """Have Airalo send a signed webhook now."""
        status = self.emulator.push(order, url=how.pop("url", self.webhook_url), **how)
        self.signed.add(hashlib.sha256(self.emulator.delivery_attempts()[-1]["body"]).hexdigest())
        return status

    # --- the laws ---

    def read(self) -> ShopLedger:
        """The shop's ledger."""
        return ShopLedger.read(ALIAS)

    def airalo(self) -> AiraloLedger:
        """Airalo's ledger."""
        return AiraloLedger.read(self.emulator.ledger.table)

    def laws(
        self,
        expected: dict[str, int],
        *,
        waiting: Iterable[str] = (),
        except_for: Iterable[str] = (),
        seconds: float = 90,
    ) -> ShopLedger:
        """Sweep until everything has settled, then compare the ledgers.

        Args:
            expected: how many orders there are of each status in the end.
            waiting: statuses that are no passing state in this test.
            except_for: findings of the verdict that the fault itself brings about; they must be there.
        """
        sweeper = self.sweeper()
        end = time.monotonic() + seconds
        shop = self.read()
        while time.monotonic() < end and not self._settled(shop, expected):
            time.sleep(0.1)
            shop = self.read()
        self.emulator.wait_idle()  # what Airalo still means to deliver counts, too
        sweeper.kill()
        shop = self.read()
        resubmits = self.config["settings"].get("AIRALO_UNCONFIRMED_POLICY") == "resubmit"
        verdict = judge(shop, self.airalo(), signed=self.signed, waiting=waiting, resubmits=resubmits)
        broken = verdict.broken()
        missing = set(except_for) - set(broken)
        unforeseen = {name: found for name, found in broken.items() if name not in except_for}
        assert shop.statuses() == expected, f"{shop.statuses()}\n{self.logs()}"
        assert not unforeseen, f"{unforeseen}\n{self.logs()}"
        assert not missing, f"not found: {missing}"
        return shop

    def _settled(self, shop: ShopLedger, expected: dict[str, int]) -> bool:
        return (
            shop.statuses() == expected
            and all(event["signal_due_at"] is None for event in (*shop.events, *shop.changes))
            and all(order["attention"] for order in shop.orders if order["status"] == "unconfirmed")
            and not any(order["in_doubt_until"] for order in shop.orders if order["status"] == "completed")
            and all(webhook["status"] != "received" for webhook in shop.webhooks)
        )

    def logs(self) -> str:
        """What the processes wrote to standard error."""
        return "\n".join(f"--- {process.name}\n{process.errors()[-4000:]}" for process in self._processes)


def connect(config: dict[str, Any]) -> None:
    """Let this process read the shop's database as ``ALIAS``."""
    connections.settings[ALIAS] = connections.configure_settings({"default": config})["default"]


def disconnect() -> None:
    """Forget it again."""
    connections[ALIAS].close()
    del connections[ALIAS]
    del connections.settings[ALIAS]
