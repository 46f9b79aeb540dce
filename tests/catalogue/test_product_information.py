"""What the law wants shown, fetched and kept."""

from __future__ import annotations

import pytest
from django.db import transaction

from django_airalo import services
from django_airalo.exceptions import AiraloCacheError, AiraloPermissionError
from tests.factories import PackageFactory
from tests.scripted_server import Answer

pytestmark = pytest.mark.django_db

PATH = "/v2/packages/test-1/product-information"


def test_it_is_fetched_once_for_each_language(server):
    body = {"data": {"package_id": "test-1", "product_name": "1 GB", "service_internet": True}}
    server.on(PATH, Answer(body=body))
    package = PackageFactory(package_id="test-1")
    first = services.get_product_information(package)
    assert (first.product_name, first.service_internet) == ("1 GB", True)
    assert services.get_product_information("test-1") == first
    assert len(server.requests(PATH)) == 1
    services.get_product_information(package, language="de")
    services.get_product_information(package, language="de")
    assert [request.headers.get("accept-language") for request in server.requests(PATH)] == [None, "de"]


def test_the_language_of_the_catalogue_is_the_default(server, settings):
    settings.AIRALO_CATALOGUE_LANGUAGE = "fr"
    server.on(PATH, Answer(body={"data": {"package_id": "test-1", "product_name": "1 GB"}}))
    services.get_product_information("test-1")
    assert server.requests(PATH)[0].headers["accept-language"] == "fr"


def test_none_is_remembered_too(server):
    server.on(PATH, Answer(404, body={"data": [], "meta": {"message": "messages.resource_not_found"}}))
    assert services.get_product_information("test-1") is None
    assert services.get_product_information("test-1") is None
    assert len(server.requests(PATH)) == 1


def test_a_cache_that_is_away_is_an_error_of_ours(server, settings):
    table = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "no_such_table"}
    settings.CACHES = {"default": table}
    with pytest.raises(AiraloCacheError), transaction.atomic():
        services.get_product_information("test-1")


def test_an_error_is_raised_and_not_kept(server):
    server.on(
        PATH,
        Answer(403, body={"message": "This action is unauthorized."}),
        Answer(body={"data": {"package_id": "test-1", "product_name": "1 GB"}}),
    )
    with pytest.raises(AiraloPermissionError):
        services.get_product_information("test-1")
    assert services.get_product_information("test-1").slug == "test-1"


def test_against_the_emulator(emulator):
    slug = "test-insufficient-balance-7days-1gb"
    found = services.get_product_information(slug)
    assert found.slug == slug
    assert found.pib_version == 1
    assert services.get_product_information("nothing-like-it") is None
    emulator.options.change(product_information=False)
    assert services.get_product_information(slug) == found  # from the cache
    with pytest.raises(AiraloPermissionError):
        services.get_product_information(slug, language="de")
