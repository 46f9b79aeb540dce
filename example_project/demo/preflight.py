"""Check whether the demo can start. Runs with any Python, before anything is installed or started."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable

NEEDED = (3, 11)
PORTS = {"SHOP_PORT": "8000", "AIRALO_PORT": "8010"}


class NotReadyError(Exception):
    """The demo cannot start. The message says why and what to do, in one line."""


def ports() -> dict[str, int]:
    """Return the ports of SHOP_PORT and AIRALO_PORT.

    Raises:
        NotReadyError: if a port is invalid or in use.
    """
    found: dict[str, int] = {}
    for name, default in PORTS.items():
        value = os.environ.get(name, "").strip() or default
        if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 65535):
            raise NotReadyError(f"{name}={value} is not a port: give a number from 1 to 65535.")
        if int(value) in found.values():
            raise NotReadyError(f"SHOP_PORT and AIRALO_PORT are both {value}: give two different ports.")
        found[name] = int(value)
    for name, port in found.items():
        reason = _taken(port)
        if reason:
            other = _free_port(found.values())
            raise NotReadyError(
                f"Port {port} {reason}. Choose another with {name}, for example: make demo {name}={other}"
            )
    return found


def _taken(port: int) -> str:
    with socket.socket() as probe:
        # Servers set it too; without it, connections of the last demo would block the port for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "needs root permissions"
        except OSError:
            return "is in use"
    return ""


def _free_port(avoid: Iterable[int]) -> int:
    return next((port for port in range(8001, 9000) if port not in avoid and not _taken(port)), 0)


def main() -> str | None:
    """Return in one line what is missing, or ``None``."""
    if sys.version_info < NEEDED:
        needed, present = (".".join(map(str, version[:2])) for version in (NEEDED, sys.version_info))
        return f"Python {needed} or newer is needed, and {sys.executable} is {present}. Name another: PYTHON=python3.12"
    try:
        ports()
    except NotReadyError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
