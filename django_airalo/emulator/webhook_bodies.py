"""What Airalo's webhooks carry. The documentation prints no example of an async order's, so shapes are options."""

from __future__ import annotations

from typing import Any

from .errors import reason_of
from .faults import Fault
from .options import Options

LOW_DATA_LEVELS = {"data_75": "75%", "data_90": "90%", "expire_1": "1days", "expire_3": "3days"}


def success_body(order: dict[str, Any], request_id: str | None, shape: str) -> dict[str, Any]:
    """Return the webhook of a fulfilled order: "enveloped", "flat" or "nested".

    The documentation says only: as the answer to an order, with one more parameter, request_id. Where that
    parameter is, partners report differently.
    """
    if shape == "flat":
        return {**order, "request_id": request_id}
    if shape == "nested":
        return {"data": {**order, "request_id": request_id}, "meta": {"message": "success"}}
    return {"data": order, "meta": {"message": "success"}, "request_id": request_id}


def failure_body(request_id: str | None, fault: Fault, options: Options) -> dict[str, Any]:
    """Return the webhook of an order that came to nothing: a reason and no sims; code and id are options."""
    body: dict[str, Any] = {}
    if _either(fault.failure_has_code, options.failure_has_code):
        body["code"] = fault.failure_code
    body["reason"] = fault.failure_reason or reason_of(fault.failure_code)
    wrapped = _either(fault.failure_enveloped, options.failure_enveloped)
    whole: dict[str, Any] = {"data": body, "meta": {"message": "failed"}} if wrapped else body
    if _either(fault.failure_has_request_id, options.failure_has_request_id):
        whole["request_id"] = request_id
    return whole


def _either(wanted: bool | None, usual: bool) -> bool:
    return usual if wanted is None else wanted


def low_data_body(kind: str, iccid: str, package_name: str) -> dict[str, Any]:
    """Return the notification that an eSIM's data or days run out. ``kind`` is one of the simulator's types."""
    left = {"data_75": 25, "data_90": 10}.get(kind, 43)
    return {
        "level": LOW_DATA_LEVELS[kind],
        "package_name": package_name,
        "remaining_percentage": left,
        "iccid": iccid,
    }


def credit_limit_body(level: int, remaining: float) -> dict[str, Any]:
    """Return the notification that so many percent of the partner's credit are used."""
    return {"message": f"Surpassed {level}% of the credit limit balance", "remaining": remaining}
