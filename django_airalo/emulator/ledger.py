"""What the emulator remembers: its own SQLite file, written before any answer leaves.

The ledger is the judge in tests about money: one row of ``purchases`` is one purchase that Airalo would bill.
A file ledger survives ``kill -9``: it is in WAL mode and every change is committed at once (against the loss of
the machine's power it is not made).
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

VERSION = 4  # of the tables below; a ledger is not carried over from one to another
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, remote TEXT, method TEXT NOT NULL, path TEXT NOT NULL,
    endpoint TEXT NOT NULL, call INTEGER NOT NULL, body TEXT NOT NULL, description TEXT, fault TEXT, status INTEGER
);
CREATE INDEX IF NOT EXISTS requests_call ON requests (endpoint, call);
CREATE INDEX IF NOT EXISTS requests_description ON requests (description) WHERE description IS NOT NULL;
CREATE TABLE IF NOT EXISTS tokens (
    token TEXT PRIMARY KEY, issued_at REAL NOT NULL, expires_at REAL NOT NULL, revoked_at REAL
);
CREATE TABLE IF NOT EXISTS optins (
    type TEXT PRIMARY KEY, contact_point TEXT NOT NULL, levels TEXT, language TEXT, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS stock (package_id TEXT PRIMARY KEY, quantity INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS purchases (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, request_id TEXT UNIQUE, description TEXT,
    package_id TEXT NOT NULL, quantity INTEGER NOT NULL, price TEXT NOT NULL, created_at REAL NOT NULL,
    due_at REAL NOT NULL, fulfilled_at REAL, listed_at REAL, status TEXT NOT NULL, webhook_url TEXT, brand TEXT,
    plan TEXT NOT NULL, type TEXT NOT NULL DEFAULT 'sim', iccid TEXT, share TEXT,
    override TEXT
);
CREATE INDEX IF NOT EXISTS purchases_due ON purchases (status, due_at);
CREATE INDEX IF NOT EXISTS purchases_description ON purchases (description);
CREATE TABLE IF NOT EXISTS esims (
    id INTEGER PRIMARY KEY, purchase_id INTEGER NOT NULL, iccid TEXT, matching_id TEXT NOT NULL, body TEXT NOT NULL,
    shown_at REAL, sims_at REAL, later TEXT, later_at REAL, later_in TEXT,
    brand TEXT, recycled_at REAL, data_used INTEGER NOT NULL DEFAULT 0, voice_used INTEGER NOT NULL DEFAULT 0,
    text_used INTEGER NOT NULL DEFAULT 0, usage TEXT
);
CREATE INDEX IF NOT EXISTS esims_purchase ON esims (purchase_id);
CREATE INDEX IF NOT EXISTS esims_iccid ON esims (iccid);
CREATE TABLE IF NOT EXISTS esim_packages (
    id INTEGER PRIMARY KEY, iccid TEXT NOT NULL, purchase_id INTEGER NOT NULL, package_id TEXT NOT NULL,
    activated_at REAL, expired_at REAL, finished_at REAL
);
CREATE INDEX IF NOT EXISTS esim_packages_iccid ON esim_packages (iccid);
CREATE TABLE IF NOT EXISTS future_orders (
    request_id TEXT PRIMARY KEY, package_id TEXT NOT NULL, quantity INTEGER NOT NULL, description TEXT,
    due_at REAL NOT NULL, status TEXT NOT NULL, webhook_url TEXT, brand TEXT, share TEXT, plan TEXT NOT NULL,
    purchase_id INTEGER
);
CREATE INDEX IF NOT EXISTS future_orders_due ON future_orders (status, due_at);
CREATE TABLE IF NOT EXISTS refunds (
    id INTEGER PRIMARY KEY, iccids TEXT NOT NULL, reason TEXT NOT NULL, notes TEXT, email TEXT, at REAL NOT NULL,
    status TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS vouchers (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, code TEXT NOT NULL UNIQUE, package_id TEXT, booking_reference TEXT,
    amount TEXT, usage_limit INTEGER, is_paid INTEGER, price TEXT NOT NULL, at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY, purchase_id INTEGER, kind TEXT NOT NULL, url TEXT NOT NULL, body BLOB NOT NULL,
    due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL, after_id INTEGER,
    held INTEGER, held_until REAL
);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (state, due_at);
CREATE TABLE IF NOT EXISTS delivery_attempts (
    id INTEGER PRIMARY KEY, webhook_id INTEGER, purchase_id INTEGER, at REAL NOT NULL, kind TEXT NOT NULL,
    url TEXT NOT NULL, body BLOB NOT NULL, status INTEGER, error TEXT
);
"""
TABLES = (
    *("requests", "tokens", "optins", "stock", "purchases", "esims", "esim_packages", "future_orders"),
    *("refunds", "vouchers", "webhooks", "delivery_attempts"),
)

Row = dict[str, Any]


def _new_iccid_prefix() -> str:
    return f"8900{secrets.randbelow(10**8):08d}"


class LedgerClosedError(Exception):
    """Something wrote after the emulator had stopped."""


