"""The partner's eSIMs: GET /v2/sims, GET /v2/sims/{iccid}, PUT /v2/sims/{iccid}/brand."""

from __future__ import annotations

import json
import time
from typing import Any

from django_airalo.emulator.errors import invalid
from django_airalo.emulator.esims import by_itself, find_esim
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.ledger import Row
from django_airalo.emulator.messages import Request, Response, php_json
from django_airalo.emulator.order_bodies import listed
from django_airalo.emulator.state import EmulatorState

from .checks import brand_problems, days, included, paging
from .pages import links_and_meta

FROM = "FROM esims e JOIN purchases p ON p.id = e.purchase_id"


def index(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return the eSIMs of fulfilled orders, newest first."""
    limit, page = paging(request)
    limit = limit or 25
    conditions = "p.status NOT IN ('pending', 'failed') AND p.listed_at <= ? AND e.sims_at <= ?"
    values: list[Any] = [time.time()] * 2
    iccid = request.query.get("filter[iccid]", "")
    if iccid:
        conditions, values = f"{conditions} AND e.iccid LIKE ?", [*values, f"%{iccid}%"]
    between = days(request.query.get("filter[created_at]", ""))
    if between:
        conditions, values = f"{conditions} AND p.created_at >= ? AND p.created_at < ?", [*values, *between]
    counted = state.ledger.row(f"SELECT count(*) AS n {FROM} WHERE {conditions}", tuple(values))
    rows = state.ledger.rows(
        f"SELECT e.* {FROM} WHERE {conditions} ORDER BY e.id DESC LIMIT ? OFFSET ?",
        (*values, limit, (page - 1) * limit),
    )
    content = {
        "data": [_content(state, row, included(request)) for row in rows],
        **links_and_meta(request, counted["n"] if counted else 0, limit, page, len(rows)),
    }
    return Response(200, php_json(content))


def show(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return one eSIM."""
    esim = find_esim(state, request.params[0])
    return Response.of(200, {"data": _content(state, esim, included(request)), "meta": {"message": "succes"}})


def _content(state: EmulatorState, esim: Row, include: set[str]) -> dict[str, Any]:
    content = by_itself(state, esim, time.time())
    if include & {"order", "order.status", "order.user"}:
        content["simable"] = _order(state, esim, include)
    return content


def _order(state: EmulatorState, esim: Row, include: set[str]) -> dict[str, Any]:
    purchase = state.ledger.row("SELECT * FROM purchases WHERE id = ?", (esim["purchase_id"],))
    if purchase is None:
        raise KeyError(esim["purchase_id"])
    parts = {name.removeprefix("order.") for name in include if name.startswith("order.")}
    order = listed(state, purchase, parts & {"status", "user"})
    if "share" in include:
        order["sharing"] = json.loads(purchase["share"])["sharing"]
    return order


def set_brand(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Show the eSIM's page under another brand; null takes the brand away."""
    esim = find_esim(state, request.params[0])
    if "brand_settings_name" not in request.data:
        raise invalid({"brand_settings_name": "The brand settings name field must be present."})
    brand = request.text("brand_settings_name") or None
    problems = brand_problems(state, brand or "")
    if problems:
        raise invalid(problems)
    state.ledger.execute("UPDATE esims SET brand = ? WHERE id = ?", (brand, esim["id"]))
    return Response.of(200, {"data": {"brand_settings_name": brand}, "meta": {"message": "succes"}})
