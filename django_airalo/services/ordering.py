"""Place orders: one, many, a top-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from django_airalo.conf import conf
from django_airalo.models import Esim, EsimOrder

from . import account, database, nudges
from .placing import Wanted, check_each, place
from .submission import submit_order
from .validation import validate_content

Status, Type, Mode = EsimOrder.Status, EsimOrder.Type, EsimOrder.Mode

#: What ``place_order()`` takes beside the key. There is no default for the package.
DEFAULTS: dict[str, Any] = {
    "package_id": None,
    "quantity": 1,
    "user": None,
    "description": "",
    "brand_settings_name": "",
    "to_email": "",
    "sharing_option": (),
    "copy_address": (),
    "webhook_url": "",
    "mode": None,
    "due_date": None,
}


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
    mode: str | None = None,
    due_date: datetime | None = None,
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
        mode: ``"async"`` (Airalo delivers later, by webhook) or ``"sync"`` (it delivers with its answer, and no webhook
            is needed); by default ``AIRALO_ORDER_MODE``.
        due_date: for a future order, when Airalo shall deliver: an aware datetime, counted in minutes, not before the
            day after tomorrow in UTC and a year ahead at most. Future orders are always asynchronous.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` says which and why. Nothing was written.
        IdempotencyConflictError: ``idempotency_key`` is known, with other content. Nothing was written.
    """
    wanted = _wanted(
        package_id=package_id,
        quantity=quantity,
        user=user,
        idempotency_key=idempotency_key,
        description=description,
        brand_settings_name=brand_settings_name,
        to_email=to_email,
        sharing_option=sharing_option,
        copy_address=copy_address,
        webhook_url=webhook_url,
        mode=mode,
        due_date=due_date,
    )
    return place([wanted])[0]


def place_orders(orders: Sequence[Mapping[str, Any]]) -> list[EsimOrder]:
    """Place many orders in one transaction: all of them or none.

    Takes the same few queries however many there are. As with :func:`place_order`, Airalo is asked after the commit,
    for each order by itself.

    Args:
        orders: for each order the arguments of :func:`place_order`, as a mapping. Each may have its own
            ``idempotency_key``; one that is known returns the order that exists.

    Returns:
        The orders, in the same sequence.

    Raises:
        ValidationError: a value is wrong; ``error.message_dict`` names the order's index and the field, as in
            ``"2.quantity"``, for all that is wrong. Nothing was written.
        IdempotencyConflictError: a key is known, with other content. Nothing was written.
    """
    wanted = check_each(enumerate(orders), lambda values: _wanted(**values), numbered=True)
    return place(wanted, numbered=True) if wanted else []


def place_topup(esim: Esim, package_id: str, *, idempotency_key: str | None = None, description: str = "") -> EsimOrder:
    """Order more data (or minutes, or days) for an eSIM that the shop has sold, for a customer who has paid.

    The same road as :func:`place_order`, with the same promise. Airalo answers at once, so there is no webhook: the
    order, of the type ``topup``, is completed as soon as it was submitted. It belongs to the eSIM's owner.

    Args:
        esim: the eSIM. Its top-ups are in ``esim.topups``.
        package_id: one of ``list_topup_packages(esim)``. Must be a top-up and on sale if the catalogue knows it.
        idempotency_key, description: as for :func:`place_order`.

    Raises:
        ValidationError: a value is wrong, or the eSIM has been recycled; ``error.message_dict`` says which and why.
            Nothing was written.
        IdempotencyConflictError: ``idempotency_key`` is known, with other content. Nothing was written.
    """
    stored = (
        isinstance(esim, Esim)
        and Esim.objects.using(database.alias()).filter(pk=esim.pk).values("pk", "order__user_id").first()
    )
    if not stored:
        raise ValidationError({"esim": [_("%(value)r is not an eSIM of this shop.") % {"value": esim}]})
    content: dict[str, Any] = {"package_id": package_id, "description": description}
    validate_content({**DEFAULTS, **content}, idempotency_key)
    content |= {"type": Type.TOPUP, "esim_id": stored["pk"]}
    derived = {"mode": Mode.SYNC, "user_id": stored["order__user_id"]}
    return place([Wanted(content, derived, idempotency_key)])[0]


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


def _wanted(*, idempotency_key: str | None = None, **values: Any) -> Wanted:
    """The arguments of ``place_order()`` as columns, if nothing is wrong with them."""
    content = {**DEFAULTS, **values}
    if unknown := set(content) - set(DEFAULTS):
        raise TypeError(f"place_order() takes no {', '.join(sorted(unknown))}")
    validate_content(content, idempotency_key)
    user, mode, due_date = content.pop("user"), content.pop("mode"), content.pop("due_date")
    content |= {
        "type": Type.SIM,
        "user_id": user.pk if getattr(user, "is_authenticated", False) else None,
        "sharing_option": list(content["sharing_option"]),
        "copy_address": list(content["copy_address"]),
        "due_date": due_date and due_date.astimezone(UTC).replace(second=0, microsecond=0),
    }
    derived = {}
    if mode:
        content["mode"] = mode
    else:
        derived["mode"] = Mode.ASYNC if due_date else conf.ORDER_MODE
    return Wanted(content, derived, idempotency_key)
