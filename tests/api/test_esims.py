"""Usage, packages and instructions of the signed-in user's eSIMs."""

from __future__ import annotations

import pytest

from tests.factories import EsimFactory, EsimInstructionsFactory, EsimPackageFactory, UsageRecordFactory, UserFactory

from .test_api import ESIMS, esim_of, signed_in, user

__all__ = ["signed_in", "user"]

pytestmark = pytest.mark.django_db


def url(esim, part=""):
    return f"{ESIMS}{esim.public_id}/{part}"


def test_what_is_left(signed_in, user):
    esim = esim_of(user, usage_status="active", remaining=512, total=1024, remaining_voice=0, total_voice=0)
    for body in (signed_in.get(url(esim)).json(), signed_in.get(ESIMS).json()["results"][0]):
        assert (body["usage_status"], body["expires_at"], body["usage_synced_at"]) == ("active", None, None)
        assert body["usage"]["data"] == {
            "is_unlimited": False,
            "remaining": 512,
            "total": 1024,
            "percentage": 50,
            "text": "512 MB of 1 GB left",
        }
        assert (body["usage"]["voice"], body["usage"]["texts"]) == (None, None)


def test_unlimited_data_has_no_amounts(signed_in, user):
    esim = esim_of(user, usage_status="active", remaining=0, total=0, is_unlimited=True)
    data = signed_in.get(url(esim)).json()["usage"]["data"]
    assert data == {"is_unlimited": True, "remaining": None, "total": None, "percentage": None, "text": "Unlimited"}


def test_an_unknown_remainder_is_never_shown_as_the_whole(signed_in, user):
    esim = esim_of(user, usage_status="active", remaining=None, total=2048)
    data = signed_in.get(url(esim)).json()["usage"]["data"]
    assert data == {
        "is_unlimited": False,
        "remaining": None,
        "total": 2048,
        "percentage": None,
        "text": "Not known how much is left",
    }


def test_packages(signed_in, user):
    esim = esim_of(user)
    EsimPackageFactory(esim=esim)
    EsimPackageFactory(esim=esim, title="Top-up", type="topup")
    EsimPackageFactory()
    body = signed_in.get(url(esim)).json()
    assert [package["title"] for package in body["packages"]] == ["Top-up", "1 GB - 7 Days"]
    assert body["packages"][0]["data_left"]["percentage"] == 50


def test_the_history(signed_in, user, django_assert_num_queries):
    esim = esim_of(user)
    for remaining in (900, 500):
        UsageRecordFactory(esim=esim, remaining=remaining, total=1000)
    UsageRecordFactory()
    with django_assert_num_queries(5):  # session, user, eSIM, count, records
        body = signed_in.get(url(esim, "usage/")).json()
    assert [row["data"]["remaining"] for row in body["results"]] == [500, 900]
    assert (body["count"], body["results"][0]["status"], body["results"][0]["source"]) == (2, "active", "look-up")
    assert "LPA" not in str(body)


def test_instructions(signed_in, user, airalo):
    esim = esim_of(user)
    response = signed_in.get(url(esim, "instructions/?language=de-at"))
    assert response["Cache-Control"] == "private, no-store"
    body = response.json()
    assert (body["language"], bool(body["ios"]), bool(body["android"])) == ("de", True, True)
    assert body["ios"][0]["qr_steps"]
    assert "qr_code_url" not in body["ios"][0]
    assert signed_in.get(url(esim, "instructions/?language=de")).json() == body
    assert esim.instructions.count() == 1


def test_instructions_that_cannot_be_had(signed_in, user, settings):
    settings.AIRALO_CLIENT_ID = ""
    response = signed_in.get(url(esim_of(user), "instructions/"))
    assert response.status_code == 503
    assert response.json() == {"detail": "The instructions cannot be shown at the moment."}


def test_the_instructions_of_others_are_not_found_and_not_fetched(signed_in, airalo):
    for esim in (EsimFactory(order__user=UserFactory()), EsimFactory()):
        EsimInstructionsFactory(esim=esim)
        for part in ("instructions/", "usage/"):
            assert signed_in.get(url(esim, part)).status_code == 404
