from __future__ import annotations

from datetime import datetime

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import FAR_AHEAD, EsimFactory, EsimOrderFactory, UserFactory

pytestmark = pytest.mark.django_db

ORDERS, ESIMS = "/api/airalo/orders/", "/api/airalo/esims/"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def signed_in(client, user):
    client.force_login(user)
    return client


def esim_of(user, **fields):
    return EsimFactory(order__user=user, **fields)


def own_urls(esim):
    one = f"{ESIMS}{esim.public_id}/"
    return [ORDERS, f"{ORDERS}{esim.order.reference}/", ESIMS, one, f"{one}usage/", f"{one}instructions/"]


def test_anonymous_users_see_nothing(client, user):
    for url in own_urls(esim_of(user)):
        response = client.get(url)
        assert response.status_code in (401, 403)
        assert b"LPA" not in response.content


@pytest.mark.parametrize("permissions", [[], ["rest_framework.permissions.AllowAny"]])
def test_permissions_do_not_depend_on_project_defaults(client, user, settings, permissions):
    settings.REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": permissions}
    for url in own_urls(esim_of(user)):
        assert client.get(url).status_code in (401, 403)


def test_orders_and_esims_of_other_users_are_not_found(signed_in):
    for esim in (esim_of(UserFactory()), esim_of(None)):
        assert signed_in.get(f"{ORDERS}{esim.order.reference}/").status_code == 404
        assert signed_in.get(f"{ESIMS}{esim.public_id}/").status_code == 404
    assert signed_in.get(ORDERS).json()["results"] == []
    assert signed_in.get(ESIMS).json()["results"] == []


def test_staff_sees_only_its_own_too(client, user):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    esim = esim_of(user)
    assert client.get(f"{ESIMS}{esim.public_id}/").status_code == 404


@pytest.mark.parametrize("key", ["1", "x" * 32, "A" * 32, "-" * 36, "g" * 36, "0" * 36, "../1", "%00"])
def test_invalid_keys_are_not_found(signed_in, user, key):
    esim_of(user)
    assert signed_in.get(f"{ORDERS}{key}/").status_code == 404
    assert signed_in.get(f"{ESIMS}{key}/").status_code == 404


def test_an_order(signed_in, user):
    esim = esim_of(user, order__quantity=1, order__attention="internal", order__error_reason="internal")
    body = signed_in.get(f"{ORDERS}{esim.order.reference}/").json()
    assert body["id"] == esim.order.reference
    assert (body["status"], body["is_final"], body["package_id"]) == ("completed", True, esim.order.package_id)
    assert body["esims"] == [
        {"id": str(esim.public_id), "iccid": esim.iccid, "created_at": body["esims"][0]["created_at"]}
    ]
    assert "internal" not in str(body)
    (listed,) = signed_in.get(ORDERS).json()["results"]
    assert set(listed) <= set(body)
    assert listed["id"] == body["id"]


@pytest.mark.parametrize(
    ("fields", "missing", "is_complete"),
    [
        ({"completed": True, "quantity": 3, "delivered_quantity": 1}, 2, False),
        ({"completed": True, "quantity": 3, "delivered_quantity": 3}, 0, True),
        ({"completed": True, "type": "topup"}, 0, True),
        ({"accepted": True, "quantity": 3}, 3, False),
        ({"failed": True}, 1, False),
    ],
)
def test_what_is_missing_of_an_order(signed_in, user, fields, missing, is_complete):
    order = EsimOrderFactory(user=user, **fields)
    for body in (signed_in.get(f"{ORDERS}{order.reference}/").json(), signed_in.get(ORDERS).json()["results"][0]):
        assert (body["missing"], body["is_complete"]) == (missing, is_complete)


def test_a_topup_and_a_future_order(signed_in, user):
    esim = esim_of(user)
    topup = EsimOrderFactory(completed=True, type="topup", esim=esim, user=user)
    future = EsimOrderFactory(scheduled=True, due_date=FAR_AHEAD, user=user)
    body = signed_in.get(f"{ORDERS}{topup.reference}/").json()
    assert (body["type"], body["esim"], body["esims"], body["due_date"]) == ("topup", str(esim.public_id), [], None)
    body = signed_in.get(f"{ORDERS}{future.reference}/").json()
    assert (body["type"], body["esim"]) == ("sim", None)
    assert datetime.fromisoformat(body["due_date"]) == FAR_AHEAD
    assert len(signed_in.get(ORDERS).json()["results"]) == 3


