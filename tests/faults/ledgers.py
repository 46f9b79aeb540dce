"""The judge: what Airalo's ledger says and what the shop's database says, compared law by law.

L1 purchases per reference at most one, exactly one for an order that the shop believes accepted, scheduled or
   completed, and none for one that it believes failed or cancelled. A second one is lawful only after a doubt, and if
   the order is flagged with the numbers of both and the second is kept: a known duplicate.
L2 every eSIM delivered for one of our orders is in the database once, on the right order, in whatever form it came,
   with its code. What is wrong with it or missing is flagged on its order, and nothing else is.
L3 every change of state and of eSIMs was signalled at least once, after its commit, with the event's id; and the shop
   saw in a signal each eSIM that its customer has, with the code that it has now.
L4 no order is left in a passing state; what no machine can decide is UNCONFIRMED, visible and alerted.
L5 nothing that was not signed with a valid secret changed a row.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import F
from django.db.models.functions import Coalesce
from django.utils import timezone

from django_airalo.models import Esim, EsimOrder, OrderEvent, WebhookEvent

from . import delivery_laws

Row = dict[str, Any]

#: A row that is due may wait this long for the next sweep without being called stuck.
SLACK = timedelta(seconds=10)
#: The same for an order of which a person was told already, or that was given up: it is looked up now and then, after
#: all that is waited for (half a minute for each kind of row, 20 seconds for usage).
SLACK_AT_REST = timedelta(seconds=90)


@dataclass
class ShopLedger:
    """The shop's database at one moment."""

    orders: list[Row]
    esims: list[Row]
    events: list[Row]
    webhooks: list[Row]
    received: list[Row]
    at: datetime
    #: Second purchases of orders, and the changes of eSIMs of completed orders.
    duplicates: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, alias: str = "default") -> ShopLedger:
        """Read it all in one transaction."""
        names = ("id", "order__reference", "event_id", "old_status", "new_status", "signal_due_at", "signalled_at")
        with transaction.atomic(using=alias):
            orders = EsimOrder.objects.using(alias).order_by("id")
            events = OrderEvent.objects.using(alias).order_by("id")
            second = orders.exclude(duplicate_of=None)
            esims = Esim.objects.using(alias).order_by("id")
            webhooks = WebhookEvent.objects.using(alias).order_by("id")
            return cls(
                # A second purchase of an order is none of the shop's; its eSIMs count as those of the order.
                orders=[dict(row) for row in orders.filter(duplicate_of=None).values()],
                duplicates=[dict(row) for row in second.values("id", order__reference=F("duplicate_of__reference"))],
                esims=list(
                    esims.values(
                        *("id", "order_id", "iccid", "airalo_id", "code_key", "activation_code"),
                        order__reference=_reference(),
                    )
                ),
                events=list(events.filter(kind=OrderEvent.Kind.STATUS_CHANGED).values(*names)),
                changes=list(events.filter(kind=OrderEvent.Kind.ESIMS_CHANGED).values(*names)),
                webhooks=[dict(row) for row in webhooks.values("id", "digest", "status", "due_at", "error")],
                received=_received(alias),
                at=timezone.now(),
            )

    def statuses(self) -> Counter[str]:
        """How many orders there are of each status."""
        return Counter(order["status"] for order in self.orders)


def _reference() -> Coalesce:
    return Coalesce("order__duplicate_of__reference", "order__reference")


def _received(alias: str) -> list[Row]:
    names = ("signal", "reference", "event_id", "old_status", "new_status", "late", "committed", "pid", "esims")
    quote = connections[alias].ops.quote_name
    with connections[alias].cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(map(quote, names))} FROM faultshop_received ORDER BY id")
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row["event_id"] = str(row["event_id"]).replace("-", "")
        row["esims"] = json.loads(row["esims"]) if isinstance(row["esims"], str) else row["esims"]
    return rows


