"""Ports for servers that bind them later than they are chosen."""

from __future__ import annotations

import itertools
import os
import re
import socket

#: Below what the system gives out by itself (from 32768 on Linux, from 49152 elsewhere). A port of that range, chosen
#: and let go, may be another test's server or connection before its own server binds it.
_FIRST, _OF_EACH_WORKER, _WORKERS = 20_000, 2000, 6
_worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % _WORKERS
# Two runs on one machine hardly ever begin at the same port.
_offsets = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """A port that nothing listens on, and that no other test will be given."""
    for offset in itertools.islice(_offsets, _OF_EACH_WORKER):
        port = _FIRST + _OF_EACH_WORKER * _worker + offset % _OF_EACH_WORKER
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue  # something listens there
            return port
    raise OSError("all ports are taken")
