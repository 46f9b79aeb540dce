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
from django_airalo.exceptions import IdempotencyConflictError
from django_airalo.models import Voucher
from tests.factories import LONG_AGO
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


def test_codes_for_esims(server, committed, heard):
    with committed():
        voucher = services.create_esim_vouchers(package_id="test-7days-1gb", quantity=2, booking_reference="line-1")
        assert (voucher.status, voucher.code_list, asked(server)) == ("pending", [], [])
    assert asked(server) == [
        {"vouchers": [{"package_id": "test-7days-1gb", "quantity": 2, "booking_reference": "line-1"}]}
    ]
    voucher.refresh_from_db()
    assert (voucher.status, voucher.code_list, voucher.error) == ("created", CODES, "")
    (told,) = heard.of("voucher_changed")
    assert (told["sender"], told["voucher"], told["status"]) == (Voucher, voucher, "created")
    assert told["voucher"].code_list == CODES


def test_without_a_reference_of_the_shops_it_gets_a_random_one(server, create):
    first, second = (create(package_id="test-7days-1gb") for _ in range(2))
    assert re.fullmatch("[0-9a-f]{32}", first.booking_reference)
    assert first.booking_reference != second.booking_reference
    assert asked(server)[0]["vouchers"][0]["booking_reference"] == first.booking_reference


def test_another_number_of_codes_than_asked_for_is_said(server, create, caplog):
    create(package_id="test-7days-1gb", quantity=2)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    voucher = create(package_id="test-7days-1gb", quantity=3)
    assert (voucher.status, voucher.code_list, voucher.error) == ("created", CODES, "Airalo gave 2 codes, not 3.")
    assert [record.levelname for record in caplog.records if "gave 2 codes" in record.message] == ["ERROR"]
    assert list(Voucher.objects.flawed()) == [voucher]


def test_a_code_for_credit(server, create):
    voucher = create(amount=Decimal("22.5"), usage_limit=40, voucher_code="MYCODE1", is_paid=True)
    assert asked(server, AIRMONEY) == [
        {"amount": 22.5, "quantity": 1, "usage_limit": 40, "voucher_code": "MYCODE1", "is_paid": True}
    ]
    assert (voucher.kind, voucher.status, voucher.code_list) == ("airmoney", "created", ["TESTMONEY1"])
    assert (voucher.airalo_id, voucher.amount) == (8, Decimal("22.50"))
    create(amount=5)
    assert asked(server, AIRMONEY)[1] == {"amount": 5, "quantity": 1, "usage_limit": 1, "is_paid": False}


# Once


def test_the_same_reference_is_the_same_voucher(server, create):
    content = {"package_id": "test-7days-1gb", "quantity": 2, "booking_reference": "line-1"}
    assert create(**content) == create(**content)
    with pytest.raises(IdempotencyConflictError, match="quantity"):
        create(**{**content, "quantity": 1})
    assert len(asked(server)) == 1
    assert create(**{**content, "package_id": "test-30days-3gb"}).pk
    money = create(amount=5, booking_reference="line-1")
    assert create(amount=5, booking_reference="line-1") == money
    assert create(amount=5, booking_reference="line-1", voucher_code="MYCODE1") == money
    with pytest.raises(IdempotencyConflictError, match="amount"):
        create(amount=6, booking_reference="line-1")
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
    "429": (Answer(429, {"message": "Too Many Attempts."}), "pending"),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_it_is_bought_once_whatever_the_answer(server, create, heard, name):
    answer, status = OUTCOMES[name]
    server.on(ESIM, answer, MADE)
    voucher = create(package_id="test-7days-1gb", quantity=2)
    assert (voucher.status, voucher.code_list) == (status, [])
    assert voucher.error
    assert [told["status"] for told in heard.of("voucher_changed")] == ([] if status == "pending" else [status])
    services.send_voucher(voucher)
    services.sweep()
    assert len(asked(server)) == 1
    if status == "pending":
        Voucher.objects.update(due_at=LONG_AGO)
        assert services.sweep().requests == 1
        assert Voucher.objects.get().code_list == CODES


def test_a_worker_that_died_leaves_it_unconfirmed(server):
    Voucher.objects.create(kind="esim", status="sending", attempt=1, due_at=LONG_AGO)
    assert services.sweep().expired == 1
    assert Voucher.objects.get().status == "unconfirmed"
    assert asked(server) == []


