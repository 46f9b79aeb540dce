"""Create orders, one for each idempotency key."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import EsimOrder, OrderEvent
from django_airalo.models.managers import primary_rows
from django_airalo.services.core import database, deployment
from django_airalo.services.core.enqueue import enqueue

from .checks import Catalogue, chunks, validate_new
from .refused_calls import reason_of, recorded_call, refused_columns
from .signals import signal_after_commit
from .validate import joined

logger: logging.Logger = logging.getLogger("django_airalo.orders")

Type = EsimOrder.Type

#: What a service does with an order that is refused: raise ``ValidationError``, or record it as failed.
OnRefusal = Literal["raise", "record"]
#: The names of the arguments whose columns have other names.
ARGUMENTS = {"user_id": "user", "esim_id": "esim", "requested_due_date": "due_date"}


@dataclass(frozen=True)
class Wanted:
    """One order to be placed.

    Attributes:
        arguments: the arguments of the call.
        content: the columns from these arguments. They must be equal to those of an order with the same key.
        derived: columns that do not come from the caller, so they are not compared.
        idempotency_key: the shop's key, or a substitute from ``recorded_key()`` if that is not valid.
        refusal: the error if the arguments are wrong.
    """

    arguments: Mapping[str, Any]
    content: Mapping[str, Any]
    derived: Mapping[str, Any]
    idempotency_key: str | None
    refusal: ValidationError | None = None


def place(wanted: Sequence[Wanted], on_refusal: OnRefusal, *, numbered: bool = False) -> list[EsimOrder]:
    """Place orders, or return those that already exist with their keys.

    Args:
        wanted: the orders to be placed.
        on_refusal: with ``"raise"``, nothing is written if one order is wrong; with ``"record"``, that order is
            recorded as failed.
        numbered: put an order's index before the names of its fields in the text of an error.

    Returns:
        The orders, in the sequence of ``wanted``.

    Raises:
        ValidationError: orders are wrong, and ``on_refusal`` is ``"raise"``.
        IdempotencyConflictError: a key exists, with other content.
    """
    if on_refusal == "raise":
        _raise({index: item.refusal for index, item in enumerate(wanted) if item.refusal}, numbered=numbered)
    return _place(wanted, on_refusal, numbered=numbered)


def _raise(refusals: Mapping[int, ValidationError], *, numbered: bool) -> None:
    if refusals:
        raise joined((f"{index}." if numbered else "", refusals[index]) for index in sorted(refusals))


@database.in_transaction()
def _place(wanted: Sequence[Wanted], on_refusal: OnRefusal, *, numbered: bool) -> list[EsimOrder]:
    orders = _Placed(wanted, numbered=numbered)
    orders.find_known()
    if not orders.missing():
        return orders.all()
    now = database.db_now()
    unknown = {index: wanted[index] for index in orders.missing()}
    catalogue = Catalogue({item.content["package_id"] for item in unknown.values() if not item.refusal})
    identity = deployment.identity()
    refusals = _refusals(unknown, catalogue, now)
    refusals = _without_bought(wanted, refusals, identity)
    if on_refusal == "raise":
        _raise(refusals, numbered=numbered)
    owners = _owners([wanted[index] for index in refusals])
    created: list[EsimOrder] = []
    while missing := orders.missing():
        new = [
            _refused(wanted[index], refusals[index], owners, now)
            if index in refusals
            else _pending(wanted[index], catalogue, now)
            for index in missing
        ]
        identity.give_to(new)
        try:
            with database.atomic():
                created = _create(new)
        except IntegrityError:
            # Another process has placed an order with one of these keys since we searched for them.
            if not orders.find_known():
                raise
        else:
            orders.add(dict(zip(missing, created, strict=True)))
    _log(created, now)
    for order in created:
        if order.is_refused_at_placing:
            signal_after_commit(order)
        else:
            enqueue("submit_order", order.pk)
    return orders.all()


def _pending(wanted: Wanted, catalogue: Catalogue, now: datetime) -> EsimOrder:
    return EsimOrder(
        idempotency_key=wanted.idempotency_key,
        created_at=now,
        due_at=now,
        **wanted.content,
        **wanted.derived,
        **catalogue.cost_of(wanted.content["package_id"], wanted.content.get("quantity", 1)),
    )


def _refused(wanted: Wanted, refusal: ValidationError, owners: Container[Any], now: datetime) -> EsimOrder:
    """Return the order that records a refused call. It is failed from the start, so it is never sent or looked up."""
    user_id = _user_id(wanted)
    mode = wanted.content.get("mode")
    return EsimOrder(
        idempotency_key=wanted.idempotency_key,
        type=wanted.content["type"],
        mode=mode if mode in EsimOrder.Mode.values else wanted.derived.get("mode", EsimOrder.Mode.ASYNC),
        user_id=user_id if user_id in owners else None,
        esim_id=None if "esim" in refusal.error_dict else wanted.content.get("esim_id"),
        status=EsimOrder.Status.FAILED,
        refused_call=recorded_call(wanted.arguments),
        error_reason=reason_of(refusal),
        created_at=now,
        failed_at=now,
        due_at=None,
        **refused_columns(wanted.arguments),
    )


def _log(created: Sequence[EsimOrder], now: datetime) -> None:
    """Create the first events of new orders. The second event of a refused order sends its signal."""
    events = []
    for order in created:
        events.append(OrderEvent(order=order, kind=OrderEvent.Kind.PLACED, source="shop", created_at=now))
        if order.is_refused_at_placing:
            events.append(
                OrderEvent(
                    order=order,
                    kind=OrderEvent.Kind.STATUS_CHANGED,
                    old_status=EsimOrder.Status.PENDING,
                    new_status=order.status,
                    source="shop",
                    detail=order.error_reason,
                    created_at=now,
                    signal_due_at=now,
                )
            )
            logger.warning("Order %s was refused, so it is not sent to Airalo", order.reference)
    OrderEvent.primary.bulk_create(events)


class _Placed:
    """The wanted orders that exist so far. If several have the same key, only the first one is created."""

    def __init__(self, wanted: Sequence[Wanted], *, numbered: bool) -> None:
        self._wanted = wanted
        self._numbered = numbered
        self._orders: dict[int, EsimOrder] = {}
        first = {item.idempotency_key: index for index, item in reversed(list(enumerate(wanted)))}
        self._first = [
            index if item.idempotency_key is None else first[item.idempotency_key] for index, item in enumerate(wanted)
        ]

    def missing(self) -> list[int]:
        return [index for index, first in enumerate(self._first) if index == first and index not in self._orders]

    def add(self, orders: Mapping[int, EsimOrder]) -> None:
        self._orders.update(orders)

    def find_known(self) -> bool:
        """Search the missing orders by their keys. Return whether one was found."""
        missing = {key: index for index in self.missing() if (key := self._wanted[index].idempotency_key) is not None}
        orders = EsimOrder.primary.all()  # a replica may not have the newest orders yet
        found = {
            order.idempotency_key: order
            for chunk in chunks(list(missing))
            for order in orders.filter(idempotency_key__in=chunk)
        }
        if found.keys() - missing:  # a collation that ignores case finds other keys, too
            one_by_one = {key: orders.filter(idempotency_key=key).first() for key in missing}
            found = {key: order for key, order in one_by_one.items() if order}
        self.add({missing[key]: order for key, order in found.items() if key is not None})
        return bool(found)

    def all(self) -> list[EsimOrder]:
        """Return all orders, in the sequence in which they were wanted.

        Raises:
            IdempotencyConflictError: an order has other content than was wanted.
        """
        orders = [self._orders[first] for first in self._first]
        for index, order in enumerate(orders):
            self._compare(index, order)
        return orders

    def _compare(self, index: int, order: EsimOrder) -> None:
        wanted = self._wanted[index]
        if wanted.idempotency_key is None:
            return
        if order.is_refused_at_placing:
            different = _differing_arguments(wanted, order)
        else:
            different = [name for name, value in wanted.content.items() if getattr(order, name) != value]
        if order.idempotency_key != wanted.idempotency_key:  # a collation that ignores case
            different.append("idempotency_key")
        if different:
            names = ", ".join(ARGUMENTS.get(name, name) for name in different)
            raise IdempotencyConflictError(
                (f"Order {index}: " if self._numbered else "")
                + f"An order with the idempotency_key {wanted.idempotency_key!r} exists already, with another "
                f"{names}. Use a new key for a new order."
            )


def _differing_arguments(wanted: Wanted, order: EsimOrder) -> list[str]:
    """Return the names of the arguments that differ from those of the call that was refused earlier.

    The order stays refused, even if the same arguments would be valid today.
    """
    then: Mapping[str, Any] = order.refused_call or {}
    now = recorded_call(wanted.arguments)
    different = [name for name, value in now.items() if name != "idempotency_key" and value != then.get(name)]
    if now.get("mode") is None and "mode" in different:
        different.remove("mode")  # without a mode, any mode matches, as for an order that was not refused
    if now.get("user") is None and order.user_id is None and "user" in different:
        different.remove("user")  # the user has been deleted
    return ["type"] if order.type != wanted.content["type"] else different


def _create(orders: list[EsimOrder]) -> list[EsimOrder]:
    rows = EsimOrder.primary.all()
    created = rows.bulk_create(orders)
    if any(order.pk is None for order in created):  # MySQL does not return the primary keys of several rows
        by_reference = {
            order.reference: order
            for chunk in chunks([order.reference for order in created])
            for order in rows.filter(reference__in=chunk)
        }
        created = [by_reference[order.reference] for order in created]
    return created


# Checks for orders that do not exist yet


def _refusals(wanted: Mapping[int, Wanted], catalogue: Catalogue, now: datetime) -> dict[int, ValidationError]:
    """Return the errors of the orders that are wrong, by their index."""
    refusals = {index: item.refusal for index, item in wanted.items() if item.refusal}
    for index, item in wanted.items():
        if index in refusals:
            continue
        try:
            validate_new(item.content, catalogue, now)
        except ValidationError as error:
            refusals[index] = error
    return refusals


def _without_bought(
    wanted: Sequence[Wanted], refusals: Mapping[int, ValidationError], identity: deployment.Identity
) -> dict[int, ValidationError]:
    """Return the refusals without those of orders that Airalo lists as bought: only their rows were lost since."""
    keys = {index: wanted[index].idempotency_key for index in refusals if not wanted[index].refusal}
    references = {index: identity.reference_for(key) for index, key in keys.items() if key is not None}
    bought = deployment.listed(references.values()) if references else set()
    return {index: error for index, error in refusals.items() if references.get(index) not in bought}


def _user_id(wanted: Wanted) -> Any:
    """Return the primary key of an order's user, or ``None`` if it is not a saved user of the project's user model."""
    user = wanted.arguments.get("user")
    if user is None:
        return wanted.derived.get("user_id")
    return user.pk if isinstance(user, get_user_model()) and not user._state.adding else None


def _owners(refused: Sequence[Wanted]) -> set[Any]:
    """Return the primary keys of the refused orders' users that exist.

    A reference to any other would make the commit of the caller's transaction fail.
    """
    ids = {user_id for wanted in refused if (user_id := _user_id(wanted)) is not None}
    if not ids:
        return set()
    users = primary_rows(get_user_model())
    return set(users.filter(pk__in=ids).values_list("pk", flat=True))