@dataclass
class AiraloLedger:
    """The emulator's ledger at one moment."""

    purchases: list[Row]
    esims: list[Row]
    webhooks: list[Row]
    requests: list[Row]
    future_orders: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, table: Callable[[str], Iterable[Any]]) -> AiraloLedger:
        """Read it; ``table`` returns the rows of a table of that name."""
        return cls(**{item.name: [dict(row) for row in table(item.name)] for item in fields(cls)})

    def by_reference(self) -> dict[str, list[Row]]:
        """The purchases of each order, by the reference at the front of their description.

        A future order is one from the moment that Airalo has taken it until it is cancelled.
        """
        found: dict[str, list[Row]] = defaultdict(list)
        to_come = [row for row in self.future_orders if row["status"] in ("pending", "retry")]
        for purchase in [*self.purchases, *to_come]:
            found[(purchase["description"] or "").split(" ")[0]].append(purchase)
        return found

    def answered_by_a_proxy(self) -> set[str]:
        """The references of orders for which a proxy's page with a 4xx came: such an order may be sent again."""
        pages = (row for row in self.requests if "html-4" in (row.get("fault") or ""))
        return {(row["description"] or "").split(" ")[0] for row in pages} - {""}

    def most_requests(self, endpoint: str, seconds: float = 60) -> int:
        """The most requests of an endpoint within any so many seconds."""
        times = sorted(row["at"] for row in self.requests if row["endpoint"] == endpoint)
        most = start = 0
        for end, at in enumerate(times):
            while times[start] <= at - seconds:
                start += 1
            most = max(most, end - start + 1)
        return most


@dataclass
class Verdict:
    """What breaks a law: all empty if all is well."""

    double_purchases: list[str] = field(default_factory=list)  # L1
    missing_purchases: list[str] = field(default_factory=list)  # L1
    unwanted_purchases: list[str] = field(default_factory=list)  # L1: bought, but the shop believes it given up
    unknown_purchases: list[str] = field(default_factory=list)  # L1: bought, but the shop has no such order
    lost_esims: list[str] = field(default_factory=list)  # L2
    foreign_esims: list[str] = field(default_factory=list)  # L2: in the database, but not delivered for this order
    lost_codes: list[str] = field(default_factory=list)  # L2: Airalo shows a code, the database has none
    foreign_codes: list[str] = field(default_factory=list)  # L2: a code that Airalo never gave for this eSIM
    wrong_flags: list[str] = field(default_factory=list)  # L2: not flagged, or still flagged
    unsignalled: list[str] = field(default_factory=list)  # L3
    unseen_esims: list[str] = field(default_factory=list)  # L3: no signal showed the eSIM with its code
    early_signals: list[str] = field(default_factory=list)  # L3
    untold_changes: list[str] = field(default_factory=list)  # L3: a status that no event explains
    stuck: list[str] = field(default_factory=list)  # L4
    silent_doubts: list[str] = field(default_factory=list)  # L4: unconfirmed, but nobody was told
    unsigned: list[str] = field(default_factory=list)  # L5
    #: Bought twice after a doubt, flagged and kept: that breaks no law.
    known_duplicates: list[str] = field(default_factory=list)

    def broken(self) -> dict[str, list[str]]:
        """What is not empty of that which breaks a law."""
        return {name: found for name, found in vars(self).items() if found and name != "known_duplicates"}


def judge(
    shop: ShopLedger,
    airalo: AiraloLedger,
    *,
    signed: Iterable[str] = (),
    waiting: Iterable[str] = (),
    calm_since: datetime | None = None,
    resubmits: bool = False,
) -> Verdict:
    """Compare the two ledgers once everything has settled.

    Args:
        signed: SHA-256 digests of bodies that carried a valid signature, beside those the emulator queued itself.
        waiting: statuses that are no passing state in this test (``accepted``, where Airalo will not say more).
        calm_since: from when on a sweep had the time to come to what is at rest, too; by default only 90 seconds ago.
        resubmits: whether an order in doubt may be sent again by decision: the policy ``"resubmit"``, or an operator.
    """
    verdict = Verdict()
    _purchases(shop, airalo, verdict, resubmits)
    _esims(shop, airalo, verdict)
    verdict.wrong_flags = delivery_laws.wrong_flags(shop.orders, shop.esims)
    codes = delivery_laws.wrong_codes(shop.esims, airalo.esims, shop.at.timestamp())
    verdict.lost_codes, verdict.foreign_codes = codes
    verdict.unseen_esims = delivery_laws.unseen(shop.orders, shop.esims, shop.received)
    _signals(shop, verdict)
    _states(shop, verdict, set(waiting), calm_since or shop.at - SLACK_AT_REST)
    genuine = {hashlib.sha256(webhook["body"]).hexdigest() for webhook in airalo.webhooks} | set(signed)
    verdict.unsigned = [f"webhook {row['id']}" for row in shop.webhooks if row["digest"] not in genuine]
    return verdict


