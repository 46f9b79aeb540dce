"""Money: balance, refunds, vouchers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django_airalo.client.errors import refusal_in
from django_airalo.client.payloads import (
    AirmoneyVoucherData,
    BalanceData,
    EsimVoucherData,
    EsimVoucherRequest,
    RefundData,
)

from .base import Endpoints, filled

#: eSIMs of one request for a refund; Airalo's limit.
MAX_REFUNDED = 5


class AccountEndpoints(Endpoints):
    def get_balance(self) -> BalanceData:
        """GET /v2/balance: the credit left."""
        return BalanceData.from_json(self._call("GET", "/v2/balance"))

    def request_refund(self, *, iccids: Sequence[str], reason: str, notes: str = "", email: str = "") -> RefundData:
        """POST /v2/refund: asks for credit for five eSIMs at most. Sent once, whatever happens.

        People at Airalo decide, and no endpoint tells what they decided. ``reason`` is one of Airalo's words, which a
        refusal lists; ``notes`` (255 characters) are required for ``OTHERS``. Kept ``AIRALO_REFUND_INTERVAL`` apart.
        """
        wanted = list(iccids)
        if not 0 < len(wanted) <= MAX_REFUNDED:
            raise ValueError(f"A refund can be asked for 1 to {MAX_REFUNDED} eSIMs in a call, not {len(wanted)}.")
        body = filled({"iccids": wanted, "reason": reason, "notes": notes, "email": email})
        document = self._call("POST", "/v2/refund", limits=[self._limits.refunds], json=body)
        return self._bought(RefundData.from_json, document)

    def create_esim_vouchers(self, vouchers: Sequence[EsimVoucherRequest]) -> tuple[EsimVoucherData, ...]:
        """POST /v2/voucher/esim: buys codes for eSIMs, which customers redeem in Airalo's app. Sent once.

        The codes are worth money: do not log them.
        """
        document = self._call(
            "POST", "/v2/voucher/esim", json={"vouchers": [voucher.to_json() for voucher in vouchers]}
        )
        # Airalo files its example of a refused voucher under status 200. Under another it is raised before.
        if refusal := refusal_in(document):
            raise refusal
        return self._bought(EsimVoucherData.all_from_json, document)

    def create_airmoney_voucher(
        self, *, amount: Decimal | int, quantity: int, usage_limit: int, voucher_code: str = "", is_paid: bool
    ) -> AirmoneyVoucherData:
        """POST /v2/voucher/airmoney: buys a code for ``amount`` USD of credit in Airalo's app. Sent once.

        It can be redeemed ``usage_limit`` times. Airalo makes up the code, unless ``voucher_code`` is given, with which
        ``quantity`` must be 1. Airalo's SDKs call it; its documents do not describe it.
        """
        body = filled(
            {
                "amount": int(amount) if amount == int(amount) else float(amount),
                "quantity": quantity,
                "usage_limit": usage_limit,
                "voucher_code": voucher_code,
                "is_paid": is_paid,
            }
        )
        return self._bought(AirmoneyVoucherData.from_json, self._call("POST", "/v2/voucher/airmoney", json=body))
