"""Place orders: one, many, a top-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from django_airalo.conf import conf
from django_airalo.models import Esim, EsimOrder
from django_airalo.services.account import pauses
from django_airalo.services.core import database, deployment, doubt
from django_airalo.services.core.enqueue import enqueue
from django_airalo.services.core.transitions import note, refuse

from .create import OnRefusal, Wanted, place
from .refused_calls import recorded_key
from .validate import in_utc, is_key, joined, shown, validate_content, wrong

Status: TypeAlias = EsimOrder.Status
Type: TypeAlias = EsimOrder.Type
Mode: TypeAlias = EsimOrder.Mode

#: The arguments of ``place_order()`` except the key, with their defaults. The package has none.
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
    on_refusal: OnRefusal = "raise",
) -> EsimOrder:
    """Order eSIMs for a customer who has paid.

    Only writes to the database, in the caller's transaction, so the shop's own order and this one are committed
    together. The request to Airalo is sent after the commit, in a task if the shop has a task backend.

    Args:
        package_id: a package of Airalo's catalogue. Must be on sale if the catalogue has been synchronised.
        quantity: the number of eSIMs, 1 to 50.
        user: the owner of the order, for "My eSIMs"; ``None`` or an anonymous user for a guest.
        idempotency_key: the shop's own key, such as the id of its order line, at most 255 characters. The same key with
            the same content returns the same order and orders nothing.
        description: the shop's own text, sent to Airalo after the order's reference.
        brand_settings_name: the name of a brand from Airalo's Partner Platform.
        to_email: the address to which Airalo e-mails the eSIM. Requires ``sharing_option``.
        sharing_option: what that e-mail contains: ``"link"``, ``"pdf"`` or both.
        copy_address: addresses that get a copy of that e-mail.
        webhook_url: overrides ``AIRALO_WEBHOOK_URL`` for this order.
        mode: ``"async"`` (Airalo delivers later, by webhook) or ``"sync"`` (Airalo delivers with its answer, and no
            webhook is needed); default ``AIRALO_ORDER_MODE``.
        due_date: for a future order, when Airalo delivers: an aware datetime, rounded down to the minute, from 48 hours
            to a year ahead. Future orders are always asynchronous.
        on_refusal: what to do if a value is wrong. ``"raise"``: nothing is written; use it for a form that is shown
            again. ``"record"``: the order is recorded as failed, with the reason in ``error_reason`` and the call in
            ``refused_call``; use it once the customer has paid. ``esim_order_failed`` is sent after the commit, so the
            shop refunds the customer as for any other failed order. The order is never sent to Airalo, and the same key
            returns it even if its values would be valid by then.

    Returns:
        The order: a new one, or the one that exists with the key.

    Raises:
        ValidationError: a value is wrong, and ``on_refusal`` is ``"raise"``; ``error.message_dict`` says which, why and
            what to do. Nothing was written.
        IdempotencyConflictError: an order with the ``idempotency_key`` exists, with other content. Nothing was written.
            The existing order continues, so do not refund the customer for this error.
        TypeError: an argument does not exist. Nothing was written.
    """
    _check(on_refusal)
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
    return place([wanted], on_refusal)[0]


def place_orders(orders: Sequence[Mapping[str, Any]], *, on_refusal: OnRefusal = "raise") -> list[EsimOrder]:
    """Place many orders in one transaction: all of them or none.

    The number of queries does not depend on the number of orders. As with :func:`place_order`, the requests to Airalo
    are sent after the commit, one for each order.

    Args:
        orders: for each order the arguments of :func:`place_order`, as a mapping. Each may have its own
            ``idempotency_key``; if an order with that key exists, it is returned.
        on_refusal: as for :func:`place_order`. With ``"record"``, each order is refused or placed independently of the
            others.

    Returns:
        The orders, in the same sequence.

    Raises:
        ValidationError: a value is wrong, and ``on_refusal`` is ``"raise"``; ``error.message_dict`` has all errors, by
            the order's index and the field, such as ``"2.quantity"``. Nothing was written.
        IdempotencyConflictError: an order with one of the keys exists, with other content. Nothing was written.
        TypeError: an argument does not exist. Nothing was written.
    """
    _check(on_refusal)
    wanted = [_wanted(**values) for values in orders]
    return place(wanted, on_refusal, numbered=True) if wanted else []


def place_topup(
    esim: Esim,
    *,
    package_id: str,
    idempotency_key: str | None = None,
    description: str = "",
    on_refusal: OnRefusal = "raise",
) -> EsimOrder:
    """Order more data (or minutes, or days) for an eSIM that the shop has sold, for a customer who has paid.

    Works like :func:`place_order`, and sends the request at most once. Airalo answers at once, without a webhook, so
    the order is completed as soon as it has been submitted. It has the type ``topup`` and belongs to the eSIM's owner.

    Args:
        esim: the eSIM. Its top-ups are in ``esim.topups``.
        package_id: one of ``list_topup_packages(esim)``. If the catalogue has it, it must be a top-up, on sale,
            and not certainly one of another operator's.
        idempotency_key: as for :func:`place_order`.
        description: as for :func:`place_order`.
        on_refusal: as for :func:`place_order`. A recorded top-up has no ``esim`` if the given one was wrong.

    Returns:
        The order: a new one, or the one that exists with the key.

    Raises:
        ValidationError: a value is wrong or the eSIM has been recycled, and ``on_refusal`` is ``"raise"``;
            ``error.message_dict`` says which, why and what to do. Nothing was written.
        IdempotencyConflictError: an order with the ``idempotency_key`` exists, with other content. Nothing was written.
    """
    _check(on_refusal)
    esims = Esim.primary.all()
    found = esims.filter(pk=esim.pk).values("pk", "order__user_id").first() if isinstance(esim, Esim) else None
    texts = {"package_id": package_id, "description": description}
    refusals = [_refusal({**DEFAULTS, **texts}, idempotency_key)]
    if found is None:
        message = _("%(value)s is not an eSIM of this shop. Give one of its Esim rows.")
        refusals.append(wrong("esim", message, value=shown(esim)))
    esim_id, user_id = (found["pk"], found["order__user_id"]) if found else (None, None)
    wanted = Wanted(
        arguments={"esim": esim if found is None else esim_id, **texts, "idempotency_key": idempotency_key},
        content={**texts, "type": Type.TOPUP, "esim_id": esim_id},
        derived={"mode": Mode.SYNC, "user_id": user_id},
        idempotency_key=_stored_key(idempotency_key),
        refusal=_one_of(refusals),
    )
    return place([wanted], on_refusal)[0]


def retry_now(order: EsimOrder, *, force_reason: str = "", decided_by: str = "") -> EsimOrder:
    """Submit a pending order right after the commit, instead of when it is due.

    Args:
        order: the order; refreshed.
        force_reason: why not to wait until ``order.in_doubt_until``, when Airalo must list what an earlier attempt may
            have bought. **Before that time, the order may be bought twice.** Stored in the order's log.
        decided_by: who decided, for the order's log.

    Returns:
        The order, refreshed.

    Raises:
        IllegalTransitionError: the order is not pending, or another deployment sends it; nothing is sent at present
            (``AIRALO_SUBMIT`` is ``False``, or submission is paused); or ``order.in_doubt_until`` is in the future and
            there is no ``force_reason``. The text says which. Nothing was written.
    """
    _make_due(order, force_reason, decided_by)
    order.refresh_from_db(using=database.primary_alias())
    return order


@database.in_transaction()
def _make_due(order: EsimOrder, force_reason: str, decided_by: str) -> None:
    if not conf.SUBMIT:
        refuse("retry_now", order, "AIRALO_SUBMIT is False")
    if pause := pauses.active_pause():
        refuse("retry_now", order, f"no order is sent since {pause.paused_at:%Y-%m-%d %H:%M} UTC")
    now = database.db_now()
    pending = EsimOrder.primary.filter(pk=order.pk, status=Status.PENDING, deployment=deployment.identity().stamp)
    if not force_reason:
        pending = pending.filter(doubt.over_by(now))
    if not pending.update(due_at=now):
        refuse("retry_now", order, _why_not_due(order))
    if force_reason:
        note(order, doubt.forced(force_reason, decided_by), now=now, source="operator")
    enqueue("submit_order", order.pk)


def _why_not_due(order: EsimOrder) -> str:
    """Return why a pending order cannot be submitted now; empty if it is not pending."""
    current = EsimOrder.primary.get(pk=order.pk)
    if current.status != Status.PENDING:
        return ""
    if current.deployment != deployment.identity().stamp:
        return f"only the deployment {current.deployment} sends it"
    return doubt.wait_for(current)


def _check(on_refusal: str) -> None:
    if on_refusal not in ("raise", "record"):
        raise TypeError(f"on_refusal is 'raise' or 'record', not {on_refusal!r}")


def _wanted(*, idempotency_key: Any = None, **values: Any) -> Wanted:
    """Return the arguments of ``place_order()`` as columns, with the error if they are wrong."""
    arguments = {**DEFAULTS, **values}
    if unknown := set(arguments) - set(DEFAULTS):
        raise TypeError(f"place_order() takes no {', '.join(sorted(unknown))}")
    content = dict(arguments)
    user, mode, due_date = content.pop("user"), content.pop("mode"), content.pop("due_date")
    date = _to_the_minute(due_date)
    content |= {
        "type": Type.SIM,
        "user_id": user.pk if getattr(user, "is_authenticated", False) else None,
        "sharing_option": _as_list(content["sharing_option"]),
        "copy_address": _as_list(content["copy_address"]),
        "requested_due_date": date,
    }
    derived = {"due_date": date}
    if mode is not None:
        content["mode"] = mode
    else:
        derived["mode"] = Mode.ASYNC if due_date else conf.ORDER_MODE
    return Wanted(
        arguments={**arguments, "idempotency_key": idempotency_key},
        content=content,
        derived=derived,
        idempotency_key=_stored_key(idempotency_key),
        refusal=_refusal(arguments, idempotency_key),
    )


def _stored_key(idempotency_key: Any) -> str | None:
    """Return the key to store: the shop's, or a substitute if it is invalid, since a refused call needs one, too."""
    if idempotency_key is None or is_key(idempotency_key):
        return idempotency_key
    return recorded_key(idempotency_key)


def _refusal(arguments: Mapping[str, Any], idempotency_key: Any) -> ValidationError | None:
    try:
        validate_content(arguments, idempotency_key)
    except ValidationError as error:
        return error
    return None


def _one_of(refusals: Sequence[ValidationError | None]) -> ValidationError | None:
    wrong_values = [("", refusal) for refusal in refusals if refusal]
    return joined(wrong_values) if wrong_values else None


def _to_the_minute(due_date: Any) -> Any:
    """Return an aware datetime in UTC without seconds, as Airalo's dates have none; any other value unchanged."""
    moment = in_utc(due_date) if isinstance(due_date, datetime) and due_date.utcoffset() is not None else None
    return moment.replace(second=0, microsecond=0) if moment else due_date


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
