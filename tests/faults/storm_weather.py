"""What goes wrong in a storm beside what the emulator draws by itself: the rules of its script, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from django_airalo.emulator.fault_presets import RANDOM

from .shop.verbs import drawn_quantity

Do = dict[str, Any]

#: When a purchase is listed at the latest, in seconds after its fulfilment: many orders are sent again before, and all
#: of these within the grace period after that, as is promised.
LISTED_AFTER = 37
#: Bought behind an error, and listed only when another attempt was made.
IN_DOUBT: Do = {"preset": "503-bought", "webhook": "none", "listing_delay": LISTED_AFTER}
#: A share of the orders is bought behind an error, and of these one in two is refused when it is sent again.
DOUBTED = 0.05
#: A share of the orders for several eSIMs is delivered in parts; a share of all calls is answered in odd shapes.
PARTED, ODDLY_SHAPED = 0.5, 0.08
#: Between two outages there are so many asynchronous orders at least and at most.
OUTAGE_EVERY = (30, 90)
#: A share of the calls that buy asynchronously, or on one of the other roads, has a fault of the tables below.
FAULTY, FAULTY_ELSEWHERE = 0.35, 0.25


def _presets(*names: str) -> dict[str, Do]:
    """Return faults of the emulator by their names."""
    return {name: {"preset": name} for name in names}


WEBHOOKS: dict[str, Do] = {
    **_presets("failure", "failure-then-success", "success-then-failure", "webhook-late", "webhook-again"),
    "failure first": {"preset": "failure", "webhook_first": True},
    "twenty, nested": {"preset": "twenty-at-once", "webhook_shape": "nested"},
    "flat": {"webhook_shape": "flat"},
    "late fulfilment": {"webhook_delay": 5},
    "none, listed late": {"preset": "no-webhook", "listing_delay": 6},
}
LOST_ANSWERS: dict[str, Do] = {
    "code 53": {"code": 53},
    "code 53, bought": {"code": 53, "bought": True},
    "slow after": {"delay_after": 4},
    "slow before": {"delay": 4, "webhook": "none"},
    "closed after": {"close": "after", "webhook": "none"},
    "hang-bought": {"preset": "hang-bought", "hang": 6},
    **_presets("500-bought", "503-bought", "truncated"),
}
DOUBT: dict[str, Do] = {
    **LOST_ANSWERS,
    **_presets("500-bought-late", "503-bought-late", "504-bought-late"),
    "no-request-id": {"preset": "no-request-id"},
}
LIMITS: dict[str, Do] = {**_presets("429", "401"), "slow": {"delay": 1.5}, "slow, bought": {"delay_after": 1.5}}
PROXY: dict[str, Do] = {
    **_presets("html-400", "html-403", "html-413", "html-422"),
    "html-403 bought": {"preset": "html-403", "bought": True, "webhook": "none"},
    "html-422 bought": {"preset": "html-422", "bought": True},
}
PARTS: dict[str, Do] = {
    **_presets("part-then-webhook", "part-then-list", "part-then-sims", "part-for-ever", "no-sims-then-list"),
    "rest alone": {"preset": "part-then-webhook", "rest_only": True},
}
ICCIDS: dict[str, Do] = {**_presets(*RANDOM["iccids"][1]), "more-sims": {"preset": "more-sims"}}
CODES: dict[str, Do] = {
    **_presets(*RANDOM["codes"][1]),
    "codes-late in sims": {"preset": "codes-late", "codes_later_in": "sims"},
    "codes-changed in sims": {"preset": "codes-changed", "codes_later_in": "sims"},
}
OUTAGES = _presets("outage-503", "outage-hang", "outage-503-bought", "outage-hang-bought")

#: Group of faults: its weight in the draw, and its faults, which are equally likely.
ASYNC: dict[str, tuple[float, dict[str, Do]]] = {
    "webhooks": (24, WEBHOOKS),
    "doubt": (24, DOUBT),
    "limits": (8, LIMITS),
    "proxy": (10, PROXY),
    "iccids": (16, ICCIDS),
    "codes": (16, CODES),
}
ELSEWHERE: dict[str, tuple[float, dict[str, Do]]] = {
    "doubt": (50, LOST_ANSWERS),
    "limits": (10, LIMITS),
    "proxy": (10, PROXY),
    "iccids": (15, ICCIDS),
    "codes": (15, CODES),
}
#: Endpoint: what stands in its answers in the place of something else. Nothing of it says what an order is.
SHAPES: dict[str, dict[str, dict[str, Any]]] = {
    "orders": {
        "price with noise": {"data.price": 4.500000000000001, "data.net_price": "3.6000000000000001"},
        "price as words": {"data.price": "4,50 dollars", "data.currency": 7},
        "quantity as words": {"data.quantity": "many", "data.validity": 1.5, "data.package": ["x"]},
        "flags as words": {"data.sims.*.is_roaming": "perhaps", "data.sims.*.msisdn": {"is": 1}},
        "objects as text": {"data.sims.*.apn": "x", "data.installation_guides": "x", "data.created_at": "yesterday"},
    },
    "topups": {
        "price with noise": {"data.price": 4.500000000000001, "data.quantity": "1"},
        "price as words": {"data.price": ["4.50"], "data.created_at": 7},
    },
    "orders-async": {"time as number": {"data.accepted_at": 7}, "meta as text": {"meta": "x"}},
    "orders-list": {
        "new status": {"data.*.status": {"name": "Brand new", "slug": "brand_new"}},
        "status as number": {"data.*.status": 7},
        "prices as objects": {"data.*.price": {"is": 1}, "data.*.quantity": "x", "data.*.created_at": None},
        "no eSIMs": {"data.*.sims": "x"},
        "eSIMs without flags": {"data.*.sims.*.is_roaming": None, "data.*.sims.*.apn_type": 7},
        "code as flag": {"data.*.sims.*.qrcode": True},
        "meta as text": {"meta": "x"},
    },
    "sims-get": {
        "codes as flags": {"data.qrcode": True, "data.confirmation_code": ["1"]},
        "recycled as words": {"data.recycled": "perhaps", "data.brand_settings_name": 7},
    },
}
#: Of which calls there are about so many for each order.
SHAPED_CALLS = {"orders": 0.2, "topups": 0.2, "orders-async": 1.0, "orders-list": 3.0, "sims-get": 1.0}
ROADS = ("orders-async", "orders", "topups")


def script(orders: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the rules; the first one that fits a call counts."""
    rng = random.Random(f"{seed}:weather")
    yield from _of_orders(orders, seed, rng)
    call = 0
    while (call := call + rng.randint(*OUTAGE_EVERY)) < 2 * orders:
        name = rng.choice(list(OUTAGES))
        yield {"endpoint": "orders-async", "call": call, "do": {**OUTAGES[name], "name": f"outages: {name}"}}
    yield from _of_calls("orders-async", 2 * orders, FAULTY, ASYNC, rng)
    for endpoint in ("orders", "topups", "future-orders"):
        yield from _of_calls(endpoint, orders // 5, FAULTY_ELSEWHERE, ELSEWHERE, rng)
    yield from _of_shapes(orders, rng)
    for call in range(2, 40):
        if rng.random() < 0.3:
            yield {"endpoint": "token", "call": call, "do": rng.choice(["500", "close-before", "slow"])}


def _of_orders(orders: int, seed: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """What goes wrong with certain orders, whichever call they make."""
    for number in range(orders):
        description = f"* line-{number}"
        if rng.random() < DOUBTED:
            is_refused = rng.random() < 0.5
            for endpoint in ROADS:
                rule = {"endpoint": endpoint, "description": description}
                yield {**rule, "attempt": 1, "do": {**IN_DOUBT, "name": "doubt: listed late"}}
                if is_refused:
                    yield {**rule, "attempt": 2, "do": {"code": 34, "name": "doubt: then refused"}}
        elif drawn_quantity(random.Random(f"{seed}:shop:{number}")) > 1 and rng.random() < PARTED:
            name, do = rng.choice(list(PARTS.items()))
            do = {**do, "name": f"parts: {name}"}
            for endpoint in ("orders-async", "orders"):
                yield {"endpoint": endpoint, "description": description, "do": do}


def _of_calls(
    endpoint: str, calls: int, share: float, groups: dict[str, tuple[float, dict[str, Do]]], rng: random.Random
) -> Iterator[dict[str, Any]]:
    names, weights = list(groups), [weight for weight, _ in groups.values()]
    for call in range(1, calls + 1):
        if rng.random() < share:
            (group,) = rng.choices(names, weights)
            faults = groups[group][1]
            name = rng.choice(list(faults))
            yield {"endpoint": endpoint, "call": call, "do": {**faults[name], "name": f"{group}: {name}"}}


def _of_shapes(orders: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    for endpoint, shapes in SHAPES.items():
        for call in range(1, int(orders * SHAPED_CALLS[endpoint]) + 1):
            if rng.random() < ODDLY_SHAPED:
                name = rng.choice(list(shapes))
                do = {"replace": shapes[name], "name": f"shapes: {name}"}
                yield {"endpoint": endpoint, "call": call, "do": do}


def group_of(fault: str) -> str:
    """Return the group of a fault that stands in the emulator's ledger."""
    group, colon, _ = fault.partition(": ")
    if colon:
        return group
    if fault == "slow":  # of a call for a token
        return "usual"
    return next((name for name, (of_any, buying) in RANDOM.items() if fault in (*of_any, *buying)), "other")
