"""Airalo's catalogue, from an emulator over HTTP and from a server that says what a test wants."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_airalo.client import AiraloClient, use_client
from django_airalo.emulator import Emulator
from tests.rates import NO_LIMITS
from tests.scripted_server import Answer, ScriptedServer


@pytest.fixture
def emulator(settings: Any) -> Iterator[Emulator]:
    """An emulated Airalo, and the shop's settings point to it."""
    with Emulator(port=0, rate_limits=False) as running:
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = running.client_id, running.client_secret
        settings.AIRALO_RATE_LIMITS = NO_LIMITS
        yield running


@pytest.fixture
def server(settings: Any) -> Iterator[ScriptedServer]:
    """An Airalo that gives a token, and else what a test has it say."""
    settings.AIRALO_RATE_LIMITS = NO_LIMITS
    with ScriptedServer() as running:
        token = {"data": {"access_token": "t" * 200, "expires_in": 86400}}
        running.on("/v2/token", Answer(body=json.dumps(token).encode()))
        previous = use_client(AiraloClient("client", "secret", running.url))
        yield running
        use_client(previous)


@pytest.fixture
def listed(server: ScriptedServer) -> Callable[..., None]:
    """Call it with locations, and Airalo's catalogue is that, on one page."""

    def tell(*locations: dict[str, Any], **document: Any) -> None:
        meta = {"current_page": 1, "last_page": 1, "total": len(locations)}
        body = json.dumps({"data": locations, "meta": meta, **document}).encode()
        server.on("/v2/packages", Answer(body=body))

    return tell


def package(package_id: str, **fields: Any) -> dict[str, Any]:
    """A package as Airalo lists it."""
    return {
        "id": package_id,
        "type": "sim",
        "price": 4.5,
        "amount": 1024,
        "day": 7,
        "is_unlimited": False,
        "title": "1 GB - 7 Days",
        "short_info": None,
        "is_fair_usage_policy": False,
        "fair_usage_policy": None,
        "data": "1 GB",
        "voice": None,
        "text": None,
        "net_price": 1.5,
        "prices": {
            "net_price": {"USD": 1.5, "EUR": 1.31, "JPY": 222},
            "recommended_retail_price": {"USD": 4.5, "EUR": 3.92, "JPY": 666},
        },
        **fields,
    }


def operator(number: int, *packages: dict[str, Any], countries: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    """An operator as Airalo lists it."""
    return {
        "id": number,
        "title": f"Operator {number}",
        "type": "local",
        "plan_type": "data",
        "activation_policy": "first-usage",
        "is_kyc_verify": False,
        "rechargeability": True,
        "is_roaming": True,
        "apn_type": "manual",
        "apn_value": "internet",
        "info": ["LTE data only.", ""],
        "other_info": None,
        "coverages": [
            {"name": code, "code": code, "networks": [{"name": f"{code} Cell", "types": ["LTE"]}]} for code in countries
        ],
        "install_window_days": None,
        "topup_grace_window_days": 90,
        "image": {"url": f"https://cdn.example.com/operators/{number}.png"},
        "countries": [
            {"country_code": code, "title": f"Country {code}", "image": {"url": f"https://cdn.example.com/{code}.png"}}
            for code in countries
        ],
        "packages": list(packages),
        **fields,
    }


def location(code: str, *operators: dict[str, Any], slug: str = "") -> dict[str, Any]:
    """A country, or (without a code) a region, as Airalo lists it."""
    slug = slug or f"country-{code.lower()}"
    return {"slug": slug, "country_code": code, "title": slug.title(), "operators": list(operators)}
