"""Vouchers: bought at most once, their codes kept as secrets."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from django_airalo import services
from django_airalo.client import AiraloClient, use_client
from django_airalo.conf import Settings, conf
from django_airalo.exceptions import IdempotencyConflictError, IllegalTransitionError
from django_airalo.models import Voucher
from django_airalo.services import operations
from tests.factories import LONG_AGO, VoucherFactory
from tests.scripted_server import Answer, ScriptedServer

pytestmark = pytest.mark.django_db

TOKEN = Answer(200, {"data": {"access_token": "a" * 40, "expires_in": 86400}})
ESIM, AIRMONEY = "/v2/voucher/esim", "/v2/voucher/airmoney"
CODES = ["TESTCODEAAAA", "TESTCODEBBBB"]
MADE = Answer(
    200,
    {
        "data": [{"package_id": "test-7days-1gb", "codes": CODES, "booking_reference": "line-1"}],
        "meta": {"message": "success"},
    },
)
MONEY = Answer(
    200,
    {
        "data": {
            "id": 8,
            "code": "TESTMONEY1",
            "usage_limit": 40,
            "amount": 22,
            "is_paid": False,
            "created_at": "2026-01-02 07:23:24",
        },
        "meta": {"message": "success"},
    },
)


@pytest.fixture
def server(settings):
    with ScriptedServer() as running:
        running.on("/v2/token", TOKEN)
        running.on(ESIM, MADE)
        running.on(AIRMONEY, MONEY)
        settings.AIRALO_BASE_URL = running.url
        yield running


@pytest.fixture
def create(committed):
    def create(**content):
        verb = services.create_airmoney_voucher if "amount" in content else services.create_esim_vouchers
        with committed():
            voucher = verb(**content)
        voucher.refresh_from_db()
        return voucher

    return create


def asked(server, path=ESIM):
    return [request.json() for request in server.requests(path)]


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM django_airalo_voucher")
        return repr(cursor.fetchall())


def test_esim_voucher_is_created_after_commit_with_codes(server, committed, heard):
    with committed():
        voucher = services.create_esim_vouchers(package_id="test-7days-1gb", quantity=2, idempotency_key="line-1")
        assert (voucher.status, voucher.code_list, asked(server)) == ("pending", [], [])
    assert asked(server) == [
        {"vouchers": [{"package_id": "test-7days-1gb", "quantity": 2, "booking_reference": "line-1"}]}
    ]
    voucher.refresh_from_db()
    assert (voucher.status, voucher.code_list, voucher.error) == ("created", CODES, "")
    (told,) = heard.of("voucher_changed")
    assert (told["sender"], told["voucher"], told["status"]) == (Voucher, voucher, "created")
    assert told["voucher"].code_list == CODES


def test_voucher_without_idempotency_key_gets_random_one(server, create):
    first, second = (create(package_id="test-7days-1gb") for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", first.idempotency_key)
    assert first.idempotency_key != second.idempotency_key
    assert asked(server)[0]["vouchers"][0]["booking_reference"] == first.idempotency_key


def test_other_number_of_codes_than_requested_is_flagged(server, create, caplog):
    create(package_id="test-7days-1gb", quantity=2)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    voucher = create(package_id="test-7days-1gb", quantity=3)
    assert (voucher.status, voucher.code_list, voucher.error) == ("created", CODES, "Airalo gave 2 codes, not 3.")
    assert [record.levelname for record in caplog.records if "gave 2 codes" in record.message] == ["ERROR"]
    assert list(Voucher.objects.flawed()) == [voucher]


def test_airmoney_voucher_is_created_with_code(server, create):
    voucher = create(amount=Decimal("22.5"), usage_limit=40, voucher_code="MYCODE1", is_paid=True)
    assert asked(server, AIRMONEY) == [
        {"amount": 22.5, "quantity": 1, "usage_limit": 40, "voucher_code": "MYCODE1", "is_paid": True}
    ]
    assert (voucher.kind, voucher.status, voucher.code_list) == ("airmoney", "created", ["TESTMONEY1"])
    assert (voucher.airalo_id, voucher.amount) == (8, Decimal("22.50"))
    create(amount=5)
    assert asked(server, AIRMONEY)[1] == {"amount": 5, "quantity": 1, "usage_limit": 1, "is_paid": False}


# Once


def test_same_idempotency_key_returns_same_voucher(server, create):
    content = {"package_id": "test-7days-1gb", "quantity": 2, "idempotency_key": "line-1"}
    assert create(**content) == create(**content)
    with pytest.raises(IdempotencyConflictError, match="quantity"):
        create(**{**content, "quantity": 1})
    assert len(asked(server)) == 1
    assert create(**{**content, "package_id": "test-30days-3gb"}).pk
    money = create(amount=5, idempotency_key="line-1")
    assert create(amount=5, idempotency_key="line-1") == money
    assert create(amount=5, idempotency_key="line-1", voucher_code="MYCODE1") == money
    with pytest.raises(IdempotencyConflictError, match="amount"):
        create(amount=6, idempotency_key="line-1")
    assert (len(asked(server)), len(asked(server, AIRMONEY))) == (2, 1)


OUTCOMES = {
    "refused": (Answer(422, {"data": {"vouchers.0.package_id": "is invalid"}, "meta": {"message": "x"}}), "refused"),
    "refused under 200": (
        Answer(
            200,
            {
                "data": {"vouchers.0.package_id": "The selected vouchers.0.package_id is invalid"},
                "meta": {"message": "the parameter is invalid"},
            },
        ),
        "refused",
    ),
    "code 11": (Answer(422, {"code": 11, "reason": "Insufficient Airalo Credit"}), "refused"),
    "reset": (Answer(drop="reset"), "unconfirmed"),
    "500": (Answer(500, "<html>"), "unconfirmed"),
    "503": (Answer(503, "<html>"), "unconfirmed"),
    "no codes": (Answer(200, {"data": [], "meta": {"message": "success"}}), "unconfirmed"),
    **{f"{http} of a proxy": (Answer(http, "<html>"), "unconfirmed") for http in (400, 401, 403, 404, 413, 422)},
    "429": (Answer(429, {"message": "Too Many Attempts."}), "pending"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_voucher_is_not_sent_again_after_any_failure_unless_due(server, create, heard, name):
    answer, status = OUTCOMES[name]
    server.on(ESIM, answer, MADE)
    voucher = create(package_id="test-7days-1gb", quantity=2)
    assert (voucher.status, voucher.code_list) == (status, [])
    assert voucher.error
    assert [told["status"] for told in heard.of("voucher_changed")] == ([] if status == "pending" else [status])
    operations.send_voucher(voucher)
    services.sweep()
    assert len(asked(server)) == 1
    if status == "pending":
        Voucher.objects.update(due_at=LONG_AGO)
        assert services.sweep().requests == 1
        assert Voucher.objects.get().code_list == CODES


def test_expired_lease_makes_voucher_unconfirmed(server):
    Voucher.objects.create(kind="esim", status="sending", attempt=1, due_at=LONG_AGO)
    assert services.sweep().expired == 1
    assert Voucher.objects.get().status == "unconfirmed"
    assert asked(server) == []


def test_voucher_is_not_sent_when_lease_is_about_to_end(server, create, monkeypatch):
    with monkeypatch.context() as patched:
        # As if other things had taken so long that too little is left for a request and its repetition.
        patched.setattr(Settings, "submit_lease", conf.max_send_seconds - 1)
        voucher = create(package_id="test-7days-1gb")
    assert (voucher.status, asked(server)) == ("pending", [])
    assert "about to run out" in voucher.error
    Voucher.objects.update(due_at=LONG_AGO)
    services.sweep()
    assert len(asked(server)) == 1


class Meanwhile(AiraloClient):
    """The real client; before an answer is handed on, something happens to the row."""

    changes: dict

    def create_esim_vouchers(self, *args):
        answer = super().create_esim_vouchers(*args)
        Voucher.objects.update(**self.changes)
        return answer


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"status": "pending", "attempt": 1, "due_at": LONG_AGO}, CODES),  # an operator had it sent again
        ({"status": "sending", "attempt": 2, "due_at": LONG_AGO}, CODES),  # another worker is about to send it
        ({"status": "refused", "attempt": 2, "due_at": None, "error": "No credit."}, CODES),
        ({"status": "created", "attempt": 2, "due_at": None, "codes": "TESTCODECCCC"}, ["TESTCODECCCC", *CODES]),
    ],
)
def test_late_codes_are_kept(server, create, heard, changes, codes):
    client = Meanwhile()
    client.changes = changes
    previous = use_client(client)
    try:
        voucher = create(package_id="test-7days-1gb", quantity=2)
    finally:
        use_client(previous)
    assert (voucher.status, voucher.code_list, voucher.due_at) == ("created", codes, None)
    assert "TESTCODE" not in voucher.error
    assert ("attempt 1 came late" in voucher.error) == (changes["attempt"] == 2)
    assert (changes.get("error") or "") in voucher.error
    assert heard.of("voucher_changed")[-1]["status"] == "created"
    services.sweep()
    assert len(asked(server)) == 1


def test_sending_voucher_inside_transaction_raises(server):
    voucher = VoucherFactory()
    with transaction.atomic(), pytest.raises(RuntimeError):
        operations.send_voucher(voucher)


@pytest.mark.parametrize("old", ["unconfirmed", "pending"])
def test_unconfirmed_or_pending_voucher_can_be_cancelled(heard, committed, old):
    voucher = Voucher.objects.create(kind="esim", status=old, due_at=None)
    with committed():
        assert operations.cancel_voucher(voucher, decided_by="ann") is voucher
    assert (voucher.status, voucher.decided_by) == ("cancelled", "ann")
    assert heard.names() == ["voucher_changed"]


@pytest.mark.parametrize(
    ("old", "decide", "possible"),
    [
        ("sending", operations.cancel_voucher, "nothing"),
        ("sending", operations.retry_voucher, "nothing"),
        ("pending", operations.retry_voucher, "cancel_voucher()"),
        ("created", operations.retry_voucher, "nothing"),
        ("created", operations.cancel_voucher, "nothing"),
        ("refused", operations.cancel_voucher, "retry_voucher()"),
    ],
)
def test_impossible_decision_is_refused_and_names_possible_ones(heard, committed, old, decide, possible):
    voucher = Voucher.objects.create(kind="esim", status=old, due_at=None, idempotency_key="line-1")
    before = Voucher.objects.values().get()
    with committed(), pytest.raises(IllegalTransitionError) as error:
        decide(voucher, decided_by="ann")
    said = f"Voucher eSIM line-1 is {old}, so {decide.__name__}() is not possible. Possible: {possible}."
    assert str(error.value) == said
    assert Voucher.objects.values().get() == before
    assert heard.names() == []


@pytest.mark.parametrize("status", [500, 422])
def test_retried_voucher_is_sent_again(server, create, committed, status):
    server.on(ESIM, Answer(status, {"message": "No."}), MADE)
    voucher = create(package_id="test-7days-1gb", quantity=2)
    with committed():
        assert operations.retry_voucher(voucher, decided_by="ann").status == "pending"
    voucher.refresh_from_db()
    assert (voucher.code_list, len(asked(server))) == (CODES, 2)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"package_id": ""}, "package_id"),
        ({"package_id": " "}, "package_id"),
        ({"package_id": "x" * 256}, "package_id"),
        ({"package_id": "x", "quantity": 0}, "quantity"),
        ({"package_id": "x", "quantity": 101}, "quantity"),
        ({"package_id": "x", "quantity": True}, "quantity"),
        ({"package_id": "x", "quantity": "1"}, "quantity"),
        ({"package_id": "x", "idempotency_key": "x" * 256}, "idempotency_key"),
        ({"amount": 0}, "amount"),
        ({"amount": 100_001}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"amount": Decimal("1.005")}, "amount"),
        ({"amount": Decimal("NaN")}, "amount"),
        ({"amount": 1, "usage_limit": 0}, "usage_limit"),
        ({"amount": 1, "voucher_code": "x" * 256}, "voucher_code"),
        ({"amount": 1, "voucher_code": "a\nb"}, "voucher_code"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_written(create, content, field):
    with pytest.raises(ValidationError) as refused:
        create(**content)
    assert list(refused.value.message_dict) == [field]
    assert Voucher.objects.count() == 0


# Secrets


def test_codes_are_neither_stored_nor_logged_in_plain_text(server, create, caplog):
    caplog.set_level("DEBUG")
    server.on(AIRMONEY, Answer(422, {"data": {"voucher_code": "MYCODE1 has been taken."}, "meta": {"message": "x"}}))
    voucher = create(package_id="test-7days-1gb", quantity=2)
    refused = create(amount=5, voucher_code="MYCODE1")
    assert voucher.idempotency_key in stored()
    assert refused.error.endswith("voucher_code: ••• has been taken.")
    for secret in (*CODES, "MYCODE1"):
        assert secret not in f"{stored()} {voucher!r} {voucher} {refused!r} {caplog.text}"


def test_sweep_and_new_vouchers_work_after_key_is_lost(server, create, settings):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    lost = create(package_id="test-7days-1gb", quantity=2, idempotency_key="line-1")
    Voucher.objects.update(status="sending", due_at=LONG_AGO, signal_due_at=LONG_AGO)
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    services.sweep()
    assert Voucher.objects.without_secrets().get().status == "unconfirmed"
    assert services.create_esim_vouchers(package_id="test-7days-1gb", quantity=2, idempotency_key="line-1") == lost
    assert create(package_id="test-7days-1gb", quantity=2).code_list == CODES


def test_emulator_creates_vouchers_and_refuses_unknown_package(emulated_airalo, create):
    package_id = next(iter(emulated_airalo.state.catalogue.packages))
    voucher = create(package_id=package_id, quantity=3)
    assert (voucher.status, voucher.error) == ("created", "")
    assert len(set(voucher.code_list)) == 3
    assert create(package_id="no-such-package").status == "refused"
    assert create(amount=20, voucher_code="MYCODE1").code_list == ["MYCODE1"]
