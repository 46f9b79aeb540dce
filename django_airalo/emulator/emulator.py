"""The emulator over real HTTP: a server and a deliverer of webhooks, in threads, around the core."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from .core import EmulatorCore
from .http_deliverer import HttpDeliverer
from .server import Server, local_address, tls_context


class PortTakenError(Exception):
    """The port cannot be listened on. The text is one line to print."""


class Emulator(EmulatorCore):
    """A running stand-in for Airalo's Partner API.

    ::

        with Emulator(webhook_delay=0) as emulator:
            settings.AIRALO_BASE_URL = emulator.url
            ...
            assert len(emulator.purchases()) == 1

    Keywords are the fields of ``Options``. Everything may be called from any thread.
    """

    _server: Server | None = None
    _deliverer: HttpDeliverer
    _thread: threading.Thread

    def start(self) -> Self:
        """Open the ledger, listen, and take up what was pending. Raises PortTakenError if the port is busy.

        Also ValueError for a ledger that knows packages of another seed.
        """
        options = self.options
        tls = tls_context(options.tls_certificate, options.tls_key)
        state = self.open(HttpDeliverer)
        try:
            self._server = Server((options.host, options.port), self, tls)
        except (OSError, OverflowError) as error:
            self.close()
            reason = getattr(error, "strerror", None) or error
            raise PortTakenError(f"Cannot listen on {options.host}:{options.port}: {reason}.") from error
        self._deliverer = state.deliverer  # type: ignore[assignment]  # made by open() just now
        self._deliverer.start()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="airalo-emulator", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and delivering, and close the ledger. Harmless when not running."""
        if self._server is None:
            return
        self.state.stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()
        self._deliverer.stop()
        self.close()
        self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._server is None:
            raise RuntimeError("the emulator is not running")
        return self._server.server_port

    @property
    def url(self) -> str:
        """The address in place of ``https://partners-api.airalo.com``: no path, no slash at the end."""
        scheme = "https" if self.options.tls_certificate else "http"
        return local_address(scheme, self.options.host, self.port)

    @property
    def client_id(self) -> str:
        """The partner's client id."""
        return self.options.client_id

    @property
    def client_secret(self) -> str:
        """The partner's client secret; also the key of webhook signatures."""
        return self.options.client_secret

    @property
    def lost_connections(self) -> int:
        """How many requests were lost because their connection had been idle for longer than ``idle_limit``."""
        return self.state.lost_connections

    def wait_idle(self, timeout: float = 10.0) -> bool:
        """Wait until every order is fulfilled and every webhook was tried once; False if time ran out."""
        end = time.monotonic() + timeout
        while not self._deliverer.is_idle():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True
