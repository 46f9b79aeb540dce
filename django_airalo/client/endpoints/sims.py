"""eSIMs that were bought: which there are, what is left on them, how to install them, whose brand they bear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_airalo.client.payloads import (
    InstructionsData,
    PackageData,
    Page,
    SimData,
    SimPackageData,
    UsageData,
    as_mapping,
    unwrap,
)

from .base import Endpoints, segment

INCLUDE = ("order", "order.status", "share")


class SimEndpoints(Endpoints):
    def list_sims(
        self,
        *,
        iccid: str | None = None,
        created_at: str | None = None,
        include: Sequence[str] = INCLUDE,
        limit: int | None = None,
        page: int | None = None,
    ) -> Page[SimData]:
        """GET /v2/sims: one page. ``iccid`` matches anywhere in the field (SQL ``LIKE``).

        ``created_at`` is a range ``"2026-01-01 - 2026-01-31"``; ``include`` takes ``order.user``, too.
        """
        params: dict[str, Any] = {
            "filter[iccid]": iccid,
            "filter[created_at]": created_at,
            "include": ",".join(include),
            "limit": limit,
            "page": page,
        }
        return self._page(self._call("GET", "/v2/sims", params=params), SimData.from_json, page)

    def get_sim(self, iccid: str, *, include: Sequence[str] = INCLUDE) -> SimData:
        """GET /v2/sims/{iccid}. Only eSIMs that were ordered through the API are found."""
        document = self._call("GET", f"/v2/sims/{segment(iccid)}", params={"include": ",".join(include)})
        return self._object(SimData.from_json, document)

    def get_usage(self, iccid: str) -> UsageData:
        """GET /v2/sims/{iccid}/usage: what is left. Airalo renews it every 20 minutes, so asking sooner is vain.

        Kept below ``AIRALO_ESIM_REQUESTS_PER_MINUTE`` for each eSIM, and below ``AIRALO_USAGE_REQUESTS_PER_SECOND``
        for all, for which it waits a little where that is enough.
        """
        limits = [self._limits.of_esim("usage", iccid), self._limits.usage]
        return self._object(UsageData.from_json, self._call("GET", f"/v2/sims/{segment(iccid)}/usage", limits=limits))

    def get_topup_packages(self, iccid: str) -> tuple[PackageData, ...]:
        """GET /v2/sims/{iccid}/topups: the top-ups that can be bought for an eSIM now; none is an empty tuple.

        A recycled eSIM raises ``RecycledEsimError``.
        """
        limits = [self._limits.of_esim("top-up packages", iccid)]
        document = self._call("GET", f"/v2/sims/{segment(iccid)}/topups", limits=limits)
        return self._page(document, PackageData.from_json).items

    def get_sim_packages(self, iccid: str) -> Page[SimPackageData]:
        """GET /v2/sims/{iccid}/packages: the packages bought for an eSIM so far, with ``pricing``.

        Airalo documents no second page.
        """
        limits = [self._limits.of_esim("packages", iccid)]
        document = self._call("GET", f"/v2/sims/{segment(iccid)}/packages", limits=limits)
        return self._page(document, SimPackageData.from_json)

    def get_instructions(self, iccid: str, *, language: str | None = None) -> InstructionsData:
        """GET /v2/sims/{iccid}/instructions: how to install an eSIM, in ``language`` (a code, e.g. ``pt-BR``)."""
        document = self._call("GET", f"/v2/sims/{segment(iccid)}/instructions", language=language)
        return self._object(InstructionsData.from_json, document)

    def set_brand(self, iccid: str, brand_settings_name: str | None) -> SimData:
        """PUT /v2/sims/{iccid}/brand: which brand of the Partner Platform Airalo's pages show; ``None``: none.

        Only ``iccid`` and ``brand_settings_name`` of what is returned are set, since Airalo says no more.
        """
        document = self._call(
            "PUT", f"/v2/sims/{segment(iccid)}/brand", json={"brand_settings_name": brand_settings_name or None}
        )
        return SimData.from_json({"iccid": iccid, **as_mapping(unwrap(document))})
