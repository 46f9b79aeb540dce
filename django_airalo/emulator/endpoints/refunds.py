"""POST /v2/refund."""

from __future__ import annotations

import time
from typing import Any

from django_airalo.emulator import refunds
from django_airalo.emulator.errors import ApiError, invalid, refused
from django_airalo.emulator.esims import find_esim
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, success
from django_airalo.emulator.state import EmulatorState
from django_airalo.emulator.times import minute

from .checks import listing

MOST = 5
LONGEST_NOTES = 255


def create(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Take a request for a refund; staff decide about it later, and no endpoint tells the outcome."""
    iccids = [str(iccid) for iccid in listing(request.data.get("iccids"))]
    reason, notes, email = (request.text(name) for name in ("reason", "notes", "email"))
    problem = _problem(iccids, reason, notes, email)
    if problem:  # only one is told, and not under the field's name
        raise refused(422, problem)
    reasons = state.options.refund_reasons
    if reasons is not None and reason not in reasons:
        text = f"The selected reason is invalid. It must be one of the following: {', '.join(reasons)}"
        raise invalid({"reason": text})
    foreign = [iccid for iccid in iccids if not _ours(state, iccid)]
    if foreign:
        raise refused(422, f"The following ICCIDs do not belong to your company: {', '.join(foreign)}")
    number = refunds.create(state, iccids, reason, notes, email)
    if fault.twin:
        refunds.create(state, iccids, reason, notes, email)
    answer: dict[str, Any] = {"refund_id": refunds.shown_id(state, number), "created_at": minute(time.time())}
    return success(answer, 202)


def _problem(iccids: list[str], reason: str, notes: str, email: str) -> str:
    if not iccids:
        return "The iccids field is required."
    if len(iccids) > MOST:
        return f"The iccids may not have more than {MOST} items."
    if not reason:
        return "The reason field is required."
    if reason == "OTHERS" and not notes:
        return "The notes field is required when reason is OTHERS."
    if len(notes) > LONGEST_NOTES:
        return f"The notes may not be greater than {LONGEST_NOTES} characters."
    if email and "@" not in email:
        return "The email must be a valid email address."
    return ""


def _ours(state: EmulatorState, iccid: str) -> bool:
    try:
        find_esim(state, iccid)
    except ApiError:
        return False
    return True
