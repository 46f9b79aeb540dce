"""What is left of an eSIM: asked for, kept, signalled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_airalo import exceptions, services, signals
from django_airalo.models import Esim, UsageRecord
from django_airalo.services import database
from django_airalo.services import esims as esim_services
from tests.factories import LONG_AGO, EsimFactory, EsimOrderFactory, UserFactory, ago
from tests.scripted_server import Answer

from .test_queries import Queries
from .usage_support import NOT_FOUND, RECYCLED, RECYCLED_ERROR, TOO_MANY, package_row, packages_answer, usage_answer

pytestmark = pytest.mark.django_db


def path(esim):
    return f"/v2/sims/{esim.iccid}/usage"


def asked(server, esim):
    return len(server.requests(path(esim)))


def due(**fields):
    return EsimFactory(usage_due_at=LONG_AGO, **fields)


def in_use(**fields):
    """As Airalo's ``usage_answer()`` has it."""
    known = {"usage_status": "active", "remaining": 1024, "total": 2048, "is_unlimited": False, "remaining_voice": 0}
    known |= {"total_voice": 0, "remaining_text": 0, "total_text": 0, "expires_at": datetime(2099, 1, 1, tzinfo=UTC)}
    return due(**{**known, **fields})


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
        services.sync_due_usage()
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
    services.sync_due_usage()
    assert not esim_services._claim(as_read, database.now())


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
    assert esim.remaining in (None, 0)
    assert (esim.usage_status, esim.expires_at, esim.is_unlimited) == ("active", None, None)


@pytest.mark.parametrize("body", [{"data": []}, {"data": {}}, [], "OK", {"data": {"status": ""}}])
def test_an_answer_that_tells_nothing_changes_nothing(server, body):
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
        services.sync_due_usage()
    esim.refresh_from_db()
    assert (esim.usage_status, esim.usage_due_at, esim.is_over) == ("recycled", None, True)
    assert [kwargs["new_status"] for kwargs in heard.of("esim_status_changed")] == ["recycled"]
    services.sweep()
    assert asked(server, esim) == 1
    assert not server.requests(f"/v2/sims/{esim.iccid}/packages")


@pytest.mark.parametrize("status", ["FINISHED", "EXPIRED"])
def test_one_that_is_over_is_asked_for_again_only_after_a_top_up(server, status):
    esim = in_use()
    server.on(path(esim), usage_answer(status, remaining=0))
    server.on(f"/v2/sims/{esim.iccid}/packages", packages_answer(package_row()))
    services.sync_due_usage()
    services.sync_due_usage()
    esim.refresh_from_db()
    assert esim.usage_due_at > ago(0)  # once more, to be sure that its packages were kept
    Esim.objects.update(usage_due_at=LONG_AGO)
    services.sync_due_usage()
    esim.refresh_from_db()
    assert (esim.usage_due_at, asked(server, esim)) == (None, 2)

    services.usage_is_due_now(esim)
    services.sync_due_usage()  # Airalo's cache is old: still over
    esim.refresh_from_db()
    assert (asked(server, esim), esim.usage_status) == (3, status.lower())
    assert esim.usage_due_at > ago(0)
    server.on(path(esim), usage_answer(remaining=2048, total=4096))
    Esim.objects.update(usage_due_at=LONG_AGO)
    services.sync_due_usage()
    esim.refresh_from_db()
    assert (esim.usage_status, esim.total) == ("active", 4096)


def test_one_that_is_over_is_given_up_when_no_news_comes(server):
    esim = in_use(usage_status="finished", remaining=0, news_expected_at=ago(41 * 60))
    server.on(path(esim), usage_answer("FINISHED", remaining=0))
    services.sync_due_usage()
    esim.refresh_from_db()
    assert esim.usage_due_at is None


# When it is due next


def next_in_minutes(**fields):
    now = database.now()
    # Moments come as seconds ago, since the table is read long before the test is run.
    fields = {name: ago(value) if name.endswith("_at") else value for name, value in fields.items()}
    due_at = services.esims.next_usage(EsimFactory.build(usage_due_at=None, **fields), now)
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


@pytest.mark.parametrize("status", ["finished", "expired", "recycled"])
def test_there_is_no_next_time_for_what_is_over(status):
    assert next_in_minutes(usage_status=status) is None


def test_of_a_recycled_one_there_is_no_news_to_wait_for():
    assert next_in_minutes(usage_status="recycled", packages_due=True) is None
    assert next_in_minutes(usage_status="recycled", news_expected_at=1) is None


def test_its_end_is_noticed_soon():
    soon = ago(-60 * 60)
    now = database.now()
    esim = EsimFactory.build(usage_status="not_active", created_at=ago(90 * 86400), expires_at=soon)
    assert services.esims.next_usage(esim, now) == soon


# Errors


def test_a_429_stops_the_step_and_blocks_nothing(server):
    first, second = due(), due()
    Esim.objects.filter(pk=second.pk).update(usage_due_at=ago(60))
    server.on(path(first), TOO_MANY)
    server.on(path(second), usage_answer())
    assert services.sync_due_usage() == 0
    assert asked(server, second) == 0
    first.refresh_from_db()
    assert ago(-80) < first.usage_due_at < ago(-100)
    assert first.usage_error == ""
    assert services.sync_due_usage() == 1
    assert asked(server, second) == 1


