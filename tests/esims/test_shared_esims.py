"""Orders for which Airalo delivered the same eSIM are all flagged, also if their deliveries do not see each other."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.testing import sim_payload
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, OrderEventFactory
from tests.orders.delivery_support import FIRST, codes, reread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_tasks")]

ICCID = "8900000000000000123"
FLAG = f"Airalo delivered eSIM {ICCID} for more than one order: search for its number to find the others."


def crossed(count=2, **event):
    """Completed orders as two transactions at once leave them: neither has seen the other's eSIM."""
    orders = [EsimOrderFactory(completed=True) for _ in range(count)]
    for order in orders:
        EsimFactory(order=order, iccid=ICCID)
        OrderEventFactory(order=order, signal_due_at=LONG_AGO, **{"new_status": "completed", **event})
    return orders


def flags():
    return list(EsimOrder.objects.order_by("pk").values_list("attention", flat=True))


def test_deliveries_that_crossed_are_flagged_when_they_are_announced():
    crossed()
    services.sweep()
    assert flags() == [FLAG] * 2


def test_esims_that_are_added_to_a_completed_order_count_as_well():
    orders = crossed(kind="esims_changed", new_status="")
    for order in orders:
        order.events.update(esims={"added": [order.esims.get().pk]})
    services.sweep()
    assert flags() == [FLAG] * 2


def test_a_flag_that_was_taken_down_is_not_set_again():
    crossed()
    services.sweep()
    EsimOrder.objects.update(attention="")
    OrderEvent.objects.exclude(new_status="").update(signal_due_at=LONG_AGO, signalled_at=None)
    services.sweep()
    assert flags() == [""] * 2


def test_an_esim_of_one_order_alone_flags_nothing():
    crossed(1)
    services.sweep()
    assert flags() == [""]


def test_numbers_are_the_same_however_they_are_written():
    plain = EsimFactory(iccid="8900000000000000123")
    for iccid in ("8900-0000 000000 00123", "8900000000000000123F"):
        assert EsimFactory(iccid=iccid).iccid_key == plain.iccid_key
    assert Esim.objects.filter(iccid_key=plain.iccid_key).count() == 3


@pytest.mark.parametrize("deliver", FIRST.values(), ids=FIRST)
def test_a_number_that_another_order_has_is_kept_on_both_and_both_are_flagged(airalo, deliver):
    other = EsimFactory(order__airalo_order_id=1, airalo_id=2)
    delivered = sim_payload(iccid=f"{other.iccid[:4]} {other.iccid[4:]}F")
    order = deliver(airalo, [delivered], 1)
    assert codes(order) == [(delivered["iccid"], delivered["qrcode"])]
    assert codes(other.order) == [(other.iccid, other.activation_code)]
    for flagged in (order, reread(other.order)):
        assert f"eSIM {delivered['iccid']} for more than one order" in flagged.attention
