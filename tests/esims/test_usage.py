"""What is left of an eSIM: asked for, kept, signalled."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from django_airalo import exceptions, services
from django_airalo.models import Esim, UsageRecord
from django_airalo.services import operations
from django_airalo.services.core import database
from django_airalo.services.esims import usage as esim_services
from django_airalo.services.esims import usage_schedule
from tests.factories import LONG_AGO, EsimFactory, PackageFactory, ago
from tests.scripted_server import Answer

from .usage_support import (
    RECYCLED,
    RECYCLED_ERROR,
    asked,
    due,
    in_use,
    package_row,
    packages_answer,
    path,
    usage_answer,
)

pytestmark = pytest.mark.django_db


def test_usage_is_kept(server):
    esim = due()
    server.on(path(esim), usage_answer(remaining_voice="40", total_voice=100, remaining_text=7, total_text=20))
    esim = services.sync_usage(esim)
    assert (esim.usage_status, esim.remaining, esim.total, esim.is_unlimited) == ("active", 1024, 2048, False)
    assert (esim.remaining_voice, esim.total_voice, esim.remaining_text, esim.total_text) == (40, 100, 7, 20)
    assert esim.expires_at == datetime(2099, 1, 1, tzinfo=UTC)
    assert esim.usage_synced_at > ago(60)
    record = esim.usage_records.get()
    assert (record.source, record.old_status, record.status) == ("look-up", "unknown", "active")
    assert (record.remaining, record.total, record.remaining_voice) == (1024, 2048, 40)


def test_usage_that_is_the_same_leaves_no_record(server):
    esim = in_use()
    server.on(path(esim), usage_answer())
    assert services.sweep().usage == 1
    before = Esim.objects.get()
    assert before.usage_synced_at > ago(60)
    assert before.usage_due_at > ago(0)
    assert not UsageRecord.objects.exists()


def test_each_change_is_recorded(server):
    esim = in_use()
    server.on(path(esim), *(usage_answer(remaining=left) for left in (1000, 900, 900, 800)))
    for _ in range(4):
        Esim.objects.update(usage_due_at=LONG_AGO)
        operations.sync_due_usage()
    assert list(UsageRecord.objects.order_by("id").values_list("remaining", flat=True)) == [1000, 900, 800]


def test_it_is_not_asked_again_within_the_interval(server):
    esim = EsimFactory()
    server.on(path(esim), usage_answer())
    for _ in range(3):
        services.sync_usage(esim)
        services.sweep()
    assert asked(server, esim) == 1
    Esim.objects.update(usage_synced_at=ago(20 * 60 - 60))
    services.sync_usage(esim)
    assert asked(server, esim) == 1
    Esim.objects.update(usage_synced_at=ago(20 * 60 + 5))
    services.sync_usage(esim)
    assert asked(server, esim) == 2


def test_a_new_esim_is_not_asked_for_at_once(server, settings):
    esim = EsimFactory()
    services.sweep()
    assert ago(-19 * 60) < esim.usage_due_at < ago(-21 * 60)
    settings.AIRALO_SANDBOX = True
    assert ago(-59 * 60) < EsimFactory().usage_due_at < ago(-61 * 60)
    assert not server.requests()


def test_another_process_that_claimed_it_is_left_to_it(server):
    esim = due()
    as_read = Esim.objects.get()
    server.on(path(esim), usage_answer())
    operations.sync_due_usage()
    assert not esim_services._claim_usage(as_read, database.db_now())


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("NOT_ACTIVE", "not_active"),
        ("active", "active"),
        ("FINISHED", "finished"),
        ("EXPIRED", "expired"),
        ("UNKNOWN", "unknown"),
        ("SUSPENDED", "unknown"),
        (None, "unknown"),
        (["ACTIVE"], "unknown"),
    ],
)
def test_every_status_is_understood(server, told, kept):
    esim = due()
    server.on(path(esim), usage_answer(told))
    assert services.sync_usage(esim).usage_status == kept


@pytest.mark.parametrize("odd", [-5, "", "many", None, 1.5, 10**30, [], {}])
def test_odd_amounts_are_tolerated(server, odd):
    esim = due()
    server.on(path(esim), usage_answer(remaining=odd, total_voice=odd, expired_at="never", is_unlimited="perhaps"))
    esim = services.sync_usage(esim)
    assert esim.remaining == (1 if odd == 1.5 else None)
    assert (esim.usage_status, esim.expires_at, esim.is_unlimited) == ("active", None, None)


@pytest.mark.parametrize("body", [{"data": []}, {"data": {}}, [], "OK", {"data": {"status": ""}}])
def test_empty_usage_response_changes_nothing(server, body):
    esim = in_use()
    server.on(path(esim), Answer(200, body))
    with pytest.raises(exceptions.AiraloResponseError):
        services.sync_usage(esim)
    esim.refresh_from_db()
    assert (esim.usage_status, esim.remaining) == ("active", 1024)
    assert esim.usage_error


# The end of an eSIM


@pytest.mark.parametrize("answer", [RECYCLED, RECYCLED_ERROR])
def test_a_recycled_esim_is_never_asked_for_again(server, heard, committed, answer):
    esim = in_use()
    server.on(path(esim), answer)
    with committed():
        operations.sync_due_usage()
    esim.refresh_from_db()
    assert (esim.usage_status, esim.usage_due_at, esim.is_over) == ("recycled", None, True)
    assert [kwargs["new_status"] for kwargs in heard.of("esim_status_changed")] == ["recycled"]
    services.sweep()
    assert asked(server, esim) == 1
    assert not server.requests(f"/v2/sims/{esim.iccid}/packages")


@pytest.mark.parametrize("status", ["FINISHED", "EXPIRED"])
def test_one_that_is_over_is_asked_for_again_soon_after_a_top_up(server, status):
    esim = in_use()
    server.on(path(esim), usage_answer(status, remaining=0))
    server.on(f"/v2/sims/{esim.iccid}/packages", packages_answer(package_row()))
    operations.sync_due_usage()
    operations.sync_due_usage()
    esim.refresh_from_db()
    assert ago(0) < esim.usage_due_at < ago(-3600)  # once more, to be sure that its packages were kept
    Esim.objects.update(usage_due_at=LONG_AGO)
    operations.sync_due_usage()
    esim.refresh_from_db()
    assert asked(server, esim) == 2
    assert ago(-23 * 3600) < esim.usage_due_at < ago(-25 * 3600)

    services.request_usage_sync(esim)
    operations.sync_due_usage()  # Airalo's cache is old: still over
    esim.refresh_from_db()
    assert (asked(server, esim), esim.usage_status) == (3, status.lower())
    assert ago(0) < esim.usage_due_at < ago(-3600)
    server.on(path(esim), usage_answer(remaining=2048, total=4096))
    Esim.objects.update(usage_due_at=LONG_AGO)
    operations.sync_due_usage()
    esim.refresh_from_db()
    assert (esim.usage_status, esim.total, esim.over_since) == ("active", 4096, None)


@pytest.mark.parametrize(("grace", "days"), [(None, 30), (90, 90), (0, 0)])
def test_one_that_is_over_is_looked_at_daily_for_as_long_as_it_can_be_topped_up(server, grace, days):
    package = PackageFactory(operator__topup_grace_window_days=grace)
    esim = in_use(usage_status="finished", remaining=0, order__package_id=package.package_id)
    server.on(path(esim), usage_answer("FINISHED", remaining=0))
    looked_up = 0
    for day in range(days + 2):
        Esim.objects.update(over_since=ago(day * 86400 + 60))
        operations.sync_due_usage()
        looked_up = asked(server, esim)
        esim.refresh_from_db()
        if esim.usage_due_at is None:
            break
        assert ago(-86400 + 60) < esim.usage_due_at < ago(-86400 - 60)
        Esim.objects.update(usage_due_at=LONG_AGO)
    assert (esim.usage_due_at, looked_up) == (None, days + 1)


def test_a_top_up_elsewhere_makes_a_used_up_esim_active_again(server, heard, committed):
    esim = in_use(usage_status="finished", remaining=0, over_since=ago(5 * 86400))
    server.on(path(esim), usage_answer(remaining=2048, total=4096))
    with committed():
        operations.sync_due_usage()
    esim.refresh_from_db()
    assert (esim.usage_status, esim.over_since) == ("active", None)
    assert esim.topped_up_at > ago(60)
    assert [kwargs["new_status"] for kwargs in heard.of("esim_status_changed")] == ["active"]


def test_an_esim_that_expired_long_ago_is_not_looked_at_daily(server):
    esim = in_use()
    server.on(path(esim), usage_answer("EXPIRED", remaining=0, expired_at="2020-01-01 00:00:00"))
    Esim.objects.update(packages_due=False)
    operations.sync_due_usage()
    Esim.objects.update(usage_due_at=LONG_AGO, packages_due=False)
    operations.sync_due_usage()
    esim.refresh_from_db()
    assert (esim.usage_due_at, esim.over_since) == (None, datetime(2020, 1, 1, tzinfo=UTC))


def test_unknown_top_up_in_package_list_schedules_usage_sync(server):
    esim = EsimFactory(usage_status="finished", usage_due_at=None)
    packages = f"/v2/sims/{esim.iccid}/packages"
    server.on(packages, packages_answer(package_row(1, package={"type": "sim"}), package_row(2)))
    services.sync_esim_packages(esim)
    esim.refresh_from_db()
    assert (esim.usage_due_at, esim.topped_up_at) == (None, None)  # all that was bought before
    server.on(packages, packages_answer(package_row(2), package_row(3)))
    services.sync_esim_packages(esim)
    esim.refresh_from_db()
    assert esim.usage_due_at <= database.db_now()
    assert esim.topped_up_at > ago(60)


# When it is due next


def next_in_minutes(**fields):
    now = database.db_now()
    # Moments come as seconds ago, since the table is read long before the test is run.
    fields = {name: ago(value) if name.endswith("_at") else value for name, value in fields.items()}
    due_at = usage_schedule.next_usage(EsimFactory.build(usage_due_at=None, **fields), now)
    return None if due_at is None else round((due_at - now).total_seconds() / 60)


@pytest.mark.parametrize(
    ("fields", "least", "most"),
    [
        ({"usage_status": "active", "remaining": 900, "total": 1000}, 120, 132),
        ({"usage_status": "active", "remaining": 240, "total": 1000}, 20, 22),
        ({"usage_status": "active", "remaining": 0, "total": 0, "is_unlimited": True}, 120, 132),
        ({"usage_status": "active", "remaining": 900, "total": 1000, "expires_at": -23 * 3600}, 20, 22),
        ({"usage_status": "active", "remaining": 900, "total": 1000, "expires_at": -25 * 3600}, 120, 132),
        ({"usage_status": "active", "remaining": 900, "total": 1000, "expires_at": 3600}, 20, 22),
        ({"usage_status": "active", "remaining": 900, "total": 1000, "expires_at": 30 * 86400}, 120, 132),
        ({"usage_status": "not_active", "created_at": 60}, 60, 66),
        ({"usage_status": "not_active", "created_at": 100 * 3600}, 600, 661),
        ({"usage_status": "not_active", "created_at": 90 * 86400}, 1440, 1584),
        ({"usage_status": "unknown", "created_at": 60}, 60, 66),
        ({"usage_status": "finished", "packages_due": True}, 20, 20),
    ],
)
def test_the_next_time(fields, least, most):
    assert least <= next_in_minutes(**fields) <= most


def test_recycled_esim_has_no_next_usage_sync():
    assert next_in_minutes(usage_status="recycled", packages_due=True) is None
    assert next_in_minutes(usage_status="recycled", usage_change_expected_at=1) is None


def test_usage_is_synced_when_esim_expires():
    soon = ago(-60 * 60)
    now = database.db_now()
    esim = EsimFactory.build(usage_status="not_active", created_at=ago(90 * 86400), expires_at=soon)
    assert usage_schedule.next_usage(esim, now) == soon
