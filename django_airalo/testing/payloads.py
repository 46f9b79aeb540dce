"""Documents as Airalo sends them, with test values: reserved names, ICCIDs that no operator issues."""

from __future__ import annotations

import itertools
import secrets
from datetime import UTC, datetime
from typing import Any, Literal

Shape = Literal["enveloped", "flat", "nested"]
PricingModel = Literal["net_pricing", "discount_pricing"]

#: What the answer to an order under discount pricing has in place of a net price: 10 % off 4.50, for one eSIM.
_DISCOUNT = {"discount_percentage": 10, "discount_amount": 0.45, "unit_paid_price": 4.05}

_numbers = itertools.count(secrets.randbelow(10**9))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def sim_payload(**overrides: Any) -> dict[str, Any]:
    """One eSIM of an order, with an ICCID of its own."""
    number = next(_numbers)
    matching_id = f"TEST-{number:09d}"
    code = f"LPA:1$rsp.example.com${matching_id}"
    return {
        "id": number,
        "created_at": _now(),
        "iccid": f"890000000{number:010d}",
        "lpa": "rsp.example.com",
        "imsis": None,
        "matching_id": matching_id,
        "qrcode": code,
        "qrcode_url": f"https://www.example.com/qr?id={number}",
        "direct_apple_installation_url": f"https://esimsetup.example.com/esim_qrcode_provisioning?carddata={code}",
        "airalo_code": None,
        "apn_type": "automatic",
        "apn_value": None,
        "apn": {
            "ios": {"apn_type": "automatic", "apn_value": None},
            "android": {"apn_type": "manual", "apn_value": "internet"},
        },
        "is_roaming": True,
        "confirmation_code": None,
        "msisdn": None,
        **overrides,
    }


def order_payload(
    *,
    package_id: str = "test-mobile-7days-1gb",
    quantity: int = 1,
    description: str = "",
    pricing_model: PricingModel = "net_pricing",
    **overrides: Any,
) -> dict[str, Any]:
    """Return a fulfilled order as the answer to it and its webhook have it.

    Args:
        package_id: the package.
        quantity: how many eSIMs it has, unless ``sims`` is given.
        description: what the client sent.
        pricing_model: under ``discount_pricing`` there is no ``net_price``, but a discount and what was paid.
        overrides: other values.
    """
    return {
        **_bought(package_id, quantity, description, pricing_model),
        "validity": 7,
        "package": "Test Mobile-1 GB - 7 Days",
        "data": "1 GB",
        "brand_settings_name": None,
        "sims": [sim_payload() for _ in range(quantity)],
        **overrides,
    }


def topup_payload(
    *,
    package_id: str = "test-mobile-7days-1gb-topup",
    description: str = "",
    pricing_model: PricingModel = "net_pricing",
    **overrides: Any,
) -> dict[str, Any]:
    """Return a top-up as the answer to it has it: without eSIMs, and with an ICCID in the description at most."""
    content = _bought(package_id, 1, description, pricing_model)
    if pricing_model == "discount_pricing":
        content["net_price"] = None  # here Airalo writes null, where the answer to an order has nothing
    return {
        **content,
        "type": "topup",
        "validity": 7,
        "package": "Test Mobile-1 GB - 7 Days",
        "data": "1 GB",
        **overrides,
    }


def _bought(package_id: str, quantity: int, description: str, pricing_model: PricingModel) -> dict[str, Any]:
    number = next(_numbers)
    paid: dict[str, Any] = {"net_price": 1.5}
    if pricing_model == "discount_pricing":
        paid = {**_DISCOUNT, "total_amount_paid": round(4.05 * quantity, 2)}
    return {
        "id": number,
        "code": f"20260102-{number:06d}",
        "currency": "USD",
        "package_id": package_id,
        "quantity": quantity,
        "type": "sim",
        "description": description,
        "esim_type": "Prepaid",
        "price": 4.5,
        **paid,
        "pricing_model": pricing_model,
        "created_at": _now(),
        "manual_installation": "<p>Enter the code by hand.</p>",
        "qrcode_installation": "<p>Scan the QR code.</p>",
        "installation_guides": {"en": "https://www.example.com/help"},
        "text": None,
        "voice": None,
    }


#: What only the answer to an order and its webhook show of an eSIM; the list of orders has no Apple link, either.
_ONLY_IN_ANSWERS = ("apn", "msisdn", "sharing")
_NOT_LISTED = (*_ONLY_IN_ANSWERS, "direct_apple_installation_url")
#: What only the answer to an order and its webhook tell of an order: what it costs, for one.
_COSTS = (
    *("net_price", "pricing_model", "discount_percentage", "discount_amount", "unit_paid_price", "total_amount_paid"),
    *("text", "voice", "brand_settings_name"),
)


