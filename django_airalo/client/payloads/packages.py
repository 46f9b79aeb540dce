"""The catalogue: packages with their operators and countries."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .values import (
    Json,
    as_bool,
    as_decimal,
    as_int,
    as_mapping,
    as_objects,
    as_prices,
    as_text,
    as_texts,
)

#: Characters. Airalo's instructions have about two thousand.
MAX_INSTRUCTIONS = 20_000


def apn_settings(source: Json) -> dict[str, Any]:
    """``{"apn_type", "apn_value"}``, and the same under ``"ios"`` and ``"android"`` where Airalo tells them apart."""
    settings: dict[str, Any] = _apn_values(source)
    for system in ("ios", "android"):
        if values := _apn_values(as_mapping(as_mapping(source.get("apn")).get(system))):
            settings[system] = values
    return settings


def _apn_values(source: Json) -> dict[str, str]:
    return {key: text for key in ("apn_type", "apn_value") if (text := as_text(source.get(key)))}


def _image_url(data: Json) -> str:
    return as_text(as_mapping(data.get("image")).get("url"))


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageData:
    """One package. ``amount`` is in MB, ``day`` in days, ``voice`` in minutes, ``text`` in messages.

    Only ``is_unlimited`` tells whether data is unlimited: such packages have been seen with a non-zero ``amount``.
    ``price`` is Airalo's own retail price, the least a shop may ask; ``net_price`` is what the shop pays, ``None``
    under ``discount_pricing``. Both in USD; ``retail_prices`` and ``net_prices`` have them by currency (``prices`` as
    Airalo sent it). The instructions are HTML, ``MAX_INSTRUCTIONS`` characters at most.
    """

    id: str
    type: str
    title: str
    price: Decimal | None
    net_price: Decimal | None
    amount: int | None
    day: int | None
    is_unlimited: bool
    data: str
    voice: int | None
    text: int | None
    short_info: str
    is_fair_usage_policy: bool | None
    fair_usage_policy: str
    qr_installation: str = field(repr=False)
    manual_installation: str = field(repr=False)
    net_prices: dict[str, Decimal]
    retail_prices: dict[str, Decimal]
    prices: Json
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> PackageData:
        prices = as_mapping(data.get("prices"))
        return cls(
            id=as_text(data.get("id")),
            type=as_text(data.get("type")),
            title=as_text(data.get("title")),
            price=as_decimal(data.get("price")),
            net_price=as_decimal(data.get("net_price")),
            amount=as_int(data.get("amount")),
            day=as_int(data.get("day")),
            is_unlimited=as_bool(data.get("is_unlimited")) or False,
            data=as_text(data.get("data")),
            voice=as_int(data.get("voice")),
            text=as_int(data.get("text")),
            short_info=as_text(data.get("short_info")),
            is_fair_usage_policy=as_bool(data.get("is_fair_usage_policy")),
            fair_usage_policy=as_text(data.get("fair_usage_policy")),
            qr_installation=as_text(data.get("qr_installation"))[:MAX_INSTRUCTIONS],
            manual_installation=as_text(data.get("manual_installation"))[:MAX_INSTRUCTIONS],
            net_prices=as_prices(prices.get("net_price")),
            retail_prices=as_prices(prices.get("recommended_retail_price")),
            prices=prices,
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkData:
    """A mobile network; ``types`` are as Airalo writes them, e.g. ``LTE`` and ``5G``."""

    name: str
    types: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json) -> NetworkData:
        return cls(name=as_text(data.get("name")), types=as_texts(data.get("types")))


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageData:
    """The networks that an operator's packages use in one country. ``code`` is ISO 3166's of two letters."""

    name: str
    code: str
    networks: tuple[NetworkData, ...]

    @classmethod
    def from_json(cls, data: Json) -> CoverageData:
        return cls(
            name=as_text(data.get("name")),
            code=as_text(data.get("code")).upper(),
            networks=tuple(NetworkData.from_json(network) for network in as_objects(data.get("networks"))),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CountryData:
    """A country that an operator's packages are for."""

    country_code: str
    title: str
    image_url: str

    @classmethod
    def from_json(cls, data: Json) -> CountryData:
        return cls(
            country_code=as_text(data.get("country_code")).upper(),
            title=as_text(data.get("title")),
            image_url=_image_url(data),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorData:
    """An operator with its packages. ``type`` is ``local`` or ``global``.

    ``install_window_days`` is how long after the purchase an eSIM can be installed, ``topup_grace_window_days`` how
    long after its end it can be topped up; ``None`` where Airalo sets no such limit or does not say. ``apn`` is as in
    :class:`SimData`, ``apn_type`` and ``apn_value`` are those for all devices.
    """

    id: int | None
    title: str
    type: str
    plan_type: str
    activation_policy: str
    esim_type: str
    is_prepaid: bool | None
    is_kyc_verify: bool
    rechargeability: bool
    is_roaming: bool | None
    apn_type: str
    apn_value: str
    apn: Json
    info: tuple[str, ...]
    other_info: str
    warning: str
    install_window_days: int | None
    topup_grace_window_days: int | None
    image_url: str
    countries: tuple[CountryData, ...]
    coverages: tuple[CoverageData, ...]
    packages: tuple[PackageData, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> OperatorData:
        return cls(
            id=as_int(data.get("id")),
            title=as_text(data.get("title")),
            type=as_text(data.get("type")),
            plan_type=as_text(data.get("plan_type")),
            activation_policy=as_text(data.get("activation_policy")),
            esim_type=as_text(data.get("esim_type")),
            is_prepaid=as_bool(data.get("is_prepaid")),
            is_kyc_verify=as_bool(data.get("is_kyc_verify")) or False,
            rechargeability=as_bool(data.get("rechargeability")) or False,
            is_roaming=as_bool(data.get("is_roaming")),
            apn_type=as_text(data.get("apn_type")),
            apn_value=as_text(data.get("apn_value")),
            apn=apn_settings(data),
            info=as_texts(data.get("info")),
            other_info=as_text(data.get("other_info")),
            warning=as_text(data.get("warning")),
            install_window_days=as_int(data.get("install_window_days")),
            topup_grace_window_days=as_int(data.get("topup_grace_window_days")),
            image_url=_image_url(data),
            countries=tuple(CountryData.from_json(country) for country in as_objects(data.get("countries"))),
            coverages=tuple(CoverageData.from_json(coverage) for coverage in as_objects(data.get("coverages"))),
            packages=tuple(PackageData.from_json(package) for package in as_objects(data.get("packages"))),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationData:
    """A country or region of the catalogue; ``country_code`` is empty for regions and for the whole world.

    ``min_price`` is what Airalo sent as such, ``{}`` if nothing.
    """

    slug: str
    title: str
    country_code: str
    image_url: str
    min_price: Json
    operators: tuple[OperatorData, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> LocationData:
        return cls(
            slug=as_text(data.get("slug")),
            title=as_text(data.get("title")),
            country_code=as_text(data.get("country_code")).upper(),
            image_url=_image_url(data),
            min_price=as_mapping(data.get("min_price")),
            operators=tuple(OperatorData.from_json(operator) for operator in as_objects(data.get("operators"))),
            raw=data,
        )
