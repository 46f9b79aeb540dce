"""What the catalogue has beside packages: the requests that leave, and what is made of the answers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from django_airalo.client import AiraloClient
from django_airalo.client import payloads as p
from django_airalo.client.endpoints import catalogue
from django_airalo.exceptions import (
    AiraloNotFoundError,
    AiraloPermissionError,
    AiraloRateLimitError,
    AiraloResponseError,
)
from tests.scripted_server import Answer, ScriptedServer

from .support import DEVICES, LOCATION, META, PACKAGE, PRODUCT_INFORMATION, RATES, page, sent


def operator_with(**values: Any) -> p.OperatorData:
    """The operator of the catalogue's test location, with these values besides."""
    return p.OperatorData.from_json({**LOCATION["operators"][0], **values})


def test_all_that_an_operator_says(client: AiraloClient, server: ScriptedServer) -> None:
    operator = {
        **LOCATION["operators"][0],
        "esim_type": "Prepaid",
        "is_prepaid": 0,
        "warning": "No calls.",
        "apn_type": "manual",
        "apn_value": "internet.example",
        "apn": {"ios": {"apn_type": "automatic", "apn_value": None}, "android": []},
        "is_roaming": "1",
        "info": {"0": "LTE", "1": None, "2": "No phone number."},
        "other_info": "For travellers.",
        "install_window_days": "90",
        "topup_grace_window_days": 30,
        "is_kyc_verify": 1,
        "image": {"width": 1, "height": 1, "url": "https://example.com/o.png"},
        "countries": [{"country_code": "tl", "title": "Test Land", "image": {"url": "https://example.com/tl.png"}}],
    }
    server.on("/v2/packages", Answer(200, page([{**LOCATION, "operators": [operator], "min_price": {"USD": 1}}])))

    (location,) = client.get_packages().items

    assert location.min_price == {"USD": 1}
    (seen,) = location.operators
    assert (seen.esim_type, seen.is_prepaid, seen.warning, seen.is_roaming) == ("Prepaid", False, "No calls.", True)
    assert (seen.apn_type, seen.apn_value) == ("manual", "internet.example")
    assert seen.apn["ios"] == {"apn_type": "automatic"}
    assert "android" not in seen.apn
    assert seen.info == ("LTE", "No phone number.")
    assert (seen.other_info, seen.install_window_days, seen.topup_grace_window_days) == ("For travellers.", 90, 30)
    assert seen.is_kyc_verify is True
    assert seen.image_url == "https://example.com/o.png"
    (country,) = seen.countries
    assert (country.country_code, country.title) == ("TL", "Test Land")
    assert country.image_url == "https://example.com/tl.png"
    (coverage,) = seen.coverages
    assert (coverage.name, coverage.code) == ("Test Land", "TL")
    assert [(network.name, network.types) for network in coverage.networks] == [("Test", ("LTE",))]


def test_what_a_product_information_does_not_say_is_empty() -> None:
    information = p.ProductInformationData.from_json({"data": {"package_id": "a", "date_marketed": "2026-01-01"}})

    assert (information.slug, information.date_marketed) == ("a", "2026-01-01")
    assert (information.product_name, information.service_sms, information.validity_days) == ("", None, None)


def test_all_that_a_package_says() -> None:
    (package,) = operator_with(
        packages=[
            {
                **PACKAGE,
                "is_unlimited": "1",
                "voice": "100",
                "short_info": "No phone number.",
                "is_fair_usage_policy": 1,
                "fair_usage_policy": "1 Mbps after 3 GB.",
                "qr_installation": "<p>Scan.</p>",
                "manual_installation": "x" * 50_000,
                "prices": {
                    "net_price": {"eur": "6.50", "JPY": 900, "XXX": "free"},
                    "recommended_retail_price": {"EUR": 8, "USD": 9.5},
                },
            }
        ]
    ).packages

    assert (package.is_unlimited, package.voice, package.short_info) == (True, 100, "No phone number.")
    assert (package.is_fair_usage_policy, package.fair_usage_policy) == (True, "1 Mbps after 3 GB.")
    assert package.qr_installation == "<p>Scan.</p>"
    assert len(package.manual_installation) == p.MAX_INSTRUCTIONS
    assert package.net_prices == {"EUR": Decimal("6.50"), "JPY": Decimal(900)}
    assert package.retail_prices == {"EUR": Decimal(8), "USD": Decimal("9.5")}
    assert "Scan" not in repr(package)


@pytest.mark.parametrize(
    ("pricing", "model", "discount"),
    [
        ({"model": "discount_pricing", "discount_percentage": "10"}, "discount_pricing", Decimal(10)),
        ({"model": "net_pricing", "discount_percentage": 0}, "net_pricing", Decimal(0)),
        ([], "", None),
        (None, "", None),
    ],
)
def test_how_the_company_pays(
    client: AiraloClient, server: ScriptedServer, pricing: Any, model: str, discount: Decimal | None
) -> None:
    server.on("/v2/packages", Answer(200, {**page([LOCATION]), "pricing": pricing}))

    result = client.get_packages()

    assert (result.pricing.model, result.pricing.discount_percentage) == (model, discount)
    assert result.per_page == 50


