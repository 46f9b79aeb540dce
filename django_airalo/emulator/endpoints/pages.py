"""The links and meta that Airalo puts beside a page of results."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django_airalo.emulator.messages import Request


def links_and_meta(request: Request, total: int, limit: int, page: int, shown: int) -> dict[str, Any]:
    """Return ``links`` and ``meta`` of a page; ``per_page`` is text, as Airalo has it."""
    last = max(1, -(-total // limit))
    path = f"{request.base_url}{request.path}"
    kept = {name: value for name, value in request.query.items() if name != "page"}

    def address(number: int) -> str:
        return f"{path}?{urlencode({**kept, 'page': number})}"

    start = (page - 1) * limit
    return {
        "links": {
            "first": address(1),
            "last": address(last),
            "prev": address(page - 1) if page > 1 else None,
            "next": address(page + 1) if page < last else None,
        },
        "meta": {
            "message": "success",
            "current_page": page,
            "from": start + 1 if shown else None,
            "last_page": last,
            "path": path,
            "per_page": str(limit),
            "to": start + shown if shown else None,
            "total": total,
        },
    }
