"""No answer about a customer, an order or an eSIM stays in a cache, neither in a shop's own nor in one on the way."""

from __future__ import annotations

import base64

import pytest
from django.test import Client
from django.urls import reverse

from django_airalo.models import EsimInstructions
from tests.factories import EsimFactory, UserFactory

pytestmark = pytest.mark.django_db

ORDERS, ESIMS = "/api/airalo/orders/", "/api/airalo/esims/"
PRIVATE = "private, no-store"


def esim_of(user):
    esim = EsimFactory(order__user=user)
    EsimInstructions.objects.create(esim=esim, language="en", fetched_at=esim.created_at, content='{"data": {}}')
    return esim


def own_urls(esim):
    one = f"{ESIMS}{esim.public_id}/"
    return [ORDERS, f"{ORDERS}{esim.order.reference}/", ESIMS, one, f"{one}usage/", f"{one}instructions/"]


def signed_in(user):
    """A client that sends its name and password in a header, as one does with tokens: no cookie tells users apart."""
    user.set_password("letmein")
    user.save()
    credentials = base64.b64encode(f"{user.get_username()}:letmein".encode()).decode()
    return Client(headers={"Authorization": f"Basic {credentials}"})


@pytest.fixture
def cached_site(settings):
    """A shop that caches every page of its site."""
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]


def test_under_per_site_caching_a_customer_is_served_nothing_of_another(cached_site):
    ada, eve = UserFactory(), UserFactory()
    esim = esim_of(ada)
    for url in own_urls(esim):
        first, second = signed_in(ada).get(url), signed_in(eve).get(url)
        assert first.status_code == 200, url
        if url in (ORDERS, ESIMS):
            assert (first.json()["count"], second.json()["count"]) == (1, 0)
        else:
            assert second.status_code == 404, url
        assert esim.iccid not in second.content.decode()
        assert Client().get(url).status_code in (401, 403)


def test_every_answer_is_for_its_reader_alone(airalo):
    ada, eve = UserFactory(), UserFactory()
    esim = esim_of(ada)
    answers = [client.get(url) for url in own_urls(esim) for client in (signed_in(ada), signed_in(eve), Client())]
    first, one = own_urls(esim)[0], own_urls(esim)[3]
    owner = signed_in(ada)
    airalo.override_answer("GET", f"/v2/sims/{esim.iccid}/instructions", {}, status=503)
    answers += [
        owner.post(first),
        owner.options(one),
        owner.head(one),
        owner.get(one, headers={"Accept": "application/xml"}),
        owner.get(f"{first}?page=99"),
        owner.get(f"{one}instructions/?language=fr"),
    ]
    assert {answer.status_code for answer in answers} == {200, 403, 404, 405, 406, 503}
    assert {answer.headers["Cache-Control"] for answer in answers} == {PRIVATE}


def test_an_answer_that_fails_is_for_its_reader_alone(settings):
    settings.AIRALO_ENCRYPTION_KEYS = []
    ada = UserFactory()
    esim = esim_of(ada)
    client = signed_in(ada)
    settings.SECRET_KEY = "another"
    answer = client.get(f"{ESIMS}{esim.public_id}/")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, PRIVATE)


def test_no_answer_to_airalo_stays_in_a_cache(cached_site, airalo):
    """A cache in front would tell Airalo for a while that a shop is there which is not."""
    for token in ((), ("some-token",)):
        url = reverse("django_airalo:webhook", args=token)
        for answer in (Client().head(url), Client().get(url), Client().post(url, b"", content_type="text/plain")):
            assert "no-store" in answer.headers["Cache-Control"]
