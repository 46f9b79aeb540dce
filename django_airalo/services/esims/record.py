"""Record the eSIMs that Airalo delivers with an order, each of them once, from all sources.

Airalo's answer to a purchase, its webhook, its list of orders and its list of eSIMs each have different data of an
eSIM. So blank columns are filled from later sources, and nothing is overwritten. If a code differs, it is looked up at
GET /v2/sims/{iccid} first, since the source may be older than the stored code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from django_airalo.activation_codes import InstallationCodes, complete
from django_airalo.client.payloads import SimData
from django_airalo.iccids import is_plain, normalised
from django_airalo.models import Esim, EsimOrder
from django_airalo.models.esims import EsimQuerySet
from django_airalo.services.core.transitions import note

from .identity import CodeKeys, flag_others, is_same, key_for, name_of

#: The secrets in a delivery. Each is filled in if it is blank.
FILLED = ("activation_code", "matching_id", "confirmation_code", "apple_installation_url")
#: Sources that have everything but the confirmation code, which only GET /v2/sims has. That look-up is not urgent then.
WHOLE_SOURCES = ("webhook", "submit")
DETAILS_LATER = timedelta(minutes=1)

NOT_IDENTIFIED = "Airalo delivered an eSIM with neither a number nor an activation code."


@dataclass(eq=False)
class KnownEsim:
    """A stored or new eSIM of the order, with its blank secrets and the columns to be written."""

    row: Esim
    blank: set[str]
    changes: dict[str, Any] = field(default_factory=dict)
    #: The code that Airalo gave, if it differs from the stored one.
    other_code: str = ""
    got_code: bool = False

    def put(self, **values: Any) -> None:
        """Set columns on the object, to be written to the database later."""
        for name, value in values.items():
            setattr(self.row, name, value)
        self.changes |= values


@dataclass(eq=False)
class Delivery:
    """The result of a delivery: all eSIMs of the order, the new ones, and flaws for which to flag the order."""

    esims: list[KnownEsim]
    new: list[KnownEsim] = field(default_factory=list)
    flaws: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Esim]:
        """All eSIMs that the order has after the delivery."""
        return [known.row for known in self.esims]

    @property
    def added(self) -> list[Esim]:
        """The new eSIMs."""
        return [known.row for known in self.new]

    @property
    def completed(self) -> list[Esim]:
        """The eSIMs that had no code before and have one now, so that they can be installed."""
        return [known.row for known in self.esims if known.got_code and known not in self.new]

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to be written."""
        return bool(self.new) or any(known.changes or known.other_code for known in self.esims)


def codes_of(sim: SimData) -> InstallationCodes:
    """Return the codes of Airalo's eSIM. Missing ones are derived from the others."""
    return complete(
        activation_code=sim.activation_code,
        smdp_address=sim.smdp_address,
        matching_id=sim.matching_id,
        apple_installation_url=sim.apple_installation_url,
    )


def stored_esims() -> EsimQuerySet:
    """Return all eSIMs for ``with_blanks()``, annotated with which secrets are blank, so that none is decrypted."""
    blanks = {f"{name}_is_blank": Q(**{name: ""}) for name in FILLED}
    # Not order.esims, since its manager asks the router, which may choose a replica that is behind.
    return Esim.primary.without_secrets().order_by("pk").annotate(**blanks)


def with_blanks(rows: Iterable[Esim]) -> list[KnownEsim]:
    """Return the rows of ``stored_esims()`` with their blank secrets."""
    return [KnownEsim(row, {name for name in FILLED if getattr(row, f"{name}_is_blank")}) for row in rows]


def keep_esims(
    order: EsimOrder, sims: Sequence[SimData], *, now: datetime, source: str, adding: bool = True
) -> Delivery:
    """Record Airalo's eSIMs of an order. Call inside ``database.atomic()``, with the order locked.

    Args:
        order: the order.
        sims: the eSIMs from one source.
        now: the database's present time.
        source: as for ``change_status()``.
        adding: whether to add eSIMs that the order does not have.
    """
    kept = with_blanks(stored_esims().filter(order=order))
    delivery = compare(order, kept, sims, now=now, source=source, adding=adding)
    keep(order, delivery, now=now, source=source)
    return delivery


def compare(
    order: EsimOrder,
    esims: Sequence[KnownEsim],
    sims: Sequence[SimData],
    *,
    now: datetime,
    source: str,
    adding: bool = True,
    codes: CodeKeys | None = None,
) -> Delivery:
    """Compare Airalo's eSIMs of an order with the stored ones, without writing anything.

    Args:
        order: the order.
        esims: its stored eSIMs.
        sims: the eSIMs from one source.
        now: the database's present time.
        source: as for ``change_status()``.
        adding: whether to add eSIMs that the order does not have.
        codes: computes the digests of codes; pass it to compare many orders.
    """
    delivery, codes = Delivery(list(esims)), codes or CodeKeys()
    for sim in sims:
        found = codes_of(sim)
        code_key = codes.of(found.activation_code)
        same = _find(delivery.esims, sim, code_key)
        if same is not None:
            _fill(same, sim, found, code_key, delivery, now=now)
        elif not adding:
            continue
        elif new := _new(order, sim, found, code_key, delivery, now=now, source=source):
            delivery.new.append(new)
            delivery.esims.append(new)
        else:
            delivery.flaws.append(NOT_IDENTIFIED)
    return delivery


def _find(esims: Sequence[KnownEsim], sim: SimData, code_key: str) -> KnownEsim | None:
    by_id = (known for known in esims if sim.id is not None and known.row.airalo_id == sim.id)
    alike = (known for known in esims if is_same(known.row, sim, code_key))
    return next(by_id, None) or next(alike, None)


