"""A part delivery is followed up until the rest is there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from django_airalo import services, signals
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.services.core import database
from tests.factories import LONG_AGO, EsimOrderFactory, ago, due_now

from .delivery_support import LATER, by_look_up, by_webhook, reread, sims

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_tasks")]


def test_part_delivery_is_looked_up_soon_then_daily_then_no_more(airalo, settings):
    settings.AIRALO_LOOKUP_DELAYS = [60, 120, 300]
    settings.AIRALO_OVERDUE_AFTER = 1000
    order = by_look_up(airalo, sims(1), 3)
    waits = []
    for completed in (0, 10, 20, 2000, 3000, 31 * 86400):
        EsimOrder.objects.filter(pk=order.pk).update(completed_at=ago(completed))
        due_now(order)
        services.sweep()
        due_at = reread(order).due_at
        waits.append(due_at and round((due_at - database.db_now()).total_seconds() / 60))
    assert waits[:5] == pytest.approx([2, 5, 5, 1440, 1440], rel=0.11)
    assert waits[5] is None
    assert reread(order).attention == "Part delivery: 1 of 3 eSIMs are there. The rest is overdue: ask Airalo."


def test_unlisted_part_delivery_is_flagged_as_overdue(airalo, settings):
    order = by_webhook(airalo, sims(1), 3)
    EsimOrder.objects.update(completed_at=ago(86400))
    due_now(order)
    services.sweep()
    assert "The rest is overdue" in reread(order).attention
    assert reread(order).due_at - database.db_now() > timedelta(hours=23)


def test_missing_counts_need_no_extra_query(airalo, django_assert_num_queries):
    by_webhook(airalo, sims(1), 3)
    by_webhook(airalo, sims(2), 2)
    with django_assert_num_queries(1):
        assert [(order.missing, order.is_complete) for order in EsimOrder.objects.order_by("pk")] == [
            (2, False),
            (0, True),
        ]
    assert (EsimOrderFactory(quantity=2).missing, EsimOrderFactory(type="topup", completed=True).missing) == (2, 0)


def test_esims_changed_signal_is_repeated_after_receiver_error(airalo, heard, committed):
    def fail(**kwargs):
        raise RuntimeError

    delivered = sims(2)
    order = by_webhook(airalo, delivered[:1], 2)
    signals.esims_changed.connect(fail)
    try:
        LATER["webhook"](airalo, order, delivered)
    finally:
        signals.esims_changed.disconnect(fail)
    event = order.events.get(kind="esims_changed")
    assert event.signal_due_at
    assert not event.signalled_at
    OrderEvent.objects.filter(pk=event.pk).update(signal_due_at=LONG_AGO)
    services.sweep()
    assert [change["event_id"] for change in heard.of("esims_changed")] == [event.event_id] * 2
