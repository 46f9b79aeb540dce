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
    on_refusal: OnRefusal = "raise",
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
        due_date: for a future order, when Airalo shall deliver: an aware datetime, counted in minutes, 48 hours ahead
            at least and a year at most. Future orders are always asynchronous.
        on_refusal: what to do if a value is wrong. ``"raise"``: nothing is written, for a form that is shown again.
            ``"record"``, once the customer has paid: the order is kept as failed, with its reason in ``error_reason``
            and the call in ``refused_call``, and ``esim_order_failed`` is sent after the commit, so that the shop pays
            back as for any other failed order. Airalo is never asked for it. The same key returns it from then on,
            whatever would be right by now.

    Raises:
        ValidationError: with ``"raise"``: a value is wrong; ``error.message_dict`` says which, why and what to do.
            Nothing was written.
        IdempotencyConflictError: ``idempotency_key`` is known, with other content. Nothing was written. What was placed
            under the key goes on, so this is no reason to pay back.
        TypeError: an argument that does not exist. Nothing was written.
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

    Takes the same few queries however many there are. As with :func:`place_order`, Airalo is asked after the commit,
    for each order by itself.

    Args:
        orders: for each order the arguments of :func:`place_order`, as a mapping. Each may have its own
            ``idempotency_key``; one that is known returns the order that exists.
        on_refusal: as for :func:`place_order`, for each order by itself: with ``"record"`` one that is refused does not
            keep the others from being placed.

    Returns:
        The orders, in the same sequence.

    Raises:
        ValidationError: with ``"raise"``: a value is wrong; ``error.message_dict`` names the order's index and the
            field, as in ``"2.quantity"``, for all that is wrong. Nothing was written.
        IdempotencyConflictError: a key is known, with other content. Nothing was written.
        TypeError: an argument that does not exist. Nothing was written.
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

    The same road as :func:`place_order`, with the same promise. Airalo answers at once, so there is no webhook: the
    order, of the type ``topup``, is completed as soon as it was submitted. It belongs to the eSIM's owner.

    Args:
        esim: the eSIM. Its top-ups are in ``esim.topups``.
        package_id: one of ``list_topup_packages(esim)``. Must be a top-up and on sale if the catalogue knows it.
        idempotency_key, description, on_refusal: as for :func:`place_order`. A refused top-up has no ``esim`` if that
            was what is wrong.

    Raises:
        ValidationError: with ``"raise"``: a value is wrong, or the eSIM has been recycled; ``error.message_dict`` says
            which, why and what to do. Nothing was written.
        IdempotencyConflictError: ``idempotency_key`` is known, with other content. Nothing was written.
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
    """Have a pending order submitted right after the commit, though it is waiting to be tried again later.

    Args:
        force_reason: why not to wait until ``order.in_doubt_until``: by then Airalo must list what an earlier attempt
            may have bought. **Before, the order may be bought twice.** Kept in the order's log.
        decided_by: who decided, for the order's log.

    Returns:
        The order, refreshed.

    Raises:
        IllegalTransitionError: the order is not pending, or is another deployment's; nothing is sent (``AIRALO_SUBMIT``
            is ``False``, or there is a pause of submission); or ``order.in_doubt_until`` is to come and no reason is
            given not to wait. The text says which. Nothing was written.
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
    """Return what keeps a pending order from being submitted now; empty if it is not pending."""
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
    """Return the arguments of ``place_order()`` as columns, and what is wrong with them."""
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
    """Return the key to find the order by; a refused call needs one even if the shop's is none."""
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
    """Return a date as Airalo counts it; what is no date stays as it is."""
    moment = in_utc(due_date) if isinstance(due_date, datetime) and due_date.utcoffset() is not None else None
    return moment.replace(second=0, microsecond=0) if moment else due_date


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
