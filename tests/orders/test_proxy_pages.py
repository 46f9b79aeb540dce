"""A 4xx that a proxy answers in Airalo's place says nothing of what was asked for or about."""

from __future__ import annotations

import pytest

from django_airalo import services
from django_airalo.client import get_client
from django_airalo.exceptions import AiraloProxyError, AiraloTokenError
from django_airalo.models import Esim
from django_airalo.services import operations
from tests.factories import EsimFactory, EsimOrderFactory, due_now
from tests.scripted_server import Answer

pytestmark = pytest.mark.django_db

PAGE = "<!DOCTYPE html><title>Attention Required! | Cloudflare</title>"
STATUSES = (400, 401, 403, 404, 422)


@pytest.mark.parametrize("status", STATUSES)
def test_proxy_error_keeps_brand(server, status):
    esim = EsimFactory(brand_settings_name="Old")
    server.on(f"/v2/sims/{esim.iccid}/brand", Answer(status, PAGE))
    with pytest.raises(AiraloProxyError) as caught:
        operations.set_brand(esim, name="New")
    assert caught.value.may_have_acted
    esim.refresh_from_db()
    assert esim.brand_settings_name == "Old"


@pytest.mark.parametrize("status", STATUSES)
def test_proxy_error_for_opt_in_or_opt_out_is_not_reported_as_refusal(server, status):
    server.on("/v2/notifications/opt-in", Answer(status, PAGE))
    with pytest.raises(AiraloProxyError):
        operations.opt_in("async_orders", webhook_url="https://shop.example.com/hook/")
    server.on("/v2/notifications/opt-out", Answer(status, PAGE))
    with pytest.raises(AiraloProxyError):
        operations.opt_out("async_orders")


@pytest.mark.parametrize("status", STATUSES)
def test_proxy_error_leaves_esim_packages_due(server, status):
    esim = EsimFactory(packages_due=True)
    server.on(f"/v2/sims/{esim.iccid}/packages", Answer(status, PAGE))
    with pytest.raises(AiraloProxyError):
        services.sync_esim_packages(esim)
    assert Esim.objects.get(pk=esim.pk).packages_due


def test_proxy_404_for_product_information_is_not_cached(server):
    path = "/v2/packages/test/product-information"
    server.on(path, Answer(404, PAGE), Answer(200, {"data": {"package_id": "test", "product_name": "1 GB"}}))
    with pytest.raises(AiraloProxyError):
        services.get_product_information("test")
    assert services.get_product_information("test") is not None


@pytest.mark.parametrize("status", STATUSES)
def test_proxy_error_in_lookup_prevents_sending(server, status):
    """The look-up before an order is sent again."""
    server.on("/v2/orders", Answer(status, PAGE))
    order = services.submit_order(EsimOrderFactory(look_up_first=True))
    assert (order.status, order.look_up_first) == ("pending", True)
    assert server.requests("/v2/orders-async") == []


@pytest.mark.parametrize("status", STATUSES)
def test_proxy_error_in_lookup_keeps_order_unconfirmed(server, status):
    server.on("/v2/orders", Answer(status, PAGE))
    order = EsimOrderFactory(unconfirmed=True)
    due_now(order)
    services.sweep()
    order.refresh_from_db()
    assert order.status == "unconfirmed"


@pytest.mark.parametrize("status", STATUSES)
def test_proxy_error_for_token_does_not_blame_credentials(server, status):
    server.on("/v2/token", Answer(status, PAGE))
    with pytest.raises(AiraloTokenError) as caught:
        get_client().get_token()
    assert "AIRALO_CLIENT_SECRET" not in str(caught.value)
    assert "proxy" in str(caught.value)
    order = services.submit_order(EsimOrderFactory())
    assert (order.status, order.look_up_first) == ("pending", False)  # nothing was sent
