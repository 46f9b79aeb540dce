"""Buy vouchers from Airalo."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils.translation import gettext as _

from django_airalo.client import get_client
from django_airalo.client.payloads import EsimVoucherRequest
from django_airalo.exceptions import AiraloError, IdempotencyConflictError
from django_airalo.models import Voucher
from django_airalo.models.references import new_reference
from django_airalo.services.account import breaker
from django_airalo.services.core import database, deployment
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.orders import matching, outbound

Kind: TypeAlias = Voucher.Kind

#: The maximum number of codes in one request, according to Airalo's SDKs.
MAX_QUANTITY = 100
MAX_AMOUNT = 100_000


def create_esim_vouchers(*, package_id: str, quantity: int = 1, idempotency_key: str = "") -> Voucher:
    """Buy codes that customers redeem in Airalo's app, each for one eSIM of a package.

    Only writes to the database, in the caller's transaction. The request is sent after the commit, at most once. The
    signal ``voucher_changed`` reports the outcome.

    Args:
        package_id: a package of Airalo's catalogue.
        quantity: the number of codes, 1 to 100.
        idempotency_key: the shop's own key, sent to Airalo as ``booking_reference``; default a random one. The same key
            for the same package returns the same voucher and buys nothing.

    Returns:
        The voucher. Its codes are in ``code_list`` when its status is ``created``.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` says which and why. Nothing was written.
        IdempotencyConflictError: a voucher with the key exists, with another quantity. Nothing was written.
    """
    errors = _key_errors(idempotency_key)
    if not isinstance(package_id, str) or not 0 < len(package_id.strip()) <= len(package_id) <= 255:
        errors["package_id"] = _("Give the id of a package of Airalo's catalogue, 255 characters at most.")
    if not _is_whole(quantity, MAX_QUANTITY):
        errors["quantity"] = _("%(value)r is not a whole number from 1 to %(max)d.") % {
            "value": quantity,
            "max": MAX_QUANTITY,
        }
    if errors:
        raise ValidationError(errors)
    return _create_vouchers(idempotency_key, {"kind": Kind.ESIM, "package_id": package_id, "quantity": quantity})


def create_airmoney_voucher(
    *,
    amount: Decimal | int,
    usage_limit: int = 1,
    is_paid: bool = False,
    voucher_code: str = "",
    idempotency_key: str = "",
) -> Voucher:
    """Buy a code for credit in Airalo's app.

    Works like ``create_esim_vouchers()``. Airalo's SDKs call the endpoint; its documentation does not describe it.

    Args:
        amount: the credit in USD, at most 100,000.
        usage_limit: how often the code can be redeemed.
        is_paid: passed to Airalo, which does not document its meaning.
        voucher_code: the code itself, a secret; by default Airalo generates one.
        idempotency_key: the shop's own key, not sent to Airalo; default a random one. The same key returns the same
            voucher and buys nothing.

    Returns:
        The voucher. Its code is in ``code_list`` when its status is ``created``.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` says which and why. Nothing was written.
        IdempotencyConflictError: a voucher with the key exists, with another ``amount``, ``usage_limit`` or
            ``is_paid``. Nothing was written. ``voucher_code`` is not compared, since Airalo's may have replaced it.
    """
    errors = _key_errors(idempotency_key)
    if isinstance(amount, bool) or not isinstance(amount, int | Decimal) or not _is_sum(Decimal(amount)):
        errors["amount"] = _("%(value)r is not a Decimal above 0, %(max)d at most.") % {
            "value": amount,
            "max": MAX_AMOUNT,
        }
    elif round(Decimal(amount), 2) != amount:
        errors["amount"] = _("Two decimal places at most.")
    if not _is_whole(usage_limit, 2**31 - 1):
        errors["usage_limit"] = _("%(value)r is not a whole number of 1 or more.") % {"value": usage_limit}
    if len(voucher_code) > 255 or len(voucher_code.splitlines()) > 1:
        errors["voucher_code"] = _("One line of 255 characters at most.")
    if errors:
        raise ValidationError(errors)
    content = {
        "kind": Kind.AIRMONEY,
        "package_id": "",
        "quantity": 1,
        "amount": Decimal(amount),
        "usage_limit": usage_limit,
        "is_paid": is_paid,
    }
    return _create_vouchers(idempotency_key, content, codes=voucher_code)


def _key_errors(idempotency_key: str) -> dict[str, str]:
    if not isinstance(idempotency_key, str) or len(idempotency_key) > 255:
        return {"idempotency_key": _("Give text of 255 characters at most.")}
    return {}


def _is_sum(amount: Decimal) -> bool:
    return amount.is_finite() and 0 < amount <= MAX_AMOUNT


def _is_whole(value: Any, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= highest


@database.in_transaction()
def _create_vouchers(idempotency_key: str, content: dict[str, Any], codes: str = "") -> Voucher:
    if idempotency_key and (known := _known_vouchers(idempotency_key, content)):
        return known
    now = database.db_now()
    try:
        with database.atomic():
            voucher = Voucher.primary.create(
                idempotency_key=idempotency_key or new_reference(),
                deployment=deployment.identity().stamp,
                codes=codes,
                created_at=now,
                due_at=now,
                **content,
            )
    except IntegrityError:
        # Another process has created the same voucher since we searched for it.
        if idempotency_key and (known := _known_vouchers(idempotency_key, content)):
            return known
        raise
    enqueue("send_voucher", voucher.pk)
    return voucher


def _known_vouchers(idempotency_key: str, content: dict[str, Any]) -> Voucher | None:
    vouchers = Voucher.primary.without_secrets()
    voucher = vouchers.filter(idempotency_key=idempotency_key, package_id=content["package_id"]).first()
    if voucher is None:
        return None
    different = [field for field, value in content.items() if getattr(voucher, field) != value]
    if voucher.idempotency_key != idempotency_key:  # a collation that ignores case
        different.append("idempotency_key")
    if different:
        raise IdempotencyConflictError(
            f"A voucher with the idempotency_key {idempotency_key!r} exists already, with another "
            f"{', '.join(different)}. Use a new key for a new voucher."
        )
    return voucher


def send_voucher(voucher: Voucher | int) -> Voucher:
    """Send a voucher that is due to Airalo, unless another process does. Must not be called inside a transaction.

    Args:
        voucher: a voucher or its primary key.

    Returns:
        The voucher as it is afterwards. ``error`` says what went wrong.

    Raises:
        RuntimeError: called inside a transaction.
    """
    pk = voucher.pk if isinstance(voucher, Voucher) else voucher
    attempt_voucher(pk)
    return Voucher.primary.get(pk=pk)


def attempt_voucher(pk: int) -> AiraloError | None:
    """Do what ``send_voucher()`` does. Return the error that kept Airalo from accepting it, if there was one."""
    matching.make_ready()
    return outbound.attempt_request(Voucher, pk, _ask_for_vouchers, breaker.of_voucher())


def _ask_for_vouchers(voucher: Voucher) -> dict[str, Any]:
    if voucher.kind == Kind.AIRMONEY:
        answer = get_client().create_airmoney_voucher(
            amount=voucher.amount or 0,
            quantity=1,  # Airalo does not document where an answer has further codes
            usage_limit=voucher.usage_limit or 1,
            voucher_code=voucher.codes,
            is_paid=bool(voucher.is_paid),
        )
        return {"codes": answer.code, "airalo_id": answer.id}
    request = EsimVoucherRequest(
        package_id=voucher.package_id, quantity=voucher.quantity, booking_reference=voucher.idempotency_key
    )
    codes = [code for part in get_client().create_esim_vouchers([request]) for code in part.codes]
    error = "" if len(codes) == voucher.quantity else f"Airalo gave {len(codes)} codes, not {voucher.quantity}."
    return {"codes": "\n".join(codes), "error": error}
