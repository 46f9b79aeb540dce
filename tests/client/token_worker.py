"""Processes that all want a token at the same moment. Each writes the SHA-256 of its token into a file of its own.

Arguments: the address of the API, a directory, the number of processes.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path


def main(base_url: str, directory: Path, processes: int) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(directory / "cache.sqlite3"),
                "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
            }
        },
        CACHES={"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}},
        AIRALO_BASE_URL=base_url,
        AIRALO_CLIENT_ID="the-client-id",
        AIRALO_CLIENT_SECRET="the-client-secret-0123456789",
    )
    django.setup()
    call_command("createcachetable", verbosity=0)
    connection.close()

    from django_airalo.client import get_client

    get_client()  # a forked worker must not share this one's sockets
    start = time.time() + 0.5
    children = [os.fork() for _ in range(processes) if os.getpid() == parent]
    if os.getpid() != parent:
        time.sleep(max(0.0, start - time.time()))
        token = get_client().get_token()
        (directory / f"{os.getpid()}.token").write_text(hashlib.sha256(token.encode()).hexdigest())
        os._exit(0)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    sys.exit(any(statuses))


if __name__ == "__main__":
    parent = os.getpid()
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
