"""What an eSIM has and can have: GET /v2/sims/{iccid}/usage, /packages and /topups."""

from __future__ import annotations

import time
from typing import Any

from django_airalo.emulator import usage as usages
from django_airalo.emulator.catalogue_parts import Package, in_currencies
from django_airalo.emulator.esims import find_esim, topups_for
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.times import iso

TOPUP_CURRENCIES = ("USD", "EUR", "GBP", "AED", "JPY")  # those of the documented example


def usage(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return what is left; for a while as it was, if the option ``usage_cache`` says so."""
    esim = find_esim(state, request.params[0])
    until, content = state.usage_cache.get(esim["iccid"], (0.0, {}))
    if time.monotonic() >= until:
        content = usages.report(state, esim)
        state.usage_cache[esim["iccid"]] = (time.monotonic() + state.options.usage_cache, content)
    return Response.of(200, {"data": content, "meta": {"message": "api.succes"}})


def packages(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return the packages bought for an eSIM, newest first."""
    esim = find_esim(state, request.params[0])
    rows = [
        {
            "id": row["id"],
            "status": row["status"],
            "remaining": row["remaining"],
            "activated_at": iso(row["activated_at"]),
            "expired_at": iso(row["expired_at"]),
            "finished_at": iso(row["finished_at"]),
            "package": _package(state, row["package"]),
        }
        for row in reversed(usages.bought(state, esim))
    ]
    return Response.of(200, {"pricing": state.pricing, "data": rows})


def _package(state: EmulatorState, package: Package) -> dict[str, Any]:
    return {
        "id": package.id,
        "type": package.kind,
        "price": package.price,
        "net_price": None if state.discount else package.net_price,
        "amount": package.amount,
        "day": package.days,
        "is_unlimited": package.is_unlimited,
        "title": package.title,
        "data": package.data,
        "short_info": package.short_info,
    }


def topups(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return the top-up packages an eSIM can have; a recycled eSIM is code 73.

    If there are none, the answer is an empty list, without ``pricing``.
    """
    esim, country = find_esim(state, request.params[0]), request.query.get("filter[country]", "")
    rows = [_topup(state, package) for package in topups_for(state, esim, country)]
    return Response.of(200, {"pricing": state.pricing, "data": rows} if rows else {"data": []})


def _topup(state: EmulatorState, package: Package) -> dict[str, Any]:
    content = _package(state, package) | {"voice": package.voice or 0, "text": package.text or 0}
    prices = {"recommended_retail_price": in_currencies(package.price, TOPUP_CURRENCIES)}
    if not state.discount:
        prices = {"net_price": in_currencies(package.net_price, TOPUP_CURRENCIES), **prices}
    return {**content, "prices": prices}
