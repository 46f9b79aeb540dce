from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError
from django.db import connection

from django_airalo import services
from django_airalo.exceptions import AiraloConfigurationError, DecryptionError
from django_airalo.models import Esim, WebhookEvent
from django_airalo.models.fields import decrypt, encrypt
from django_airalo.testing import order_payload, sim_payload
from tests.factories import EsimFactory, WebhookEventFactory

pytestmark = pytest.mark.django_db

SECRETS = ("matching_id", "activation_code", "confirmation_code", "apple_installation_url")


def new_key():
    return Fernet.generate_key().decode()


def everything_stored() -> str:
    """Every column of every row of every table of ours, as the database holds it."""
    text = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith("django_airalo_"):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                text += [repr(row) for row in cursor.fetchall()]
    return "\n".join(text)


@pytest.mark.parametrize("key", [None, new_key()], ids=["derived", "own"])
def test_database_contains_no_plain_secret(airalo, settings, django_capture_on_commit_callbacks, key):
    if key:
        settings.AIRALO_ENCRYPTION_KEYS = [key]
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test-mobile-7days-1gb")
    sim = sim_payload(matching_id="MATCHING-4711", confirmation_code="CONFIRM-4711")
    sim["qrcode"] = "LPA:1$rsp.example.com$MATCHING-4711"
    sim["direct_apple_installation_url"] = "https://esimsetup.example.com/?carddata=LPA:1$rsp.example.com$MATCHING-4711"
    airalo.deliver(order, sims=[sim])
    airalo.push({"reason": "MATCHING-4711 and LPA:1$ of nobody", "request_id": "unknown"})
    esim = order.esims.get()
    assert esim.matching_id == "MATCHING-4711"

    stored = everything_stored()
    assert esim.iccid in stored  # it is the right place to look
    assert stored.count("f1:") == 6
    for secret in ("MATCHING-4711", "CONFIRM-4711", "LPA:1$", "carddata"):
        assert secret not in stored


def test_reprs_and_logs_contain_no_secret(airalo, caplog, django_capture_on_commit_callbacks):
    caplog.set_level("DEBUG")
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test-mobile-7days-1gb")
    airalo.deliver(order)
    esim = order.esims.get()
    event = WebhookEvent.objects.get()
    shown = f"{esim!r} {esim} {event!r} {event} {order!r} {order} {caplog.text}"
    assert esim.iccid in shown
    for secret in (esim.matching_id, esim.activation_code, "test-secret", "fake-secret", "fake-tokenfake-token"):
        assert secret not in shown


def test_old_key_decrypts_until_it_is_removed(settings):
    old, new = new_key(), new_key()
    settings.AIRALO_ENCRYPTION_KEYS = [old]
    before = EsimFactory()
    settings.AIRALO_ENCRYPTION_KEYS = [new, old]
    after = EsimFactory()
    assert Esim.objects.get(pk=before.pk).activation_code == before.activation_code
    settings.AIRALO_ENCRYPTION_KEYS = [new]
    assert Esim.objects.get(pk=after.pk).activation_code == after.activation_code
    with pytest.raises(DecryptionError):
        Esim.objects.get(pk=before.pk)


def test_secret_key_and_its_fallbacks_decrypt_without_encryption_keys(settings):
    esim = EsimFactory()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key"
    assert Esim.objects.get().activation_code == esim.activation_code
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(DecryptionError, match="SECRET_KEY_FALLBACKS"):
        Esim.objects.get()


def test_wrong_key_raises_without_revealing_content(settings):
    settings.AIRALO_ENCRYPTION_KEYS = [new_key()]
    esim = EsimFactory()
    stored = encrypt(esim.activation_code)
    settings.AIRALO_ENCRYPTION_KEYS = [new_key()]
    with pytest.raises(DecryptionError) as raised:
        Esim.objects.get()
    text = f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"
    assert "AIRALO_ENCRYPTION_KEYS" in text
    for secret in (esim.activation_code, stored, stored[3:20], settings.AIRALO_ENCRYPTION_KEYS[0]):
        assert secret not in text
    # What holds no secret can still be read.
    assert Esim.objects.without_secrets().get().iccid == esim.iccid


