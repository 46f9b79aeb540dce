"""Write orders that somebody wants, once for each idempotency key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.utils.translation import gettext as _

from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import Esim, EsimOrder, OrderEvent, Package, UsageStatus

from . import database, nudges
from .submission import submit_order

Type = EsimOrder.Type
T = TypeVar("T")
R = TypeVar("R")

#: Airalo's limits for the date of a future order: not before the day after tomorrow (in UTC), a year ahead at most.
EARLIEST, LATEST = timedelta(days=2), timedelta(days=365)
#: Values in one ``IN (…)``: there are databases that take no more than a thousand.
CHUNK = 500


@dataclass(frozen=True)
class Wanted:
    """One order to be placed: its columns. Those of ``derived`` are not the caller's, so not compared by the key."""

    content: dict[str, Any]
    derived: dict[str, Any]
    idempotency_key: str | None


def check_each(items: Iterable[tuple[int, T]], check: Callable[[T], R], *, numbered: bool) -> list[R]:
    """What ``check`` returns for each item. Raises one ``ValidationError`` for all that is wrong.

    Args:
        numbered: put an item's index before the names of its fields.
    """
    results: list[R] = []
    errors: dict[str, list[str]] = {}
    for index, item in items:
        try:
            results.append(check(item))
        except ValidationError as error:
            for field, found in error.message_dict.items():
                errors[f"{index}.{field}" if numbered else field] = found
    if errors:
        raise ValidationError(dict(errors))
    return results


@database.in_transaction()
def place(wanted: Sequence[Wanted], *, numbered: bool = False) -> list[EsimOrder]:
    orders = _Placed(wanted, numbered=numbered)
    orders.find_known()
    if not orders.missing():
        return orders.all()
    now = database.now()
    _validate_new([(index, wanted[index]) for index in orders.missing()], now, numbered=numbered)
    created: list[EsimOrder] = []
    while missing := orders.missing():
        new = [
            EsimOrder(
                idempotency_key=wanted[index].idempotency_key,
                created_at=now,
                due_at=now,
                **wanted[index].content,
                **wanted[index].derived,
            )
            for index in missing
        ]
        try:
            with database.atomic():
                created = _create(new)
        except IntegrityError:
            # Another process placed one of these keys between our look and our insert.
            if not orders.find_known():
                raise
        else:
            orders.add(dict(zip(missing, created, strict=True)))
    OrderEvent.objects.using(database.alias()).bulk_create(
        OrderEvent(order=order, kind=OrderEvent.Kind.PLACED, source="shop", created_at=now) for order in created
    )
    for order in created:
        nudges.after_commit("submit_order", order.pk, submit_order)
    return orders.all()


class _Placed:
    """Which of the wanted orders there are. Of several with the same key, only the first is made."""

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
        """Look for the orders that are missing by their keys. Returns whether one was found."""
        missing = {key: index for index in self.missing() if (key := self._wanted[index].idempotency_key) is not None}
        orders = EsimOrder.objects.using(database.alias())  # a replica may not know what was placed just now
        found = {
            order.idempotency_key: order
            for chunk in _chunks(list(missing))
            for order in orders.filter(idempotency_key__in=chunk)
        }
        if found.keys() - missing:  # a collation that ignores case, say: it has found, and would refuse, other keys
            one_by_one = {key: orders.filter(idempotency_key=key).first() for key in missing}
            found = {key: order for key, order in one_by_one.items() if order}
        self.add({missing[key]: order for key, order in found.items() if key is not None})
        return bool(found)

    def all(self) -> list[EsimOrder]:
        """All orders, in their sequence. Raises ``IdempotencyConflictError`` if one is not what was wanted."""
        orders = [self._orders[first] for first in self._first]
        for index, order in enumerate(orders):
            self._compare(index, order)
        return orders

    def _compare(self, index: int, order: EsimOrder) -> None:
        wanted = self._wanted[index]
        if wanted.idempotency_key is None:
            return
        different = [name for name, value in wanted.content.items() if getattr(order, name) != value]
        if order.idempotency_key != wanted.idempotency_key:  # a collation that ignores case
            different.append("idempotency_key")
        if different:
            names = ", ".join({"user_id": "user", "esim_id": "esim"}.get(name, name) for name in different)
            raise IdempotencyConflictError(
                (f"Order {index}: " if self._numbered else "")
                + f"An order with the idempotency_key {wanted.idempotency_key!r} exists already, with another "
                f"{names}. Use a new key for a new order."
            )


def _create(orders: list[EsimOrder]) -> list[EsimOrder]:
    rows = EsimOrder.objects.using(database.alias())
    created = rows.bulk_create(orders)
    if any(order.pk is None for order in created):  # MySQL does not tell the keys of several rows
        by_reference = {
            order.reference: order
            for chunk in _chunks([order.reference for order in created])
            for order in rows.filter(reference__in=chunk)
        }
        created = [by_reference[order.reference] for order in created]
    return created


def _chunks(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


# What can only be said of orders that do not exist yet


def _validate_new(wanted: Sequence[tuple[int, Wanted]], now: datetime, *, numbered: bool) -> None:
    catalogue = _Catalogue([item.content["package_id"] for _index, item in wanted])

    def validate(item: Wanted) -> None:
        catalogue.validate(item.content["package_id"], item.content["type"])
        _validate_date(item.content.get("due_date"), now)
        _validate_esim(item.content.get("esim_id"))

    check_each(wanted, validate, numbered=numbered)


class _Catalogue:
    """The packages of some orders, as far as there is a catalogue to know them from."""

    def __init__(self, package_ids: Sequence[str]) -> None:
        ids = sorted(set(package_ids))
        self._packages = {
            package.package_id: package
            for chunk in _chunks(ids)
            for package in Package.objects.filter(package_id__in=chunk).only("package_id", "type", "withdrawn_at")
        }
        # Whatever a database's collation finds beside, a package is known by its exact id.
        self._is_known = bool(set(ids) <= set(self._packages)) or Package.objects.filter(type=Type.SIM).exists()

    def validate(self, package_id: str, type: str) -> None:
        """A package must be on sale and of the order's type. A top-up need not be in the catalogue."""
        package = self._packages.get(package_id)
        if package is None:
            if self._is_known and type == Type.SIM:
                message = _("There is no package %(id)r in the catalogue. Run airalo_sync_packages if it is new.")
                raise ValidationError({"package_id": [message % {"id": package_id}]})
        elif package.type != type:
            message = _("%(id)r is a top-up: use place_topup().") if type == Type.SIM else _("%(id)r is not a top-up.")
            raise ValidationError({"package_id": [message % {"id": package_id}]})
        elif package.withdrawn_at:
            message = _("Airalo has withdrawn the package %(id)r. Choose another.")
            raise ValidationError({"package_id": [message % {"id": package_id}]})


def _validate_date(due_date: datetime | None, now: datetime) -> None:
    if due_date is None:
        return
    if due_date.date() < (now + EARLIEST).date():
        raise ValidationError({"due_date": [_("The day after tomorrow (in UTC) is the earliest day.")]})
    if due_date > now + LATEST:
        raise ValidationError({"due_date": [_("A year ahead is the latest date.")]})


def _validate_esim(esim_id: int | None) -> None:
    usable = Esim.objects.using(database.alias()).filter(recycled_at=None).exclude(usage_status=UsageStatus.RECYCLED)
    if esim_id is not None and not usable.filter(pk=esim_id).exists():
        raise ValidationError({"esim": [_("Airalo has recycled this eSIM: it can never be used again.")]})
