"""An order's life against a simple model: random interleavings of everything that can happen to it.

The model knows, for each order, how often Airalo was made to buy it and which eSIMs it handed out. After every
step the shop's rows must agree with that, and every change must be legal, logged and (in the end) signalled.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.test import TestCase
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_airalo import services, signals
from django_airalo.exceptions import IllegalTransitionError
from django_airalo.models import EsimOrder, OrderEvent, SubmissionPause, WebhookEvent
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.core.transitions import TRANSITIONS
from django_airalo.testing import failure_payload, webhook_payload
from tests.factories import EsimFactory
from tests.fakes import FakeAiralo

pytestmark = pytest.mark.django_db

Status = EsimOrder.Status
ROADS = st.sampled_from(["async", "async", "sync", "topup", "future"])
SHAPES = st.sampled_from(["enveloped", "flat", "nested"])


class WorkerDied(BaseException):
    """Stands for a SIGKILL: nothing after it runs."""


class OrderLife(RuleBasedStateMachine):
    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        EsimOrder.objects.filter(type="topup").delete()  # they protect their eSIMs
        for model in (WebhookEvent, OrderEvent, EsimOrder, SubmissionPause):
            model.objects.all().delete()
        # Sold long ago, to be topped up. No part of the model.
        self.esim = EsimFactory(order__is_imported=True)
        self.airalo = FakeAiralo()
        self.airalo.__enter__()
        self.heard: dict[Any, set[str]] = defaultdict(set)
        signals.esim_order_status_changed.connect(self._hear)
        self.flaky = False

    def teardown(self) -> None:
        try:
            self.flaky = False
            OrderEvent.objects.exclude(signal_due_at=None).update(signal_due_at=self._past())
            self._do(services.sweep)
            changes = OrderEvent.objects.filter(kind=OrderEvent.Kind.STATUS_CHANGED)
            assert set(self.heard) == {event.event_id for event in changes}
            assert not EsimOrder.objects.filter(status=Status.SUBMITTING, due_at__lte=self._past()).exists()
        finally:
            signals.esim_order_status_changed.disconnect(self._hear)
            self.airalo.__exit__()

    # What can happen

    @initialize(target=orders, quantity=st.integers(1, 3), road=ROADS)
    def place_the_first(self, quantity: int, road: str) -> str:
        return self._place(quantity, road)

    @rule(target=orders, quantity=st.integers(1, 3), road=ROADS)
    def place_another(self, quantity: int, road: str) -> str:
        return self._place(quantity, road)

    def _place(self, quantity: int, road: str) -> str:
        due_date = datetime.now(UTC) + timedelta(days=30) if road == "future" else None
        mode = "sync" if road == "sync" else None
        with TestCase.captureOnCommitCallbacks(execute=False):  # the task is lost; the sweep must do
            if road == "topup":
                order = services.place_topup(self.esim, package_id="test-mobile-7days-1gb-topup")
            else:
                order = services.place_order(
                    package_id="test-mobile-7days-1gb", quantity=quantity, mode=mode, due_date=due_date
                )
        return order.reference

    @rule(
        reference=orders,
        outcome=st.sampled_from(
            ["accept", "refuse", "bought", "not bought", "500", "503", "429", "unsent", "no credit"]
        ),
    )
    def submit(self, reference: str, outcome: str) -> None:
        before = len(self.airalo.orders)
        self._script(outcome)
        self._do(services.submit_order, self._order(reference).pk)
        assert len(self.airalo.orders) - before <= 1
        self.airalo._answers.clear()

    @rule(reference=orders, bought=st.booleans())
    def worker_dies_while_it_submits(self, reference: str, bought: bool) -> None:
        def answer(order: Any) -> Any:
            order.bought = bought
            raise WorkerDied

        self.airalo._answers.append(answer)
        try:
            self._do(services.submit_order, self._order(reference).pk)
        except WorkerDied:
            assert self._order(reference).status == Status.SUBMITTING
        self.airalo._answers.clear()

    @rule(reference=orders, shape=SHAPES)
    def webhook_overtakes_the_202(self, reference: str, shape: Any) -> None:
        def answer(order: Any) -> requests.Response:
            order.bought = True
            fake = self.airalo.fulfil(self._order(reference))
            self.airalo.push(webhook_payload(fake.payload, fake.request_id, shape))
            return self._accepted(order)

        if self._order(reference).mode == "sync":
            return  # Airalo's answer is the delivery
        self.airalo._answers.append(answer)
        self._do(services.submit_order, self._order(reference).pk)
        self.airalo._answers.clear()

    @rule(reference=orders, shape=SHAPES, times=st.integers(1, 3), with_description=st.booleans())
    def webhook(self, reference: str, shape: Any, times: int, with_description: bool) -> None:
        fake = self._to_be_told(reference)
        if fake is None or fake.failed:
            return
        self.airalo.fulfil(self._order(reference))
        order_data = fake.payload if with_description else {**fake.payload, "description": None}
        for _ in range(times):
            assert self.airalo.push(webhook_payload(order_data, fake.request_id, shape)).status_code == 200

    @rule(reference=orders, then_succeeds=st.booleans())
    def failure_webhook(self, reference: str, then_succeeds: bool) -> None:
        fake = self._to_be_told(reference)
        if fake is None:
            return
        if not (fake.payload or then_succeeds):
            fake.failed, fake.bought = True, False  # not delivered, so not charged
        assert self.airalo.push(failure_payload(fake.request_id)).status_code == 200

    @rule(reference=orders)
    def airalo_lists_it(self, reference: str) -> None:
        fake = self._bought(reference)
        if fake is not None and not fake.failed and not fake.cancelled:
            self.airalo.fulfil(self._order(reference))

    @rule(reference=orders)
    def look_up(self, reference: str) -> None:
        self._do(services.sync_order, self._order(reference))

    @rule()
    def time_passes_and_the_sweep_runs(self) -> None:
        EsimOrder.objects.exclude(due_at=None).update(due_at=self._past())
        WebhookEvent.objects.exclude(due_at=None).update(due_at=self._past())
        OrderEvent.objects.exclude(signal_due_at=None).update(signal_due_at=self._past())
        self._do(services.sweep)

    @rule()
    def the_balance_is_topped_up(self) -> None:
        self.airalo.balance += 100
        SubmissionPause.objects.filter(is_active=True).update(due_at=self._past())
        self._do(services.sweep)

    @rule(reference=orders)
    def cancel(self, reference: str) -> None:
        self._decide(services.cancel_order, reference)

    @rule(reference=orders)
    def a_person_says_never_placed(self, reference: str) -> None:
        if self._bought(reference) is None:  # a person who is wrong may buy twice, and is told so
            self._decide(operations.resubmit_unconfirmed, reference)

    @rule(reference=orders)
    def a_person_says_failed(self, reference: str) -> None:
        self._decide(operations.mark_failed, reference)

    @rule()
    @precondition(lambda self: not self.flaky)
    def receivers_begin_to_raise(self) -> None:
        self.flaky = True

    @rule()
    @precondition(lambda self: self.flaky)
    def receivers_work_again(self) -> None:
        self.flaky = False

    # What must hold after every step

    @invariant()
    def bought_at_most_once(self) -> None:
        purchases: dict[str, int] = defaultdict(int)
        for fake in self.airalo.orders:
            purchases[fake.description[:32]] += fake.bought
        assert all(count <= 1 for count in purchases.values()), purchases
        for order in self._orders().filter(status__in=[Status.COMPLETED]):
            assert purchases[order.reference] == 1

    @invariant()
    def what_is_cancelled_is_not_bought(self) -> None:
        for order in self._orders().filter(status=Status.CANCELLED):
            fake = self._bought(order.reference)
            assert fake is None or fake.cancelled

    @invariant()
    def every_delivered_esim_is_on_its_order(self) -> None:
        for order in self._orders().prefetch_related("esims"):
            iccids = [esim.iccid for esim in order.esims.all()]
            assert bool(iccids) == (order.status == Status.COMPLETED and not order.is_topup)
            if iccids:
                delivered = self.airalo.find(order).payload
                assert sorted(iccids) == sorted(sim["iccid"] for sim in delivered["sims"])

    @invariant()
    def every_change_is_legal_and_logged(self) -> None:
        for order in self._orders().prefetch_related("events"):
            status = Status.PENDING
            for event in order.events.all():
                if event.kind == OrderEvent.Kind.STATUS_CHANGED:
                    assert event.old_status == status
                    assert event.new_status in TRANSITIONS[status]
                    status = event.new_status
            assert order.status == status

    @invariant()
    def what_waits_is_due_sometime(self) -> None:
        for order in EsimOrder.objects.waiting():
            assert order.due_at is not None

    # Helpers

    def _hear(self, order: EsimOrder, new_status: str, event_id: Any, **kwargs: Any) -> None:
        if self.flaky:
            raise RuntimeError("This receiver does not work.")
        self.heard[event_id].add(new_status)

    def _do(self, verb: Any, *arguments: Any) -> Any:
        with TestCase.captureOnCommitCallbacks(execute=True):
            return verb(*arguments)

    def _decide(self, service: Any, reference: str) -> None:
        with suppress(IllegalTransitionError):  # its status does not allow it
            self._do(service, self._order(reference))

    def _order(self, reference: str) -> EsimOrder:
        return EsimOrder.objects.get(reference=reference)

    def _bought(self, reference: str) -> Any:
        """What Airalo was asked for this order and took, or ``None``."""
        return next((f for f in self.airalo.orders if f.description.startswith(reference) and f.bought), None)

    def _to_be_told(self, reference: str) -> Any:
        """The same, if Airalo sends webhooks for it."""
        fake = self._bought(reference)
        return None if fake is None or fake.cancelled or fake.kind in ("sync", "topup") else fake

    def _orders(self) -> Any:
        return EsimOrder.objects.filter(is_imported=False)

    def _past(self) -> Any:
        return database.db_now() - timedelta(seconds=1)

    def _script(self, outcome: str) -> None:
        def unsent(order: Any) -> Any:
            self.airalo.orders.remove(order)
            raise requests.ConnectTimeout(_not_sent())

        {
            "accept": lambda: None,
            "refuse": lambda: self.airalo.reject(34),
            "no credit": lambda: self.airalo.reject(11),
            "bought": lambda: self.airalo.time_out(bought=True),
            "not bought": lambda: self.airalo.time_out(bought=False),
            "500": lambda: self.airalo.answer(500, b"<html>", bought=True),
            "503": lambda: self.airalo.answer(503, b"", bought=False),
            "429": lambda: self.airalo.answer(429, {"message": "Too Many Attempts."}),
            "unsent": lambda: self.airalo._answers.append(unsent),
        }[outcome]()

    def _accepted(self, order: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = 202
        response._content = b'{"data": {"request_id": "%s"}}' % order.request_id.encode()
        return response


def _not_sent() -> Exception:
    from urllib3.exceptions import ConnectTimeoutError

    return ConnectTimeoutError("connect timed out")


def test_an_orders_life() -> None:
    run_state_machine_as_test(
        OrderLife,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
