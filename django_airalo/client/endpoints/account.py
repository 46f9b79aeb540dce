"""Endpoints of balance, refunds and vouchers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django_airalo.client.payloads import (
    AirmoneyVoucherData,
    BalanceData,
    EsimVoucherData,
    EsimVoucherRequest,
    RefundData,
)

from .base import Endpoints, filled

#: Airalo's limit of eSIMs in one refund request.
MAX_REFUNDED = 5


class AccountEndpoints(Endpoints):
    def get_balance(self) -> BalanceData:
        """GET /v2/balance: return the remaining credit."""
        return BalanceData.from_json(self._changed(self._call("GET", "/v2/balance"), key="balances"))

    def request_refund(self, *, iccids: Sequence[str], reason: str, notes: str = "", email: str = "") -> RefundData:
        """POST /v2/refund: request credit for at most five eSIMs. It is never sent twice.

        Airalo's staff decide, and no endpoint returns the decision. ``reason`` is one of Airalo's words, which a
        refusal lists. ``notes`` (255 characters) are required for ``OTHERS``. Limited by
        ``refunds`` in ``AIRALO_RATE_LIMITS``.
        """
        wanted = list(iccids)
        if not 0 < len(wanted) <= MAX_REFUNDED:
            raise ValueError(f"A refund request takes 1 to {MAX_REFUNDED} eSIMs, not {len(wanted)}.")
        body = filled({"iccids": wanted, "reason": reason, "notes": notes, "email": email})
        document = self._call("POST", "/v2/refund", limits=[self._limits.refunds], json=body)
        return self._bought(RefundData.from_json, document)

    def create_esim_vouchers(self, vouchers: Sequence[EsimVoucherRequest]) -> tuple[EsimVoucherData, ...]:
        """POST /v2/voucher/esim: buy codes for eSIMs, which customers redeem in Airalo's app. It is never sent twice.

        The codes are worth money: do not log them.
        """
        document = self._call(
            "POST", "/v2/voucher/esim", json={"vouchers": [voucher.to_json() for voucher in vouchers]}
        )
        # A success has a list. Airalo documents a refused voucher with the status 200.
        return self._bought(EsimVoucherData.all_from_json, self._changed(document))

    def create_airmoney_voucher(
        self, *, amount: Decimal | int, quantity: int, usage_limit: int, voucher_code: str = "", is_paid: bool
    ) -> AirmoneyVoucherData:
        """POST /v2/voucher/airmoney: buy a code for ``amount`` USD of credit in Airalo's app. It is never sent twice.

        The code can be redeemed ``usage_limit`` times. Airalo generates it, unless ``voucher_code`` is given; then
        ``quantity`` must be 1. Airalo's SDKs call this endpoint; its documentation does not describe it.
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
