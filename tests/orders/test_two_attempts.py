"""An attempt that bought in doubt and another after it, for each kind of order: what Airalo has sold is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from django_airalo import services
from django_airalo.models import Esim, EsimOrder
from django_airalo.services import operations
from tests.factories import UserFactory, ago, due_now

from .future_support import in_days

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_grace")]


NEVER = 10**6


#: What a proxy answers in Airalo's place: it is unknown whether the order came through.
PROXY = {"status": 413, "body": "<html>Too large</html>", "content_type": "text/html"}


BUSY = {"status": 503, "body": {"message": "Service Unavailable"}}


@dataclass
class Shop:
    """Places an order of one kind at an emulated Airalo, and lets the first attempt buy behind an answer that says no.

    Airalo lists what it has bought only when the test says so.
    """

    airalo: Any
    kind: str
    way: str
    committed: Any
    settings: Any
    user: Any = field(default_factory=UserFactory)

    @property
    def endpoint(self):
        return {"async": "orders-async", "sync": "orders", "topup": "topups", "future": "future-orders"}[self.kind]

    def place(self):
        with self.committed():
            if self.kind == "topup":
                return services.place_topup(self._esim(), package_id=TOPUP)
            content = {"due_date": in_days(30)} if self.kind == "future" else {"mode": self.kind}
            return services.place_order(package_id=PACKAGE, user=self.user, **content)

    def _esim(self):
        order = services.place_order(package_id=PACKAGE, user=self.user, mode="sync")
        return services.submit_order(order).esims.get()

    def doubt_then(self, *answers):
        """Place an order; the first attempt buys in doubt, the second is answered so, if not as it should be."""
        bought = {"bought": True, "webhook": "none", "listing_delay": NEVER}
        fault = PROXY if self.way == "automatic" else BUSY
        self.airalo.fault({**fault, **bought}, self.endpoint)
        order = self.place()
        for answer in answers:
            self.airalo.fault(answer, self.endpoint)
        if not answers:
            self.airalo.fault({"webhook": "none"}, self.endpoint)
        order.refresh_from_db()
        if self.kind == "future":  # those that are to come are listed at once
            self.list_future("pending", "hidden")
        if self.way == "automatic":
            assert (order.status, order.look_up_first) == ("pending", True)
        else:
            assert order.status == "unconfirmed"
            self.settings.AIRALO_UNCONFIRMED_POLICY = "resubmit" if self.way == "policy" else "hold"
            self.doubt_ends(order)
            self.sweep()
        if self.way == "by hand":
            with self.committed():
                assert operations.resubmit_unconfirmed(order)
        due_now(order)
        self.sweep()
        order.refresh_from_db()
        assert order.attempt == 2
        return order

    def list_future(self, old, new):
        self.airalo.ledger.execute("UPDATE future_orders SET status = ? WHERE status = ?", (new, old))

    def doubt_ends(self, order):
        """So much time passes that what was bought in doubt must be listed."""
        EsimOrder.objects.filter(pk=order.pk).update(in_doubt_until=ago(1), due_at=ago(1))

    def list_all(self):
        """Airalo lists all that it has sold."""
        self.airalo.ledger.execute("UPDATE purchases SET listed_at = 0 WHERE listed_at IS NOT NULL")

    def deliver_future(self):
        """The date of the future orders comes that are listed as to come."""
        self.airalo.make_due()
        assert self.airalo.wait_idle(30)
        self.list_all()

    def sweep(self, order=None):
        if order:
            due_now(order)
        with self.committed():
            services.sweep()
        if order:
            order.refresh_from_db()

    def bought(self, order):
        """Airalo's ids of what it has sold for an order, the first first."""
        return [row["id"] for row in self.airalo.purchases() if row["description"].startswith(order.reference)]


PACKAGE = "albai-linea-7days-1gb"
TOPUP = "albai-linea-7days-1gb-topup"
WAYS = ("automatic", "policy", "by hand")


@pytest.fixture(params=["async", "sync", "topup", "future"])
def kind(request):
    return request.param


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
def shop(emulated_airalo, committed, settings, kind, way):
    return Shop(emulated_airalo, kind, way, committed, settings)


def esims_of(order):
    """How many eSIMs a completed order must have."""
    return 0 if order.is_topup else order.quantity


