"""What an eSIM has and can have: GET /v2/sims/{iccid}/usage, /packages and /topups."""

from __future__ import annotations

import time
from typing import Any

from django_airalo.emulator import usage as usages
from django_airalo.emulator.catalogue_parts import Package, in_all_currencies
from django_airalo.emulator.esims import find_esim, topups_for
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response
from django_airalo.emulator.times import iso
from django_airalo.emulator.world import World


def usage(world: World, request: Request, fault: Fault) -> Response:
    """Return what is left; for a while as it was, if the option ``usage_cache`` says so."""
    esim = find_esim(world, request.params[0])
    until, content = world.usage_cache.get(esim["iccid"], (0.0, {}))
    if time.monotonic() >= until:
        content = usages.report(world, esim)
        world.usage_cache[esim["iccid"]] = (time.monotonic() + world.options.usage_cache, content)
    return Response.of(200, {"data": content, "meta": {"message": "api.succes"}})


def packages(world: World, request: Request, fault: Fault) -> Response:
    """Return the packages bought for an eSIM, newest first."""
    esim = find_esim(world, request.params[0])
    rows = [
        {
            "id": row["id"],
            "status": row["status"],
            "remaining": row["remaining"],
            "activated_at": iso(row["activated_at"]),
            "expired_at": iso(row["expired_at"]),
            "finished_at": iso(row["finished_at"]),
            "package": _package(world, row["package"]),
        }
        for row in reversed(usages.bought(world, esim))
    ]
    return Response.of(200, {"pricing": world.pricing, "data": rows})


def _package(world: World, package: Package) -> dict[str, Any]:
    return {
        "id": package.id,
        "type": package.kind,
        "price": package.price,
        "net_price": None if world.discount else package.net_price,
        "amount": package.amount,
        "day": package.days,
        "is_unlimited": package.is_unlimited,
        "title": package.title,
        "data": package.data,
        "short_info": package.short_info,
    }


def topups(world: World, request: Request, fault: Fault) -> Response:
    """Return the top-up packages an eSIM can have; none is an empty list, a recycled eSIM is code 73."""
    rows = [_topup(world, package) for package in topups_for(world, find_esim(world, request.params[0]))]
    return Response.of(200, {"pricing": world.pricing, "data": rows})


def _topup(world: World, package: Package) -> dict[str, Any]:
    content = _package(world, package) | {"voice": package.voice, "text": package.text}
    prices = {"recommended_retail_price": in_all_currencies(package.price)}
    if world.discount:
        del content["net_price"]
    else:
        prices = {"net_price": in_all_currencies(package.net_price), **prices}
    return {**content, "prices": prices}
