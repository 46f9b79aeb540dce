"""What an order looks like: in the answer to its POST and its webhook, and otherwise in lists."""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Any

from . import order_overrides
from .catalogue_parts import Package, form_of, installation
from .esims import listed_sims_of, sims_of
from .ledger import Row
from .state import EmulatorState
from .times import timestamp

GUIDES = {"en": "https://www.example.com/help/getting-started"}
USER: dict[str, Any] = {
    "id": 120,
    "created_at": "2024-01-15 09:30:00",
    "name": "Emulated Partner",
    "email": "partner@example.com",
    "mobile": None,
    "address": None,
    "state": None,
    "city": None,
    "postal_code": None,
    "country_id": None,
    "company": "Emulated Partner Ltd",
}


def answer(state: EmulatorState, purchase: Row, at: float | None = None) -> dict[str, Any]:
    """Return an order as the answer to the POST that made it, and so in its webhook.

    ``at`` is the moment (seconds since 1970) whose eSIMs are shown; None is now.
    """
    order = _topup(state, purchase) if purchase.get("type") == "topup" else _esim_order(state, purchase, at)
    return order | order_overrides.in_answer(purchase)


def _esim_order(state: EmulatorState, purchase: Row, at: float | None) -> dict[str, Any]:
    package = state.catalogue.packages[purchase["package_id"]]
    return {
        "id": purchase["id"],
        "code": purchase["code"],
        "currency": "USD",
        "package_id": package.id,
        # The documentation shows the quantity as it was sent: "1" from a form, 1 from JSON.
        "quantity": json.loads(purchase["plan"])["quantity_sent"],
        "type": "sim",
        "description": purchase["description"],
        "esim_type": "Prepaid",
        "validity": package.days,
        "package": package.full_title,
        "data": package.data,
        "price": package.price,
        "created_at": timestamp(purchase["created_at"]),
        **_texts(package),
        **_paid(state, package, purchase["quantity"]),
        "brand_settings_name": purchase["brand"],
        "sims": sims_of(state, purchase, time.time() if at is None else at),
    }


def _topup(state: EmulatorState, purchase: Row) -> dict[str, Any]:
    """Return the answer to a top-up: no eSIM, and its ICCID at most in the description."""
    package = state.catalogue.topups[purchase["package_id"]]
    content = {
        "package_id": package.id,
        "quantity": 1,
        "type": "topup",
        "description": purchase["description"],
        # One of the documented examples has the type of the operator in this place.
        "esim_type": "local" if form_of(package.id, 2) else "Prepaid",
        "validity": package.days,
        "package": package.full_title,
        "data": package.data,
        "price": package.price,
        "created_at": timestamp(purchase["created_at"]),
        "id": purchase["id"],
        "code": purchase["code"],
        "currency": "USD",
        **_texts(package),
        **_paid(state, package, 1),
    }
    return content | {"net_price": None} if state.discount else content


def _paid(state: EmulatorState, package: Package, quantity: int) -> dict[str, Any]:
    """Return what an answer tells of the price paid, and of messages and minutes beside it.

    Under discount pricing there is no net price, but the discount of one eSIM and the total of all. Under net pricing
    the documented examples have a net price with ``text`` and ``voice``, or none of the three.
    """
    spoken = {"text": package.text, "voice": package.voice}
    model = {"pricing_model": state.options.pricing_model}
    if state.discount:
        paid = state.unit_price(package)
        return {
            **spoken,
            **model,
            "discount_percentage": state.options.discount_percentage,
            "discount_amount": round(package.price - paid, 2),
            "unit_paid_price": paid,
            "total_amount_paid": round(paid * quantity, 2),
        }
    form = state.options.answer_net_price
    if form == "mixed":
        form = ("always", "always", "null", "absent")[form_of(package.id, 4)]
    if form == "absent":
        return model
    return {**spoken, "net_price": package.net_price if form == "always" else None, **model}


def listed(state: EmulatorState, purchase: Row, include: set[str], *, alone: bool = False) -> dict[str, Any]:
    """Return an order as the order list shows it, or one that is asked for ``alone``.

    It has other types than in the answer, nothing of its cost, and parts on request.
    """
    topup = purchase["type"] == "topup"
    package = (state.catalogue.topups if topup else state.catalogue.packages)[purchase["package_id"]]
    order: dict[str, Any] = {
        "id": purchase["id"],
        "created_at": timestamp(purchase["created_at"]),
        "code": purchase["code"],
        "description": purchase["description"],
        "type": purchase["type"],
        "package_id": package.id,
        "quantity": purchase["quantity"],
        "package": package.full_title,
        "esim_type": "Prepaid",
        "validity": str(package.days),
        "price": f"{package.price:.2f}",
        "data": package.data,
        "currency": "USD",
        **_texts(package, empty=topup),
    }
    if "sims" in include:
        order["sims"] = listed_sims_of(state, purchase, time.time(), alone=alone)
    if "user" in include:
        order["user"] = dict(USER)
    if "status" in include:
        name = purchase["status"].replace("_", " ").capitalize()
        order["status"] = {"name": name, "slug": purchase["status"]}
    optional = {"sims", "user", "status"} - include
    return order | {name: value for name, value in order_overrides.in_list(purchase).items() if name not in optional}


def share_of(brand: str | None, wanted: dict[str, Any] | None) -> dict[str, Any]:
    """Return how the eSIMs of an order are shared: what was asked for, and the page with its access code.

    Every order gets a page, because Airalo shows it of any eSIM that is asked for with ``include=share``.
    """
    folder = re.sub(r"[^a-z0-9]+", "-", (brand or "esims").lower()).strip("-")
    link = f"https://esims.example.com/{folder}/{secrets.token_hex(3)}-{secrets.token_hex(3)}"
    return {**(wanted or {}), "sharing": {"link": link, "access_code": f"{secrets.randbelow(10_000):04d}"}}


def _texts(package: Package, *, empty: bool = False) -> dict[str, Any]:
    if empty:
        return {"manual_installation": "", "qrcode_installation": "", "installation_guides": GUIDES}
    return {
        "manual_installation": installation(package.operator, package.coverage, package.apn_value, by_qr=False),
        "qrcode_installation": installation(package.operator, package.coverage, package.apn_value, by_qr=True),
        "installation_guides": GUIDES,
    }
