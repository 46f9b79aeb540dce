"""Buying at once: POST /v2/orders, POST /v2/orders/topups; and in a while: POST /v2/orders-async."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from django_airalo.emulator import webhooks
from django_airalo.emulator.catalogue_parts import Package
from django_airalo.emulator.errors import ApiError, business, invalid, reason_only, unauthorised
from django_airalo.emulator.esims import find_esim, package_of, refuse_recycled
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.ledger import Row
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.order_bodies import answer
from django_airalo.emulator.orders import buy, fulfil, new_request_id
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.times import timestamp

from .checks import brand_problems, how_many, sharing

TOPUP_TEST = "test-disabled-top-up-7days-1gb"


@dataclass(frozen=True)
class Ordered:
    """What a valid request asks for."""

    package: Package
    quantity: int
    quantity_sent: Any
    description: str | None
    brand: str | None = None
    iccid: str | None = None
    share: dict[str, Any] | None = None


def _checked(state: EmulatorState, request: Request) -> Ordered:
    """Return what is ordered, or raise 422 with all that is wrong."""
    quantity, problems = how_many(request)
    package_id = request.text("package_id")
    package = state.package(package_id)
    if not package_id:
        problems["package_id"] = "The package id field is required."
    elif package is None:
        problems["package_id"] = "The selected package is invalid."
    if request.text("type") not in ("", "sim"):
        problems["type"] = "The selected type is invalid."
    share, wrong = sharing(request)
    problems |= wrong | brand_problems(state, request.text("brand_settings_name"))
    if problems or package is None:
        raise invalid(problems)
    description = request.text("description") or None
    brand = request.text("brand_settings_name") or None
    return Ordered(package, quantity, request.data["quantity"], description, brand, share=share)


def bought(
    state: EmulatorState, ordered: Ordered, fault: Fault, request_id: str | None = None, url: str | None = None
) -> int:
    """Buy what is ordered, and its twin if the fault says so: both or neither. Return the order's id."""
    it = ordered
    arguments = (it.package, it.quantity, it.quantity_sent, it.description, it.brand)
    with state.ledger.transaction():
        number = buy(state, *arguments, fault, request_id, url, iccid=it.iccid, share=it.share)
        if fault.twin:
            silent = replace(fault, webhook="none" if request_id else fault.webhook)
            twin_id = new_request_id() if request_id else None
            twin = buy(state, *arguments, silent, twin_id, iccid=it.iccid, share=it.share)
            if it.package.kind == "topup":
                fulfil(state, twin)
    return number


def create(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Buy and deliver at once."""
    fault = replace(fault, webhook="success")  # an order that answers at once cannot fail later
    return _at_once(state, _checked(state, request), fault)


def _at_once(state: EmulatorState, ordered: Ordered, fault: Fault) -> Response:
    number = bought(state, ordered, fault)
    fulfil(state, number)
    state.deliverer.wake()
    purchase = _purchase(state, number)
    return success(answer(state, purchase, purchase["fulfilled_at"]))


def create_topup(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Buy a top-up for one of the partner's eSIMs; it is there at once."""
    package_id, iccid = request.text("package_id"), request.text("iccid")
    fields = {"iccid": iccid, "package_id": package_id}
    problems = {name: f"The {name.replace('_', ' ')} field is required." for name, value in fields.items() if not value}
    if problems:
        raise invalid(problems)
    if package_id == TOPUP_TEST:
        raise business(23)
    try:
        esim = find_esim(state, iccid)
    except ApiError:
        raise invalid({"iccid": "The selected iccid is invalid."}) from None
    refuse_recycled(esim)
    package = state.catalogue.topups.get(package_id)
    if package is None or package.operator_id != package_of(state, esim).operator_id:
        raise invalid({"package_id": "invalid topup package"})
    most = state.options.topups_per_esim
    if most is not None and _topups_of(state, iccid) >= most:
        raise invalid({"package_id": "validation.order_exceed_limit"})
    description = request.text("description") or f"Topup ({iccid})"
    fault = replace(fault, webhook="success")
    return _at_once(state, Ordered(package, 1, 1, description, iccid=iccid), fault)


def _topups_of(state: EmulatorState, iccid: str) -> int:
    row = state.ledger.row("SELECT count(*) AS n FROM purchases WHERE type = 'topup' AND iccid = ?", (iccid,))
    return int(row["n"]) if row else 0


def create_async(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Accept an order, deliver it later and say so by webhook."""
    ordered = _checked(state, request)
    url = webhook_address(state, request)
    request_id = new_request_id()
    if fault.webhook_first:
        fault = replace(fault, webhook_delay=3600.0)  # the deliverer must not come first
    number = bought(state, ordered, fault, request_id, url)
    if fault.webhook_first:
        webhooks.fulfil_and_send(state, number)
    state.deliverer.wake()
    return success({"request_id": request_id, "accepted_at": timestamp(time.time())}, 202)


def webhook_address(state: EmulatorState, request: Request) -> str:
    """Return where the webhook of an order goes: its own address, or the opted-in one. Raises 422 without any."""
    url = request.text("webhook_url")
    if url:
        if not webhooks.valid_url(url):
            raise invalid({"webhook_url": "The webhook url format is invalid."})
        _probe(state, url)
        return url
    opted_in = state.ledger.row("SELECT contact_point FROM optins WHERE type = 'async_orders'")
    if opted_in is None:
        raise reason_only("User is not opted in and no webhook URL provided.")
    return str(opted_in["contact_point"])


def _probe(state: EmulatorState, url: str) -> None:
    # Documented for opted-in addresses and future orders; for this address it is not known. An emulator that
    # asks finds a shop whose webhook does not answer HEAD before Airalo does.
    if state.options.head_probe and not state.deliverer.is_reachable(url):
        raise invalid({"webhook_url": "The webhook url must answer a HEAD request with 200 OK."})


def _purchase(state: EmulatorState, number: int) -> Row:
    purchase = state.ledger.row("SELECT * FROM purchases WHERE id = ?", (number,))
    if purchase is None:
        raise unauthorised()
    return purchase
