"""The webhook's address, as Airalo and others call it."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import close_old_connections, connection
from django.test import AsyncClient, Client
from django.urls import reverse

from django_airalo.client.signature import Verifier
from django_airalo.conf import conf
from django_airalo.models import WebhookEvent
from django_airalo.services.webhooks import receive, refusals
from django_airalo.testing import order_payload, sign_webhook, webhook_payload
from tests.factories import EsimFactory, EsimOrderFactory, PackageFactory

from .support import BODY, URL, post


@pytest.fixture
def nothing_changes(db):
    """The test may not add or change any row (except Django's own)."""
    order = EsimOrderFactory(accepted=True, description="line 7")
    EsimFactory()
    PackageFactory()
    before = dump()
    yield order
    assert dump() == before


def dump():
    tables = [name for name in connection.introspection.table_names() if name.startswith("django_airalo_")]
    rows = {}
    with connection.cursor() as cursor:
        for name in tables:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)} ORDER BY 1")
            rows[name] = cursor.fetchall()
    return rows


def test_webhook_url_name_resolves_to_path():
    assert reverse("django_airalo:webhook") == URL
    assert reverse("django_airalo:webhook", args=["t0ken"]) == f"{URL}t0ken/"


# What is not signed changes nothing


def test_secrets_setting_that_is_text_is_500(nothing_changes, settings):
    """The setting holds one text instead of a list: an error, and Airalo sends again."""
    settings.AIRALO_WEBHOOK_SECRETS = "s3cret"
    for secret in ("s", "s3cret"):
        answer = post(BODY, sign_webhook(BODY, secret), client=Client(raise_request_exception=False))
        assert answer.status_code == 500


def forged(body: bytes) -> dict[str, str | None]:
    good = sign_webhook(body)
    return {
        "unsigned": None,
        "empty": "",
        "upper case": good.upper(),
        "cut": good[:-1],
        "longer": good + "0",
        "blank": f" {good[1:]}",
        "other secret": sign_webhook(body, "another secret"),
        "other body": sign_webhook(body + b" ,"),
        "not hex": "z" * 128,
        "prefixed": f"sha512={good}",
        "not ASCII": "é" * 128,
    }


@pytest.mark.parametrize("kind", forged(b""))
@pytest.mark.parametrize("what", ["order", "notice", "empty"])
def test_forged_webhook_is_401_and_changes_nothing(nothing_changes, kind, what):
    order = nothing_changes
    payload = webhook_payload(order_payload(description=order.airalo_description), order.request_id)
    body = {"order": json.dumps(payload).encode(), "notice": BODY, "empty": b""}[what]
    response = post(body, forged(body)[kind])
    assert response.status_code == 401
    assert response.content == b""


def test_signature_in_another_header_is_401(nothing_changes):
    response = Client().post(
        URL, BODY, content_type="application/json", headers={"x-airalo-signature": sign_webhook(BODY)}
    )
    assert response.status_code == 401


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "trace"])
def test_other_methods_are_405(nothing_changes, method):
    assert getattr(Client(), method)(URL).status_code == 405


