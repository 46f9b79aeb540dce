"""A partner's webhook address, and a session that speaks to the emulator as a partner does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from django_airalo.emulator import Emulator


@dataclass(frozen=True)
class Delivery:
    """One webhook as it arrived."""

    at: float
    body: bytes
    headers: dict[str, str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # twenty webhooks at once, and more, while this process is busy


class Receiver:
    """Takes webhooks over real HTTP. ``answers`` are the statuses of the next POSTs; then 200."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.answers: list[int] = []
        self.head_status = 200
        self.heads = 0
        self.arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                receiver.heads += 1
                self.send_response(receiver.head_status)
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.arrived:
                    receiver.deliveries.append(Delivery(time.monotonic(), body, dict(self.headers)))
                    status = receiver.answers.pop(0) if receiver.answers else 200
                    receiver.arrived.notify_all()
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Be quiet."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def wait(self, count: int, timeout: float = 60.0) -> list[Delivery]:
        """Wait until so many webhooks have arrived."""
        with self.arrived:
            enough = self.arrived.wait_for(lambda: len(self.deliveries) >= count, timeout)
        assert enough, f"{len(self.deliveries)} of {count} webhooks arrived"
        return self.deliveries

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class Partner:
    """Calls the imitated API with a token."""

    def __init__(self, url: str, client_id: str, client_secret: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        answer = self.post(
            "token", data={"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
        )
        assert answer.status_code == 200, answer.text
        self.session.headers["Authorization"] = f"Bearer {answer.json()['data']['access_token']}"

    @classmethod
    def of(cls, emulator: Emulator) -> Partner:
        """Return a partner with the emulator's credentials."""
        return cls(emulator.url, emulator.client_id, emulator.client_secret)

    def get(self, path: str, **how: Any) -> requests.Response:
        """GET /v2/<path>."""
        return self.session.get(f"{self.url}/v2/{path}", timeout=60, **how)

    def post(self, path: str, **how: Any) -> requests.Response:
        """POST /v2/<path>."""
        return self.session.post(f"{self.url}/v2/{path}", timeout=how.pop("timeout", 60), **how)

    def put(self, path: str, **how: Any) -> requests.Response:
        """PUT /v2/<path>."""
        return self.session.put(f"{self.url}/v2/{path}", timeout=60, **how)

    def esim(self, package_id: str, **fields: Any) -> str:
        """Order one eSIM at once and return its ICCID."""
        return str(self.order(package_id, **fields).json()["data"]["sims"][0]["iccid"])

    def topup(self, package_id: str, iccid: str, **fields: Any) -> requests.Response:
        """Order a top-up."""
        return self.post("orders/topups", json={"package_id": package_id, "iccid": iccid, **fields})

    def order(self, package_id: str, **fields: Any) -> requests.Response:
        """Order at once."""
        return self.post("orders", json={"package_id": package_id, "quantity": 1, **fields})

    def order_async(self, package_id: str, **fields: Any) -> requests.Response:
        """Order asynchronously."""
        return self.post("orders-async", json={"package_id": package_id, "quantity": 1, **fields})
