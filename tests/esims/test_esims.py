"""Packages of an eSIM, instructions, the list of eSIMs, brands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import translation

from django_airalo import exceptions, services
from django_airalo.conf import conf
from django_airalo.models import Esim, EsimInstructions, EsimPackage
from django_airalo.services import operations
from django_airalo.services.esims.instructions import ALIASES, LANGUAGES, airalo_language
from tests.core.test_queries import Queries
from tests.factories import LONG_AGO, EsimFactory, ago
from tests.scripted_server import Answer

from .usage_support import NOT_FOUND, TOO_MANY, package_row, packages_answer, usage_answer

pytestmark = pytest.mark.django_db


# Packages


def packages_path(esim):
    return f"/v2/sims/{esim.iccid}/packages"


def test_packages_are_kept(server):
    esim = EsimFactory(packages_due=True)
    first = package_row(1, status="FINISHED", finished_at="2026-01-20T00:00:00+00:00", remaining=0)
    server.on(packages_path(esim), packages_answer(package_row(2, package={"is_unlimited": True}), first))
    assert [package.airalo_id for package in services.sync_esim_packages(esim)] == [2, 1]
    newest, oldest = esim.packages.all()
    assert (newest.package_id, newest.type, newest.title) == ("test-mobile-7days-1gb-topup", "topup", "1 GB - 7 Days")
    assert (newest.status, newest.remaining, newest.amount, str(newest.data)) == ("active", 512, 1024, "Unlimited")
    assert newest.activated_at == datetime(2026, 1, 9, 10, 30, 45, tzinfo=UTC)
    assert newest.expires_at == datetime(2026, 2, 9, 10, 30, 45, tzinfo=UTC)
    assert (oldest.status, oldest.finished_at) == ("finished", datetime(2026, 1, 20, tzinfo=UTC))
    assert (str(oldest.data), oldest.data.percentage) == ("0 MB of 1 GB left", 0)
    esim.refresh_from_db()
    assert not esim.packages_due
    assert esim.packages_synced_at > ago(60)


def test_packages_again_write_only_what_changed(server):
    esim = EsimFactory()
    rows = [package_row(number) for number in (1, 2)]
    server.on(packages_path(esim), packages_answer(*rows))
    services.sync_esim_packages(esim)
    with Queries() as queries:
        services.sync_esim_packages(esim)
    # The ICCID; lock and read; the packages; the clock, the eSIM.
    assert queries.count == 6, queries
    server.on(packages_path(esim), packages_answer({**rows[0], "status": "EXPIRED"}))
    services.sync_esim_packages(esim)
    assert list(EsimPackage.objects.values_list("airalo_id", "status")) == [(2, "active"), (1, "expired")]


def test_odd_packages_are_tolerated(server):
    esim = EsimFactory()
    odd = {"id": "7", "status": "PAUSED", "remaining": -1, "activated_at": "soon", "package": None}
    server.on(packages_path(esim), packages_answer(odd, {"id": None}))
    (package,) = services.sync_esim_packages(esim)
    assert (package.airalo_id, package.status, package.remaining) == (7, "unknown", None)


def test_packages_that_airalo_does_not_know_are_not_asked_for_again(server):
    esim = EsimFactory(packages_due=True)
    server.on(packages_path(esim), NOT_FOUND)
    with pytest.raises(exceptions.AiraloNotFoundError):
        services.sync_esim_packages(esim)
    esim.refresh_from_db()
    assert not esim.packages_due


def test_an_esim_that_comes_into_use_gets_its_packages(server):
    esim = EsimFactory(usage_due_at=LONG_AGO, usage_status="not_active")
    server.on(f"/v2/sims/{esim.iccid}/usage", usage_answer())
    server.on(packages_path(esim), TOO_MANY, packages_answer(package_row()))
    operations.sync_due_usage()
    assert not esim.packages.exists()
    Esim.objects.update(usage_due_at=LONG_AGO)
    operations.sync_due_usage()
    assert esim.packages.count() == 1
    Esim.objects.update(usage_due_at=LONG_AGO)
    operations.sync_due_usage()
    assert len(server.requests(packages_path(esim))) == 2


# Instructions


def guide(version, code):
    return {
        "model": None,
        "version": version,
        "installation_via_qr_code": {
            "steps": {"1": "Open <Settings>.", "2": "Scan the code."},
            "qr_code_data": code,
            "qr_code_url": "https://airalo.example.com/qr?id=1",
        },
        "installation_manual": {"steps": {"1": "Type it."}, "smdp_address_and_activation_code": "rsp.example.com"},
        "network_setup": {"steps": {"1": "Roam."}, "apn_type": "manual", "apn_value": "wap", "is_roaming": True},
    }


def instructions_answer(language="EN", code="LPA:1$rsp.example.com$SECRET"):
    content = {"language": language, "ios": [guide("17,16", code)], "android": [guide(None, code)]}
    return Answer(200, {"data": {"instructions": content}, "meta": {"message": "success"}})


def instructions_path(esim):
    return f"/v2/sims/{esim.iccid}/instructions"


@pytest.mark.parametrize(
    ("django", "airalo"),
    [
        ("en", "en"),
        ("en-gb", "en"),
        ("de-at", "de"),
        ("pt", "pt"),
        ("pt-br", "pt-BR"),
        ("es", "es-ES"),
        ("es-mx", "es-419"),
        ("es-es", "es-ES"),
        ("es-eu", "es-ES"),
        ("zh-hans", "zh-CN"),
        ("zh-hant", "zh-TW"),
        ("zh-hant-tw", "zh-TW"),
        ("zh_TW", "zh-TW"),
        ("sr-latn", "sr-CS"),
        ("sv", "sv-SE"),
        ("nn", "nb"),
        ("hu", "hun"),
        ("hy", "hy-AM"),
        ("ur", "ur-PK"),
        ("cy", "en"),
        ("", "en"),
        ("x" * 300, "en"),
        ("de-DE-1996", "de"),
    ],
)
def test_languages(django, airalo):
    assert airalo_language(django) == airalo


def test_the_languages_are_those_that_airalo_names():
    assert len(set(LANGUAGES)) == 52
    assert set(ALIASES.values()) <= set(LANGUAGES)
    assert all(airalo_language(language) == language for language in LANGUAGES)


def test_instructions_are_fetched_once_per_language(server):
    esim = EsimFactory()
    server.on(instructions_path(esim), instructions_answer("EN"), instructions_answer("DE"))
    with translation.override("en-gb"):
        first = services.get_instructions(esim)
        assert services.get_instructions(esim).pk == first.pk
    with translation.override("de-at"):
        german = services.get_instructions(esim)
    assert services.get_instructions(esim, language="de").pk == german.pk
    asked = [request.headers.get("accept-language") for request in server.requests(instructions_path(esim))]
    assert asked == ["en", "de"]
    (ios,) = first.guides.ios
    assert (ios.version, ios.qr_steps, ios.manual_steps) == (
        "17,16",
        ("Open <Settings>.", "Scan the code."),
        ("Type it.",),
    )
    assert (ios.network_steps, ios.apn_value, ios.is_roaming) == (("Roam.",), "wap", True)
    assert german.guides.language == "DE"
    assert EsimInstructions.objects.get(pk=german.pk).guides.android[0].qr_steps == ios.qr_steps


def test_no_secret_of_them_is_in_the_clear(server, django_assert_num_queries):
    esim = EsimFactory()
    server.on(instructions_path(esim), instructions_answer())
    kept = services.get_instructions(esim, language="en")
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM django_airalo_esiminstructions")
        assert "SECRET" not in cursor.fetchone()[0]
    assert "SECRET" not in repr(kept) + repr(kept.guides)
    with django_assert_num_queries(2):  # the instructions, the clock
        services.get_instructions(esim, language="en")


@pytest.mark.parametrize("answer", [Answer(500, {}), TOO_MANY, Answer(200, {"data": {"instructions": []}})])
def test_old_instructions_are_shown_when_airalo_is_away(server, answer):
    esim = EsimFactory()
    server.on(instructions_path(esim), instructions_answer(), answer)
    kept = services.get_instructions(esim, language="en")
    EsimInstructions.objects.update(refresh_at=LONG_AGO)
    for _ in range(3):
        assert services.get_instructions(esim, language="en").guides == kept.guides
    first_failure = len(server.requests(instructions_path(esim)))
    services.get_instructions(esim, language="en")
    assert len(server.requests(instructions_path(esim))) == first_failure  # not at every view of the page
    with pytest.raises(exceptions.AiraloAPIError):
        services.get_instructions(esim, language="de")


def test_old_instructions_are_shown_when_credentials_are_missing(server, settings):
    esim = EsimFactory()
    server.on(instructions_path(esim), instructions_answer())
    kept = services.get_instructions(esim, language="en")
    EsimInstructions.objects.update(refresh_at=LONG_AGO)
    settings.AIRALO_CLIENT_SECRET = ""
    assert services.get_instructions(esim, language="en").guides == kept.guides
    with pytest.raises(exceptions.AiraloConfigurationError):
        services.get_instructions(esim, language="de")


def test_old_instructions_are_fetched_again(server, monkeypatch):
    esim = EsimFactory()
    server.on(instructions_path(esim), instructions_answer(), instructions_answer(code="LPA:1$new$CODE"))
    monkeypatch.setattr(conf, "INSTRUCTIONS_MAX_AGE", 0.001)
    services.get_instructions(esim, language="en")
    assert services.get_instructions(esim, language="en").guides.ios[0].qr_code_data == "LPA:1$new$CODE"
    assert EsimInstructions.objects.count() == 1


def test_instructions_with_lost_key_are_fetched_again(server, settings):
    esim = EsimFactory()
    server.on(instructions_path(esim), instructions_answer())
    services.get_instructions(esim, language="en")
    settings.SECRET_KEY = "another"
    esim = Esim.objects.without_secrets().get()
    assert services.get_instructions(esim, language="en").guides.ios
    assert len(server.requests(instructions_path(esim))) == 2


# The list


def sim_row(esim, **fields):
    simable = {"id": 1, "package_id": "test-mobile-7days-1gb", "sharing": fields.pop("sharing", None)}
    row = {"iccid": esim.iccid, "brand_settings_name": None, "recycled": False, "recycled_at": None}
    return {**row, "simable": simable, **fields}


def list_answer(*rows, page=1, last=1):
    meta = {"current_page": page, "last_page": last, "total": len(rows), "per_page": "100"}
    return Answer(200, {"data": list(rows), "links": {}, "meta": meta})


def test_the_list_brings_esims_up_to_date(server, heard, committed, capsys):
    plain, branded, recycled = (EsimFactory(usage_status="active") for _ in range(3))
    sharing = {"link": "https://share.example.com/x", "access_code": "4812"}
    foreign = EsimFactory.build(iccid="8999999999999999999")
    server.on(
        "/v2/sims",
        list_answer(sim_row(plain), sim_row(branded, brand_settings_name="Ours", sharing=sharing), page=1, last=2),
        list_answer(
            sim_row(recycled, recycled=True, recycled_at="2026-05-05 10:52:39"), sim_row(foreign), page=2, last=2
        ),
    )
    with committed():
        call_command("airalo_sync_esims")
    assert capsys.readouterr().out == "listed=4 changed=2 unknown=1\n"
    for esim in (branded, recycled):
        esim.refresh_from_db()
    assert (branded.brand_settings_name, branded.sharing_link) == ("Ours", "https://share.example.com/x")
    assert branded.sharing_access_code == "4812"
    assert (recycled.usage_status, recycled.usage_due_at) == ("recycled", None)
    assert recycled.recycled_at == datetime(2026, 5, 5, 10, 52, 39, tzinfo=UTC)
    assert recycled.usage_records.get().source == "list"
    assert [kwargs["esim"].pk for kwargs in heard.of("esim_status_changed")] == [recycled.pk]
    assert not Esim.objects.filter(iccid=foreign.iccid).exists()


def test_the_list_again_writes_nothing(server):
    esims = [EsimFactory() for _ in range(5)]
    sharing = {"link": "https://share.example.com/x", "access_code": "4812"}
    rows = [
        sim_row(esim, brand_settings_name="Ours", sharing=sharing, recycled=True, recycled_at="2026-05-05 10:52:39")
        for esim in esims
    ]
    server.on("/v2/sims", list_answer(*rows))
    assert operations.sync_esims().changed == 5
    with Queries() as queries:
        assert operations.sync_esims(created_at="2026-01-01 - 2026-12-31").changed == 0
    # The orders that Airalo names, those of our eSIMs, all their eSIMs, their sharing links, the clock (and what codes
    # are known by, if there are any).
    assert queries.count == 5, queries
    assert server.requests("/v2/sims")[-1].query["filter[created_at]"] == "2026-01-01 - 2026-12-31"


def test_sharing_links_with_lost_key_are_written_again(server, settings):
    esim = EsimFactory(sharing_link="https://share.example.com/old", sharing_access_code="1")
    settings.SECRET_KEY = "another"
    sharing = {"link": "https://share.example.com/new", "access_code": "2"}
    server.on("/v2/sims", list_answer(sim_row(esim, sharing=sharing)))
    operations.sync_esims()
    assert Esim.objects.values_list("sharing_link", flat=True).get() == "https://share.example.com/new"


def test_what_the_list_does_not_say_is_left_alone(server):
    esim = EsimFactory(brand_settings_name="Ours", sharing_link="https://share.example.com/x")
    server.on("/v2/sims", list_answer({"iccid": esim.iccid}, {"iccid": None}, {}))
    report = operations.sync_esims()
    assert (report.listed, report.changed, report.unknown) == (3, 0, 2)


def test_a_list_that_cannot_be_read_is_an_error_of_the_command(server):
    server.on("/v2/sims", Answer(500, {}))
    with pytest.raises(CommandError, match="500"):
        call_command("airalo_sync_esims")


def test_one_esim_by_itself(server):
    esim = EsimFactory()
    server.on(f"/v2/sims/{esim.iccid}", Answer(200, {"data": sim_row(esim, brand_settings_name="Ours")}))
    assert services.sync_esim(esim).brand_settings_name == "Ours"


# Brand


@pytest.mark.parametrize(("name", "kept"), [("Ours", "Ours"), (None, ""), ("", "")])
def test_a_brand_is_set(server, name, kept):
    esim = EsimFactory(brand_settings_name="Old")
    path = f"/v2/sims/{esim.iccid}/brand"
    server.on(path, Answer(200, {"data": {"brand_settings_name": name}, "meta": {"message": "success"}}))
    assert operations.set_brand(esim, name=name).brand_settings_name == kept
    (request,) = server.requests(path)
    assert (request.method, request.json()) == ("PUT", {"brand_settings_name": name or None})


def test_a_brand_that_is_none_is_refused(server):
    esim = EsimFactory(brand_settings_name="Old")
    refused = {"data": {"brand_settings_name": "Brand settings name doesn't exist."}, "meta": {"message": "invalid"}}
    server.on(f"/v2/sims/{esim.iccid}/brand", Answer(422, refused))
    with pytest.raises(exceptions.AiraloRefusedError):
        operations.set_brand(esim, name="Nobody's")
    esim.refresh_from_db()
    assert esim.brand_settings_name == "Old"