def _new(
    order: EsimOrder,
    sim: SimData,
    found: InstallationCodes,
    code_key: str,
    delivery: Delivery,
    *,
    now: datetime,
    source: str,
) -> KnownEsim | None:
    taken = {known.row.iccid_key for known in delivery.esims}
    key = key_for(sim.iccid, sim.id, code_key, taken)
    if not key:
        return None
    wait = DETAILS_LATER if source in WHOLE_SOURCES and code_key else timedelta()
    esim = Esim(
        order=order,
        iccid=sim.iccid[:255],
        iccid_key=key,
        airalo_id=sim.id,
        code_key=code_key,
        smdp_address=found.smdp_address[:255],
        matching_id=found.matching_id,
        activation_code=found.activation_code,
        confirmation_code=sim.confirmation_code,
        apple_installation_url=found.apple_installation_url,
        msisdn=sim.msisdn[:32],
        apn=sim.apn,
        is_roaming=sim.is_roaming,
        details_due_at=now + wait if normalised(sim.iccid) else None,
    )
    delivery.flaws += _flaws_of_new(sim, found, key)
    return KnownEsim(esim, {name for name in FILLED if not getattr(esim, name)})


def _flaws_of_new(sim: SimData, found: InstallationCodes, key: str) -> list[str]:
    flaws = []
    if "~" in key:
        flaws.append(f"Airalo delivered two eSIMs with the ICCID {sim.iccid} for this order.")
    flaws += _flaws_of_iccid(sim)
    if found.activation_code and not found.is_well_formed:
        flaws.append(f"The activation code of eSIM {sim.iccid[:255] or sim.id or ''} has an unknown form.")
    return flaws


def _flaws_of_iccid(sim: SimData) -> list[str]:
    odd = sim.iccid and not is_plain(sim.iccid)
    return [f"Airalo delivered an eSIM with an odd ICCID: {sim.iccid[:255]!r}."] if odd else []


def _fill(
    known: KnownEsim, sim: SimData, found: InstallationCodes, code_key: str, delivery: Delivery, *, now: datetime
) -> None:
    """Fill in the blank columns of an eSIM."""
    row = known.row
    plain: dict[str, Any] = {
        "airalo_id": sim.id,
        "msisdn": sim.msisdn[:32],
        "is_roaming": sim.is_roaming,
    }
    known.put(**{name: value for name, value in plain.items() if value not in (None, "") and _lacks(row, name)})
    if sim.iccid and not normalised(row.iccid):
        taken = {other.row.iccid_key for other in delivery.esims if other is not known}
        known.put(iccid=sim.iccid[:255], iccid_key=key_for(sim.iccid, sim.id, code_key, taken))
        delivery.flaws += _flaws_of_iccid(sim)
        if row.has_iccid:
            known.put(details_due_at=now)  # with an ICCID, it can be looked up
    elif sim.iccid and normalised(sim.iccid) != normalised(row.iccid):
        delivery.flaws.append(f"Airalo gives eSIM {name_of(row)} another ICCID now: {sim.iccid[:255]!r}.")
    if (apn := {**sim.apn, **row.apn}) != row.apn:
        known.put(apn=apn)
    if row.code_key and code_key and code_key != row.code_key:
        known.other_code = found.activation_code
        return  # the other values belong to the other code
    if found.smdp_address and not row.smdp_address:
        known.put(smdp_address=found.smdp_address[:255])
    values = {name: getattr(found, name) for name in FILLED if name != "confirmation_code"}
    values["confirmation_code"] = sim.confirmation_code
    for name, value in values.items():
        if value and name in known.blank:
            known.put(**{name: value})
            known.blank.discard(name)
    if code_key and not row.code_key:
        known.put(code_key=code_key)
        known.got_code = True


def _lacks(esim: Esim, name: str) -> bool:
    return getattr(esim, name) in (None, "")


def keep(order: EsimOrder, delivery: Delivery, *, now: datetime, source: str) -> None:
    """Write what ``compare()`` found. Call inside ``database.atomic()``, with the order locked."""
    rows = Esim.primary.all()
    changed = [known for known in delivery.esims if known not in delivery.new]
    for known in changed:
        if known.other_code:
            _check_other_code(order, known, delivery, now=now, source=source)
        if known.changes:
            rows.filter(pk=known.row.pk).update(**known.changes)
    if delivery.new:
        created = rows.bulk_create(delivery.added)
        if any(row.pk is None for row in created):  # MySQL does not return the primary keys of several rows
            kept = {row.iccid_key: row for row in rows.without_secrets().filter(order=order)}
            created = [kept[row.iccid_key] for row in created]
        for known, row in zip(delivery.new, created, strict=True):
            known.row = row
    numbered = [*delivery.new, *(known for known in changed if "iccid_key" in known.changes)]
    if numbered:
        names = {known.row.iccid_key: name_of(known.row) for known in numbered}
        delivery.flaws += flag_others(order, names, now=now, source=source)


def _check_other_code(order: EsimOrder, known: KnownEsim, delivery: Delivery, *, now: datetime, source: str) -> None:
    """Log that Airalo gave a different code, and make the eSIM due for the look-up that shows which one is right."""
    esim = known.row
    if esim.has_iccid:
        detail = f"Airalo gave another activation code for eSIM {name_of(esim)}, which is checked with a look-up."
        known.put(details_due_at=now, details_tries=0)
    else:
        detail = (
            f"Airalo gave another activation code for eSIM {name_of(esim)}, which cannot be checked without an ICCID. "
            "Ask Airalo which one is right."
        )
        delivery.flaws.append(detail)
    if esim.other_code_at is None:
        known.put(other_code_at=now)
        secret = json.dumps({esim.pk: {"activation_code": known.other_code}})
        note(order, detail, now=now, source=source, secret=secret)
