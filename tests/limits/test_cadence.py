"""Look-ups: soon for one order, few requests for many."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from django_airalo.emulator import Emulator
from django_airalo.models import Esim, EsimOrder
from tests.waiting import wait_until

from .cadence import fill, sweep_until_completed
from .processes import EmulatorProcess, Shop
from .test_limits import PACKAGE


@pytest.mark.slow
def test_many_orders_are_completed_by_pages_of_the_list(db, settings):
    """A page lists a hundred orders: 6 requests, and not 600."""
    with Emulator(sandbox=True) as emulator:
        settings.AIRALO_BASE_URL = emulator.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = emulator.client_id, emulator.client_secret
        # All pages at once; how the limit is kept is shown beside.
        settings.AIRALO_RATE_LIMITS = {"lookups": "1000/min"}
        orders = fill(emulator, 600)
        sweep_until_completed(lambda line: None, 600)
        asked = len(emulator.requests("orders-list"))
        assert 6 <= asked <= 8
        assert len(emulator.purchases()) == 600  # look-ups buy nothing
        delivered = {(esim["purchase_id"], esim["iccid"]) for esim in emulator.esims()}
    assert EsimOrder.objects.filter(status="completed").count() == len(orders)
    assert set(Esim.objects.values_list("order__airalo_order_id", "iccid")) == delivered


@pytest.mark.slow
def test_in_the_sandbox_an_order_completes_soon_after_it_is_listed(tmp_path):
    """No webhook comes there. ``airalo_sweep --loop 1`` finds the eSIM by looking."""
    emulator = EmulatorProcess("--sandbox", "--no-head-probe", "--webhook-delay", "0", "--listing-delay", "3")
    shop = Shop(tmp_path, emulator)
    try:
        shop.run("tests.limits.worker", "prepare", 1, 0, PACKAGE)  # one pending order
        shop.start("django", "airalo_sweep", "--loop", "1")
        sql = "SELECT completed_at FROM django_airalo_esimorder WHERE status = 'completed'"
        ((completed_at,),) = wait_until(lambda: shop.rows(sql), "a completed order", timeout=240, pause=0.2)
        (purchase,) = emulator.ledger()["purchases"]
        looked = [request for request in emulator.ledger()["requests"] if request["endpoint"] == "orders-list"]
    finally:
        shop.stop()
        emulator.stop()
    assert purchase["listed_at"] >= purchase["created_at"] + 3
    completed_at = datetime.fromisoformat(completed_at).replace(tzinfo=UTC).timestamp()
    assert 0 <= completed_at - purchase["listed_at"] < 60
    assert 1 <= len(looked) <= 12
