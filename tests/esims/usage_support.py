"""An Airalo that tells of eSIMs as told, over real HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.factories import LONG_AGO, EsimFactory
from tests.scripted_server import Answer


def usage_answer(status: str = "ACTIVE", **fields: Any) -> Answer:
    """GET /v2/sims/{iccid}/usage: half of 2 GB is left."""
    data = {
        "remaining": 1024,
        "total": 2048,
        "expired_at": "2099-01-01 00:00:00",
        "is_unlimited": False,
        "status": status,
        "remaining_voice": 0,
        "remaining_text": 0,
        "total_voice": 0,
        "total_text": 0,
    }
    return Answer(200, {"data": {**data, **fields}, "meta": {"message": "success"}})


RECYCLED = usage_answer("RECYCLED", remaining=0, total=0, expired_at=None, is_unlimited=None)
NOT_FOUND = Answer(404, {"data": [], "meta": {"message": "messages.resource_not_found"}})
RECYCLED_ERROR = Answer(422, {"code": 73, "reason": "The eSIM with iccid 8900000000000000000 has been recycled."})
TOO_MANY = Answer(429, {"message": "Too Many Attempts."}, {"Retry-After": "90"})


def package_row(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A row of GET /v2/sims/{iccid}/packages."""
    package = {
        "id": "test-mobile-7days-1gb-topup",
        "type": "topup",
        "price": 4.5,
        "net_price": 3,
        "amount": 1024,
        "day": 7,
        "is_unlimited": False,
        "title": "1 GB - 7 Days",
        "data": "1 GB",
        "short_info": None,
        **fields.pop("package", {}),
    }
    row = {
        "id": number,
        "status": "ACTIVE",
        "remaining": 512,
        "activated_at": "2026-01-09T10:30:45+00:00",
        "expired_at": "2026-02-09T10:30:45+00:00",
        "finished_at": None,
    }
    return {**row, **fields, "package": package}


def packages_answer(*rows: dict[str, Any]) -> Answer:
    return Answer(200, {"pricing": {"model": "net_pricing", "discount_percentage": 0}, "data": list(rows)})


def path(esim):
    return f"/v2/sims/{esim.iccid}/usage"


def asked(server, esim):
    return len(server.requests(path(esim)))


def due(**fields):
    return EsimFactory(usage_due_at=LONG_AGO, **fields)


def in_use(**fields):
    """As Airalo's ``usage_answer()`` has it."""
    known = {"usage_status": "active", "remaining": 1024, "total": 2048, "is_unlimited": False, "remaining_voice": 0}
    known |= {"total_voice": 0, "remaining_text": 0, "total_text": 0, "expires_at": datetime(2099, 1, 1, tzinfo=UTC)}
    return due(**{**known, **fields})
