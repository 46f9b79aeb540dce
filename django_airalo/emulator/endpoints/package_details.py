"""More about packages: GET /v2/packages/overrides and GET /v2/packages/{slug}/product-information."""

from __future__ import annotations

import hashlib
from typing import Any

from django_airalo.emulator import languages
from django_airalo.emulator.catalogue_data import CURRENCIES
from django_airalo.emulator.catalogue_parts import Package
from django_airalo.emulator.errors import message_only, refused
from django_airalo.emulator.faults import Fault
from django_airalo.emulator.messages import Request, Response, php_json
from django_airalo.emulator.state import EmulatorState

from .checks import paging
from .pages import links_and_meta

LONGEST_SLUG = 100
FAIR_USE = {
    "en": "Speed may be reduced to 1 Mbps after 3 GB a day.",
    "de": "Nach 3 GB am Tag kann die Geschwindigkeit auf 1 Mbps sinken.",
}
RENEWAL = {
    "en": "The package is not renewed automatically.",
    "de": "Das Paket wird nicht automatisch verlängert.",
}


def overrides(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return a page of the option ``overrides``, as it is: only Airalo's PHP SDK knows this call, and no rows of it."""
    limit, page = paging(request)
    limit = limit or 25
    rows = list(state.options.overrides)
    shown = rows[(page - 1) * limit : page * limit]
    return Response(200, php_json({"data": shown, **links_and_meta(request, len(rows), limit, page, len(shown))}))


def product_information(state: EmulatorState, request: Request, fault: Fault) -> Response:
    """Return the summary of a package that the law of some countries asks sellers to show."""
    if not state.options.product_information:
        raise message_only(403, "Unauthenticated.")  # the very words of a missing token, as documented
    slug = request.params[0]
    package = state.package(slug) if len(slug) <= LONGEST_SLUG else None
    if package is None or package.id in state.withdrawn:
        raise refused(404, f"Package not found for slug: {slug}")
    language = state.options.product_information_language
    language = language or languages.chosen(request.headers.get("accept-language", ""))
    return Response.of(200, {"data": _summary(package, _operator(state, package), language)})


def _operator(state: EmulatorState, package: Package) -> dict[str, Any]:
    return next(
        operator
        for location in (*state.catalogue.locations, state.catalogue.test_location)
        for operator in location.content["operators"]
        if operator["id"] == package.operator_id
    )


def _summary(package: Package, operator: dict[str, Any], language: str) -> dict[str, Any]:
    networks = [network for coverage in operator["coverages"] for network in coverage["networks"]]
    title, data = (languages.translated(text, language) for text in (package.title, package.data))
    rate, _ = CURRENCIES["EUR"]
    slow = "1 Mbps" if package.is_unlimited else None
    return {
        "package_id": package.id,
        "product_name": title,
        "product_description": title,
        "date_marketed": None,
        "service_internet": True,
        "service_telephony": bool(package.voice),
        "service_sms": bool(package.text),
        "network_providers": sorted({network["name"] for network in networks}),
        "network_technologies": sorted({kind for network in networks for kind in network["types"]}),
        "data_allowance_mb": data if package.is_unlimited else str(package.amount),
        "data_allowance_display": data,
        "validity_days": package.days,
        "voice_minutes": package.voice or 0,
        "sms_included": package.text or 0,
        "retail_price_eur": f"{package.price * rate:.2f}",
        "max_download_speed_mbit": "300",
        "max_upload_speed_mbit": "50",
        "throttled_download_speed_mbit": slow,
        "throttled_upload_speed_mbit": slow,
        "throttle_threshold_mb": 3072 if package.is_unlimited else None,
        "is_unlimited": package.is_unlimited,
        "is_fair_usage_policy": package.is_unlimited,
        "fair_usage_policy": _text(FAIR_USE, language) if package.is_unlimited else None,
        "out_of_bundle_rate_eur_per_mb": "Out of bundle rate is not applicable",
        "activation_policy": operator["activation_policy"],
        "is_roaming": package.is_roaming,
        "auto_renewal": _text(RENEWAL, language),
        "terms_url": "https://www.example.com/terms",
        "partner_brand_name": "Emulated Partner",
        "partner_logo_url": "https://cdn.example.com/logo.png",
        "legal_entity_name": "Emulated Partner Ltd",
        "legal_address": "1 Example Street, Exampletown",
        "pib_version": 1,
        "pib_version_date": "2026-01-05T09:00:00+00:00",
        "version_hash": hashlib.sha256(f"{package.id}:{package.price}".encode()).hexdigest(),
        "pib_version_pdf_link": f"https://cdn.example.com/package_versions/{package.id}/1.pdf",
    }


def _text(texts: dict[str, str], language: str) -> str:
    return texts.get(language) or languages.marked(texts["en"], language)
