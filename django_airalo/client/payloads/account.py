"""Payloads of the company's account: token, balance, refunds, vouchers, opt-ins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django_airalo.exceptions import PayloadError

from .values import Json, as_bool, as_datetime, as_decimal, as_int, as_mapping, as_objects, as_text, as_texts, unwrap


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenData:
    """POST /v2/token. ``expires_in`` is in seconds."""

    access_token: str = field(repr=False)
    expires_in: int | None

    @classmethod
    def from_json(cls, document: Any) -> TokenData:
        data = as_mapping(unwrap(document))
        token = as_text(data.get("access_token"))
        # An invalid header value would raise an error that shows the token.
        if not token or not token.isascii() or not token.isprintable():
            raise PayloadError("The answer to POST /v2/token has no usable data.access_token.")
        return cls(access_token=token, expires_in=as_int(data.get("expires_in")))


@dataclass(frozen=True, kw_only=True, slots=True)
class BalanceData:
    """GET /v2/balance. ``amount`` is ``None`` if Airalo sends no balance. It documents an empty list for that."""

    name: str
    amount: Decimal | None
    currency: str

    @classmethod
    def from_json(cls, document: Any) -> BalanceData:
        balances = as_mapping(unwrap(document)).get("balances")
        if isinstance(balances, list):
            balances = next(iter(as_objects(balances)), {})
        balance = as_mapping(balances)
        available = as_mapping(balance.get("availableBalance"))
        return cls(
            name=as_text(balance.get("name")),
            amount=as_decimal(available.get("amount")),
            currency=as_text(available.get("currency")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundData:
    """The 202 of POST /v2/refund: Airalo will examine the request. No endpoint returns the decision."""

    refund_id: str
    created_at: datetime | None

    @classmethod
    def from_json(cls, document: Any) -> RefundData:
        data = as_mapping(unwrap(document))
        refund_id = as_text(data.get("refund_id"))
        if not refund_id:
            raise PayloadError("The answer to POST /v2/refund has no data.refund_id.")
        return cls(refund_id=refund_id, created_at=as_datetime(data.get("created_at")))


@dataclass(frozen=True, kw_only=True, slots=True)
class EsimVoucherRequest:
    """A request for POST /v2/voucher/esim: ``quantity`` codes, each for one eSIM of the package."""

    package_id: str
    quantity: int
    booking_reference: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that Airalo expects."""
        body: dict[str, Any] = {"package_id": self.package_id, "quantity": self.quantity}
        return {**body, "booking_reference": self.booking_reference} if self.booking_reference else body


@dataclass(frozen=True, kw_only=True, slots=True)
class EsimVoucherData:
    """The vouchers of one package. Anyone who has a code can redeem it in Airalo's app."""

    package_id: str
    booking_reference: str
    codes: tuple[str, ...] = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> EsimVoucherData:
        return cls(
            package_id=as_text(data.get("package_id")),
            booking_reference=as_text(data.get("booking_reference")),
            codes=as_texts(data.get("codes")),
        )

    @classmethod
    def all_from_json(cls, document: Any) -> tuple[EsimVoucherData, ...]:
        """Read the whole response.

        Raises:
            PayloadError: if it has no codes.
        """
        vouchers = tuple(map(cls.from_json, as_objects(unwrap(document))))
        if not any(voucher.codes for voucher in vouchers):
            raise PayloadError("The answer to POST /v2/voucher/esim has no codes in data.")
        return vouchers


@dataclass(frozen=True, kw_only=True, slots=True)
class AirmoneyVoucherData:
    """POST /v2/voucher/airmoney. Anyone who has the code can redeem ``amount`` of credit in Airalo's app."""

    id: int | None
    code: str = field(repr=False)
    usage_limit: int | None
    amount: Decimal | None
    is_paid: bool | None
    created_at: datetime | None

    @classmethod
    def from_json(cls, document: Any) -> AirmoneyVoucherData:
        data = as_mapping(unwrap(document))
        code = as_text(data.get("code"))
        if not code:
            raise PayloadError("The answer to POST /v2/voucher/airmoney has no data.code.")
        return cls(
            id=as_int(data.get("id")),
            code=code,
            usage_limit=as_int(data.get("usage_limit")),
            amount=as_decimal(data.get("amount")),
            is_paid=as_bool(data.get("is_paid")),
            created_at=as_datetime(data.get("created_at")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NotificationData:
    """An opt-in. ``contact_point`` is a URL or an e-mail address; ``levels`` are per cent of the credit limit."""

    type: str
    contact_point: str = field(repr=False)  # the webhook URL may contain AIRALO_WEBHOOK_URL_TOKEN
    levels: tuple[int, ...]
    language: str
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> NotificationData | None:
        data = as_mapping(as_mapping(unwrap(document)).get("notification"))
        if not data:
            return None
        levels = data.get("levels")
        return cls(
            type=as_text(data.get("type")),
            contact_point=as_text(data.get("contact_point")),
            levels=tuple(n for n in map(as_int, levels if isinstance(levels, list) else []) if n is not None),
            language=as_text(data.get("language")),
            raw=data,
        )