class Ledger:
    """A thread-safe SQLite file (or memory, when ``path`` is None) with a few named queries."""

    def __init__(self, path: Path | str | None = None, balance: Decimal = Decimal("10000.00")) -> None:
        self.path: Path | None = Path(path) if path is not None else None
        self._lock = threading.RLock()
        self._depth = 0
        self._closed = False
        self._connection = sqlite3.connect(
            str(self.path) if self.path else ":memory:", isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA busy_timeout = 5000")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._check_version()
        self._connection.executescript(SCHEMA)
        # Two emulators must never hand out the same order id or ICCID, because a shop keeps
        # both: each new ledger starts its numbers somewhere else.
        self.first_value("balance", str(balance))
        self.first_value("credit", str(balance))
        self.first_value("first_order_id", str(100_000 + secrets.randbelow(800_000)))
        self.first_value("iccid_prefix", _new_iccid_prefix())

    def _check_version(self) -> None:
        """Raise ValueError for a file whose tables are not these."""
        (used,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if used and version != VERSION:
            self._connection.close()
            raise ValueError(f"The ledger {self.path} was made by another version of the emulator; take a new file.")
        self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file; later calls raise LedgerClosedError."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or not at all. May be nested; only the outermost commits."""
        with self._lock:
            if self._closed:
                raise LedgerClosedError
            if self._depth:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:  # whatever it is, nothing half-written stays; raised again
                self._connection.execute("ROLLBACK")
                raise
            else:
                self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> int:
        """Run one statement in its own or the open transaction; return the new row's id."""
        with self.transaction():
            return self._connection.execute(sql, values).lastrowid or 0

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row; return its id."""
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        return self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Row]:
        """Return the rows of a query as dicts."""
        with self._lock:
            if self._closed:
                raise LedgerClosedError
            return [dict(row) for row in self._connection.execute(sql, values)]

    def row(self, sql: str, values: tuple[Any, ...] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def table(self, name: str) -> list[Row]:
        """Return a whole table in the order of its rows."""
        if name not in TABLES:
            raise ValueError(f"{name} is not a table of the ledger")
        return self.rows(f"SELECT * FROM {name} ORDER BY rowid")

    def reset(self) -> None:
        """Forget everything but the balance and the tokens; numbers that were given out are not given out again."""
        with self.transaction():
            last = self.row("SELECT max(id) AS id FROM purchases")
            if last and last["id"]:
                self.set_value("first_order_id", str(last["id"]))
                self.set_value("iccid_prefix", _new_iccid_prefix())
            for name in TABLES:
                if name != "tokens":
                    self.execute(f"DELETE FROM {name}")

    # --- values ---

    def first_value(self, name: str, value: str) -> str:
        """Remember a value unless there is one already; return the one remembered."""
        self.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        return self.value(name)

    def value(self, name: str) -> str:
        """Return a single remembered value."""
        row = self.row("SELECT value FROM meta WHERE name = ?", (name,))
        return str(row["value"]) if row else ""

    def set_value(self, name: str, value: str) -> None:
        """Remember a single value."""
        self.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
        )

    @property
    def balance(self) -> Decimal:
        """What the partner has left, in US dollars."""
        return Decimal(self.value("balance"))

    @balance.setter
    def balance(self, amount: Decimal) -> None:
        self.set_value("balance", str(amount))

    # --- requests and tokens ---

    def request_seen(
        self, endpoint: str, method: str, path: str, body: str, remote: str, description: str = ""
    ) -> tuple[int, int, int]:
        """Write down a request; return the row's id, and which call of its endpoint this is.

        The latter twice, both from 1 on: among all, and among those with the same description (1 if it has none).
        """
        with self.transaction():
            last = self.row("SELECT max(call) AS call FROM requests WHERE endpoint = ?", (endpoint,))
            call = ((last["call"] if last else None) or 0) + 1
            earlier = self.row(
                "SELECT count(*) AS n FROM requests WHERE description = ? AND endpoint = ?", (description, endpoint)
            )
            number = self.insert(
                "requests",
                at=time.time(),
                remote=remote,
                method=method,
                path=path,
                endpoint=endpoint,
                call=call,
                body=body,
                description=description or None,
            )
        return number, call, 1 + (earlier["n"] if earlier else 0)

    def request_answered(self, number: int, status: int | None, fault: str | None) -> None:
        """Add how a request was answered; a status of None means that the connection was closed instead."""
        self.execute("UPDATE requests SET status = ?, fault = ? WHERE id = ?", (status, fault, number))

    def token_valid(self, token: str) -> bool:
        """Return whether the token was issued here, is not over and was not revoked."""
        found = self.row(
            "SELECT 1 FROM tokens WHERE token = ? AND revoked_at IS NULL AND expires_at > ?", (token, time.time())
        )
        return found is not None

    def revoke_tokens(self) -> None:
        """Make every token issued so far invalid."""
        self.execute("UPDATE tokens SET revoked_at = ? WHERE revoked_at IS NULL", (time.time(),))
