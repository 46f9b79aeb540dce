"""Endpoints of eSIMs: lists, usage, packages, top-ups, instructions and brands."""

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
        """GET /v2/sims: return one page. ``iccid`` matches parts of the field (``LIKE``).

        ``created_at`` is a range, such as ``"2026-01-01 - 2026-01-31"``. ``include`` also takes ``order.user``.
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
        """GET /v2/sims/{iccid}: return an eSIM that was ordered through the API.

        Limited by ``lookups`` in ``AIRALO_RATE_LIMITS``, counted separately from the look-ups of orders.
        """
        params = {"include": ",".join(include)}
        document = self._call("GET", f"/v2/sims/{segment(iccid)}", limits=[self._limits.details], params=params)
        return self._object(SimData.from_json, document)

    def get_usage(self, iccid: str) -> UsageData:
        """GET /v2/sims/{iccid}/usage: return the usage of an eSIM, which Airalo updates every 20 minutes.

        Limited by ``esims`` in ``AIRALO_RATE_LIMITS`` for each eSIM, and by ``usage`` for all eSIMs. For the latter
        limit it waits, if a short wait is enough.
        """
        limits = [self._limits.of_esim("usage", iccid), self._limits.usage]
        return self._object(UsageData.from_json, self._call("GET", f"/v2/sims/{segment(iccid)}/usage", limits=limits))

    def get_topup_packages(self, iccid: str, *, country: str | None = None) -> tuple[PackageData, ...]:
        """GET /v2/sims/{iccid}/topups: return the top-ups that can be bought for an eSIM now.

        ``country`` (ISO 3166, two letters) is for the eSIMs of universal packages; this is in Airalo's PHP SDK, not in
        its documentation. A recycled eSIM raises ``RecycledEsimError``.
        """
        limits = [self._limits.of_esim("top-up packages", iccid)]
        params = {"filter[country]": country}
        document = self._call("GET", f"/v2/sims/{segment(iccid)}/topups", limits=limits, params=params)
        return self._page(document, PackageData.from_json).items

    def get_sim_packages(self, iccid: str) -> Page[SimPackageData]:
        """GET /v2/sims/{iccid}/packages: return the packages bought for an eSIM so far, with ``pricing``.

        Airalo does not document a second page.
        """
        limits = [self._limits.of_esim("packages", iccid)]
        document = self._call("GET", f"/v2/sims/{segment(iccid)}/packages", limits=limits)
        return self._page(document, SimPackageData.from_json)

    def get_instructions(self, iccid: str, *, language: str | None = None) -> InstructionsData:
        """GET /v2/sims/{iccid}/instructions: return the steps of installing. ``language`` is a code like ``pt-BR``."""
        document = self._call("GET", f"/v2/sims/{segment(iccid)}/instructions", language=language)
        return self._object(InstructionsData.from_json, document)

    def set_brand(self, iccid: str, brand_settings_name: str | None) -> SimData:
        """PUT /v2/sims/{iccid}/brand: set the brand that Airalo's pages show; ``None`` removes it.

        Brands are created in the Partner Platform. The returned eSIM has only ``iccid`` and ``brand_settings_name``,
        since Airalo returns no more.
        """
        document = self._call(
            "PUT", f"/v2/sims/{segment(iccid)}/brand", json={"brand_settings_name": brand_settings_name or None}
        )
        data = as_mapping(unwrap(document))
        name = data.get("brand_settings_name")
        # A refusal has a message instead of the brand, or messages for other fields only.
        if "brand_settings_name" not in data or name not in (None, "", brand_settings_name):
            self._changed(document)
        return SimData.from_json({"iccid": iccid, **data})
