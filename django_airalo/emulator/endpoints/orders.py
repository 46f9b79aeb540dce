"""Orders: POST /v2/orders, POST /v2/orders-async, GET /v2/orders, GET /v2/orders/{id}."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django_airalo.emulator import courier
from django_airalo.emulator.catalogue import Package
from django_airalo.emulator.errors import invalid, not_found, reason_only, unauthorised
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.ledger import Row
from django_airalo.emulator.messages import Request, Response, php_json, success
from django_airalo.emulator.orders import answer, buy, fulfil, listed, new_request_id, timestamp
from django_airalo.emulator.world import World

from .checks import paging, whole_number
from .pages import links_and_meta

MOST = 50  # eSIMs in one order


def _checked(world: World, request: Request) -> tuple[Package, int]:
    """Return what is ordered and how many, or raise 422 with all that is wrong."""
    problems = {}
    sent = request.data.get("quantity")
    quantity = whole_number(sent)
    if sent is None or sent == "":
        problems["quantity"] = "The quantity field is required."
    elif quantity is None:
        problems["quantity"] = "The quantity must be an integer."
    elif quantity < 1:
        problems["quantity"] = "The quantity must be at least 1."
    elif quantity > MOST:
        problems["quantity"] = f"The quantity may not be greater than {MOST}."
    package_id = request.text("package_id")
    package = world.package(package_id)
    if not package_id:
        problems["package_id"] = "The package id field is required."
    elif package is None:
        problems["package_id"] = "The selected package is invalid."
    if request.text("type") not in ("", "sim"):
        problems["type"] = "The selected type is invalid."
    if request.text("to_email") and not request.data.get("sharing_option"):
        problems["sharing_option"] = "The sharing option field is required when to email is present."
    brand, brands = request.text("brand_settings_name"), world.options.brands
    if brand and brands is not None and brand not in brands:
        problems["brand_settings_name"] = "Brand settings name doesn't exist."
    if problems or package is None or quantity is None:
        raise invalid(problems)
    return package, quantity


def _bought(
    world: World,
    request: Request,
    ordered: tuple[Package, int],
    fault: Fault,
    request_id: str | None = None,
    url: str | None = None,
) -> int:
    description = request.text("description") or None
    brand = request.text("brand_settings_name") or None
    arguments = (*ordered, request.data["quantity"], description, brand)
    with world.ledger.transaction():  # the twin too, or neither
        number = buy(world, *arguments, fault, request_id, url)
        if fault.twin:
            silent = replace(fault, webhook="none" if request_id else fault.webhook)
            buy(world, *arguments, silent, new_request_id() if request_id else None)
    return number


def create(world: World, request: Request, fault: Fault) -> Response:
    """Buy and deliver at once."""
    fault = replace(fault, webhook="success")  # an order that answers at once cannot fail later
    number = _bought(world, request, _checked(world, request), fault)
    fulfil(world, number)
    world.courier.nudge()
    purchase = _purchase(world, number)
    return success(answer(world, purchase))


def create_async(world: World, request: Request, fault: Fault) -> Response:
    """Accept an order, deliver it later and say so by webhook."""
    ordered = _checked(world, request)
    url = request.text("webhook_url")
    if url:
        if not courier.valid_url(url):
            raise invalid({"webhook_url": "The webhook url format is invalid."})
        _probe(world, url)
    else:
        opted_in = world.ledger.row("SELECT contact_point FROM optins WHERE type = 'async_orders'")
        if opted_in is None:
            raise reason_only("User is not opted in and no webhook URL provided.")
        url = opted_in["contact_point"]
    request_id = new_request_id()
    if fault.webhook_first:
        fault = replace(fault, webhook_delay=3600.0)  # the courier must not come first
    number = _bought(world, request, ordered, fault, request_id, url)
    if fault.webhook_first:
        world.courier.fulfil_and_push(number)
    world.courier.nudge()
    return success({"request_id": request_id, "accepted_at": timestamp(time.time())}, 202)


def _probe(world: World, url: str) -> None:
    # Documented for opted-in addresses and future orders; for this address it is not known. An emulator that
    # asks finds a shop whose webhook does not answer HEAD before Airalo does.
    if world.options.head_probe and not courier.reachable(url, world.options.webhook_timeout):
        raise invalid({"webhook_url": "The webhook url must answer a HEAD request with 200 OK."})


def _purchase(world: World, number: int) -> Row:
    purchase = world.ledger.row("SELECT * FROM purchases WHERE id = ?", (number,))
    if purchase is None:
        raise unauthorised()
    return purchase


def show(world: World, request: Request, fault: Fault) -> Response:
    """Return one order by its number. Somebody else's, or none, is answered with 401."""
    if not request.params[0].isascii() or not request.params[0].isdigit():
        raise not_found()
    conditions, values = _visible(world)
    row = world.ledger.row(
        f"SELECT * FROM purchases WHERE {conditions} AND id = ?",  # noqa: S608
        (*values, int(request.params[0][:18])),
    )
    if row is None:
        raise unauthorised()
    return success(listed(world, row, _include(request)))


def _include(request: Request) -> set[str]:
    return {name.strip() for name in request.query.get("include", "").split(",")}


def _visible(world: World) -> tuple[str, tuple[Any, ...]]:
    if world.options.list_failed:
        return "((status = 'completed' AND listed_at <= ?) OR status = 'failed')", (time.time(),)
    return "status = 'completed' AND listed_at <= ?", (time.time(),)


def index(world: World, request: Request, fault: Fault) -> Response:
    """Return fulfilled orders, newest first. Filters on text are LIKE searches, without regard to case."""
    limit, page = paging(request)
    limit = limit or 25
    conditions, known = _visible(world)
    values: list[Any] = list(known)
    for name in ("description", "code"):
        wanted = request.query.get(f"filter[{name}]", "")
        if wanted:
            conditions += f" AND {name} LIKE ?"
            values.append(f"%{wanted}%")
    iccid = request.query.get("filter[iccid]", "")
    if iccid:
        conditions += " AND id IN (SELECT purchase_id FROM esims WHERE iccid LIKE ?)"
        values.append(f"%{iccid}%")
    status = request.query.get("filter[order_status]", "")
    if status:
        conditions += " AND status = ?"
        values.append(status.lower())
    days = _days(request.query.get("filter[created_at]", ""))
    if days:
        conditions += " AND created_at >= ? AND created_at < ?"
        values += days
    counted = world.ledger.row(f"SELECT count(*) AS n FROM purchases WHERE {conditions}", tuple(values))  # noqa: S608
    rows = world.ledger.rows(
        f"SELECT * FROM purchases WHERE {conditions} ORDER BY id DESC LIMIT ? OFFSET ?",  # noqa: S608
        (*values, limit, (page - 1) * limit),
    )
    include = _include(request)
    total = counted["n"] if counted else 0
    content = {
        "data": [listed(world, row, include) for row in rows],
        **links_and_meta(request, total, limit, page, len(rows)),
    }
    return Response(200, php_json(content))


def _days(value: str) -> list[float]:
    """Return the first and the end second of "2026-01-01 - 2026-01-31"; nothing for no filter."""
    if not value:
        return []
    found = re.fullmatch(r"\s*(\d{4}-\d\d-\d\d)\s+-\s+(\d{4}-\d\d-\d\d)\s*", value)
    try:
        if found is None:
            raise ValueError
        first, last = (datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) for day in found.groups())
    except ValueError:
        raise invalid({"filter.created_at": "The created at format is invalid."}) from None
    return [first.timestamp(), (last + timedelta(days=1)).timestamp()]
