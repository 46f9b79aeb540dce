"""The webhook behind a real HTTP server: wsgiref, with a thread for each connection. Prints its address.

Run as ``python -m tests.fuzz.server`` with TEST_DATABASE_FILE set to a file; it makes the tables.
"""

from __future__ import annotations

import socketserver
import sys
import time
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """One line for each answer, which the test reads."""
        sys.stdout.write(f"{format % args}\n")
        sys.stdout.flush()

    def finish(self) -> None:
        # A server that closes with unread data resets the connection, and the client may lose the answer; real ones
        # wait a moment for it. Nothing of the body is kept meanwhile.
        self.wfile.flush()
        self.connection.settimeout(5)
        self.connection.shutdown(1)
        end = time.monotonic() + 30
        try:
            while time.monotonic() < end and self.connection.recv(65536):
                pass
        except OSError:
            pass
        super().finish()


def main() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.core.wsgi import get_wsgi_application

    server = make_server("127.0.0.1", 0, get_wsgi_application(), server_class=Server, handler_class=Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