def _purchases(shop: ShopLedger, airalo: AiraloLedger, verdict: Verdict, resubmits: bool) -> None:
    bought = airalo.by_reference()
    doubted = airalo.answered_by_a_proxy()
    if resubmits:
        doubted |= {event["order__reference"] for event in shop.events if event["new_status"] == "unconfirmed"}
    kept = Counter(duplicate["order__reference"] for duplicate in shop.duplicates)
    for order in shop.orders:
        reference, status = order["reference"], order["status"]
        purchases = bought.pop(reference, [])
        count = len(purchases)
        if count > 1:
            is_known = reference in doubted and kept[reference] == count - 1 and _names_all(order, purchases)
            (verdict.known_duplicates if is_known else verdict.double_purchases).append(f"{reference}: {count}")
        if not count and status in ("accepted", "scheduled", "completed"):
            verdict.missing_purchases.append(f"{reference} is {status}")
        delivered = [purchase for purchase in purchases if purchase.get("status") != "failed"]
        if (count and status == "cancelled") or (delivered and status == "failed"):
            verdict.unwanted_purchases.append(f"{reference} is {status}")
    verdict.unknown_purchases = sorted(bought)


def _names_all(order: Row, purchases: Iterable[Row]) -> bool:
    """Whether an order is flagged with the number of each of its purchases."""
    numbers = [{str(row[name]) for name in ("id", "request_id") if row.get(name)} for row in purchases]
    return all(any(number in order["attention"] for number in names) for names in numbers)


def _esims(shop: ShopLedger, airalo: AiraloLedger, verdict: Verdict) -> None:
    references = {order["reference"] for order in shop.orders}
    reference_of = {row["id"]: (row["description"] or "").split(" ")[0] for row in airalo.purchases}
    # One without a number goes by Airalo's id of it.
    delivered = Counter((row["iccid"] or f"sim {row['id']}", reference_of[row["purchase_id"]]) for row in airalo.esims)
    kept = Counter((row["iccid"] or f"sim {row['airalo_id']}", row["order__reference"]) for row in shop.esims)
    verdict.lost_esims = [f"{name} of {ref}" for name, ref in sorted(delivered - kept) if ref in references]
    verdict.foreign_esims = [f"{name} on {ref}" for name, ref in sorted(kept - delivered)]


def _signals(shop: ShopLedger, verdict: Verdict) -> None:
    heard: dict[str, list[Row]] = defaultdict(list)
    for row in shop.received:
        heard[row["event_id"]].append(row)
        if not row["committed"]:
            verdict.early_signals.append(f"{row['signal']} {row['event_id']}")
    statuses: dict[str, str] = {}
    for event in shop.events:
        name = f"{event['order__reference']}: {event['old_status']} to {event['new_status']}"
        told = {row["signal"] for row in heard[event["event_id"].hex] if _same(row, event)}
        wanted = {"esim_order_status_changed"}
        if event["new_status"] in SIGNALLED:
            wanted.add(f"esim_order_{event['new_status']}")
        if wanted - told:
            verdict.unsignalled.append(f"{name}, {wanted - told}")
        if event["old_status"] != statuses.get(event["order__reference"], "pending"):
            verdict.untold_changes.append(f"{name}, but it was {statuses.get(event['order__reference'])}")
        statuses[event["order__reference"]] = event["new_status"]
    for change in shop.changes:
        told = {row["signal"] for row in heard[change["event_id"].hex]}
        if "esims_changed" not in told:
            verdict.unsignalled.append(f"{change['order__reference']}: eSIMs changed")
    for order in shop.orders:
        if order["status"] != statuses.get(order["reference"], "pending"):
            verdict.untold_changes.append(f"{order['reference']} is {order['status']}")


SIGNALLED = ("accepted", "scheduled", "completed", "failed", "unconfirmed", "cancelled")


def _same(row: Row, event: Row) -> bool:
    if row["reference"] != event["order__reference"]:
        return False
    return row["signal"] != "esim_order_status_changed" or (
        (row["old_status"], row["new_status"]) == (event["old_status"], event["new_status"])
    )


def _states(shop: ShopLedger, verdict: Verdict, waiting: set[str], calm_since: datetime) -> None:
    told = {row["reference"] for row in shop.received if row["signal"] == "esim_order_unconfirmed"}
    for order in shop.orders:
        name = f"{order['reference']} is {order['status']}"
        passing = {"pending", "submitting", "accepted"} - waiting
        is_on_hold = order["status"] == "unconfirmed" and order["attention"]
        is_at_rest = is_on_hold or order["status"] in ("completed", "failed", "cancelled")
        overdue = order["due_at"] is not None and order["due_at"] < (calm_since if is_at_rest else shop.at - SLACK)
        if order["status"] in passing or (overdue and order["status"] not in waiting):
            verdict.stuck.append(f"{name}, due at {order['due_at']}")
        if order["status"] == "unconfirmed" and not (order["attention"] and order["reference"] in told):
            verdict.silent_doubts.append(name)
