"""Can the demo start here? Runs on the plain Python, before anything is installed or started."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable

NEEDED = (3, 11)
PORTS = {"SHOP_PORT": "8000", "AIRALO_PORT": "8010"}


class NotReadyError(Exception):
    """Why the demo cannot start, and what to do about it, in one line."""


def ports() -> dict[str, int]:
    """Return the ports of SHOP_PORT and AIRALO_PORT. Raises NotReadyError if one is wrong or taken."""
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
        # As servers do, so that the last demo's connections, which linger for a minute, do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "is not for ordinary users"
        except OSError:
            return "is in use"
    return ""


def _free_port(avoid: Iterable[int]) -> int:
    return next((port for port in range(8001, 9000) if port not in avoid and not _taken(port)), 0)


def main() -> str | None:
    """Say in one line what is missing, if anything is."""
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
