"""The fake Airalo for rows that factories make: it sells their packages and knows their eSIMs."""

from __future__ import annotations

import re

from django_airalo.testing import FakeAiralo as Strict
from django_airalo.testing import package_payload

SIMS = ("test", "another", "other", "a", "test-7days-1gb", "x", "test-1")
TOPUPS = ("test-topup", "topup", "top", "x-topup")
OF_AN_ESIM = re.compile(r"/v2/sims/([^/?]+)/")


class FakeAiralo(Strict):
    packages = (
        *Strict.packages,
        *(package_payload(id=name) for name in SIMS),
        *(package_payload(id=name, type="topup") for name in TOPUPS),
    )

    def _handle(self, request):
        found = OF_AN_ESIM.match(request.path_url)
        if found:
            self._know(found[1])
        return super()._handle(request)

    def _purchase(self, order):
        for iccid in [order.body.get("iccid"), *order.body.get("iccids", [])]:
            if iccid:
                self._know(iccid)
        return super()._purchase(order)

    def say_no_balance(self):
        """Answer the question for the balance without an amount."""
        amount = {"amount": None, "currency": "USD"}
        self.override_answer("GET", "/v2/balance", {"data": {"balances": {"availableBalance": amount}}})

    def _know(self, iccid):
        if not self._knows(iccid):
            self.add_esim(iccid)
