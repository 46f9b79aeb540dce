"""What Airalo's list of eSIMs says of ours: brand, sharing link, taken back or not."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django_airalo.client import get_client
from django_airalo.client.payloads import Page, SimData
from django_airalo.exceptions import AiraloRateLimitError, DecryptionError
from django_airalo.models import Esim, UsageRecord, UsageStatus

from .esims import record_usage

logger = logging.getLogger("django_airalo.esims")

#: eSIMs on one page of Airalo's list. Airalo documents no highest number; if it gives fewer, there are more pages.
PAGE_SIZE = 100
#: Seconds to wait for one page when the limit is reached.
PATIENCE = 60


@dataclass
class EsimListReport:
    """What one run found: eSIMs listed, those of them that were brought up to date, and those that are not ours."""

    listed: int = 0
    changed: int = 0
    unknown: int = 0


def sync_esims(*, created_at: str | None = None) -> EsimListReport:
    """Read Airalo's list of eSIMs and bring ours up to date. Safe to run twice at once.

    eSIMs that were bought elsewhere with the same account are counted, not kept.

    Args:
        created_at: only those made within this range, ``"2026-01-01 - 2026-01-31"``.

    Raises:
        AiraloAPIError: a page could not be read. What earlier pages said is kept.
        AiraloConfigurationError: credentials are missing.
    """
    report = EsimListReport()
    number: int | None = 1
    while number:
        page = _page(number, created_at)
        _keep_sims(page.items, report)
        number = number + 1 if page.has_next else None
    return report


def sync_esim(esim: Esim) -> Esim:
    """Ask Airalo for one eSIM and bring it up to date. Raises ``AiraloAPIError`` if it could not be asked."""
    _keep_sims([get_client().get_sim(esim.iccid)], EsimListReport())
    return Esim.objects.without_secrets().get(pk=esim.pk)


def set_brand(esim: Esim, name: str | None) -> Esim:
    """Have Airalo show an eSIM under a brand, or (``None``) under none.

    Args:
        name: of a brand that was made in Airalo's Partner Platform.

    Raises:
        AiraloRefusedError: there is no such brand.
        AiraloAPIError: the call did not succeed.
    """
    get_client().set_brand(esim.iccid, name or None)
    Esim.objects.filter(pk=esim.pk).update(brand_settings_name=(name or "")[:255])
    return Esim.objects.without_secrets().get(pk=esim.pk)


def _page(number: int, created_at: str | None) -> Page[SimData]:
    """A page of Airalo's list, waiting where a limit says so."""
    give_up = time.monotonic() + PATIENCE
    while True:
        try:
            return get_client().list_sims(created_at=created_at, limit=PAGE_SIZE, page=number)
        except AiraloRateLimitError as error:
            wait = error.retry_after or 10
            if time.monotonic() + wait > give_up:
                raise
            time.sleep(wait)


def _keep_sims(sims: Sequence[SimData], report: EsimListReport) -> None:
    found = Esim.objects.without_secrets().filter(iccid__in=[sim.iccid for sim in sims])
    known = {esim.iccid: esim for esim in found}
    shared = _sharing_of([known[sim.iccid].pk for sim in sims if sim.iccid in known and sim.sharing_link])
    for sim in sims:
        report.listed += 1
        esim = known.get(sim.iccid)
        if esim is None:
            report.unknown += 1
        elif _keep_sim(esim, sim, shared):
            report.changed += 1


def _keep_sim(esim: Esim, sim: SimData, shared: dict[int, tuple[str, str]]) -> bool:
    """Bring one eSIM up to date; ``False`` if it was."""
    fields: dict[str, Any] = {}
    if "brand_settings_name" in sim.raw and esim.brand_settings_name != sim.brand_settings_name[:255]:
        fields["brand_settings_name"] = sim.brand_settings_name[:255]
    if sim.recycled_at and esim.recycled_at != sim.recycled_at:
        fields["recycled_at"] = sim.recycled_at
    sharing = (sim.sharing_link, sim.sharing_access_code)
    if sim.sharing_link and shared.get(esim.pk) != sharing:
        fields["sharing_link"], fields["sharing_access_code"] = sharing
    if fields:
        Esim.objects.filter(pk=esim.pk).update(**fields)
    is_recycled = bool(sim.recycled) and esim.usage_status != UsageStatus.RECYCLED
    if is_recycled:
        record_usage(esim, UsageStatus.RECYCLED, {}, source=UsageRecord.Source.LIST)
    return bool(fields) or is_recycled


def _sharing_of(esim_pks: list[int]) -> dict[int, tuple[str, str]]:
    """The sharing links and access codes that we have."""
    rows = Esim.objects.filter(pk__in=esim_pks).values_list("pk", "sharing_link", "sharing_access_code")
    try:
        return {pk: (link, code) for pk, link, code in rows}
    except DecryptionError:
        logger.warning("A sharing link fits none of the keys; all of the page are written anew")
        return {}
