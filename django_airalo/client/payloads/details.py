"""Payloads of the catalogue other than packages: product information, overrides, exchange rates, devices."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .values import (
    Json,
    as_bool,
    as_date,
    as_datetime,
    as_decimal,
    as_int,
    as_mapping,
    as_objects,
    as_text,
    as_texts,
    unwrap,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageOverrideData:
    """A row of GET /v2/packages/overrides. Airalo does not document it: all but the package's id is in ``raw``."""

    package_id: str
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> PackageOverrideData:
        keys = ("package_id", "slug", "id")
        return cls(package_id=next((text for key in keys if (text := as_text(data.get(key)))), ""), raw=data)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductInformationData:
    """The information that telecommunications law requires before a purchase, in the requested language.

    Speeds, allowances and rates are text, since Airalo sends numbers, numbers with units, or sentences. Their names
    still contain Airalo's unit.
    """

    slug: str
    product_name: str
    product_description: str
    date_marketed: str
    service_internet: bool | None
    service_telephony: bool | None
    service_sms: bool | None
    network_providers: tuple[str, ...]
    network_technologies: tuple[str, ...]
    data_allowance_mb: str
    data_allowance_display: str
    validity_days: int | None
    voice_minutes: int | None
    sms_included: int | None
    retail_price_eur: Decimal | None
    max_download_speed_mbit: str
    max_upload_speed_mbit: str
    throttled_download_speed_mbit: str
    throttled_upload_speed_mbit: str
    throttle_threshold_mb: int | None
    is_unlimited: bool | None
    is_fair_usage_policy: bool | None
    fair_usage_policy: str
    out_of_bundle_rate_eur_per_mb: str
    activation_policy: str
    is_roaming: bool | None
    auto_renewal: str
    terms_url: str
    partner_brand_name: str
    partner_logo_url: str
    legal_entity_name: str
    legal_address: str
    pib_version: int | None
    pib_version_date: dt.datetime | None
    version_hash: str
    pib_version_pdf_link: str
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, document: Any) -> ProductInformationData:
        data = as_mapping(unwrap(document))
        return cls(
            slug=as_text(data.get("package_id")),
            product_name=as_text(data.get("product_name")),
            product_description=as_text(data.get("product_description")),
            date_marketed=as_text(data.get("date_marketed")),
            service_internet=as_bool(data.get("service_internet")),
            service_telephony=as_bool(data.get("service_telephony")),
            service_sms=as_bool(data.get("service_sms")),
            network_providers=as_texts(data.get("network_providers")),
            network_technologies=as_texts(data.get("network_technologies")),
            data_allowance_mb=as_text(data.get("data_allowance_mb")),
            data_allowance_display=as_text(data.get("data_allowance_display")),
            validity_days=as_int(data.get("validity_days")),
            voice_minutes=as_int(data.get("voice_minutes")),
            sms_included=as_int(data.get("sms_included")),
            retail_price_eur=as_decimal(data.get("retail_price_eur")),
            max_download_speed_mbit=as_text(data.get("max_download_speed_mbit")),
            max_upload_speed_mbit=as_text(data.get("max_upload_speed_mbit")),
            throttled_download_speed_mbit=as_text(data.get("throttled_download_speed_mbit")),
            throttled_upload_speed_mbit=as_text(data.get("throttled_upload_speed_mbit")),
            throttle_threshold_mb=as_int(data.get("throttle_threshold_mb")),
            is_unlimited=as_bool(data.get("is_unlimited")),
            is_fair_usage_policy=as_bool(data.get("is_fair_usage_policy")),
            fair_usage_policy=as_text(data.get("fair_usage_policy")),
            out_of_bundle_rate_eur_per_mb=as_text(data.get("out_of_bundle_rate_eur_per_mb")),
            activation_policy=as_text(data.get("activation_policy")),
            is_roaming=as_bool(data.get("is_roaming")),
            auto_renewal=as_text(data.get("auto_renewal")),
            terms_url=as_text(data.get("terms_url")),
            partner_brand_name=as_text(data.get("partner_brand_name")),
            partner_logo_url=as_text(data.get("partner_logo_url")),
            legal_entity_name=as_text(data.get("legal_entity_name")),
            legal_address=as_text(data.get("legal_address")),
            pib_version=as_int(data.get("pib_version")),
            pib_version_date=as_datetime(data.get("pib_version_date")),
            version_hash=as_text(data.get("version_hash")),
            pib_version_pdf_link=as_text(data.get("pib_version_pdf_link")),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeRateData:
    """One unit of ``from_currency`` is ``mid`` units of ``to_currency``, midway between buying and selling rate."""

    from_currency: str
    to_currency: str
    mid: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class ExchangeRatesData:
    """GET /v2/finance/exchange-rates. Rows without currencies or a positive rate are left out."""

    date: dt.date | None
    rates: tuple[ExchangeRateData, ...]

    @classmethod
    def from_json(cls, document: Any) -> ExchangeRatesData:
        data = as_mapping(unwrap(document))
        rates = []
        for item in as_objects(data.get("rates")):
            source, target = as_text(item.get("from")).upper(), as_text(item.get("to")).upper()
            mid = as_decimal(item.get("mid"))
            if source and target and mid is not None and mid > 0:
                rates.append(ExchangeRateData(from_currency=source, to_currency=target, mid=mid))
        return cls(date=as_date(data.get("date")), rates=tuple(rates))


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceData:
    """A device that supports eSIMs. ``os`` is ``ios`` or ``android``."""

    os: str
    brand: str
    name: str

    @classmethod
    def from_json(cls, data: Json) -> DeviceData:
        return cls(os=as_text(data.get("os")), brand=as_text(data.get("brand")), name=as_text(data.get("name")))