@pytest.mark.parametrize(
    ("answer", "again_after"),
    [
        (NOT_FOUND, 24 * 3600),
        (Answer(500, {}), 20 * 60),
        (Answer(200, "<html>"), 20 * 60),
        (Answer(drop="close"), 1200),
    ],
)
def test_one_that_fails_keeps_no_other_from_being_looked_up(server, answer, again_after):
    first, second = due(), due()
    server.on(path(first), answer)
    server.on(path(second), usage_answer())
    assert services.sync_due_usage() == 1
    first.refresh_from_db()
    assert first.usage_error
    assert abs((first.usage_due_at - database.now()).total_seconds() - again_after) < 30
    second.refresh_from_db()
    assert second.usage_status == "active"
    server.on(path(first), usage_answer())
    Esim.objects.update(usage_due_at=LONG_AGO)
    services.sync_due_usage()
    first.refresh_from_db()
    assert first.usage_error == ""


def test_the_step_ends_when_its_time_is_over(server, monkeypatch):
    for esim in (due(), due(), due()):
        server.on(path(esim), Answer(200, usage_answer().body, delay=2.5))
    monkeypatch.setattr(esim_services, "SWEEP_PATIENCE", 2)
    assert services.sync_due_usage() == 1


def test_the_step_has_a_limit(server):
    for _ in range(3):
        server.on(path(due()), usage_answer())
    assert services.sync_due_usage(limit=2) == 2


def test_no_secret_is_decrypted_for_it(server, settings):
    esim = due()
    settings.AIRALO_ENCRYPTION_KEYS = []
    settings.SECRET_KEY = "another"
    server.on(path(esim), usage_answer())
    assert services.sync_due_usage() == 1


# Signals


def test_a_change_of_status_is_signalled(server, heard, committed):
    esim = in_use(usage_status="not_active", order__user=UserFactory())
    server.on(path(esim), usage_answer())
    with committed():
        services.sync_due_usage()
    (kwargs,) = heard.of("esim_status_changed")
    assert (kwargs["sender"], kwargs["esim"], kwargs["esim"].order.user.pk) == (Esim, esim, esim.order.user.pk)
    assert (kwargs["old_status"], kwargs["new_status"]) == ("not_active", "active")
    record = UsageRecord.objects.get()
    assert kwargs["event_id"] == record.event_id
    assert record.signalled_at


def test_a_change_of_amounts_is_not_signalled(server, heard, committed):
    esim = in_use()
    server.on(path(esim), usage_answer(remaining=3))
    with committed():
        services.sync_due_usage()
    assert UsageRecord.objects.get().signal_due_at is None
    assert not heard


def test_a_receiver_that_raised_hears_again(server, heard, committed):
    def raising(**kwargs):
        raise LookupError("no")

    esim = in_use(usage_status="not_active")
    server.on(path(esim), usage_answer())
    signals.esim_status_changed.connect(raising)
    try:
        with committed():
            services.sync_due_usage()
    finally:
        signals.esim_status_changed.disconnect(raising)
    record = UsageRecord.objects.get()
    assert "LookupError" in record.signal_error
    UsageRecord.objects.update(signal_due_at=LONG_AGO)
    assert services.sweep().signalled == 1
    assert len({kwargs["event_id"] for kwargs in heard.of("esim_status_changed")}) == 1
    assert len(heard.of("esim_status_changed")) == 2


@pytest.mark.parametrize("remaining", [1024, 1000])
def test_a_top_up_while_the_old_usage_is_on_its_way_is_not_lost(server, remaining):
    esim = in_use()
    as_read = Esim.objects.get()
    esim_services._claim(as_read, database.now())
    services.usage_is_due_now(esim)
    esim_services.record_usage(as_read, "active", {"remaining": remaining}, source="look-up")
    esim.refresh_from_db()
    assert esim.usage_due_at <= database.now()
    assert esim.packages_due


# Queries


def test_the_queries_of_a_look_up_without_news(server):
    def cost(count):
        for _ in range(count):
            server.on(path(in_use()), usage_answer())
        with Queries() as queries:
            assert services.sync_due_usage() == count
        return queries.count

    cost(1)
    # The claim, the clock, the outcome.
    assert cost(7) - cost(2) == 5 * 3


def test_the_queries_of_a_look_up_with_news(server):
    def cost(count):
        for _ in range(count):
            server.on(path(in_use(order=order)), usage_answer(remaining=17))
        with Queries() as queries:
            assert services.sync_due_usage() == count
        return queries.count

    order = EsimOrderFactory(completed=True)
    cost(1)
    # The claim, the clock; lock and read; the eSIM, the record.
    assert cost(7) - cost(2) == 5 * 6


def test_the_due_are_read_without_their_secrets(server):
    esim = due()
    server.on(path(esim), usage_answer())
    with Queries() as queries:
        services.sync_due_usage()
    assert not [sql for sql in queries.statements if "activation_code" in sql]


def test_querysets(server):
    soon, later = in_use(expires_at=ago(-3600)), in_use(expires_at=ago(-7200))
    in_use(expires_at=ago(-90 * 86400))
    in_use(usage_status="expired", expires_at=ago(60))
    assert Esim.objects.in_use().count() == 3
    assert list(Esim.objects.expiring_before(database.now() + timedelta(days=1))) == [soon, later]
