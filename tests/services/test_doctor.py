"""The doctor: each check passes where all is right, and says so where it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from django_airalo.emulator import Emulator
from django_airalo.models import CatalogueSync, ExchangeRate, Heartbeat, OrderEvent, Refund, SubmissionPause, Voucher
from django_airalo.services import account, database, doctor, heartbeats
from django_airalo.services.doctor import airalo as airalo_checks
from django_airalo.services.doctor import shop as shop_checks
from django_airalo.services.doctor.finding import Examination
from tests.factories import FAR_AHEAD, LONG_AGO, EsimFactory, EsimOrderFactory, PackageFactory
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db


def look(check, **options):
    finding = check(Examination(**options))
    assert finding.message
    assert bool(finding.remedy) == (finding.level in ("warn", "fail"))
    return finding


def level(check, **options):
    return look(check, **options).level


# Airalo's side


def test_credentials(settings):
    assert level(airalo_checks.credentials) == "pass"
    settings.AIRALO_CLIENT_SECRET = ""
    finding = look(airalo_checks.credentials)
    assert finding.level == "fail"
    assert "AIRALO_CLIENT_SECRET" in finding.message
    assert "AIRALO_CLIENT_ID" not in finding.message


def test_token(emulated_airalo, settings):
    assert level(airalo_checks.token) == "pass"
    settings.AIRALO_CLIENT_SECRET = "another one"
    finding = look(airalo_checks.token)
    assert finding.level == "fail"
    assert "another one" not in finding.message


def test_clock(emulated_airalo, settings):
    assert level(airalo_checks.clock) == "pass"
    settings.AIRALO_BASE_URL = "http://127.0.0.1:9"
    assert level(airalo_checks.clock) == "warn"


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0.2, "pass"), (2, "warn"), (-2, "warn"), (10, "fail"), (-10, "fail")]
)
def test_a_clock_that_is_not_airalos(settings, minutes, expected):
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    with ScriptedServer() as server:
        server.on("/v2", Answer(404, headers={"Date": date}))
        settings.AIRALO_BASE_URL = f"{server.url}/v2"
        assert level(airalo_checks.clock) == expected


def test_balance(emulated_airalo, settings):
    finding = look(airalo_checks.balance)
    assert finding.level == "pass"
    assert str(account.latest_balance()) in finding.message
    assert account.latest_balance().source == "doctor"
    settings.AIRALO_LOW_BALANCE = account.latest_balance().amount + 1
    assert level(airalo_checks.balance) == "warn"
    settings.AIRALO_BASE_URL = "http://127.0.0.1:9"
    assert level(airalo_checks.balance) == "fail"


def test_ip_allow_list(settings):
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


def test_webhook_url_of_the_real_view(live_server, settings):
    settings.AIRALO_WEBHOOK_URL, settings.AIRALO_WEBHOOK_URL_TOKEN = (
        f"{live_server.url}/airalo/webhook/",
        "s3cret-token",
    )
    assert level(airalo_checks.webhook_url) == "pass"


@pytest.mark.parametrize(("head", "post"), [(404, 401), (301, 401), (200, 403), (200, 200), (401, 401)])
def test_a_webhook_url_that_leads_elsewhere(settings, head, post):
    with ScriptedServer() as server:
        server.on("/", Answer(head), Answer(post))
        settings.AIRALO_WEBHOOK_URL = f"{server.url}/"
        assert level(airalo_checks.webhook_url) == "fail"


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9/"])
def test_a_webhook_url_that_nobody_answers(settings, address):
    settings.AIRALO_WEBHOOK_URL = address
    assert level(airalo_checks.webhook_url) == "fail"


@pytest.mark.parametrize(("address", "expected"), [("", "skip"), ("http://127.0.0.1:9/", "warn")])
def test_synchronous_orders_need_no_webhook_url(settings, address, expected):
    settings.AIRALO_ORDER_MODE, settings.AIRALO_WEBHOOK_URL = "sync", address
    assert level(airalo_checks.webhook_url) == expected


def test_an_address_that_airalo_cannot_reach(settings, live_server):
    settings.AIRALO_WEBHOOK_URL = f"{live_server.url}/airalo/webhook/"
    settings.AIRALO_BASE_URL = "https://partners-api.example.com"
    assert "cannot reach" in look(airalo_checks.webhook_url).message


@pytest.mark.django_db(transaction=True)
def test_webhook_delivery_there_and_back(emulated_airalo, live_server, settings):
    settings.AIRALO_WEBHOOK_URL = f"{live_server.url}/airalo/webhook/"
    assert level(airalo_checks.webhook_delivery) == "skip"
    finding = look(airalo_checks.webhook_delivery, simulate=True)
    assert (finding.level, finding.message.endswith("raw.")) == ("pass", True)
    # The same bytes again are the same event, and count as arrived.
    assert level(airalo_checks.webhook_delivery, simulate=True) == "pass"
    settings.AIRALO_WEBHOOK_SECRETS = ["another secret"]
    assert level(airalo_checks.webhook_delivery, simulate=True, wait=0) == "fail"


def test_a_webhook_that_airalo_sent_elsewhere(emulated_airalo):
    assert level(airalo_checks.webhook_delivery, simulate=True, wait=0) == "fail"  # the receiver's 200 keeps nothing


def test_opt_in(emulated_airalo, settings):
    from django_airalo import services

    assert level(airalo_checks.opted_in) == "warn"
    services.opt_in("webhook_low_data")
    assert level(airalo_checks.opted_in) == "pass"
    settings.AIRALO_WEBHOOK_URL = "https://shop.example.com/airalo/webhook/"
    assert "not to this shop" in look(airalo_checks.opted_in).message
    services.opt_in("email_low_data", email="a@example.com")
    assert level(airalo_checks.opted_in) == "pass"


# The shop's side


def test_settings(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}
    settings.AIRALO_BASE_URL = "https://partners-api.example.com"
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    settings.SILENCED_SYSTEM_CHECKS = ["django_airalo.W006"]
    assert level(shop_checks.system_checks) == "pass"
    settings.AIRALO_ENCRYPTION_KEYS = []
    finding = look(shop_checks.system_checks)
    assert (finding.level, "W007" in finding.message) == ("warn", True)
    settings.AIRALO_CLIENT_ID = ""
    assert level(shop_checks.system_checks) == "fail"


def test_database_and_migrations():
    assert level(shop_checks.the_database) == "pass"
    assert level(shop_checks.migrations) == "pass"
    MigrationRecorder.Migration.objects.filter(app="django_airalo").delete()
    finding = look(shop_checks.migrations)
    assert (finding.level, "0001_initial" in finding.message) == ("fail", True)


def test_encryption(settings):
    assert level(shop_checks.encryption_keys) == "pass"
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.AIRALO_ENCRYPTION_KEYS = [old]
    EsimFactory()
    assert "All of 6 stored secrets" in look(shop_checks.encryption_keys).message
    settings.AIRALO_ENCRYPTION_KEYS = [new, old]
    assert level(shop_checks.encryption_keys) == "warn"
    settings.AIRALO_ENCRYPTION_KEYS = [new]
    assert level(shop_checks.encryption_keys) == "fail"


def test_cache(settings, tmp_path):
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
def test_why_a_cache_cannot_be_written_is_said(settings, monkeypatch, backend, location, cause, remedy):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": location}}
    raised = f"raise ConnectionError('redis: no answer from {location}')" if cause else "raise KeyError('no table')"
    monkeypatch.setattr(shop_checks, "_PUT", raised)
    finding = look(shop_checks.cache)
    assert finding.level == "fail"
    assert finding.message.endswith(
        "redis: no answer from redis://•••@127.0.0.1:9" if cause else "KeyError: 'no table'"
    )
    assert finding.remedy.startswith(remedy)


def test_workers(settings):
    assert level(shop_checks.workers) == "pass"
    Heartbeat.objects.update(at=LONG_AGO)
    backend = settings.TASKS["default"]["BACKEND"].replace("immediate.ImmediateBackend", "dummy.DummyBackend")
    settings.TASKS = {"default": {"BACKEND": backend}}
    assert level(shop_checks.workers, wait=0) == "fail"
    settings.AIRALO_TASK_BACKEND = None
    assert level(shop_checks.workers) == "warn"


def test_sweep(airalo):
    from django_airalo import services

    assert level(shop_checks.sweep) == "fail"
    services.sweep()
    assert level(shop_checks.sweep) == "pass"
    Heartbeat.objects.update(at=database.now() - timedelta(minutes=6))
    assert level(shop_checks.sweep) == "fail"


@pytest.mark.parametrize("due_date", [None, FAR_AHEAD])
def test_an_order_that_each_try_puts_off_is_late(due_date):
    EsimOrderFactory(scheduled=True, created_at=LONG_AGO, due_date=due_date, due_at=FAR_AHEAD)
    assert level(shop_checks.orders_late) == "pass"
    EsimOrderFactory(created_at=LONG_AGO, due_date=due_date, due_at=FAR_AHEAD)
    finding = look(shop_checks.orders_late)
    assert (finding.level, finding.message.startswith("1 order has ")) == ("fail", True)
    SubmissionPause.objects.create(reason="Lack of credit.")
    assert level(shop_checks.orders_late) == "pass"


@pytest.mark.parametrize("status", ["pending", "sending"])
def test_refunds_and_vouchers_that_are_late(status):
    ahead = {"due_at": FAR_AHEAD, "created_at": database.now() - timedelta(minutes=59)}
    Refund.objects.create(reason="NO_COVERAGE", status=status, **ahead)
    Voucher.objects.create(kind="esim", status="created", created_at=LONG_AGO)
    assert level(shop_checks.requests_late) == "pass"
    Voucher.objects.create(kind="esim", status=status, due_at=LONG_AGO)
    if status == "pending":  # each try puts it off
        Refund.objects.create(reason="NO_COVERAGE", created_at=LONG_AGO, due_at=FAR_AHEAD)
    finding = look(shop_checks.requests_late)
    assert finding.level == "warn"
    assert ("1 refund, 1 voucher." if status == "pending" else "hour: 1 voucher.") in finding.message


def test_submission_and_late_orders():
    EsimOrderFactory(due_at=database.now() - timedelta(minutes=14))
    EsimOrderFactory(due_at=FAR_AHEAD)
    assert level(shop_checks.submission) == level(shop_checks.orders_late) == "pass"
    EsimOrderFactory(due_at=LONG_AGO)
    assert level(shop_checks.orders_late) == "fail"
    SubmissionPause.objects.create(reason="Lack of credit.")
    assert level(shop_checks.submission) == "fail"
    assert level(shop_checks.orders_late) == "pass"  # it waits for credit, as it should


def test_what_waits_for_a_person():
    checks = shop_checks.orders_unconfirmed, shop_checks.orders_attention, shop_checks.requests_unconfirmed
    assert [level(check) for check in checks] == ["pass"] * 3
    EsimOrderFactory(unconfirmed=True)
    EsimOrderFactory(attention="Look.")
    Refund.objects.create(reason="NO_COVERAGE", status="unconfirmed")
    Voucher.objects.create(kind="esim", status="unconfirmed")
    assert [level(check) for check in checks] == ["warn"] * 3
    assert "1 refund, 1 voucher" in look(checks[2]).message


def test_what_airalo_took_otherwise_than_asked():
    short = {"kind": "esim", "status": "created", "error": "Airalo gave 2 codes, not 3."}
    Voucher.objects.create(accepted_at=LONG_AGO, **short)
    Voucher.objects.create(**{**short, "status": "unconfirmed"})
    assert level(shop_checks.requests_flawed) == "pass"
    Voucher.objects.create(accepted_at=database.now(), **short)
    finding = look(shop_checks.requests_flawed)
    assert (finding.level, finding.message.endswith(": 1 voucher.")) == ("warn", True)


def test_signals():
    event = OrderEvent.objects.create(order=EsimOrderFactory(), kind="noted", signal_due_at=FAR_AHEAD, signal_tries=2)
    assert level(shop_checks.signals_stuck) == "pass"
    OrderEvent.objects.filter(pk=event.pk).update(signal_tries=3)
    finding = look(shop_checks.signals_stuck)
    assert (finding.level, "OrderEvent: 1" in finding.message) == ("warn", True)


def test_catalogue():
    assert level(shop_checks.catalogue) == "warn"
    PackageFactory()
    now = database.now()
    CatalogueSync.objects.create(kind=CatalogueSync.Kind.PACKAGES, started_at=now, finished_at=now)
    assert look(shop_checks.catalogue).message == "1 package is on sale."


def test_exchange_rates():
    assert level(shop_checks.exchange_rates) == "skip"
    ExchangeRate.objects.create(currency="CHF", rate=1, synced_at=database.now())
    assert level(shop_checks.exchange_rates) == "pass"
    ExchangeRate.objects.create(currency="SEK", rate=1, synced_at=LONG_AGO)
    finding = look(shop_checks.exchange_rates)
    assert (finding.level, finding.message.startswith("1 exchange rate is too old")) == ("warn", True)


# All together


def test_what_a_failure_makes_pointless_is_skipped(settings):
    settings.AIRALO_CLIENT_ID = ""
    found = {finding.check: finding for finding in doctor.examine(wait=0)}
    assert list(found) == [check.name for check in doctor.CHECKS]
    assert found["credentials"].level == "fail"
    assert {found[name].level for name in ("token", "balance", "ip_allow_list", "opt_in")} == {"skip"}
    assert "credentials" in found["token"].message


@pytest.mark.django_db(transaction=True)
def test_a_check_that_raises_keeps_no_other_from_being_made(settings):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_airalo_heartbeat RENAME TO elsewhere")
    try:
        found = {finding.check: finding.level for finding in doctor.examine(wait=0)}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO django_airalo_heartbeat")
    assert found["sweep"] == "fail"
    assert found["catalogue"] == "warn"


def test_no_secret_is_in_any_finding(emulated_airalo, settings):
    settings.AIRALO_WEBHOOK_URL_TOKEN = "s3cret-token"
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    EsimFactory()
    text = " ".join(f"{finding.message} {finding.remedy}" for finding in doctor.examine(simulate=True, wait=0))
    tokens = [row["token"] for row in emulated_airalo.ledger.table("tokens")]
    assert tokens
    for secret in ("s3cret-token", emulated_airalo.client_secret, *settings.AIRALO_ENCRYPTION_KEYS, *tokens):
        assert secret not in text


def test_the_heartbeat_of_a_ping_is_that_of_the_task():
    before = database.now()
    assert level(shop_checks.workers) == "pass"
    assert heartbeats.last_beat("task") >= before


def test_an_emulated_installation_fails_only_where_it_is_wrong(live_server, settings):
    with Emulator(rate_limits=False) as running:
        settings.AIRALO_BASE_URL = running.url
        settings.AIRALO_CLIENT_ID, settings.AIRALO_CLIENT_SECRET = running.client_id, running.client_secret
        settings.AIRALO_WEBHOOK_URL = f"{live_server.url}/airalo/webhook/"
        heartbeats.beat(heartbeats.SWEEP)
        found = {finding.check: finding.level for finding in doctor.examine(wait=1)}
    assert [name for name, level in found.items() if level == "fail"] == ["cache"]  # LocMemCache
