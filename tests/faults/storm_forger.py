"""The storm's forger: webhooks that would deliver false eSIMs if one were believed."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import threading
from collections import Counter
from typing import Any

import requests

from .storm_airalo import Airalo


class Forger:
    """A thread that throws forged webhooks at the shop until it is ended."""

    def __init__(self, airalo: Airalo, url: str, seed: int) -> None:
        self._airalo, self._url, self._rng = airalo, url, random.Random(f"{seed}:forger")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._forge, daemon=True)
        #: How they were answered: so many with each status.
        self.answers: Counter[int] = Counter()

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Throw no more; waits for the one that is on its way."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _forge(self) -> None:
        session = requests.Session()
        session.trust_env = False
        while not self._ending.wait(self._rng.uniform(0.02, 0.1)):
            with contextlib.suppress(sqlite3.Error, requests.RequestException):  # the server is being killed
                answer = session.post(self._url, timeout=10, **self._webhook())
                self.answers[answer.status_code] += 1

    def _webhook(self) -> dict[str, Any]:
        rng = self._rng
        bought = self._airalo.rows("SELECT description, request_id FROM purchases ORDER BY random() LIMIT 1")
        target = bought[0] if bought else {"description": "f" * 32, "request_id": "x"}
        sims = [{"iccid": f"89999{rng.randrange(10**14):014d}", "matching_id": "FALSE", "lpa": "rsp.example.com"}]
        order = {"id": rng.randrange(10**6), "description": target["description"], "sims": sims}
        body: dict[str, Any] = {"data": order, "request_id": target["request_id"]}
        if rng.random() < 0.3:
            body = {"reason": "forged", "code": 34, "request_id": target["request_id"]}
        raw = json.dumps(body).encode()
        from django_airalo.testing import sign_webhook

        signature = rng.choice(
            [
                "",
                sign_webhook(raw, "guessed-secret"),
                sign_webhook(b"{}", "emulator-secret"),
                sign_webhook(raw, "emulator-secret").upper(),
                f"{rng.getrandbits(512):0128x}",
            ]
        )
        return {"data": raw, "headers": {"Content-Type": "application/json", "airalo-signature": signature}}