def test_with_a_lease_that_is_about_to_end_nothing_is_sent(server, create, settings):
    settings.AIRALO_CONNECT_TIMEOUT, settings.AIRALO_READ_TIMEOUT = 5, 30
    settings.AIRALO_SUBMIT_LEASE = 69  # less than a request and its repetition can take
    voucher = create(package_id="test-7days-1gb")
    assert (voucher.status, asked(server)) == ("pending", [])
    assert "about to run out" in voucher.error
    settings.AIRALO_SUBMIT_LEASE = 100
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
        ({"status": "pending", "attempt": 1, "due_at": LONG_AGO}, CODES),  # a person had it sent again
        ({"status": "sending", "attempt": 2, "due_at": LONG_AGO}, CODES),  # another worker is about to send it
        ({"status": "refused", "attempt": 2, "due_at": None, "error": "No credit."}, CODES),
        ({"status": "created", "attempt": 2, "due_at": None, "codes": "TESTCODECCCC"}, ["TESTCODECCCC", *CODES]),
    ],
)
def test_codes_that_come_late_are_kept(server, create, heard, changes, codes):
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


def test_it_must_not_be_sent_inside_a_transaction(server):
    voucher = Voucher.objects.create(kind="esim", due_at=LONG_AGO)
    with transaction.atomic(), pytest.raises(RuntimeError):
        services.send_voucher(voucher)


@pytest.mark.parametrize(
    ("old", "new", "possible"),
    [
        ("unconfirmed", "cancelled", True),
        ("pending", "cancelled", True),
        ("sending", "cancelled", False),
        ("sending", "pending", False),
        ("created", "pending", False),
        ("created", "cancelled", False),
        ("refused", "cancelled", False),
    ],
)
def test_what_may_be_decided(heard, committed, old, new, possible):
    voucher = Voucher.objects.create(kind="esim", status=old, due_at=None)
    with committed():
        assert services.decide_voucher(voucher, new, decided_by="ann") == possible
    assert voucher.status == (new if possible else old)
    assert heard.names() == (["voucher_changed"] if possible else [])


@pytest.mark.parametrize("status", [500, 422])
def test_one_that_airalo_never_made_is_sent_again(server, create, committed, status):
    server.on(ESIM, Answer(status, {"message": "No."}), MADE)
    voucher = create(package_id="test-7days-1gb", quantity=2)
    with committed():
        assert services.decide_voucher(voucher, "pending", decided_by="ann")
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
        ({"package_id": "x", "booking_reference": "x" * 256}, "booking_reference"),
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
def test_what_is_wrong_is_said_before_anything_is_written(create, content, field):
    with pytest.raises(ValidationError) as refused:
        create(**content)
    assert list(refused.value.message_dict) == [field]
    assert Voucher.objects.count() == 0


# Secrets


def test_the_codes_are_no_where_in_clear(server, create, caplog):
    caplog.set_level("DEBUG")
    server.on(AIRMONEY, Answer(422, {"data": {"voucher_code": "MYCODE1 has been taken."}, "meta": {"message": "x"}}))
    voucher = create(package_id="test-7days-1gb", quantity=2)
    refused = create(amount=5, voucher_code="MYCODE1")
    assert voucher.booking_reference in stored()
    assert refused.error.endswith("voucher_code: ••• has been taken.")
    for secret in (*CODES, "MYCODE1"):
        assert secret not in f"{stored()} {voucher!r} {voucher} {refused!r} {caplog.text}"


def test_a_lost_key_keeps_neither_the_sweep_nor_new_vouchers_from_working(server, create, settings):
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    lost = create(package_id="test-7days-1gb", quantity=2, booking_reference="line-1")
    Voucher.objects.update(status="sending", due_at=LONG_AGO, signal_due_at=LONG_AGO)
    settings.AIRALO_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    services.sweep()
    assert Voucher.objects.without_secrets().get().status == "unconfirmed"
    assert services.create_esim_vouchers(package_id="test-7days-1gb", quantity=2, booking_reference="line-1") == lost
    assert create(package_id="test-7days-1gb", quantity=2).code_list == CODES


def test_against_the_emulator(emulated_airalo, create):
    package_id = next(iter(emulated_airalo.world.catalogue.packages))
    voucher = create(package_id=package_id, quantity=3)
    assert (voucher.status, voucher.error) == ("created", "")
    assert len(set(voucher.code_list)) == 3
    assert create(package_id="no-such-package").status == "refused"
    assert create(amount=20, voucher_code="MYCODE1").code_list == ["MYCODE1"]
