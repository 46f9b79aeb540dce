"""Payloads of the catalogue: packages with their operators and countries."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .values import (
    Json,
    as_amount,
    as_bool,
    as_id,
    as_mapping,
    as_objects,
    as_price,
    as_prices,
    as_text,
    as_texts,
    is_whole,
)

#: Airalo's texts for unlimited data, in English and in the German of its product information.
UNLIMITED = frozenset({"unlimited", "unbegrenzt"})
#: Matches "2 GB - 20 SMS - 40 Mins - 15 Days", but not "1,000 Mins", which is ambiguous.
_MINUTES = re.compile(r"(?<![\d.,])(\d{1,5})\s*min(?:s|utes?)?\b", re.IGNORECASE | re.ASCII)
_TEXTS = re.compile(r"(?<![\d.,])(\d{1,5})\s*(?:sms|texts?)\b", re.IGNORECASE | re.ASCII)
#: The most characters of instructions that are read. Airalo's have about two thousand.
MAX_INSTRUCTIONS = 20_000


def apn_settings(source: Json) -> dict[str, Any]:
    """Return ``apn_type`` and ``apn_value``, and the same for ``"ios"`` and ``"android"`` if Airalo gives them."""
    settings: dict[str, Any] = _apn_values(source)
    for system in ("ios", "android"):
        if values := _apn_values(as_mapping(as_mapping(source.get("apn")).get(system))):
            settings[system] = values
    return settings


def _apn_values(source: Json) -> dict[str, str]:
    return {key: text for key in ("apn_type", "apn_value") if (text := as_text(source.get(key)))}


def _unread(**read: bool) -> tuple[str, ...]:
    """Return the names of the lists that were not read completely."""
    return tuple(name for name, whole in read.items() if not whole)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _image_url(data: Json) -> str:
    return as_text(as_mapping(data.get("image")).get("url"))


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageData:
    """One package. ``amount`` is in MB, ``day`` in days, ``voice`` in minutes, ``text`` in messages.

    ``is_unlimited`` says whether data is unlimited. The amount does not: packages with unlimited data and a non-zero
    ``amount`` have been seen. Airalo also sends rows without ``is_unlimited``, ``voice`` and ``text``. Then these are
    inferred from the texts of ``data`` and ``title``, and ``inferred`` names them.
    ``price`` is Airalo's retail price, the lowest that a shop may ask. ``net_price`` is what the shop pays; it is
    ``None`` under ``discount_pricing``. Both are in USD. ``retail_prices`` and ``net_prices`` have them by currency,
    ``prices`` as Airalo sent it. The instructions are HTML, at most ``MAX_INSTRUCTIONS`` characters.
    """

    id: str
    type: str
    title: str
    price: Decimal | None
    net_price: Decimal | None
    amount: int | None
    day: int | None
    is_unlimited: bool | None
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
    inferred: tuple[str, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> PackageData:
        prices = as_mapping(data.get("prices"))
        facts: dict[str, Any] = {
            "is_unlimited": as_bool(data.get("is_unlimited")),
            "voice": as_amount(data.get("voice")),
            "text": as_amount(data.get("text")),
        }
        inferred = {name: found for name, found in _inferred(data).items() if facts[name] is None}
        facts |= inferred
        return cls(
            id=as_text(data.get("id")),
            type=as_text(data.get("type")),
            title=as_text(data.get("title")),
            price=as_price(data.get("price")),
            net_price=as_price(data.get("net_price")),
            amount=as_amount(data.get("amount")),
            day=as_amount(data.get("day")),
            is_unlimited=facts["is_unlimited"],
            data=as_text(data.get("data")),
            voice=facts["voice"],
            text=facts["text"],
            short_info=as_text(data.get("short_info")),
            is_fair_usage_policy=as_bool(data.get("is_fair_usage_policy")),
            fair_usage_policy=as_text(data.get("fair_usage_policy")),
            qr_installation=as_text(data.get("qr_installation"))[:MAX_INSTRUCTIONS],
            manual_installation=as_text(data.get("manual_installation"))[:MAX_INSTRUCTIONS],
            net_prices=as_prices(prices.get("net_price")),
            retail_prices=as_prices(prices.get("recommended_retail_price")),
            prices=prices,
            inferred=tuple(inferred),
            raw=data,
        )


def _inferred(data: Json) -> dict[str, Any]:
    """Return what the texts of a package say: unlimited data, minutes of voice, number of texts."""
    found: dict[str, Any] = {}
    if as_text(data.get("data")).casefold() in UNLIMITED:
        found["is_unlimited"] = True
    title = as_text(data.get("title"))
    for name, pattern in (("voice", _MINUTES), ("text", _TEXTS)):
        if match := pattern.search(title):
            found[name] = int(match[1])
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkData:
    """A mobile network. ``types`` are as Airalo writes them, such as ``LTE`` and ``5G``."""

    name: str
    types: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json) -> NetworkData:
        return cls(name=as_text(data.get("name")), types=as_texts(data.get("types")))


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageData:
    """The networks that an operator's packages use in one country. ``code`` is ISO 3166, two letters.

    ``unread`` is as in :class:`OperatorData`.
    """

    name: str
    code: str
    networks: tuple[NetworkData, ...]
    unread: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Json) -> CoverageData:
        networks = tuple(NetworkData.from_json(network) for network in as_objects(data.get("networks")))
        return cls(
            name=as_text(data.get("name")),
            code=as_text(data.get("code")).upper(),
            networks=networks,
            unread=_unread(
                networks=is_whole(data.get("networks"), networks)
                and all(network.name and network.types for network in networks)
            ),
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

    ``install_window_days`` says for how many days after the purchase an eSIM can be installed;
    ``topup_grace_window_days`` for how many days after it has expired it can be topped up. They are ``None`` if Airalo
    sets no limit or does not say. ``apn`` is as in :class:`SimData`; ``apn_type`` and ``apn_value`` are for all
    devices. ``unread`` names the lists that are missing or could not be read completely, such as ``packages`` if one
    has no id. An item that is absent from such a list may still exist.
    """

    id: int | None
    title: str
    type: str
    plan_type: str
    activation_policy: str
    esim_type: str
    is_prepaid: bool | None
    is_kyc_verify: bool | None
    rechargeability: bool | None
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
    unread: tuple[str, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> OperatorData:
        countries = tuple(CountryData.from_json(country) for country in as_objects(data.get("countries")))
        coverages = tuple(CoverageData.from_json(coverage) for coverage in as_objects(data.get("coverages")))
        packages = tuple(PackageData.from_json(package) for package in as_objects(data.get("packages")))
        return cls(
            id=as_id(data.get("id")),
            title=as_text(data.get("title")),
            type=as_text(data.get("type")),
            plan_type=as_text(data.get("plan_type")),
            activation_policy=as_text(data.get("activation_policy")),
            esim_type=as_text(data.get("esim_type")),
            is_prepaid=as_bool(data.get("is_prepaid")),
            is_kyc_verify=as_bool(data.get("is_kyc_verify")),
            rechargeability=as_bool(data.get("rechargeability")),
            is_roaming=as_bool(data.get("is_roaming")),
            apn_type=as_text(data.get("apn_type")),
            apn_value=as_text(data.get("apn_value")),
            apn=apn_settings(data),
            info=as_texts(data.get("info")),
            other_info=as_text(data.get("other_info")),
            warning=as_text(data.get("warning")),
            install_window_days=as_amount(data.get("install_window_days")),
            topup_grace_window_days=as_amount(data.get("topup_grace_window_days")),
            image_url=_image_url(data),
            countries=countries,
            coverages=coverages,
            packages=packages,
            unread=_unread(
                info=_are_texts(data.get("info")),
                countries=is_whole(data.get("countries"), countries)
                and all(country.country_code for country in countries),
                coverages=is_whole(data.get("coverages"), coverages)
                and all(coverage.code and not coverage.unread for coverage in coverages),
                packages=is_whole(data.get("packages"), packages) and all(package.id for package in packages),
            ),
            raw=data,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LocationData:
    """A country or region of the catalogue. ``country_code`` is empty for regions and for the whole world.

    ``min_price`` is as Airalo sent it; ``{}`` if it is missing. ``unread`` is as in :class:`OperatorData`.
    """

    slug: str
    title: str
    country_code: str
    image_url: str
    min_price: Json
    operators: tuple[OperatorData, ...]
    unread: tuple[str, ...]
    raw: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: Json) -> LocationData:
        operators = tuple(OperatorData.from_json(operator) for operator in as_objects(data.get("operators")))
        return cls(
            slug=as_text(data.get("slug")),
            title=as_text(data.get("title")),
            country_code=as_text(data.get("country_code")).upper(),
            image_url=_image_url(data),
            min_price=as_mapping(data.get("min_price")),
            operators=operators,
            unread=_unread(operators=is_whole(data.get("operators"), operators)),
            raw=data,
        )
