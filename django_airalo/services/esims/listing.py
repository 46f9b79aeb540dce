"""Synchronise eSIMs with Airalo's list of eSIMs: brands, sharing links, recycling, missing codes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from django_airalo.client import get_client
from django_airalo.client.payloads import Page, SimData
from django_airalo.exceptions import DecryptionError
from django_airalo.iccids import normalised
from django_airalo.models import Esim, EsimOrder, UsageRecord, UsageStatus
from django_airalo.services.core import blanks, database
from django_airalo.services.core.enqueue import run_after_commit
from django_airalo.services.core.pages import read_pages
from django_airalo.services.core.transitions import lock

from .completed_orders import record_esims
from .details import sync_details
from .identity import CodeKeys, iccid_of, is_same
from .record import KnownEsim, codes_of, compare, stored_esims, with_blanks
from .usage import record_usage

logger: logging.Logger = logging.getLogger("django_airalo.esims")

#: The source of changes, for the log of an order.
SOURCE = "look-up"
#: eSIMs on one page of the list. Airalo documents no maximum; if it returns fewer, there are more pages.
PAGE_SIZE = 100
#: Longest wait in seconds for one page when the rate limit is reached.
PATIENCE = 60


@dataclass
class EsimListReport:
    """The result of a sync.

    Attributes:
        listed: the number of eSIMs that Airalo lists.
        changed: the number of these that were updated here.
        unknown: the number of these that belong to no order of this shop.
    """

    listed: int = 0
    changed: int = 0
    unknown: int = 0


def sync_esims(*, created_at: str | None = None) -> EsimListReport:
    """Synchronise all eSIMs with Airalo's list. Several processes can do so at the same time.

    eSIMs that were bought elsewhere with the same account are counted but not stored.

    Args:
        created_at: only read the eSIMs that were created in this range, such as ``"2026-01-01 - 2026-01-31"``.

    Returns:
        The numbers of eSIMs that were listed, changed and unknown.

    Raises:
        AiraloAPIError: a page could not be read. The pages before it are recorded.
        AiraloConfigurationError: credentials are missing.
    """
    report = EsimListReport()

    def fetch(number: int) -> Page[SimData]:
        return get_client().list_sims(created_at=created_at, limit=PAGE_SIZE, page=number)

    for page in read_pages(fetch, patience=PATIENCE):
        _keep_sims(page.items, report)
    return report


def sync_esim(esim: Esim) -> Esim:
    """Look up one eSIM at Airalo and update it, including its codes.

    Args:
        esim: the eSIM.

    Returns:
        The eSIM as it is afterwards.

    Raises:
        MissingIccidError: the eSIM has no ICCID.
        AiraloAPIError: the look-up failed.
        AiraloConfigurationError: credentials are missing.
    """
    sim = sync_details(esim)
    current = Esim.primary.without_secrets().get(pk=esim.pk)
    if is_same(current, sim, CodeKeys().of(codes_of(sim).activation_code)):
        _keep_sim(current, sim, _sharing_of([esim.pk]))
    return Esim.primary.without_secrets().get(pk=esim.pk)


def set_brand(esim: Esim, *, name: str | None) -> Esim:
    """Set the brand under which Airalo shows an eSIM.

    Args:
        esim: the eSIM.
        name: the name of a brand from Airalo's Partner Platform; ``None`` removes the brand.

    Returns:
        The eSIM as it is afterwards.

    Raises:
        AiraloRefusedError: there is no such brand.
        MissingIccidError: the eSIM has no ICCID.
        AiraloAPIError: the request failed. Nothing was changed here.
        AiraloConfigurationError: credentials are missing.
    """
    get_client().set_brand(iccid_of(esim), name or None)
    Esim.primary.filter(pk=esim.pk).update(brand_settings_name=(name or "")[:255])
    return Esim.primary.without_secrets().get(pk=esim.pk)


def _keep_sims(sims: Sequence[SimData], report: EsimListReport) -> None:
    codes, now = CodeKeys(), database.db_now()
    ours = _Ours(sims, codes)
    shared = _sharing_of([row.pk for sim in sims if sim.sharing_link for row in ours.of(sim)])
    for sim in sims:
        report.listed += 1
        rows, order_pk = ours.of(sim), ours.order_of(sim)
        changed = [_keep_sim(row, sim, shared) for row in rows]
        orders = {order_pk} if order_pk else {row.order_id for row in rows}
        for pk in sorted(orders):
            kept, adding = ours.esims[pk], pk == order_pk
            changed.append(_deliver_sim(pk, kept, sim, adding=adding, now=now, codes=codes))
        report.changed += any(changed)
        report.unknown += not orders


class _Ours:
    """The stored eSIMs and orders that belong to the eSIMs on a page."""

    def __init__(self, sims: Sequence[SimData], codes: CodeKeys) -> None:
        self._codes = codes
        ids = [sim.id for sim in sims if sim.id is not None]
        keys = [key for sim in sims if (key := normalised(sim.iccid))]
        numbers = {sim.order.id for sim in sims if sim.order and sim.order.id}
        orders = EsimOrder.primary.filter(status=EsimOrder.Status.COMPLETED)
        orders = orders.filter(airalo_order_id__in=numbers, type=EsimOrder.Type.SIM)
        #: The primary keys of the orders that Airalo names, by Airalo's ids.
        self._orders = dict(orders.values_list("airalo_order_id", "pk"))
        named = Q(airalo_id__in=ids) | Q(iccid_key__in=keys)
        order_pks = {*self._orders.values(), *stored_esims().filter(named).values_list("order_id", flat=True)}
        self.esims: dict[int, list[KnownEsim]] = {pk: [] for pk in order_pks}
        for kept in with_blanks(stored_esims().filter(order__in=order_pks)):
            self.esims[kept.row.order_id].append(kept)

    def order_of(self, sim: SimData) -> int | None:
        """Return the primary key of the order to which an eSIM belongs, according to Airalo."""
        return self._orders.get(sim.order.id) if sim.order and sim.order.id else None

    def of(self, sim: SimData) -> list[Esim]:
        """Return the rows of an eSIM: several if orders share its ICCID and Airalo does not name its order."""
        order_pk, code_key = self.order_of(sim), self._codes.of(codes_of(sim).activation_code)
        among = [self.esims[order_pk]] if order_pk else self.esims.values()
        return [kept.row for esims in among for kept in esims if is_same(kept.row, sim, code_key)]


def _deliver_sim(
    order_pk: int, kept: Sequence[KnownEsim], sim: SimData, *, adding: bool, now: datetime, codes: CodeKeys
) -> bool:
    """Record the data of an eSIM that its order lacks. Return ``False`` if it lacks none."""
    order = EsimOrder(pk=order_pk)
    # Compared without a lock first, since most pages change nothing.
    if not compare(order, kept, [sim], now=now, source=SOURCE, adding=adding, codes=codes).has_changes:
        return False
    _record_sim(order_pk, sim, adding=adding)
    return True


@database.in_transaction()
def _record_sim(order_pk: int, sim: SimData, *, adding: bool) -> None:
    order, now = lock(order_pk), database.db_now()
    if order.status == EsimOrder.Status.COMPLETED:
        record_esims(order, [sim], adding=adding, now=now, source=SOURCE)
        run_after_commit("send_order_signals", order.pk)


def _keep_sim(esim: Esim, sim: SimData, shared: dict[int, tuple[str, str]]) -> bool:
    """Update one eSIM. Return whether anything has changed."""
    recycled_at = None if sim.recycled is False else sim.recycled_at
    said = {"brand_settings_name": sim.brand_settings_name[:255], "recycled_at": recycled_at}
    fields = blanks.changes(esim, said)
    if sim.raw.get("brand_settings_name", "") is None and esim.brand_settings_name:
        fields["brand_settings_name"] = ""  # Airalo documents null as "no brand"
    fields |= _new_sharing(sim, *shared.get(esim.pk, ("", "")))
    if fields:
        Esim.primary.filter(pk=esim.pk).update(**fields)
    is_recycled = bool(sim.recycled) and esim.usage_status != UsageStatus.RECYCLED
    if is_recycled:
        record_usage(esim, UsageStatus.RECYCLED, {}, source=UsageRecord.Source.LIST)
    return bool(fields) or is_recycled


def _new_sharing(sim: SimData, link: str, code: str) -> dict[str, str]:
    """Return the sharing link and its access code if they are new. A known link keeps its code."""
    if not sim.sharing_link or (not sim.sharing_access_code and link):
        return {}
    if (sim.sharing_link, sim.sharing_access_code) == (link, code):
        return {}
    return {"sharing_link": sim.sharing_link, "sharing_access_code": sim.sharing_access_code}


def _sharing_of(esim_pks: list[int]) -> dict[int, tuple[str, str]]:
    """Return the stored sharing links and access codes, by the primary keys of the eSIMs."""
    rows = Esim.primary.filter(pk__in=esim_pks).values_list("pk", "sharing_link", "sharing_access_code")
    try:
        return {pk: (link, code) for pk, link, code in rows}
    except DecryptionError:
        logger.warning("A sharing link fits none of the keys; all of the page are written again")
        return {}
