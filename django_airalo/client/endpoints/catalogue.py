"""Endpoints of packages, product information, overrides, exchange rates and devices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from django_airalo.client.payloads import (
    DeviceData,
    ExchangeRatesData,
    LocationData,
    PackageOverrideData,
    Page,
    ProductInformationData,
)
from django_airalo.exceptions import AiraloResponseError

from .base import Endpoints, segment

#: The most pages of the catalogue: several times the number of its countries and regions.
MAX_PAGES = 1000


class CatalogueEndpoints(Endpoints):
    def get_packages(
        self,
        *,
        type: Literal["local", "global", "universal"] | None = None,
        country: str | None = None,
        include_topup: bool = False,
        limit: int | None = None,
        page: int | None = None,
        language: str | None = None,
    ) -> Page[LocationData]:
        """GET /v2/packages: return one page, or (without ``limit`` and ``page``) the whole catalogue.

        ``limit`` and ``total`` count countries and regions, not packages. ``country`` is an ISO 3166 code of two
        letters. ``language`` is a code for ``Accept-Language``. ``type="universal"`` lists packages that Airalo enables
        for an account; this is in its PHP SDK, not in its documentation. The response is large, so it may take four
        times ``AIRALO_READ_TIMEOUT``.
        """
        params: dict[str, Any] = {
            "filter[type]": type,
            "filter[country]": country,
            "include": "topup" if include_topup else None,
            "limit": limit,
            "page": page,
        }
        document = self._call(
            "GET", "/v2/packages", limits=[self._limits.packages], params=params, language=language, patience=4
        )
        return self._page(document, LocationData.from_json, page)

    def iter_packages(self, *, page_size: int = 50, **filters: Any) -> Iterator[LocationData]:
        """Yield all countries and regions with their packages, and request ``page_size`` of them at a time.

        Takes the filters of :meth:`get_packages`.

        Raises:
            AiraloResponseError: if there are more than a thousand pages.
        """
        for number in range(1, MAX_PAGES + 1):
            page = self.get_packages(limit=page_size, page=number, **filters)
            yield from page.items
            if not page.has_next:
                return
        raise AiraloResponseError(f"Airalo's catalogue has more than {MAX_PAGES} pages.")

    def get_product_information(self, slug: str, *, language: str | None = None) -> ProductInformationData:
        """GET /v2/packages/{slug}/product-information: return the legally required summary of the package ``slug``.

        A package without one raises ``AiraloNotFoundError``; a company without access raises ``AiraloPermissionError``.
        """
        document = self._call(
            "GET",
            f"/v2/packages/{segment(slug)}/product-information",
            limits=[self._limits.product_information(slug)],
            language=language,
        )
        return self._object(ProductInformationData.from_json, document)

    def get_package_overrides(self, *, page: int | None = None) -> Page[PackageOverrideData]:
        """GET /v2/packages/overrides: return one page of the overrides for this company.

        Airalo's PHP SDK calls this endpoint; its documentation does not describe it.
        """
        document = self._call("GET", "/v2/packages/overrides", params={"page": page})
        return self._page(document, PackageOverrideData.from_json, page)

    def get_exchange_rates(self, *, date: dt.date | None = None, to: Sequence[str] = ()) -> ExchangeRatesData:
        """GET /v2/finance/exchange-rates: return Airalo's rates from USD, of today or of ``date``.

        ``to`` are ISO 4217 codes; none means all. Airalo's SDKs call this endpoint; its documentation does not describe
        it.
        """
        params = {"date": date.isoformat() if date else None, "to": ",".join(to)}
        return self._object(ExchangeRatesData.from_json, self._call("GET", "/v2/finance/exchange-rates", params=params))

    def get_compatible_devices(self) -> tuple[DeviceData, ...]:
        """GET /v2/compatible-devices-lite: return all devices that support eSIMs."""
        return self._page(self._call("GET", "/v2/compatible-devices-lite"), DeviceData.from_json).items
