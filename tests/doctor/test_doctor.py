"""The doctor: each check passes where all is right, and says so where it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from django_airalo.emulator import Emulator
from django_airalo.models import ExchangeRate, Heartbeat, OrderEvent, Refund, SubmissionPause, SyncRun, Voucher
from django_airalo.services import doctor
from django_airalo.services.account import balance
from django_airalo.services.core import database, heartbeats
from django_airalo.services.doctor import airalo as airalo_checks
from django_airalo.services.doctor import shop as shop_checks
from django_airalo.services.doctor.result import CheckContext
from tests.factories import (
    FAR_AHEAD,
    LONG_AGO,
    EsimFactory,
    EsimOrderFactory,
    PackageFactory,
    RefundFactory,
    VoucherFactory,
)
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db


def look(check, **options):
    result = check(CheckContext(**options))
    assert result.message
    assert bool(result.remedy) == (result.level in ("warn", "fail"))
    return result


def level(check, **options):
    return look(check, **options).level


# Airalo's side


def test_missing_credential_fails(settings):
    assert level(airalo_checks.credentials) == "pass"
    settings.AIRALO_CLIENT_SECRET = ""
    result = look(airalo_checks.credentials)
    assert result.level == "fail"
    assert "AIRALO_CLIENT_SECRET" in result.message
    assert "AIRALO_CLIENT_ID" not in result.message


def test_refused_token_fails_without_showing_secret(emulated_airalo, settings):
    assert level(airalo_checks.token) == "pass"
    settings.AIRALO_CLIENT_SECRET = "another one"
    result = look(airalo_checks.token)
    assert result.level == "fail"
    assert "another one" not in result.message


def test_clock_passes_and_warns_when_airalo_is_unavailable(emulated_airalo, settings):
    assert level(airalo_checks.clock) == "pass"
    settings.AIRALO_BASE_URL = "http://127.0.0.1:9"
    assert level(airalo_checks.clock) == "warn"


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0.2, "pass"), (2, "warn"), (-2, "warn"), (10, "fail"), (-10, "fail")]
)
def test_clock_differing_from_airalo_warns_or_fails(settings, minutes, expected):
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    with ScriptedServer() as server:
        server.on("/v2", Answer(404, headers={"Date": date}))
        settings.AIRALO_BASE_URL = f"{server.url}/v2"
        assert level(airalo_checks.clock) == expected


def test_balance_passes_warns_when_low_and_fails_when_unavailable(emulated_airalo, settings):
    result = look(airalo_checks.balance)
    assert result.level == "pass"
    assert str(balance.latest_balance()) in result.message
    assert balance.latest_balance().source == "doctor"
    settings.AIRALO_LOW_BALANCE = balance.latest_balance().amount + 1
    assert level(airalo_checks.balance) == "warn"
    settings.AIRALO_BASE_URL = "http://127.0.0.1:9"
    assert level(airalo_checks.balance) == "fail"


def test_ip_allow_list_fails_only_for_refused_address(settings):
    with ScriptedServer() as server:
        server.on("/v2/token", Answer(200, {"data": {"access_token": "a" * 40, "expires_in": 86400}}))
        settings.AIRALO_BASE_URL = server.url
        for answer, expected in (
            (Answer(403, {"code": 89, "reason": "Your IP address is not permitted."}), "fail"),
            (Answer(404), "skip"),
            (Answer(200, {"data": {"balances": {"availableBalance": {"amount": 5, "currency": "USD"}}}}), "pass"),
        ):
            server.on("/v2/balance", answer)
            assert level(airalo_checks.ip_allow_list) == expected


def test_webhook_url_of_real_view_passes(live_server, settings):
    settings.AIRALO_WEBHOOK_URL, settings.AIRALO_WEBHOOK_URL_TOKEN = (
        f"{live_server.url}/airalo/webhook/",
        "s3cret-token",
    )
    assert level(airalo_checks.webhook_url) == "pass"


@pytest.mark.parametrize(("head", "post"), [(404, 401), (301, 401), (200, 403), (200, 200), (401, 401)])
def test_webhook_url_with_unexpected_answer_fails(settings, head, post):
    with ScriptedServer() as server:
        server.on("/", Answer(head), Answer(post))
        settings.AIRALO_WEBHOOK_URL = f"{server.url}/"
        assert level(airalo_checks.webhook_url) == "fail"


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/"])
def test_missing_or_unanswered_webhook_url_fails(settings, address):
    settings.AIRALO_WEBHOOK_URL = address
    assert level(airalo_checks.webhook_url) == "fail"


@pytest.mark.parametrize(("address", "expected"), [("", "skip"), ("http://127.0.0.1:9/", "warn")])
def test_synchronous_mode_does_not_need_webhook_url(settings, address, expected):
    settings.AIRALO_ORDER_MODE, settings.AIRALO_WEBHOOK_URL = "sync", address
    assert level(airalo_checks.webhook_url) == expected


def test_local_webhook_url_is_reported_as_unreachable_for_airalo(settings, live_server):
    settings.AIRALO_WEBHOOK_URL = f"{live_server.url}/airalo/webhook/"
    settings.AIRALO_BASE_URL = "https://partners-api.example.com"
    assert "cannot reach" in look(airalo_checks.webhook_url).message


@pytest.mark.django_db(transaction=True)
def test_simulated_webhook_is_delivered_and_wrong_secret_fails(emulated_airalo, live_server, settings):
    settings.AIRALO_WEBHOOK_URL = f"{live_server.url}/airalo/webhook/"
    assert level(airalo_checks.webhook_delivery) == "skip"
    result = look(airalo_checks.webhook_delivery, simulate=True)
    assert (result.level, result.message.endswith("raw.")) == ("pass", True)
    # The same bytes again are the same event, and count as arrived.
    assert level(airalo_checks.webhook_delivery, simulate=True) == "pass"
    settings.AIRALO_WEBHOOK_SECRETS = ["another secret"]
    assert level(airalo_checks.webhook_delivery, simulate=True, wait=0) == "fail"


def test_simulated_webhook_sent_elsewhere_fails(emulated_airalo):
    assert level(airalo_checks.webhook_delivery, simulate=True, wait=0) == "fail"  # the receiver's 200 keeps nothing


def test_missing_opt_in_warns_and_other_address_is_reported(emulated_airalo, settings):
    from django_airalo.services import operations

    assert level(airalo_checks.opted_in) == "warn"
    operations.opt_in("webhook_low_data")
    assert level(airalo_checks.opted_in) == "pass"
    settings.AIRALO_WEBHOOK_URL = "https://shop.example.com/airalo/webhook/"
    assert "not to this shop" in look(airalo_checks.opted_in).message
    operations.opt_in("email_low_data", email="a@example.com")
    assert level(airalo_checks.opted_in) == "pass"


# The shop's side


def test_settings_report_warnings_and_errors_of_system_checks(settings):
    backend, options = "django.core.cache.backends.db.DatabaseCache", {"MAX_ENTRIES": 10_000}
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "cache", "OPTIONS": options}}
    settings.AIRALO_BASE_URL = "https://partners-api.example.com"
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    settings.AIRALO_DEPLOYMENT = "0123456789abcdef" * 2
    settings.SILENCED_SYSTEM_CHECKS = ["django_airalo.W006"]
    assert level(shop_checks.system_checks) == "pass"
    settings.AIRALO_ENCRYPTION_KEYS = []
    result = look(shop_checks.system_checks)
    assert (result.level, "W007" in result.message) == ("warn", True)
    settings.AIRALO_CLIENT_ID = ""
    assert level(shop_checks.system_checks) == "fail"


def test_missing_migration_fails():
    assert level(shop_checks.the_database) == "pass"
    assert level(shop_checks.migrations) == "pass"
    MigrationRecorder.Migration.objects.filter(app="django_airalo").delete()
    result = look(shop_checks.migrations)
    assert (result.level, "0001_initial" in result.message) == ("fail", True)


def test_old_encryption_key_in_use_warns_and_lost_key_fails(settings):
    assert level(shop_checks.encryption_keys) == "pass"
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.AIRALO_ENCRYPTION_KEYS = [old]
    EsimFactory()
    assert "All of 6 stored secrets" in look(shop_checks.encryption_keys).message
    settings.AIRALO_ENCRYPTION_KEYS = [new, old]
    assert level(shop_checks.encryption_keys) == "warn"
    settings.AIRALO_ENCRYPTION_KEYS = [new]
    assert level(shop_checks.encryption_keys) == "fail"


def test_local_memory_cache_fails_or_warns_in_debug(settings, tmp_path):
    settings.DEBUG = False
    assert level(shop_checks.cache) == "fail"  # LocMemCache
    settings.DEBUG = True
    assert level(shop_checks.cache) == "warn"


@pytest.mark.parametrize(
    ("backend", "location", "cause", "remedy"),
    [
        ("db.DatabaseCache", "no_such_table", "", "Run: manage.py createcachetable"),
        ("redis.RedisCache", "redis://:s3cret@127.0.0.1:9", "redis", "Use Redis,"),
    ],
)
def test_cache_that_cannot_be_written_fails_with_cause_and_remedy(
    settings, monkeypatch, backend, location, cause, remedy
):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}}
    raised = f"raise ConnectionError('redis: no answer from {location}')" if cause else "raise KeyError('no table')"
    monkeypatch.setattr(shop_checks, "_PUT", raised)
    result = look(shop_checks.cache)
    assert result.level == "fail"
    assert result.message.endswith("redis: no answer from redis://•••@127.0.0.1:9" if cause else "KeyError: 'no table'")
    assert result.remedy.startswith(remedy)


def test_missing_workers_fail_and_inline_tasks_warn(settings):
    assert level(shop_checks.workers) == "pass"
    Heartbeat.objects.update(at=LONG_AGO)
    backend = settings.TASKS["default"]["BACKEND"].replace("immediate.ImmediateBackend", "dummy.DummyBackend")
    settings.TASKS = {"default": {"BACKEND": backend}}
    assert level(shop_checks.workers, wait=0) == "fail"
    settings.AIRALO_TASK_BACKEND = None
    assert level(shop_checks.workers) == "warn"


def test_missing_or_old_sweep_fails(airalo):
    from django_airalo import services

    assert level(shop_checks.sweep) == "fail"
    services.sweep()
    assert level(shop_checks.sweep) == "pass"
    Heartbeat.objects.update(at=database.db_now() - timedelta(minutes=6))
    assert level(shop_checks.sweep) == "fail"


@pytest.mark.parametrize("due_date", [None, FAR_AHEAD])
def test_order_postponed_by_each_try_is_late(due_date):
    EsimOrderFactory(scheduled=True, created_at=LONG_AGO, due_date=due_date, due_at=FAR_AHEAD)
    assert level(shop_checks.orders_late) == "pass"
    EsimOrderFactory(created_at=LONG_AGO, due_date=due_date, due_at=FAR_AHEAD)
    result = look(shop_checks.orders_late)
    assert (result.level, result.message.startswith("1 order has ")) == ("fail", True)
    SubmissionPause.objects.create(reason="Lack of credit.")
    assert level(shop_checks.orders_late) == "pass"


@pytest.mark.parametrize("status", ["pending", "sending"])
def test_late_refunds_and_vouchers_warn(status):
    ahead = {"due_at": FAR_AHEAD, "created_at": database.db_now() - timedelta(minutes=59)}
    RefundFactory(status=status, **ahead)
    VoucherFactory(status="created", created_at=LONG_AGO, due_at=None)
    assert level(shop_checks.requests_late) == "pass"
    VoucherFactory(status=status, due_at=LONG_AGO)
    if status == "pending":  # each try puts it off
        RefundFactory(created_at=LONG_AGO, due_at=FAR_AHEAD)
    result = look(shop_checks.requests_late)
    assert result.level == "warn"
    assert ("1 refund, 1 voucher." if status == "pending" else "hour: 1 voucher.") in result.message


def test_late_order_fails_unless_submission_is_paused():
    EsimOrderFactory(due_at=database.db_now() - timedelta(minutes=14))
    EsimOrderFactory(due_at=FAR_AHEAD)
    assert level(shop_checks.submission) == level(shop_checks.orders_late) == "pass"
    EsimOrderFactory(due_at=LONG_AGO)
    assert level(shop_checks.orders_late) == "fail"
    SubmissionPause.objects.create(reason="Lack of credit.")
    assert level(shop_checks.submission) == "fail"
    assert level(shop_checks.orders_late) == "pass"  # it waits for credit, as it should


def test_rows_that_need_operator_warn():
    checks = shop_checks.orders_unconfirmed, shop_checks.orders_attention, shop_checks.requests_unconfirmed
    assert [level(check) for check in checks] == ["pass"] * 3
    EsimOrderFactory(unconfirmed=True)
    EsimOrderFactory(attention="Look.")
    Refund.objects.create(reason="NO_COVERAGE", status="unconfirmed")
    Voucher.objects.create(kind="esim", status="unconfirmed")
    assert [level(check) for check in checks] == ["warn"] * 3
    assert "1 refund, 1 voucher" in look(checks[2]).message


def test_recent_flawed_voucher_warns():
    short = {"kind": "esim", "status": "created", "error": "Airalo gave 2 codes, not 3."}
    Voucher.objects.create(accepted_at=LONG_AGO, **short)
    Voucher.objects.create(**{**short, "status": "unconfirmed"})
    assert level(shop_checks.requests_flawed) == "pass"
    Voucher.objects.create(accepted_at=database.db_now(), **short)
    result = look(shop_checks.requests_flawed)
    assert (result.level, result.message.endswith(": 1 voucher.")) == ("warn", True)


def test_repeatedly_failing_signal_warns():
    event = OrderEvent.objects.create(order=EsimOrderFactory(), kind="noted", signal_due_at=FAR_AHEAD, signal_tries=2)
    assert level(shop_checks.signals_stuck) == "pass"
    OrderEvent.objects.filter(pk=event.pk).update(signal_tries=3)
    result = look(shop_checks.signals_stuck)
    assert (result.level, "OrderEvent: 1" in result.message) == ("warn", True)


def test_empty_catalogue_warns():
    assert level(shop_checks.catalogue) == "warn"
    PackageFactory()
    now = database.db_now()
    SyncRun.objects.create(kind=SyncRun.Kind.PACKAGES, started_at=now, finished_at=now)
    assert look(shop_checks.catalogue).message == "1 package is on sale."


def test_old_exchange_rate_warns():
    assert level(shop_checks.exchange_rates) == "skip"
    ExchangeRate.objects.create(currency="CHF", rate=1, synced_at=database.db_now())
    assert level(shop_checks.exchange_rates) == "pass"
    ExchangeRate.objects.create(currency="SEK", rate=1, synced_at=LONG_AGO)
    result = look(shop_checks.exchange_rates)
    assert (result.level, result.message.startswith("1 exchange rate is too old")) == ("warn", True)


# All together


def test_checks_that_depend_on_failed_check_are_skipped(settings):
    settings.AIRALO_CLIENT_ID = ""
    found = {result.check: result for result in doctor.run_health_checks(wait=0)}
    assert list(found) == [check.name for check in doctor.CHECKS]
    assert found["credentials"].level == "fail"
    assert {found[name].level for name in ("token", "balance", "ip_allow_list", "opt_in")} == {"skip"}
    assert "credentials" in found["token"].message


@pytest.mark.django_db(transaction=True)
def test_check_that_raises_does_not_stop_others(settings):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_airalo_heartbeat RENAME TO elsewhere")
    try:
        found = {result.check: result.level for result in doctor.run_health_checks(wait=0)}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO django_airalo_heartbeat")
    assert found["sweep"] == "fail"
    assert found["catalogue"] == "warn"


def test_results_contain_no_secret(emulated_airalo, settings):
    settings.AIRALO_WEBHOOK_URL_TOKEN = "s3cret-token"
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    EsimFactory()
    text = " ".join(f"{result.message} {result.remedy}" for result in doctor.run_health_checks(simulate=True, wait=0))
    tokens = [row["token"] for row in emulated_airalo.ledger.table("tokens")]
    assert tokens
    for secret in ("s3cret-token", emulated_airalo.client_secret, *settings.AIRALO_ENCRYPTION_KEYS, *tokens):
        assert secret not in text


def test_worker_check_records_heartbeat_of_task():
    before = database.db_now()
    assert level(shop_checks.workers) == "pass"
    assert heartbeats.last_beat("task") >= before


def test_emulated_installation_fails_only_cache_check(live_server, settings):
    with Emulator(rate_limits=False) as running:
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = running.client_id, running.client_secret
        settings.AIRALO_WEBHOOK_URL = f"{live_server.url}/airalo/webhook/"
        heartbeats.beat(heartbeats.SWEEP)
        found = {result.check: result.level for result in doctor.run_health_checks(wait=1)}
    assert [name for name, level in found.items() if level == "fail"] == ["cache"]  # LocMemCache
