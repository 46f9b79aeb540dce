"""Looking orders up: GET /v2/orders and GET /v2/orders/{id}."""

from __future__ import annotations

import time
from typing import Any

from django_airalo.emulator.errors import not_found, unauthorised
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, php_json, success
from django_airalo.emulator.order_bodies import listed
from django_airalo.emulator.state import EmulatorState

from .checks import days, included, paging
from .pages import links_and_meta


def show(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return one order by its number. Somebody else's, or none, is answered with 401."""
    if not request.params[0].isascii() or not request.params[0].isdigit():
        raise not_found()
    conditions, values = _visible(state)
    row = state.ledger.row(
        f"SELECT * FROM purchases WHERE {conditions} AND id = ?",
        (*values, int(request.params[0][:18])),
    )
    if row is None:
        raise unauthorised()
    return success(listed(state, row, included(request), alone=True))


def _visible(state: EmulatorState) -> tuple[str, tuple[Any, ...]]:
    shown = ("completed", "refunded", "partially_refunded")
    if state.options.list_failed:
        return f"((status IN {shown} AND listed_at <= ?) OR status = 'failed')", (time.time(),)
    return f"status IN {shown} AND listed_at <= ?", (time.time(),)


def index(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return fulfilled orders, newest first. Filters on text are LIKE searches, without regard to case."""
    limit, page = paging(request)
    limit = limit or 25
    conditions, known = _visible(state)
    values: list[Any] = list(known)
    for name in ("description", "code"):
        wanted = request.query.get(f"filter[{name}]", "")
        if wanted:
            conditions += f" AND {name} LIKE ?"
            values.append(f"%{wanted}%")
    iccid = request.query.get("filter[iccid]", "")
    if iccid:
        conditions += (
            " AND (iccid LIKE ? OR id IN (SELECT purchase_id FROM esims WHERE iccid LIKE ? AND shown_at <= ?))"
        )
        values += [f"%{iccid}%", f"%{iccid}%", time.time()]
    status = request.query.get("filter[order_status]", "")
    if status:
        conditions += " AND status = ?"
        values.append(status.lower())
    between = days(request.query.get("filter[created_at]", ""))
    if between:
        conditions += " AND created_at >= ? AND created_at < ?"
        values += between
    counted = state.ledger.row(f"SELECT count(*) AS n FROM purchases WHERE {conditions}", tuple(values))
    rows = state.ledger.rows(
        f"SELECT * FROM purchases WHERE {conditions} ORDER BY id DESC LIMIT ? OFFSET ?",
        (*values, limit, (page - 1) * limit),
    )
    include = included(request)
    total = counted["n"] if counted else 0
    content = {
        "data": [listed(state, row, include) for row in rows],
        **links_and_meta(request, total, limit, page, len(rows)),
    }
    return Response(200, php_json(content))