def test_one_esim_comes_with_its_codes_and_is_kept_in_no_cache(signed_in, user):
    esim = esim_of(user)
    response = signed_in.get(f"{ESIMS}{esim.public_id}/")
    assert response["Cache-Control"] == "private, no-store"
    body = response.json()
    for name in ("activation_code", "matching_id", "confirmation_code", "apple_installation_url", "smdp_address"):
        assert body[name] == getattr(esim, name)
    assert (body["id"], body["order"]) == (str(esim.public_id), esim.order.reference)


def test_lists_hold_no_codes(signed_in, user):
    esim = esim_of(user)
    for url in own_urls(esim)[:3]:
        text = signed_in.get(url).content.decode()
        assert esim.iccid in text
        for secret in ("LPA:", esim.matching_id, esim.confirmation_code, "carddata"):
            assert secret not in text


def test_lists_do_not_even_decrypt(signed_in, user):
    esim = esim_of(user)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_airalo_esim SET activation_code = 'f1:x'")
    for url in own_urls(esim)[:3]:
        assert signed_in.get(url).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_written(user, method):
    client = Client()
    client.force_login(user)
    esim = esim_of(user)
    for url in own_urls(esim):
        response = getattr(client, method)(url, {"status": "cancelled"}, content_type="application/json")
        assert response.status_code == 405
    esim.order.refresh_from_db()
    assert esim.order.status == "completed"


def test_pages(signed_in, user):
    references = [EsimOrderFactory(user=user).reference for _ in range(25)]
    first = signed_in.get(ORDERS).json()
    second = signed_in.get(first["next"]).json()
    assert (first["count"], len(first["results"]), len(second["results"]), second["next"]) == (25, 20, 5, None)
    assert [order["id"] for order in first["results"] + second["results"]] == references[::-1]
    assert len(signed_in.get(f"{ORDERS}?page_size=7").json()["results"]) == 7
    assert len(signed_in.get(f"{ORDERS}?page_size=100000").json()["results"]) == 25
    for page in ("0", "3", "x", "-1", "9" * 30):
        assert signed_in.get(f"{ORDERS}?page={page}").status_code == 404


def test_a_page_is_never_larger_than_a_hundred(signed_in, user):
    for _ in range(101):
        EsimOrderFactory(user=user)
    assert len(signed_in.get(f"{ORDERS}?page_size=1000").json()["results"]) == 100


def test_no_more_queries_for_more_rows(signed_in, user):
    def queries(url):
        with CaptureQueriesContext(connection) as captured:
            assert signed_in.get(url).status_code == 200
        return len(captured)

    for _ in range(2):
        esim_of(user)
    few = {url: queries(url) for url in (ORDERS, ESIMS)}
    for _ in range(15):
        esim_of(user)
        EsimFactory(order=user.airalo_orders.first())
    assert {url: queries(url) for url in (ORDERS, ESIMS)} == few
    # Session, user, count, orders, their eSIMs; and session, user, count, eSIMs with their orders.
    assert few == {ORDERS: 5, ESIMS: 4}
    esim = user.airalo_orders.first().esims.first()
    # Session, user, the row (and for an order its eSIMs).
    assert queries(f"{ORDERS}{esim.order.reference}/") == 4
    assert queries(f"{ESIMS}{esim.public_id}/") == 4  # and its packages


def test_the_browsable_page_works_too(signed_in, user, airalo):
    esim = esim_of(user)
    for url in own_urls(esim):
        assert signed_in.get(url, headers={"accept": "text/html"}).status_code == 200


def test_an_esim_whose_key_is_lost_is_an_error_without_traceback(signed_in, user, settings):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    esim = esim_of(user)
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    response = signed_in.get(f"{ESIMS}{esim.public_id}/")
    assert response.status_code == 503
    assert response.json() == {"detail": "The eSIM cannot be shown at the moment."}
