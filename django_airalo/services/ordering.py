"""Place an order, cancel it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils.translation import gettext as _

from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import EsimOrder, OrderEvent, Package

from . import account, database, nudges
from .signalling import signal_after_commit
from .submission import submit_order
from .transitions import change_status, lock, note
from .validation import validate_content

Status = EsimOrder.Status


def place_order(
    *,
    package_id: str,
    quantity: int = 1,
    user: Any = None,
    idempotency_key: str | None = None,
    description: str = "",
    brand_settings_name: str = "",
    to_email: str = "",
    sharing_option: Sequence[str] = (),
    copy_address: Sequence[str] = (),
    webhook_url: str = "",
) -> EsimOrder:
    """Order eSIMs for a customer who has paid.

    Touches only the database, inside the caller's transaction: the shop's own order and this one are kept or lost
    together. Airalo is asked after the commit, in a task if the shop has a task backend.

    Args:
        package_id: a package of Airalo's catalogue. Must be on sale if the catalogue has been synced.
        quantity: how many eSIMs, 1 to 50.
        user: whose order it is, for "My eSIMs"; ``None`` or an anonymous user for a guest.
        idempotency_key: the shop's own key (say, the id of its order line), 255 characters at most. The same key with
            the same content returns the same order and orders nothing.
        description: the shop's words, sent to Airalo behind the order's reference.
        brand_settings_name: a brand made in Airalo's Partner Platform.
        to_email: Airalo itself mails the eSIM there. Needs ``sharing_option``.
        sharing_option: ``"link"``, ``"pdf"`` or both.
        copy_address: addresses that get a copy of that mail.
        webhook_url: overrides ``AIRALO_WEBHOOK_URL`` for this order.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` says which and why. Nothing was written.
        IdempotencyConflictError: ``idempotency_key`` is known, with other content. Nothing was written.
    """
    content = {
        "package_id": package_id,
        "quantity": quantity,
        "user": user,
        "description": description,
        "brand_settings_name": brand_settings_name,
        "to_email": to_email,
        "sharing_option": sharing_option,
        "copy_address": copy_address,
        "webhook_url": webhook_url,
    }
    validate_content(content, idempotency_key)
    content |= {
        "user": user if getattr(user, "is_authenticated", False) else None,
        "sharing_option": list(sharing_option),
        "copy_address": list(copy_address),
    }
    return _place(idempotency_key, content)


@database.in_transaction()
def submit_soon(order: EsimOrder) -> bool:
    """Have a pending order submitted right after the commit, though it is waiting to be tried again later.

    Returns:
        ``False`` if the order is not pending, or no order is sent for lack of credit.
    """
    if account.active_pause():
        return False
    pending = EsimOrder.objects.filter(pk=order.pk, status=Status.PENDING)
    if not pending.update(due_at=database.now()):
        return False
    nudges.after_commit("submit_order", order.pk, submit_order)
    return True


@database.in_transaction()
def cancel_order(order: EsimOrder) -> bool:
    """Cancel an order that has not been sent to Airalo yet.

    Returns:
        ``False`` if it is too late: the order is being sent or has been sent.
    """
    current = lock(order.pk)
    # An order whose last try may have reached Airalo is not cancelled: it may have been bought.
    if current.status != Status.PENDING or current.look_up_first:
        return False
    cancelled = change_status(current, Status.CANCELLED, now=database.now(), source="shop")
    signal_after_commit(current)
    order.refresh_from_db()
    return cancelled


def _validate_on_sale(package_id: str) -> None:
    """A package must be on sale, if there is a catalogue to know it from."""
    # Compared once more, since a database's collation may ignore case and blanks at the end.
    found = Package.objects.filter(package_id=package_id, type=Package.Type.SIM)
    package = next((package for package in found if package.package_id == package_id), None)
    if package and package.withdrawn_at:
        raise ValidationError(
            {"package_id": _("Airalo has withdrawn the package %(id)r. Choose another.") % {"id": package_id}}
        )
    if not package and Package.objects.exists():
        message = _("There is no package %(id)r in the catalogue. Run airalo_sync_packages if it is new.")
        raise ValidationError({"package_id": message % {"id": package_id}})


def _known(idempotency_key: str, content: dict[str, Any]) -> EsimOrder | None:
    order = EsimOrder.objects.filter(idempotency_key=idempotency_key).first()
    if order is None:
        return None
    different = [field for field, value in content.items() if getattr(order, field) != value]
    if order.idempotency_key != idempotency_key:  # a collation that ignores case
        different.append("idempotency_key")
    if different:
        raise IdempotencyConflictError(
            f"An order with the idempotency_key {idempotency_key!r} exists already, with another "
            f"{', '.join(different)}. Use a new key for a new order."
        )
    return order


@database.in_transaction()
def _place(idempotency_key: str | None, content: dict[str, Any]) -> EsimOrder:
    if idempotency_key is not None and (known := _known(idempotency_key, content)):
        return known
    _validate_on_sale(content["package_id"])
    now = database.now()
    try:
        with database.atomic():
            order = EsimOrder.objects.create(idempotency_key=idempotency_key, created_at=now, due_at=now, **content)
    except IntegrityError:
        # Another process placed this key between our look and our insert.
        if idempotency_key is not None and (known := _known(idempotency_key, content)):
            return known
        raise
    note(order, "", now=now, source="shop", kind=OrderEvent.Kind.PLACED)
    nudges.after_commit("submit_order", order.pk, submit_order)
    return order