@pytest.mark.parametrize(
    "tamper",
    [
        lambda stored: stored[:-1],
        lambda stored: stored[:20] + ("A" if stored[20] != "A" else "B") + stored[21:],
        lambda stored: "f1:",
        lambda stored: "LPA:1$rsp.example.com$PLAIN",
        lambda stored: "f1:é🎉",
        lambda stored: "f2:" + stored[3:],
        lambda stored: " ",
    ],
)
def test_tampered_ciphertext_raises(tamper):
    stored = encrypt("LPA:1$rsp.example.com$X")
    assert decrypt(stored) == "LPA:1$rsp.example.com$X"
    with pytest.raises(DecryptionError):
        decrypt(tamper(stored))


def test_same_text_is_encrypted_differently_each_time():
    assert encrypt("x") != encrypt("x")


@pytest.mark.parametrize("body", [b"", b"\x00", bytes(range(256)), "é🎉".encode(), b"x" * 100_000])
def test_any_bytes_are_decrypted_unchanged(body):
    WebhookEventFactory(body=body.decode("utf-8", "surrogateescape"))
    assert WebhookEvent.objects.get().body_bytes == body


def test_empty_text_is_stored_as_empty():
    EsimFactory(confirmation_code="")
    assert Esim.objects.get().confirmation_code == ""
    assert Esim.objects.filter(confirmation_code="").exists()
    assert not Esim.objects.filter(confirmation_code__isnull=True).exists()


@pytest.mark.parametrize(
    "lookup", ["contains", "icontains", "startswith", "iexact", "in", "regex", "gt", "lt", "range", "endswith"]
)
def test_lookup_that_cannot_work_on_ciphertext_is_refused(lookup):
    with pytest.raises(FieldError, match=f"Unsupported lookup '{lookup}'"):
        Esim.objects.filter(**{f"activation_code__{lookup}": "LPA"})


@pytest.mark.parametrize("key", ["short", "", "é" * 44, "A" * 43])
def test_invalid_key_raises_error_that_names_setting_but_not_key(settings, key):
    settings.AIRALO_ENCRYPTION_KEYS = [key]
    with pytest.raises(AiraloConfigurationError, match="AIRALO_ENCRYPTION_KEYS") as raised:
        encrypt("x")
    assert not key or key not in str(raised.value)


def test_new_delivery_works_after_key_is_lost(airalo, settings, django_capture_on_commit_callbacks):
    settings.AIRALO_ENCRYPTION_KEYS = [new_key()]
    EsimFactory()
    WebhookEventFactory()
    settings.AIRALO_ENCRYPTION_KEYS = [new_key()]
    with django_capture_on_commit_callbacks(execute=True):
        order = services.place_order(package_id="test-mobile-7days-1gb")
    payload = order_payload()
    airalo.deliver(order, sims=payload["sims"])
    assert order.esims.get().activation_code == payload["sims"][0]["qrcode"]


def test_exact_lookup_with_non_empty_string_is_refused(db):
    with pytest.raises(FieldError, match="empty string"):
        list(Esim.objects.filter(activation_code="LPA:1$rsp.example.com$TEST"))
    assert list(Esim.objects.filter(activation_code="")) == []


def test_keys_can_be_set_when_secrets_already_exist(settings):
    before = EsimFactory()
    settings.AIRALO_ENCRYPTION_KEYS = [new_key()]
    after = EsimFactory()
    assert Esim.objects.get(pk=before.pk).activation_code == before.activation_code
    # What is written now does not hang on SECRET_KEY any more.
    settings.SECRET_KEY = "another secret key"
    assert Esim.objects.get(pk=after.pk).activation_code == after.activation_code
    with pytest.raises(DecryptionError):
        Esim.objects.get(pk=before.pk)
    settings.SECRET_KEY_FALLBACKS = ["tests-only"]
    assert Esim.objects.get(pk=before.pk).activation_code == before.activation_code
