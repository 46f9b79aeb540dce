"""Whatever becomes of one part of Airalo's answer about an eSIM: what was known of it stays."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from django_airalo import services
from django_airalo.exceptions import AiraloAPIError
from django_airalo.models import Esim, EsimPackage, UsageRecord
from tests.factories import LONG_AGO, EsimFactory
from tests.mutated import mutations
from tests.scripted_server import Answer

from .usage_support import package_row, packages_answer, usage_answer

pytestmark = pytest.mark.django_db

GOOD = usage_answer(
    remaining=1024, total=2048, remaining_voice=40, total_voice=100, remaining_text=7, total_text=20, is_unlimited=False
).body
KNOWN = ("usage_status", "remaining", "total", "remaining_voice", "total_voice", "remaining_text", "total_text")
KNOWN += ("is_unlimited", "expires_at")


def known(esim):
    return Esim.objects.filter(pk=esim.pk).values(*KNOWN).get()


def look_up(server, esim, body):
    Esim.objects.update(usage_due_at=LONG_AGO)
    server.on(f"/v2/sims/{esim.iccid}/usage", body if isinstance(body, Answer) else Answer(200, body))
    try:
        services.sync_usage(esim)
    except AiraloAPIError:
        assert Esim.objects.get(pk=esim.pk).usage_error


def test_no_mutation_of_a_usage_answer_makes_the_known_usage_worse(server):
    esim = EsimFactory()
    look_up(server, esim, GOOD)
    before = known(esim)
    assert None not in before.values()
    assert UsageRecord.objects.count() == 1
    for name, body in mutations(GOOD):
        look_up(server, esim, body)
        assert known(esim) == before, name
    assert UsageRecord.objects.count() == 1
    look_up(server, esim, usage_answer(remaining=1))
    assert known(esim)["remaining"] == 1


def test_no_mutation_of_a_usage_answer_keeps_the_other_values_from_being_understood(server):
    """One odd value takes nothing from the rest: each of the others is news, and is kept."""
    esim = EsimFactory()
    for name in ("remaining", "remaining_voice", "remaining_text", "total", "expired_at", "is_unlimited"):
        look_up(server, esim, GOOD)
        news = usage_answer(remaining=3, total=4, remaining_voice=5, total_voice=6, remaining_text=7, total_text=8)
        news.body["data"][name] = ["odd"]
        look_up(server, esim, news)
        kept = known(esim)
        column = {"expired_at": "expires_at"}.get(name, name)
        expected = {"remaining": 3, "total": 4, "remaining_voice": 5, "total_voice": 6, "remaining_text": 7}
        expected |= {"total_text": 8, "is_unlimited": False, "expires_at": datetime(2099, 1, 1, tzinfo=UTC)}
        first = {"remaining": 1024, "total": 2048, "remaining_voice": 40, "remaining_text": 7}
        expected |= {column: first[column]} if column in first else {}
        assert {key: kept[key] for key in expected} == expected, name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (350.5, 350),
        ("350.50", 350),
        ("350", 350),
        ("1,350.5", 1350),
        ("1.350,50", 1350),
        ("1,350", 1024),
        ("1.350", 1024),
        (0.4, 1),
        (0, 0),
        (-1, 1024),
        ("350 MB", 1024),
        (True, 1024),
        (None, 1024),
    ],
)
def test_an_amount_that_is_not_understood_leaves_the_old_one(server, sent, kept):
    esim = EsimFactory()
    look_up(server, esim, GOOD)
    look_up(server, esim, usage_answer(remaining=sent))
    esim.refresh_from_db()
    assert esim.remaining == kept


@pytest.mark.parametrize("status", ["SUSPENDED", "UNKNOWN", "", None, 7, ["ACTIVE"]])
def test_a_status_that_is_not_known_leaves_the_old_one(server, heard, committed, status):
    esim = EsimFactory()
    look_up(server, esim, GOOD)
    with committed():
        look_up(server, esim, usage_answer(status, remaining=900))
    esim.refresh_from_db()
    assert (esim.usage_status, esim.remaining) == ("active", 900)
    assert [kwargs["new_status"] for kwargs in heard.of("esim_status_changed")] == ["active"]


def test_what_was_not_understood_is_said_on_the_esim(server):
    esim = EsimFactory()
    look_up(server, esim, usage_answer("SUSPENDED", remaining="1,350", total=None))
    esim.refresh_from_db()
    assert esim.usage_error == "Not understood: status 'SUSPENDED', remaining '1,350'."
    look_up(server, esim, GOOD)
    esim.refresh_from_db()
    assert esim.usage_error == ""


# The packages of an eSIM

ROW = package_row(
    5, remaining=512, finished_at="2026-02-01T10:30:45+00:00", package={"voice": 40, "text": 20, "is_unlimited": False}
)
MIRRORED = ("package_id", "type", "title", "status", "remaining", "amount", "is_unlimited", "activated_at")
MIRRORED += ("expires_at", "finished_at")


def test_no_mutation_of_the_packages_of_an_esim_makes_them_worse(server):
    esim = EsimFactory()
    path = f"/v2/sims/{esim.iccid}/packages"
    good = packages_answer(ROW).body
    server.on(path, Answer(200, good))
    services.sync_esim_packages(esim)
    before = list(EsimPackage.objects.values("airalo_id", *MIRRORED))
    assert not [value for value in before[0].values() if value in (None, "")]
    for name, body in mutations(good):
        server.on(path, Answer(200, body))
        with suppress(AiraloAPIError):  # refused as a whole: nothing was written
            services.sync_esim_packages(esim)
        assert list(EsimPackage.objects.values("airalo_id", *MIRRORED)) == before, name


def test_a_status_of_a_package_that_is_not_known_leaves_the_old_one(server):
    esim = EsimFactory()
    path = f"/v2/sims/{esim.iccid}/packages"
    for status in ("ACTIVE", "SUSPENDED", "FINISHED"):
        server.on(path, packages_answer(package_row(5, status=status)))
        services.sync_esim_packages(esim)
        kept = EsimPackage.objects.get().status
        assert kept == {"SUSPENDED": "active"}.get(status, status.lower())
