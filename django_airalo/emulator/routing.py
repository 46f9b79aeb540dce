"""The imitated API's table of routes: one line per endpoint."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .endpoints import (
    account,
    devices,
    finance,
    future_orders,
    instructions,
    notifications,
    order_list,
    orders,
    package_details,
    packages,
    refunds,
    sim_packages,
    sims,
    simulator,
    token,
    vouchers,
)
from .faults import Fault
from .messages import Request, Response
from .state import EmulatorState

Handler = Callable[[EmulatorState, Request, Fault], Response]


@dataclass(frozen=True)
class Route:
    """One endpoint. ``name`` is what scripts, limits and the ledger call it."""

    name: str
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    needs_token: bool = True
    limit_by: str = "token"  # whose calls are counted together: token, client, address, or first part of the path
    limit_all: str = ""  # a second limit, of all the partner's calls together


def route(name: str, method: str, path: str, handler: Handler, **more: str | bool) -> Route:
    """Return a route; ``{}`` in the path catches one segment."""
    pattern = re.compile("^" + path.replace("{}", "([^/]+)") + "/?$")
    return Route(
        name,
        method,
        pattern,
        handler,
        needs_token=bool(more.get("needs_token", True)),
        limit_by=str(more.get("limit_by", "token")),
        limit_all=str(more.get("limit_all", "")),
    )


ROUTES: tuple[Route, ...] = (
    route("token", "POST", "/v2/token", token.create, needs_token=False, limit_by="client"),
    route("packages", "GET", "/v2/packages", packages.index),
    route("overrides", "GET", "/v2/packages/overrides", package_details.overrides),
    route(
        "product-information",
        "GET",
        "/v2/packages/{}/product-information",
        package_details.product_information,
        limit_by="path",
    ),
    route("exchange-rates", "GET", "/v2/finance/exchange-rates", finance.exchange_rates),
    route("devices", "GET", "/v2/compatible-devices-lite", devices.index),
    route("orders", "POST", "/v2/orders", orders.create),
    route("orders-async", "POST", "/v2/orders-async", orders.create_async),
    route("topups", "POST", "/v2/orders/topups", orders.create_topup),
    route("orders-list", "GET", "/v2/orders", order_list.index),
    route("orders-get", "GET", "/v2/orders/{}", order_list.show),
    route("future-orders", "POST", "/v2/future-orders", future_orders.create),
    route("future-orders-list", "GET", "/v2/future-orders", future_orders.index),
    route("future-orders-cancel", "POST", "/v2/cancel-future-orders", future_orders.cancel),
    route("sims-list", "GET", "/v2/sims", sims.index),
    route("sims-get", "GET", "/v2/sims/{}", sims.show),
    route("usage", "GET", "/v2/sims/{}/usage", sim_packages.usage, limit_by="path", limit_all="usage-client"),
    route("sims-topups", "GET", "/v2/sims/{}/topups", sim_packages.topups),
    route("sims-packages", "GET", "/v2/sims/{}/packages", sim_packages.packages, limit_by="path"),
    route("instructions", "GET", "/v2/sims/{}/instructions", instructions.show),
    route("brand", "PUT", "/v2/sims/{}/brand", sims.set_brand),
    route("voucher-esim", "POST", "/v2/voucher/esim", vouchers.esim),
    route("voucher-airmoney", "POST", "/v2/voucher/airmoney", vouchers.airmoney),
    route("refund", "POST", "/v2/refund", refunds.create, limit_by="address"),
    route("balance", "GET", "/v2/balance", account.balance),
    route("opt-in", "POST", "/v2/notifications/opt-in", notifications.opt_in),
    route("opt-in-get", "GET", "/v2/notifications/opt-in", notifications.show),
    route("opt-out", "POST", "/v2/notifications/opt-out", notifications.opt_out),
    route("simulator", "POST", "/v2/simulator/webhook", simulator.webhook, limit_by="address"),
)


def find(method: str, path: str) -> tuple[Route | None, tuple[str, ...], bool]:
    """Return the route, what it caught from the path, and whether the path exists with another method."""
    elsewhere = False
    for candidate in ROUTES:
        found = candidate.pattern.match(path)
        if found and candidate.method == method:
            return candidate, found.groups(), False
        elsewhere = elsewhere or bool(found)
    return None, (), elsewhere
