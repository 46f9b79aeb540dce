"""Documents as Airalo sends them, with test values: reserved names, ICCIDs that no operator issues."""

from __future__ import annotations

import itertools
import secrets
from datetime import UTC, datetime
from typing import Any, Literal

Shape = Literal["enveloped", "flat", "nested"]

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
    *, package_id: str = "test-mobile-7days-1gb", quantity: int = 1, description: str = "", **overrides: Any
) -> dict[str, Any]:
    """A fulfilled order, with ``quantity`` eSIMs unless ``sims`` is given."""
    number = next(_numbers)
    return {
        "id": number,
        "code": f"20260102-{number:06d}",
        "currency": "USD",
        "package_id": package_id,
        "quantity": quantity,
        "type": "sim",
        "description": description,
        "esim_type": "Prepaid",
        "validity": 7,
        "package": "Test Mobile-1 GB - 7 Days",
        "data": "1 GB",
        "price": 4.5,
        "net_price": 1.5,
        "created_at": _now(),
        "manual_installation": "<p>Enter the code by hand.</p>",
        "qrcode_installation": "<p>Scan the QR code.</p>",
        "installation_guides": {"en": "https://www.example.com/help"},
        "text": None,
        "voice": None,
        "brand_settings_name": "",
        "sims": [sim_payload() for _ in range(quantity)],
        **overrides,
    }


def webhook_payload(order: dict[str, Any], request_id: str, shape: Shape = "enveloped") -> dict[str, Any]:
    """The body of a success webhook, in one of the three shapes that have been seen or described."""
    if shape == "flat":
        return {**order, "request_id": request_id}
    if shape == "nested":
        return {"data": {**order, "request_id": request_id}, "meta": {"message": "success"}}
    return {"data": order, "meta": {"message": "success"}, "request_id": request_id}


def failure_payload(
    request_id: str | None, *, code: int | None = 34, reason: str = "The package is out of stock."
) -> dict[str, Any]:
    """The body of a failure webhook: a ``reason`` and no ``sims``. Airalo documents no example; the rest may lack."""
    payload = {"request_id": request_id, "code": code, "reason": reason}
    return {key: value for key, value in payload.items() if value is not None}


def low_data_payload(iccid: str, *, level: str = "75%", **overrides: Any) -> dict[str, Any]:
    """The body of a low data webhook. ``level``: ``75%``, ``90%``, ``3days`` or ``1days``."""
    return {
        "level": level,
        "package_name": "test-mobile-7days-1gb",
        "remaining_percentage": 25,
        "iccid": iccid,
        **overrides,
    }


def credit_limit_payload(*, level: int = 80, remaining: float = 100.5, **overrides: Any) -> dict[str, Any]:
    """The body of a credit limit webhook. ``remaining`` is in the account's currency."""
    return {
        "message": f"Surpassed {level}% of the credit limit balance",
        "remaining": remaining,
        **overrides,
    }


def package_payload(**overrides: Any) -> dict[str, Any]:
    """A package as the catalogue and the list of top-ups have it."""
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
        **overrides,
    }


def usage_payload(**overrides: Any) -> dict[str, Any]:
    """What is left of an eSIM: data in MB, voice in minutes, text in messages."""
    return {
        "remaining": 1024,
        "total": 1024,
        "expired_at": None,
        "is_unlimited": False,
        "status": "NOT_ACTIVE",
        "remaining_voice": 0,
        "remaining_text": 0,
        "total_voice": 0,
        "total_text": 0,
        **overrides,
    }


def instructions_payload(*, language: str = "en", **overrides: Any) -> dict[str, Any]:
    """How to install an eSIM, on iOS and on Android."""
    code = "LPA:1$rsp.example.com$TEST"
    guide = {
        "model": None,
        "version": None,
        "installation_via_qr_code": {
            "steps": {"1": "Open the settings.", "2": "Scan the QR code."},
            "qr_code_data": code,
            "qr_code_url": "https://www.example.com/qr",
            "direct_apple_installation_url": f"https://esimsetup.example.com/?carddata={code}",
        },
        "installation_manual": {
            "steps": {"1": "Open the settings.", "2": "Enter the code."},
            "smdp_address_and_activation_code": code,
        },
        "network_setup": {
            "steps": {"1": "Turn data roaming on."},
            "apn_type": "automatic",
            "apn_value": None,
            "is_roaming": True,
        },
    }
    return {"language": language, "ios": [guide], "android": [guide], **overrides}