def test_product_information(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/packages/a%2Fb/product-information", Answer(200, {"data": PRODUCT_INFORMATION}))

    information = client.get_product_information("a/b", language="de")

    request = sent(server, "GET", "/v2/packages/a%2Fb/product-information")
    assert request.headers["accept-language"] == "de"
    read = {name: getattr(information, name) for name in PRODUCT_INFORMATION if name != "package_id"}
    assert information.slug == PRODUCT_INFORMATION["package_id"]
    assert read == {
        **{name: value for name, value in PRODUCT_INFORMATION.items() if name != "package_id"},
        "date_marketed": "",
        "network_providers": ("Testcom",),
        "network_technologies": ("5G",),
        "retail_price_eur": Decimal("10.12"),
        "pib_version_date": datetime(2026, 6, 29, 11, 34, 59, tzinfo=UTC),
    }
    assert information.raw == PRODUCT_INFORMATION


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (403, {"message": "This action is unauthorized."}, AiraloPermissionError, "This action is unauthorized."),
        (
            404,
            {"data": [], "meta": {"message": "messages.resource_not_found"}},
            AiraloNotFoundError,
            "messages.resource_not_found",
        ),
        (429, {"message": "Too Many Attempts."}, AiraloRateLimitError, "Too Many Attempts."),
    ],
)
def test_product_information_that_is_not_to_be_had(
    client: AiraloClient, server: ScriptedServer, status: int, body: Any, kind: type, reason: str
) -> None:
    server.on("/v2/packages/a/product-information", Answer(status, body))

    with pytest.raises(kind) as caught:
        client.get_product_information("a")

    assert caught.value.reason == reason
    assert len(server.requests("/v2/packages/a/product-information")) == 1


@pytest.mark.parametrize("slug", ["", ".", "..", " "])
def test_a_slug_that_would_lead_elsewhere_is_not_sent(client: AiraloClient, server: ScriptedServer, slug: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a URL"):
        client.get_product_information(slug)

    assert server.requests() == []


@pytest.mark.parametrize("row", [{"package_id": "a", "price": 3}, {"slug": "a", "id": 7}, {"id": "a"}])
def test_package_overrides(client: AiraloClient, server: ScriptedServer, row: Any) -> None:
    server.on("/v2/packages/overrides", Answer(200, page([row], last=2)))

    result = client.get_package_overrides(page=1)

    assert sent(server, "GET", "/v2/packages/overrides").query == {"page": "1"}
    assert result.has_next
    assert (result.items[0].package_id, result.items[0].raw) == ("a", row)


def test_exchange_rates(client: AiraloClient, server: ScriptedServer) -> None:
    odd = [{"from": "USD", "to": "EUR", "mid": "0"}, {"from": "USD", "mid": "2"}, {"from": "USD", "to": "X"}, "odd"]
    rates = [*RATES["rates"], *odd]
    server.on("/v2/finance/exchange-rates", Answer(200, {"data": {**RATES, "rates": rates}, "meta": META}))

    result = client.get_exchange_rates(date=date(2026, 1, 30), to=["AUD", "GBP"])

    request = sent(server, "GET", "/v2/finance/exchange-rates")
    assert request.query == {"date": "2026-01-30", "to": "AUD,GBP"}
    assert result.date == date(2026, 1, 30)
    assert [(rate.from_currency, rate.to_currency, rate.mid) for rate in result.rates] == [
        ("USD", "AUD", Decimal("1.6059162")),
        ("USD", "GBP", Decimal("0.5")),
    ]


def test_exchange_rates_of_today_to_all_currencies(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/finance/exchange-rates", Answer(200, {"data": {"date": None, "rates": None}}))

    result = client.get_exchange_rates()

    assert sent(server, "GET", "/v2/finance/exchange-rates").query == {}
    assert (result.date, result.rates) == (None, ())


@pytest.mark.parametrize("data", [DEVICES, {"0": DEVICES[0], "1": DEVICES[1]}])
def test_compatible_devices(client: AiraloClient, server: ScriptedServer, data: Any) -> None:
    server.on("/v2/compatible-devices-lite", Answer(200, {"data": data}))

    devices = client.get_compatible_devices()

    assert sent(server, "GET", "/v2/compatible-devices-lite").query == {}
    assert [(device.os, device.brand, device.name) for device in devices] == [
        ("ios", "Apple", "iPhone 12"),
        ("android", "bq", "X2"),
    ]


@pytest.mark.parametrize(
    "pages",
    [
        [page([LOCATION], current=1, last=2)],  # the page asked for is ignored
        [page([LOCATION], current=1, last=2), page([LOCATION], current=3, last=9)],
        [{"data": [LOCATION], "links": {"next": "https://example.com?page=2"}}],  # and not numbered
    ],
)
def test_a_catalogue_without_an_end_is_an_error(
    client: AiraloClient, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, pages: list[Any]
) -> None:
    monkeypatch.setattr(catalogue, "MAX_PAGES", 3)
    server.on("/v2/packages", *(Answer(200, document) for document in pages))

    with pytest.raises(AiraloResponseError, match=r"Page 2 was requested|more than \d+ pages"):
        list(client.iter_packages())

    assert len(server.requests("/v2/packages")) <= 3


@pytest.mark.parametrize("language", ["de\r\nX: y", "de\n", "d\x00e", "日本"])
def test_language_that_is_no_header_value_raises_value_error(
    client: AiraloClient, server: ScriptedServer, language: str
) -> None:
    with pytest.raises(ValueError, match="is not a language code"):
        client.get_packages(language=language)

    assert server.requests() == []


def test_blanks_around_a_language_do_not_count(client: AiraloClient, server: ScriptedServer) -> None:
    server.on("/v2/packages", Answer(200, page([])))

    client.get_packages(language=" pt-BR ")

    assert server.requests("/v2/packages")[0].headers["accept-language"] == "pt-BR"
