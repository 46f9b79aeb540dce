"""The admin on a site of the shop's own, under another name, with and without Django's own site beside it."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import include, path

from django_airalo.models import Esim, EsimOrder, Refund
from tests.factories import EsimFactory, EsimOrderFactory

pytestmark = pytest.mark.django_db

shop = admin.AdminSite(name="shopadmin")
only_esims = admin.AdminSite(name="onlyesims")
bare = admin.AdminSite(name="admin")  # Django's own name, without our models


def _register() -> None:
    for model, page in admin.site._registry.items():
        if model._meta.app_label == "django_airalo" and not shop.is_registered(model):
            shop.register(model, type(page))
    if not only_esims.is_registered(Esim):
        only_esims.register(Esim, type(admin.site._registry[Esim]))


class Alone:
    urlpatterns = [path("shop/", shop.urls), path("airalo/", include("django_airalo.urls"))]


class Beside:
    urlpatterns = [path("shop/", shop.urls), path("esims/", only_esims.urls), path("admin/", bare.urls)]


@pytest.fixture(params=[Alone, Beside])
def site(request, settings, admin_client):
    _register()
    request.param.urlpatterns[0] = path("shop/", shop.urls)
    if request.param is Beside:
        request.param.urlpatterns[1] = path("esims/", only_esims.urls)
    settings.ROOT_URLCONF = request.param
    return admin_client


def ask_for_refund(client, address, esim):
    data = {"action": "ask_for_refund", "_selected_action": [esim.pk], "confirmed": "1", "reason": "NO_COVERAGE"}
    return client.post(address, {**data, "notes": "No network.", "email": "shop@example.com"}, follow=True)


def test_refund_is_requested_and_its_link_stays_on_site(site, airalo):
    response = ask_for_refund(site, "/shop/django_airalo/esim/", EsimFactory())
    assert (response.status_code, Refund.objects.count()) == (200, 1)
    assert 'href="/shop/django_airalo/refund/"' in response.content.decode()


def test_every_page_opens_on_another_site(site, airalo):
    esim = EsimFactory()
    ask_for_refund(site, "/shop/django_airalo/esim/", esim)
    EsimOrderFactory(unconfirmed=True)
    EsimOrderFactory(type="topup", esim=esim)
    for model in shop._registry:
        base = f"/shop/django_airalo/{model._meta.model_name}/"
        assert site.get(base).status_code == 200, base
        for pk in model._default_manager.values_list("pk", flat=True):
            page = site.get(f"{base}{pk}/change/")
            assert page.status_code == 200, base
            assert 'href="/admin/' not in page.content.decode()
    confirm = {"action": "cancel_orders", "_selected_action": [EsimOrder.objects.first().pk]}
    assert site.post("/shop/django_airalo/esimorder/", confirm).status_code in (200, 302)


def test_refund_can_be_requested_on_site_without_refund_admin(admin_client, airalo, settings):
    _register()
    Beside.urlpatterns[1] = path("esims/", only_esims.urls)
    settings.ROOT_URLCONF = Beside
    response = ask_for_refund(admin_client, "/esims/django_airalo/esim/", EsimFactory())
    assert (response.status_code, Refund.objects.count()) == (200, 1)
    assert "1 refund was asked for." in response.content.decode()
