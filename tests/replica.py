"""A router whose replica raises whatever a service would read from it."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

PACKAGE = str(Path(__file__).parents[1] / "django_airalo")
SERVICES = f"{PACKAGE}/services"
LIBRARIES = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


class ReplicaAwayFromServices:
    """Sends what services read to a database that does not exist. A shop, its receivers and tests read as usual."""

    def db_for_read(self, model: type, **hints: Any) -> str | None:
        return "replica" if _is_read_by_a_service() else None


def _is_read_by_a_service() -> bool:
    """Whether the nearest frame that is a service's or the shop's is a service's."""
    frame = sys._getframe(2)
    while frame := frame.f_back:
        path = frame.f_code.co_filename
        if path.startswith(SERVICES):
            return True
        if not path.startswith((PACKAGE, *LIBRARIES)):
            return False
    return False