def test_head_is_200_without_queries(nothing_changes, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = Client().head(URL)
    assert (response.status_code, response.content) == (200, b"")
    assert Client().head(f"{URL}t0ken/").status_code == 200


def test_options_lists_allowed_methods(nothing_changes):
    assert Client().options(URL)["Allow"] == "POST, HEAD, OPTIONS"


# Secrets


def test_each_configured_secret_is_accepted_until_removed(db, settings):
    settings.AIRALO_WEBHOOK_SECRETS = ["new", "old"]
    assert post(BODY, sign_webhook(BODY, "old")).status_code == 200
    assert post(BODY + b" ", sign_webhook(BODY + b" ", "new")).status_code == 200
    assert post(BODY, sign_webhook(BODY, "test-secret")).status_code == 401  # no longer the client secret
    settings.AIRALO_WEBHOOK_SECRETS = ["new"]
    assert post(BODY, sign_webhook(BODY, "old")).status_code == 401


def test_webhook_without_configured_secret_is_401(nothing_changes, settings):
    settings.AIRALO_CLIENT_SECRET = ""
    settings.AIRALO_WEBHOOK_SECRETS = []
    for secret in ("", "test-secret"):
        assert post(BODY, sign_webhook(BODY, secret)).status_code == 401
    settings.AIRALO_WEBHOOK_SECRETS = ["", None]
    assert post(BODY, sign_webhook(BODY, "")).status_code == 401


@pytest.mark.parametrize(
    ("set_to", "url", "status"),
    [
        ("", URL, 200),
        ("", f"{URL}t0ken/", 401),
        ("t0ken", URL, 401),
        ("t0ken", f"{URL}t0ken/", 200),
        ("t0ken", f"{URL}T0KEN/", 401),
        ("t0ken", f"{URL}t0ke/", 401),
        ("t0kén", f"{URL}t0k%C3%A9n/", 200),
        ("t0ken", f"{URL}%F0%9F%8E%89/", 401),
    ],
)
def test_configured_url_token_is_required(db, settings, set_to, url, status):
    settings.AIRALO_WEBHOOK_URL_TOKEN = set_to
    assert post(BODY, sign_webhook(BODY), url=url).status_code == status
    assert WebhookEvent.objects.count() == (status == 200)
    assert post(BODY, sign_webhook(BODY, "another secret"), url=url).status_code == 401


# Size


def test_too_large_body_is_413_and_not_stored(nothing_changes, monkeypatch):
    monkeypatch.setattr(conf, "WEBHOOK_MAX_BYTES", 1000)
    body = b'{"a": "' + b"x" * 1000 + b'"}'
    assert post(body, sign_webhook(body)).status_code == 413
    assert post(body).status_code == 413


def test_body_of_maximum_size_is_accepted(db, monkeypatch):
    monkeypatch.setattr(conf, "WEBHOOK_MAX_BYTES", len(BODY))
    assert post(BODY, sign_webhook(BODY)).status_code == 200


def test_upload_limit_of_django_does_not_apply(db, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert post(BODY, sign_webhook(BODY)).status_code == 200


class Endless(BytesIO):
    """A body that never ends; counts what is read of it."""

    taken = 0

    def read(self, size=-1):
        assert size >= 0, "read without a limit"
        self.taken += size
        return b"x" * size


def wsgi_post(stream, **environ):
    """A request as a WSGI server makes it, where the test client would be too kind."""
    answered = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": URL,
        "SERVER_NAME": "shop.example.com",
        "SERVER_PORT": "80",
        "wsgi.input": stream,
        "wsgi.url_scheme": "http",
        "CONTENT_TYPE": "application/json",
        **environ,
    }
    # As Django's test client does, keep the connection that holds the test's transaction.
    request_started.disconnect(close_old_connections)
    try:
        WSGIHandler()(environ, lambda status, headers: answered.append(int(status.split()[0])))
    finally:
        request_started.connect(close_old_connections)
    return answered[0]


def test_huge_body_is_read_only_up_to_limit(nothing_changes, monkeypatch):
    monkeypatch.setattr(conf, "WEBHOOK_MAX_BYTES", 1000)
    stream = Endless()
    assert wsgi_post(stream, CONTENT_LENGTH=str(50 * 1024**3)) == 413
    assert stream.taken <= 1001


@pytest.mark.parametrize("length", [None, "", "-5", "lots", "0"])
def test_request_without_valid_content_length_is_401(nothing_changes, length):
    environ = {} if length is None else {"CONTENT_LENGTH": length}
    assert wsgi_post(Endless(), HTTP_AIRALO_SIGNATURE=sign_webhook(BODY), **environ) == 401


def test_body_shorter_than_its_content_length_is_400(nothing_changes):
    stream = BytesIO(BODY[:10])
    assert wsgi_post(stream, CONTENT_LENGTH=str(len(BODY)), HTTP_AIRALO_SIGNATURE=sign_webhook(BODY)) == 400


class Chunks(BytesIO):
    """A chunked body as a server hands it on that does not decode it: reading to its end would wait for ever."""

    def read(self, size=-1):
        raise AssertionError("read without knowing the end")


def test_chunked_body_that_server_does_not_decode_is_411(nothing_changes, caplog):
    chunked = {"HTTP_TRANSFER_ENCODING": "Chunked", "HTTP_AIRALO_SIGNATURE": sign_webhook(BODY)}
    assert wsgi_post(Chunks(), **chunked) == 411
    assert "does not decode a chunked body" in caplog.text


def test_decoded_chunked_body_is_read_up_to_limit(nothing_changes, monkeypatch):
    monkeypatch.setattr(conf, "WEBHOOK_MAX_BYTES", 1000)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    stream = Endless()
    assert wsgi_post(stream, HTTP_AIRALO_SIGNATURE=sign_webhook(BODY), **chunked) == 413
    assert stream.taken <= 1001


@pytest.mark.parametrize("signature", ["", "0" * 127, None])
def test_body_is_not_read_if_headers_suffice_to_refuse(nothing_changes, settings, signature):
    environ = {"CONTENT_LENGTH": "100", "wsgi.input": Chunks()}
    if signature is not None:
        environ["HTTP_AIRALO_SIGNATURE"] = signature
    assert wsgi_post(Chunks(), **environ) == 401
    settings.AIRALO_WEBHOOK_URL_TOKEN = "t0ken"
    assert wsgi_post(Chunks(), CONTENT_LENGTH="100", HTTP_AIRALO_SIGNATURE=sign_webhook(BODY)) == 401


@pytest.mark.parametrize("body", [BODY, b"x" * 100_000])
def test_forged_webhook_causes_no_query(db, django_assert_num_queries, body):
    with django_assert_num_queries(0):
        assert post(body, sign_webhook(body, "another secret")).status_code == 401


def test_webhook_is_503_while_cpu_time_for_signatures_is_used_up(db, monkeypatch):
    """But one that is signed over its raw body is stored."""
    monkeypatch.setattr(receive, "verifier", Verifier(share=0, burst=0))
    assert post(BODY, sign_webhook(BODY, "another secret")).status_code == 503
    assert post(BODY, sign_webhook(BODY)).status_code == 200


def test_refused_webhooks_are_counted_by_reason(db, monkeypatch):
    refusals.reset()
    monkeypatch.setattr(conf, "WEBHOOK_MAX_BYTES", 1000)
    post(BODY)
    post(BODY, sign_webhook(BODY, "another secret"))
    post(b"x" * 1001, sign_webhook(BODY))
    wsgi_post(BytesIO(BODY[:10]), CONTENT_LENGTH=str(len(BODY)), HTTP_AIRALO_SIGNATURE=sign_webhook(BODY))
    post(BODY, sign_webhook(BODY))
    assert json.loads(refusals.report())["counts"] == {"signature": 2, "too_large": 1, "cut_short": 1}


@pytest.mark.parametrize("header", [None, "", "doctor", "doctor:1:forged"])
def test_counts_are_shown_to_doctor_of_this_shop_alone(header):
    headers = {} if header is None else {refusals.DOCTOR_HEADER: header}
    assert refusals.COUNTS_HEADER not in Client().head(URL, headers=headers)
    assert refusals.COUNTS_HEADER in Client().head(URL, headers=refusals.doctor_headers())


def test_webhook_is_stored_under_asgi(db):
    response = async_to_sync(AsyncClient().post)(
        URL, BODY, content_type="application/json", headers={"airalo-signature": sign_webhook(BODY)}
    )
    assert response.status_code == 200
    assert WebhookEvent.objects.count() == 1


# Signed, but not what anybody expects


HOSTILE = {
    "not JSON": b"hello",
    "empty": b"",
    "cut off": BODY[:-1],
    "NaN": b'{"remaining": NaN, "message": "x"}',
    "infinity": b'{"remaining": 1, "message": -Infinity}',
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number": b"7",
    "null": b"null",
    "a list": b'[{"request_id": "x"}]',
    "text": b'"sims"',
    "endless number": b'{"request_id": ' + b"9" * 10_000 + b"}",
    "bytes": bytes(range(256)),
    "NUL": b"\x00" * 10,
    "surrogate": b'{"request_id": "\\ud800", "reason": "\\udfff\\u0000"}',
    "gzip": b"\x1f\x8b\x08\x00" + bytes(50),
    "UTF-16": '{"message": "é"}'.encode("utf-16"),
    "other keys": b'{"event": "sim.installed", "iccid": "8900000000000000123"}',
    "duplicate keys": b'{"request_id": "a", "request_id": "b", "x": {}}',
    "sims that are none": b'{"request_id": "a", "sims": "x"}',
    "sims of nothing": b'{"request_id": "a", "sims": [null, 5, "x", []]}',
    "sims as a number": b'{"data": {"sims": 5}, "request_id": {"a": 1}}',
    "wrong types": b'{"data": {"sims": [{"iccid": {}}], "id": [], "price": {}}, "request_id": []}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_signed_nonsense_is_stored_unchanged_and_changes_no_order(db, committed, name):
    order = EsimOrderFactory(accepted=True)
    body = HOSTILE[name]
    with committed():
        response = post(body, sign_webhook(body))
    assert response.status_code == 200
    event = WebhookEvent.objects.get()
    assert event.body_bytes == body
    assert event.size == len(body)
    assert event.status in ("set_aside", "waiting")
    assert event.processed_at is None
    if event.status == "set_aside":
        assert event.error
        assert event.due_at is None
    assert not order.esims.exists()
    order.refresh_from_db()
    assert (order.status, order.attention) == ("accepted", "")


def test_oversized_signed_values_are_cut_or_dropped(db, committed):
    order = EsimOrderFactory(accepted=True)
    long = "x" * 50_000
    sim = {"iccid": "8900000000000000123", "lpa": long, "msisdn": long, "qrcode": f"LPA:1${long}", "id": 10**30}
    payload = order_payload(code=long, currency=long, price="1e30", net_price=10**12, id=10**30, sims=[sim])
    with committed():
        body = json.dumps(webhook_payload(payload, order.request_id)).encode()
        assert post(body, sign_webhook(body)).status_code == 200
    order.refresh_from_db()
    assert order.status == "completed"
    assert (order.price, order.airalo_order_id, len(order.airalo_order_code)) == (None, None, 64)
    assert order.esims.get().activation_code == f"LPA:1${long}"