def listed_order_payload(order: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    """Return an order as ``GET /v2/orders`` lists it, with eSIMs and status: less than the answer to it had.

    Args:
        order: the order as the answer to it has it. A top-up is listed without installation texts.
        overrides: other values.
    """
    content = {name: value for name, value in order.items() if name not in _COSTS}
    if order.get("type") == "topup":
        content |= {"manual_installation": "", "qrcode_installation": ""}
    price = order.get("price")
    sims = [{name: value for name, value in sim.items() if name not in _NOT_LISTED} for sim in order.get("sims") or []]
    return {
        **content,
        "description": order.get("description") or None,
        "validity": None if order.get("validity") is None else str(order["validity"]),
        "price": f"{price:.2f}" if isinstance(price, int | float) else price,
        "sims": [{**sim, "confirmation_code": None} for sim in sims],
        "status": order.get("status") or {"name": "Completed", "slug": "completed"},
        **overrides,
    }


def esim_payload(sim: dict[str, Any], order: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    """Return an eSIM as ``GET /v2/sims/{iccid}`` shows it: with its order, without the APN by system and the number.

    Args:
        sim: the eSIM as the answer to its order has it.
        order: that order.
        overrides: other values. ``confirmation_code`` is text here, and null everywhere else.
    """
    simable = {name: value for name, value in listed_order_payload(order).items() if name != "sims"}
    sharing = sim.get("sharing") or {"link": "https://share.example.com/esims/test", "access_code": "0000"}
    return {
        **{name: value for name, value in sim.items() if name not in _ONLY_IN_ANSWERS},
        "voucher_code": None,
        "order": None,
        "brand_settings_name": order.get("brand_settings_name"),
        "recycled": False,
        "recycled_at": None,
        "simable": {**simable, "sharing": sharing},
        **overrides,
    }


def webhook_payload(order: dict[str, Any], request_id: str, shape: Shape = "enveloped") -> dict[str, Any]:
    """Return the body of a success webhook, in one of the three shapes that have been seen or described."""
    if shape == "flat":
        return {**order, "request_id": request_id}
    if shape == "nested":
        return {"data": {**order, "request_id": request_id}, "meta": {"message": "success"}}
    return {"data": order, "meta": {"message": "success"}, "request_id": request_id}


def failure_payload(
    request_id: str | None, *, code: int | None = 34, reason: str = "The package is out of stock."
) -> dict[str, Any]:
    """Return the body of a failure webhook: a ``reason`` and no ``sims``. Airalo documents no example."""
    payload = {"request_id": request_id, "code": code, "reason": reason}
    return {key: value for key, value in payload.items() if value is not None}


def low_data_payload(iccid: str, *, level: str = "75%", **overrides: Any) -> dict[str, Any]:
    """Return the body of a low data webhook. ``level``: ``75%``, ``90%``, ``3days`` or ``1days``."""
    return {
        "level": level,
        "package_name": "test-mobile-7days-1gb",
        "remaining_percentage": 25,
        "iccid": iccid,
        **overrides,
    }


def credit_limit_payload(*, level: int = 80, remaining: float = 100.5, **overrides: Any) -> dict[str, Any]:
    """Return the body of a credit limit webhook. ``remaining`` is in the account's currency."""
    return {
        "message": f"Surpassed {level}% of the credit limit balance",
        "remaining": remaining,
        **overrides,
    }


def package_payload(**overrides: Any) -> dict[str, Any]:
    """Return a package as the catalogue and the list of top-ups have it."""
    return {
        "id": "test-mobile-7days-1gb",
        "type": "sim",
        "price": 4.5,
        "net_price": 1.5,
        "amount": 1024,
        "day": 7,
        "is_unlimited": False,
        "title": "1 GB - 7 Days",
        "data": "1 GB",
        "short_info": None,
        "voice": None,
        "text": None,
        "prices": {
            "net_price": {"USD": 1.5, "EUR": 1.3, "GBP": 1.15, "AED": 5.5, "JPY": 230},
            "recommended_retail_price": {"USD": 4.5, "EUR": 3.9, "GBP": 3.45, "AED": 16.5, "JPY": 690},
        },
        **overrides,
    }


def usage_payload(**overrides: Any) -> dict[str, Any]:
    """Return what is left of an eSIM: data in MB, voice in minutes, text in messages."""
    content = {
        "remaining": 1024,
        "total": 1024,
        "expired_at": None,
        "is_unlimited": False,
        "status": "NOT_ACTIVE",
        "remaining_voice": 0,
        "remaining_text": 0,
        "total_voice": 0,
        "total_text": 0,
    }
    if overrides.get("status") == "RECYCLED":
        content |= {"remaining": 0, "total": 0, "is_unlimited": None}
    return {**content, **overrides}


def instructions_payload(*, language: str = "en", **overrides: Any) -> dict[str, Any]:
    """Return how to install an eSIM, on iOS and on Android."""
    code = "LPA:1$rsp.example.com$TEST"
    guide: dict[str, Any] = {
        "model": None,
        "version": None,
        "installation_via_qr_code": {
            "steps": {"1": "Open the settings.", "2": "Scan the QR code."},
            "qr_code_data": code,
            "qr_code_url": "https://www.example.com/qr",
        },
        "installation_manual": {
            "steps": {"1": "Open the settings.", "2": "Enter the code."},
            "smdp_address_and_activation_code": "rsp.example.com",
        },
        "network_setup": {
            "steps": {"1": "Turn data roaming on."},
            "apn_type": "automatic",
            "apn_value": None,
            "is_roaming": True,
        },
    }
    link = {"direct_apple_installation_url": f"https://esimsetup.example.com/?carddata={code}"}
    ios = {**guide, "version": "15,16,17", "installation_via_qr_code": {**guide["installation_via_qr_code"], **link}}
    return {"language": language, "ios": [ios], "android": [guide], **overrides}
