"""The ways by which Airalo's eSIMs reach an order, each as a function, and the forms in which they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django_airalo import services
from django_airalo.activation_codes import apple_link
from django_airalo.models import Esim, EsimOrder
from django_airalo.services import operations
from django_airalo.testing import order_payload, sim_payload, webhook_payload
from tests.factories import EsimOrderFactory, due_now
from tests.fakes import FakeAiralo

#: What Airalo's documented list of orders leaves out of an eSIM.
NOT_LISTED = ("direct_apple_installation_url", "apn", "msisdn")


def poor(sim: dict[str, Any]) -> dict[str, Any]:
    """An eSIM as GET /v2/orders is documented to show it."""
    return {name: value for name, value in sim.items() if name not in NOT_LISTED}


def payload_of(order: EsimOrder, sims: Any, **overrides: Any) -> dict[str, Any]:
    return order_payload(
        **{
            "package_id": order.package_id,
            "quantity": order.quantity,
            "description": order.airalo_description,
            "sims": sims,
            **overrides,
        }
    )


# How an order is delivered first: each takes Airalo, the sims and the quantity, and returns the order afterwards.


def by_answer(airalo: FakeAiralo, sims: Any, quantity: int) -> EsimOrder:
    order = EsimOrderFactory(mode="sync", quantity=quantity)
    airalo.answer(200, {"data": payload_of(order, sims)}, bought=True)
    return services.submit_order(order)


def by_webhook(airalo: FakeAiralo, sims: Any, quantity: int) -> EsimOrder:
    order = EsimOrderFactory(accepted=True, quantity=quantity)
    assert airalo.push(webhook_payload(payload_of(order, sims), order.request_id)).status_code == 200
    return reread(order)


def by_look_up(airalo: FakeAiralo, sims: Any, quantity: int) -> EsimOrder:
    order = EsimOrderFactory(accepted=True, quantity=quantity)
    _list(airalo, payload_of(order, sims))
    return services.sync_order(order)


def by_list(airalo: FakeAiralo, sims: Any, quantity: int) -> EsimOrder:
    """Many are due, so that Airalo's list is read page by page."""
    order = EsimOrderFactory(accepted=True, quantity=quantity)
    for _ in range(6):
        EsimOrderFactory(accepted=True)
    _list(airalo, payload_of(order, sims))
    services.sweep()
    return reread(order)


def by_import(airalo: FakeAiralo, sims: Any, quantity: int) -> EsimOrder:
    payload = order_payload(quantity=quantity, description="by hand", sims=sims)
    _list(airalo, payload)
    operations.import_orders()
    return EsimOrder.objects.get(airalo_order_id=payload["id"])


FIRST: dict[str, Callable[[FakeAiralo, Any, int], EsimOrder]] = {
    "answer": by_answer,
    "webhook": by_webhook,
    "look-up": by_look_up,
    "list": by_list,
    "import": by_import,
}


# How more is learnt of an order that is completed: each takes Airalo, the order and the sims as Airalo shows them now.


def again_by_webhook(airalo: FakeAiralo, order: EsimOrder, sims: Any) -> None:
    payload = payload_of(order, sims, id=order.airalo_order_id)
    assert airalo.push(webhook_payload(payload, order.request_id or "request-x")).status_code == 200


def again_by_look_up(airalo: FakeAiralo, order: EsimOrder, sims: Any) -> None:
    _listed_now(airalo, order, sims)
    services.sync_order(order)


def again_by_list(airalo: FakeAiralo, order: EsimOrder, sims: Any) -> None:
    _listed_now(airalo, order, sims)
    for _ in range(6):
        EsimOrderFactory(accepted=True)
    due_now(order)
    services.sweep()


def again_by_import(airalo: FakeAiralo, order: EsimOrder, sims: Any) -> None:
    _listed_now(airalo, order, sims)
    operations.import_orders()


def again_by_sync_esims(airalo: FakeAiralo, order: EsimOrder, sims: Any) -> None:
    simable = {"id": order.airalo_order_id, "description": order.airalo_description}
    shown = [{**sim, "recycled": False, "simable": simable} for sim in sims]
    airalo.override_answer("GET", "/v2/sims", {"data": shown, "meta": {"current_page": 1, "last_page": 1}})
    operations.sync_esims()


LATER: dict[str, Callable[[FakeAiralo, EsimOrder, Any], None]] = {
    "webhook": again_by_webhook,
    "look-up": again_by_look_up,
    "list": again_by_list,
    "import": again_by_import,
    "sync_esims": again_by_sync_esims,
}


def _listed_now(airalo: FakeAiralo, order: EsimOrder, sims: Any) -> None:
    """From now on this is what Airalo lists of the order."""
    _list(airalo, payload_of(order, sims, id=order.airalo_order_id))


def _list(airalo: FakeAiralo, *payloads: dict[str, Any]) -> None:
    """Exactly this is what GET /v2/orders answers to any search."""
    rows = [{"status": {"name": "Completed", "slug": "completed"}, **payload} for payload in payloads]
    airalo.override_answer(
        "GET", "/v2/orders", {"data": rows, "meta": {"current_page": 1, "last_page": 1, "total": len(rows)}}
    )


def shown_at_sims(airalo: FakeAiralo, sim: dict[str, Any], **overrides: Any) -> None:
    """What GET /v2/sims/{iccid} answers."""
    airalo.override_answer(
        "GET", f"/v2/sims/{sim['iccid']}", {"data": {**sim, **overrides}, "meta": {"message": "success"}}
    )


def reread(order: EsimOrder) -> EsimOrder:
    return EsimOrder.objects.get(pk=order.pk)


def codes(order: EsimOrder) -> list[tuple[str, str]]:
    """ICCID and activation code of each eSIM, as they were stored one after the other."""
    return [(esim.iccid, esim.activation_code) for esim in Esim.objects.filter(order=order).order_by("pk")]


def sims(count: int = 1, **overrides: Any) -> list[dict[str, Any]]:
    return [sim_payload(**overrides) for _ in range(count)]


def other_code(sim, code="NEW"):
    return sim | {
        "matching_id": code,
        "qrcode": f"LPA:1${sim['lpa']}${code}",
        "direct_apple_installation_url": apple_link(f"LPA:1${sim['lpa']}${code}"),
    }
