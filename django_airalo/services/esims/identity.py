"""Identify eSIMs by Airalo's id, ICCID or activation code, and flag orders that share one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cached_property

from django_airalo.client.payloads import SimData
from django_airalo.exceptions import MissingIccidError
from django_airalo.iccids import normalised
from django_airalo.models import Esim, EsimOrder, OrderEvent
from django_airalo.models.esims import KEY_OF_ID
from django_airalo.services.core.deployment import Identity, identity
from django_airalo.services.core.transitions import flag_for_review, lock

#: The prefix of an eSIM's key if it has neither a usable ICCID nor Airalo's id: a digest of its code follows.
KEY_OF_CODE = "code-"
#: The maximum number of other orders with the same ICCID that are flagged at once. A test account may have many.
MOST_FLAGGED = 20


class CodeKeys:
    """Computes the digests of activation codes, which are compared and indexed instead of the codes."""

    @cached_property
    def _identity(self) -> Identity:
        return identity()

    def of(self, activation_code: str) -> str:
        """Return the digest of a code, 64 hex digits; empty if there is no code."""
        return self._identity.digest("activation code", activation_code) if activation_code else ""


def name_of(esim: Esim) -> str:
    """Return the name of an eSIM for logs and flags."""
    return esim.iccid or (f"sim {esim.airalo_id}" if esim.airalo_id else "without number")


def iccid_of(esim: Esim) -> str:
    """Return an eSIM's ICCID as Airalo wrote it, for requests to Airalo.

    Raises:
        MissingIccidError: it has none.
    """
    if not esim.has_iccid:
        raise MissingIccidError
    return esim.iccid


def is_same(esim: Esim, sim: SimData, code_key: str) -> bool:
    """Return whether Airalo's data is about a stored eSIM of the same order.

    They are compared by Airalo's id, else by ICCID, else by code. Two with the same ICCID are different eSIMs if both
    the ids and the codes differ: one of the ICCIDs is wrong then, and both codes can be installed.

    Args:
        esim: the stored eSIM.
        sim: Airalo's data.
        code_key: the digest of the code in Airalo's data.
    """
    ids_known = sim.id is not None and esim.airalo_id is not None
    if ids_known and sim.id == esim.airalo_id:
        return True
    ours, theirs = normalised(esim.iccid), normalised(sim.iccid)
    if ours and theirs:
        codes_differ = bool(code_key and esim.code_key) and code_key != esim.code_key
        return ours == theirs and not (ids_known and codes_differ)
    return bool(code_key) and code_key == esim.code_key and not ids_known


def key_for(iccid: str, airalo_id: int | None, code_key: str, taken: Collection[str]) -> str:
    """Return a key for an eSIM that is unique within its order; empty if there is nothing to identify it by.

    Args:
        iccid: as Airalo wrote it.
        airalo_id: Airalo's id of the eSIM.
        code_key: the digest of its code.
        taken: the keys of the order's other eSIMs.
    """
    key = normalised(iccid)
    if not key and airalo_id is not None:
        key = f"{KEY_OF_ID}{airalo_id}"
    if not key and code_key:
        key = f"{KEY_OF_CODE}{code_key[:40]}"
    number, free = 2, key
    while key and free in taken:
        number, free = number + 1, f"{key}~{number}"
    return free


def flag_others(order: EsimOrder, names: Mapping[str, str], *, now: datetime, source: str) -> list[str]:
    """Flag the other orders that have these eSIMs. Call inside ``database.atomic()``, with the order locked.

    Args:
        order: the order, which is not flagged here.
        names: maps the ``iccid_key`` of each eSIM to its name for operators.
        now: the database's present time.
        source: as for ``change_status()``.

    Returns:
        The reasons for which to flag the order itself.
    """
    shared = Esim.primary.filter(iccid_key__in=names).exclude(order=order)
    found = list(shared.order_by("-pk").values_list("order_id", "iccid_key")[:MOST_FLAGGED])
    for order_pk in sorted({order_pk for order_pk, _ in found}):
        other = lock(order_pk)
        for key in sorted({key for pk, key in found if pk == order_pk}):
            flag_once(other, _shared(names[key]), now=now, source=source)
    return [_shared(names[key]) for key in dict.fromkeys(key for _, key in found)]


def flag_once(order: EsimOrder, reason: str, *, now: datetime, source: str) -> None:
    """Flag an order unless it was flagged for this reason before, even if an operator has removed the flag."""
    events = OrderEvent.primary.filter(order=order, kind=OrderEvent.Kind.ATTENTION)
    if not events.filter(detail=reason).exists():
        flag_for_review(order, reason, now=now, source=source)


def _shared(name: str) -> str:
    return f"Airalo delivered eSIM {name} for more than one order: search for its number to find the others."
