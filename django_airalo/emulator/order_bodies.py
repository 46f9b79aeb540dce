"""What an order looks like: in the answer to its POST and its webhook, and otherwise in lists."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from .catalogue_parts import Package, installation
from .esims import sims_of
from .ledger import Row
from .times import timestamp
from .world import World

GUIDES = {"en": "https://www.example.com/help/getting-started"}
USER = {
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


def answer(world: World, purchase: Row) -> dict[str, Any]:
    """Return an order as the answer to the POST that made it, and so in its webhook."""
    if purchase.get("type") == "topup":
        return _topup(world, purchase)
    package = world.catalogue.packages[purchase["package_id"]]
    order: dict[str, Any] = {
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
        "text": package.text,
        "voice": package.voice,
        "net_price": None if world.discount else package.net_price,
        "brand_settings_name": purchase["brand"],
        "pricing_model": world.options.pricing_model,
        "sims": sims_of(world, purchase),
    }
    if world.discount:
        paid = world.unit_price(package)
        order |= {
            "discount_percentage": world.options.discount_percentage,
            "discount_amount": round(package.price - paid, 2),
            "unit_paid_price": paid,
            "total_amount_paid": round(paid * purchase["quantity"], 2),
        }
    return order


def _topup(world: World, purchase: Row) -> dict[str, Any]:
    # As documented: no eSIM, not even its ICCID outside the description, and no installation texts.
    package = world.catalogue.topups[purchase["package_id"]]
    return {
        "package_id": package.id,
        "quantity": "1",
        "type": "topup",
        "description": purchase["description"],
        "esim_type": "Prepaid",
        "validity": package.days,
        "package": package.full_title,
        "data": package.data,
        "price": package.price,
        "created_at": timestamp(purchase["created_at"]),
        "id": purchase["id"],
        "code": purchase["code"],
        "currency": "USD",
        "manual_installation": "",
        "qrcode_installation": "",
        "installation_guides": GUIDES,
    }


def listed(world: World, purchase: Row, include: set[str]) -> dict[str, Any]:
    """Return an order as the order list shows it: other types than in the answer, and parts on request."""
    topup = purchase["type"] == "topup"
    package = (world.catalogue.topups if topup else world.catalogue.packages)[purchase["package_id"]]
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
        order["sims"] = sims_of(world, purchase)
    if "user" in include:
        order["user"] = dict(USER)
    if "status" in include:
        name = purchase["status"].replace("_", " ").capitalize()
        order["status"] = {"name": name, "slug": purchase["status"]}
    return order


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