def test_refusal_after_attempt_in_doubt_keeps_lookups_and_completes_late(shop, heard):
    order = shop.doubt_then({"code": 34})
    assert (order.status, order.error_code) == ("failed", 34)
    assert order.due_at < order.in_doubt_until
    shop.sweep(order)
    assert order.status == "failed"
    assert order.due_at is not None
    shop.list_all()
    if shop.kind == "future":
        shop.list_future("hidden", "pending")
        shop.sweep(order)
        assert "it will deliver it" in order.attention
        shop.deliver_future()
    shop.sweep(order)
    assert (order.status, order.esims.count()) == ("completed", esims_of(order))
    assert [kwargs["late"] for kwargs in heard.of("esim_order_completed") if kwargs["order"] == order] == [True]
    assert shop.bought(order) == [order.airalo_order_id]
    # Another attempt was made after it, so it is looked up once more.
    assert order.due_at == order.in_doubt_until
    shop.doubt_ends(order)
    shop.sweep()
    order.refresh_from_db()
    assert (order.status, order.due_at, order.in_doubt_until) == ("completed", None, None)
    assert not order.duplicates.exists()


def test_refusal_after_attempt_that_bought_nothing_ends_lookups_with_doubt(shop):
    order = shop.doubt_then({"code": 34})
    shop.airalo.ledger.execute("DELETE FROM purchases WHERE description = ?", (order.reference,))
    shop.airalo.ledger.execute("DELETE FROM future_orders")
    EsimOrder.objects.update(failed_at=ago(501), due_date=None)
    shop.sweep(order)
    assert order.due_at is not None  # it may still be listed
    shop.doubt_ends(order)
    shop.sweep()
    order.refresh_from_db()
    assert (order.status, order.due_at, order.in_doubt_until) == ("failed", None, None)


def complete(shop, order):
    """Have the second purchase found, while the first is not listed yet."""
    if shop.kind == "future":
        # The emulator does not date the two: only the second is delivered.
        (second,) = [row for row in shop.airalo.future_orders() if row["status"] == "pending"]
        assert second["request_id"] == order.request_id
        shop.deliver_future()
        EsimOrder.objects.update(due_date=ago(60))
    if shop.kind in ("async", "future"):
        assert shop.airalo.wait_idle(30)
        shop.sweep(order)
    assert order.status == "completed"


def test_delivery_after_attempt_in_doubt_is_looked_up_and_other_purchase_becomes_duplicate(shop, heard):
    order = shop.doubt_then()
    complete(shop, order)
    assert order.due_at == order.in_doubt_until
    own = order.airalo_order_id
    shop.list_all()
    if shop.kind == "future":
        shop.list_future("hidden", "pending")
        shop.deliver_future()
    heard.clear()
    shop.doubt_ends(order)
    shop.sweep()
    order.refresh_from_db()
    (first,) = set(shop.bought(order)) - {own}
    assert (order.status, order.airalo_order_id, order.esims.count()) == ("completed", own, esims_of(order))
    assert f"Airalo fulfilled the order twice: as {own} and as {first}" in order.attention
    assert (order.due_at, order.in_doubt_until) == (None, None)
    duplicate = order.duplicates.get()
    assert (duplicate.status, duplicate.airalo_order_id, duplicate.type) == ("completed", first, order.type)
    assert (duplicate.user, duplicate.due_at, duplicate.esims.count()) == (None, None, esims_of(order))
    assert heard == []
    # Every eSIM that was sold is in the database, on one order; the customer sees his own.
    sold = {row["iccid"] for row in shop.airalo.esims() if row["purchase_id"] in (first, own)}
    kept = Esim.objects.filter(order__in=[order, duplicate])
    assert sorted(kept.values_list("iccid", flat=True)) == sorted(sold)
    assert duplicate not in EsimOrder.objects.for_user(shop.user)
    assert not Esim.objects.for_user(shop.user).filter(order=duplicate).exists()
    # What was found is not found again.
    events = order.events.count()
    services.sync_order(order)
    assert (order.events.count(), EsimOrder.objects.filter(duplicate_of=order).count()) == (events, 1)
    # The second can be given back.
    if duplicate.esims.exists():
        with shop.committed():
            (refund,) = services.request_refund(duplicate.esims.all(), reason="OTHERS", notes="Bought twice.")
        assert operations.send_refund(refund).status == "requested"


def test_delivery_after_attempt_that_bought_nothing_ends_lookups_with_doubt(shop):
    order = shop.doubt_then()
    shop.airalo.ledger.execute("DELETE FROM purchases WHERE listed_at > ?", (10**10,))
    shop.airalo.ledger.execute("DELETE FROM future_orders WHERE status = 'hidden'")
    complete(shop, order)
    shop.doubt_ends(order)
    shop.sweep()
    order.refresh_from_db()
    assert (order.status, order.due_at, order.in_doubt_until) == ("completed", None, None)
    assert not order.duplicates.exists()
    assert "twice" not in order.attention
