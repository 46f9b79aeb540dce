"""What a shop goes through, from placing an order until nothing is left to be done. Run again, each goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Rule = dict[str, Any]
#: In the emulator's usual catalogue; it can be topped up.
PACKAGE, TOPUP = "albai-linea-3days-1gb", "albai-linea-3days-1gb-topup"
#: Airalo buys, says 503, and lists the order only after two hours.
BOUGHT_LISTED_LATE: Rule = {
    "do": {"preset": "503-bought", "webhook": "none", "listing_delay": 7200.0},
    "endpoint": "orders-async",
}


@dataclass(frozen=True)
class Scenario:
    """One life of an order.

    Args:
        faults: what goes wrong at Airalo, as rules of the emulator.
        settings: ``AIRALO_*`` settings without their prefix.
        content: what ``place_order()`` is called with beside the key.
        road: ``order``, ``topup``, ``future``, ``cancel``, ``refund`` or ``voucher``.
        ends: the statuses that the order may have in the end.
        in_doubt: the statuses beside these that an order may have if a crash left its outcome unknown.
    """

    name: str
    faults: tuple[Rule, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)
    road: str = "order"
    ends: tuple[str, ...] = ("completed",)
    in_doubt: tuple[str, ...] = ("unconfirmed",)


NO_WEBHOOK: Rule = {"do": "no-webhook", "times": None}
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("webhook"),
        Scenario("look-up", faults=(NO_WEBHOOK,)),
        Scenario("two-esims", content={"quantity": 2}, settings={"UNCONFIRMED_POLICY": "resubmit"}, in_doubt=()),
        Scenario("sync", content={"mode": "sync"}),
        Scenario("topup", road="topup"),
        Scenario("refused", faults=({"do": {"code": 34}, "endpoint": "orders-async"},), ends=("failed",)),
        Scenario("failure", faults=({"do": "failure", "endpoint": "orders-async"},), ends=("failed",)),
        Scenario("bought-behind-503", faults=({"do": "503-bought", "endpoint": "orders-async"},)),
        Scenario(
            "resubmitted",
            faults=({"do": "500", "endpoint": "orders-async"},),
            settings={"UNCONFIRMED_POLICY": "resubmit"},
            in_doubt=(),
        ),
        Scenario(
            "doubt-then-refusal",
            faults=(BOUGHT_LISTED_LATE, {"do": {"code": 34}, "endpoint": "orders-async"}),
            settings={"UNCONFIRMED_POLICY": "resubmit"},
        ),
        Scenario("no-credit", faults=({"do": {"code": 11}, "endpoint": "orders-async"},)),
        Scenario("future", road="future"),
        Scenario("cancelled", road="cancel", ends=("cancelled",), in_doubt=("completed", "unconfirmed", "scheduled")),
        Scenario("refund", road="refund"),
        Scenario("voucher", road="voucher"),
    )
}
KEY = "payment-1"


def start(scenario: Scenario) -> None:
    """Do what the shop does when its customer has paid; harmless if that was done before."""
    ROADS[scenario.road](scenario)


def _order(scenario: Scenario) -> None:
    from django_airalo import services

    _keep(lambda: services.place_order(package_id=PACKAGE, idempotency_key=KEY, **scenario.content))


def _future(scenario: Scenario) -> None:
    from django_airalo import services

    date = (datetime.now(UTC) + timedelta(days=9)).replace(hour=12, minute=0, second=0, microsecond=0)
    _keep(lambda: services.place_order(package_id=PACKAGE, idempotency_key=KEY, due_date=_known_date() or date))


def _known_date() -> datetime | None:
    """The date of the first call: the same payment asks for the same date."""
    from django_airalo.models import EsimOrder

    order = EsimOrder.objects.filter(idempotency_key=KEY).first()
    return getattr(order, "requested_due_date", None) or (order and order.due_date)


def _cancel(scenario: Scenario) -> None:
    from django_airalo import services
    from django_airalo.exceptions import IllegalTransitionError
    from django_airalo.models import EsimOrder

    _future(scenario)
    work()
    order = EsimOrder.objects.get(idempotency_key=KEY)
    with suppress(IllegalTransitionError):  # it was cancelled before the crash
        services.cancel_order(order)


def _topup(scenario: Scenario) -> None:
    from django_airalo import services
    from django_airalo.models import Esim

    esim = Esim.objects.without_secrets().get(order__idempotency_key="before")
    _keep(lambda: services.place_topup(esim, package_id=TOPUP, idempotency_key=KEY))


def _refund(scenario: Scenario) -> None:
    from django_airalo import services
    from django_airalo.models import Esim, Refund

    if not Refund.objects.exists():
        services.request_refund(Esim.objects.filter(order__idempotency_key="before"), reason="NO_COVERAGE")


def _voucher(scenario: Scenario) -> None:
    from django_airalo import services

    services.create_airmoney_voucher(amount=20, idempotency_key=KEY)


def _keep(place: Callable[[], Any]) -> None:
    from django.db import transaction

    from tests.faults.shop.models import ShopOrder

    with transaction.atomic():
        ShopOrder.objects.get_or_create(key=KEY, defaults={"esim_order": place()})


ROADS = {
    "order": _order,
    "future": _future,
    "cancel": _cancel,
    "topup": _topup,
    "refund": _refund,
    "voucher": _voucher,
}
#: Roads that begin with an eSIM which the shop has sold before.
WITH_ESIM = ("topup", "refund")


def sell_esim() -> None:
    """Sell the eSIM that a road begins with."""
    from django_airalo import services

    services.place_order(package_id=PACKAGE, idempotency_key="before", mode="sync")
    work()


def work() -> None:
    """Run the jobs of the queue. A job is taken away before it is run, so a killed worker loses it."""
    from django.utils.module_loading import import_string

    from tests.faults.shop.models import Job
    from tests.faults.shop.points import points

    while job := Job.objects.order_by("id").first():
        with points.paused():
            job.delete()
        import_string(job.task).func(job.arg)
